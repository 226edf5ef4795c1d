//! Telephone numbers as people write them.

/// Whether two ways of writing mean the same number: spaces, dashes, brackets and the form of the international prefix
/// do not matter.
pub fn same_number(a: &str, b: &str) -> bool {
    let a = plain(a);
    !a.is_empty() && a == plain(b)
}

/// Whether a carrier can be asked to ring this.
pub fn is_dialable(number: &str) -> bool {
    if let Some((scheme, rest)) = number.split_once(':') {
        let known = ["sip", "sips", "client", "tel"].contains(&scheme.to_ascii_lowercase().as_str());
        return known && !rest.is_empty() && !rest.chars().any(|c| c.is_whitespace() || c.is_control());
    }
    let plain = plain(number);
    (3..=15).contains(&plain.len()) && plain.bytes().all(|byte| byte.is_ascii_digit())
}

/// Digits alone, without the international prefix; addresses in small letters.
fn plain(number: &str) -> String {
    let number = number.trim();
    if number.contains(':') || number.contains('@') {
        let address = number.to_ascii_lowercase();
        return address.strip_prefix("tel:").map_or(address.clone(), plain);
    }
    let bare: String =
        number.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/' | '\u{a0}')).collect();
    match bare.strip_prefix('+').or_else(|| bare.strip_prefix("00")) {
        Some(rest) => rest.to_owned(),
        None => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_is_recognised_however_it_is_written() {
        for written in
            ["+14155550100", "+1 (415) 555-0100", "0014155550100", "14155550100", "tel:+1-415-555-0100"]
        {
            assert!(same_number("+14155550100", written), "{written}");
        }
        assert!(same_number("sip:Desk@Example.com", "SIP:desk@example.com"));
        assert!(!same_number("+14155550100", "+14155550101"));
        assert!(!same_number("", ""), "no number is not a number");
    }

    #[test]
    fn words_are_not_dialled() {
        for good in ["+14155550100", "112", "sip:desk@example.com", "client:alice"] {
            assert!(is_dialable(good), "{good}");
        }
        for bad in ["", "+", "anonymous", "12", "+1234567890123456", "sip:", "http://example.com", "sip:a b"]
        {
            assert!(!is_dialable(bad), "{bad}");
        }
    }
}
