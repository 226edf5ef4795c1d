//! Whom to ring, as people and agents write it.

use std::borrow::Cow;

/// The telephone number that is meant, without the spaces and brackets that people put into it.
pub(crate) fn number(written: &str) -> Option<Cow<'_, str>> {
    let decoration = |c: char| matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}');
    let number: Cow<'_, str> = match written.contains(decoration) {
        true => written.chars().filter(|&c| !decoration(c)).collect::<String>().into(),
        false => written.into(),
    };
    let digits = number.strip_prefix('+').unwrap_or(&number);
    // E.164 has at most 15 digits; short codes have two.
    let fits = (2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    fits.then_some(number)
}
