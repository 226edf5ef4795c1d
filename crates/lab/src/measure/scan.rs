//! Finding one string in a JSON message without reading the rest.
//!
//! The peers here are our own and the known wires, whose keys and values hold no escaped quotes where we look; so a
//! search for the key is enough and costs a fraction of parsing. Not fit for input that decides anything.

/// The raw text of the first string value under `key`, which is given with its quotes.
pub(super) fn string<'j>(json: &'j [u8], quoted_key: &[u8]) -> Option<&'j [u8]> {
    let rest = value(json, quoted_key)?.strip_prefix(b"\"")?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    Some(&rest[..end])
}

/// The first number under `key`.
pub(super) fn number(json: &[u8], quoted_key: &[u8]) -> Option<u64> {
    let rest = value(json, quoted_key)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

fn value<'j>(json: &'j [u8], quoted_key: &[u8]) -> Option<&'j [u8]> {
    let mut at = 0;
    loop {
        at += json.get(at..)?.iter().position(|byte| *byte == b'"')?;
        let found = &json[at..];
        if let Some(after) = found.strip_prefix(quoted_key)
            && let Some(value) = after.trim_ascii_start().strip_prefix(b":")
        {
            return Some(value.trim_ascii_start());
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_found_with_and_without_spaces() {
        for json in [
            &br#"{"event":"media","streamSid":"MZ1","media":{"payload":"//8A","chunk":7}}"#[..],
            &br#"{"event" : "media", "streamSid": "MZ1", "media": {"payload" :"//8A", "chunk": 7}}"#[..],
        ] {
            assert_eq!(string(json, b"\"payload\""), Some(&b"//8A"[..]));
            assert_eq!(string(json, b"\"event\""), Some(&b"media"[..]));
            assert_eq!(number(json, b"\"chunk\""), Some(7));
            assert_eq!(string(json, b"\"audio\""), None);
        }
    }

    #[test]
    fn a_value_that_looks_like_the_key_is_passed_over() {
        assert_eq!(string(br#"{"type":"audio","audio":"x"}"#, b"\"audio\""), Some(&b"x"[..]));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(json in r#"[":{}a0 ]{0,40}"#) {
            let _ = string(json.as_bytes(), b"\"a\"");
            let _ = number(json.as_bytes(), b"\"a\"");
        }
    }
}
