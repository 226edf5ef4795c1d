//! By whom calls are counted.

/// Longer than any number; addresses beyond it are counted by their beginning.
const CALLER_CHARS_MAX: usize = 64;

/// What carriers write for callers who withhold their number: the words spelt on a keypad. They are many people.
const WITHHELD: [&str; 5] = ["266696687", "7378742833", "2562533", "8656696", "86282452253"];

/// By whom calls are counted; none for those who withhold their number.
pub(super) fn caller(from: &str) -> Option<String> {
    let plain: String = from
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '+'))
        .take(CALLER_CHARS_MAX)
        .collect();
    let plain = plain.to_ascii_lowercase();
    let is_identity =
        plain.contains(':') || (!plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit()));
    (is_identity && !WITHHELD.contains(&plain.as_str())).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_apart_and_the_anonymous_are_not_one_caller() {
        assert_eq!(caller("+1 (415) 555-0123").as_deref(), Some("14155550123"));
        assert_eq!(caller("sip:Alice@example.com"), caller("sip:alice@example.com"));
        for nobody in ["", "anonymous", "Restricted", "+266696687", "+7378742833", "+86282452253"] {
            assert_eq!(caller(nobody), None, "{nobody}");
        }
        assert_eq!(caller(&format!("sip:{}", "a".repeat(10_000))).unwrap().len(), CALLER_CHARS_MAX);
    }
}
