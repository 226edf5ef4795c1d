//! What is put into words for the agent because the provider has no message for it.

/// An agent understands a sentence; what a bare `1` from the caller means it would have to guess.
pub(super) fn pressed(digits: &str) -> String {
    let keys: Vec<String> = digits.chars().take(KEYS_MAX).map(String::from).collect();
    match &keys[..] {
        [key] => format!("(The caller pressed the key {key} on the telephone.)"),
        // Apart, so that a number is read digit by digit.
        keys => format!("(The caller pressed the keys {} on the telephone.)", keys.join(" ")),
    }
}

/// More keys than any number has.
const KEYS_MAX: usize = 64;

pub(super) fn say(text: &str) -> String {
    format!(
        "(This does not come from the caller but from those who run this line. Say the following to the caller now, \
         word for word and nothing else, then go on with the conversation: {text})"
    )
}
