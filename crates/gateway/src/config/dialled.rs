//! Destinations, as they are checked and as they are dialled.

use super::numbers::is_dialable;

/// Longer than any SIP address that is meant.
const DESTINATION_CHARS_MAX: usize = 256;

/// The one way in which a destination is written when it is checked and when it is dialled, so that nothing is dialled
/// but what was checked: `+` and digits, or digits alone where no country is named, or an address.
pub fn dialled(number: &str) -> Option<String> {
    let number = number.trim();
    if !is_dialable(number) || number.chars().count() > DESTINATION_CHARS_MAX {
        return None;
    }
    if let Some((scheme, rest)) = number.split_once(':') {
        let scheme = scheme.to_ascii_lowercase();
        return match scheme.as_str() {
            "tel" => dialled(rest).filter(|_| !rest.contains(':')),
            _ => Some(format!("{scheme}:{rest}")),
        };
    }
    let bare = bare(number);
    let abroad = bare.strip_prefix('+').or_else(|| bare.strip_prefix("00"));
    let digits = abroad.unwrap_or(&bare);
    if !(3..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if abroad.is_some() { format!("+{digits}") } else { digits.to_owned() })
}

/// Whether this can be the beginning of a destination: `*`, `+`, `+49`, `089`, `sip:`.
pub fn is_prefix(prefix: &str) -> bool {
    let prefix = prefix.trim();
    if prefix == "*" {
        return true;
    }
    if let Some((scheme, _)) = prefix.split_once(':') {
        return ["sip", "sips", "client"].contains(&scheme.to_ascii_lowercase().as_str());
    }
    let bare = bare(prefix);
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    !bare.is_empty() && digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Without what only helps the eye.
pub fn bare(number: &str) -> String {
    number.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/' | '\u{a0}')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_checked_is_what_is_dialled() {
        for (written, as_dialled) in [
            ("+1 (415) 555-0100", "+14155550100"),
            ("0049 89 1234", "+49891234"),
            ("(00) 49-89-1234", "+49891234"),
            ("tel:+1-415-555-0100", "+14155550100"),
            ("089 1234", "0891234"),
            ("112", "112"),
            ("SIP:Desk@example.com", "sip:Desk@example.com"),
        ] {
            assert_eq!(dialled(written).as_deref(), Some(as_dialled), "{written}");
        }
        for nothing in
            ["", "+", "reception", "+1415,555", "sip:", "tel:", "tel:sip:a@b", "+1;ext=5", "٤١٥٥٥٥"]
        {
            assert_eq!(dialled(nothing), None, "{nothing}");
        }
        assert_eq!(dialled(&format!("sip:{}", "a".repeat(300))), None);
    }

    #[test]
    fn beginnings_are_told_from_words() {
        for good in ["*", "+", "+49", "+1 415", "0", "sip:", "client:", "SIP:desk@example.com"] {
            assert!(is_prefix(good), "{good}");
        }
        for bad in ["", " ", "germany", "+49x", "http:", "tel:", "**", "+1234567890123456"] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }
}
