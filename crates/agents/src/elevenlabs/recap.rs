//! What a new session is told about the conversation that it continues.

use call::{Said, Side};

/// The most text of a recap, in bytes. The newest lines are kept: what was said last is what comes next.
///
/// About two thousand tokens: enough for some ten minutes of talk, little enough not to slow down every answer.
const RECAP_MAX: usize = 8_000;

/// The most of one line.
const LINE_MAX: usize = 1_000;

const INTRODUCTION: &str = "The connection to the caller was interrupted for a moment. This is the same \
    conversation, continued: do not greet again and do not introduce yourself again. What was said so far, oldest \
    first:";

/// The recap as one text.
pub(super) fn recap(conversation: &[Said]) -> String {
    let mut lines = Vec::new();
    let mut length = INTRODUCTION.len();
    for said in conversation.iter().rev() {
        let line = line(said);
        length += line.len() + 1;
        if length > RECAP_MAX {
            break;
        }
        lines.push(line);
    }
    lines.push(INTRODUCTION.to_owned());
    lines.reverse();
    let whose_turn = match conversation.last().map(|said| said.side) {
        Some(Side::Caller) => "The caller's last words are still to be answered.",
        Some(Side::Agent) | None => "Go on from there; the caller may have something to say first.",
    };
    lines.push(whose_turn.to_owned());
    lines.join("\n")
}

fn line(said: &Said) -> String {
    let side = match said.side {
        Side::Caller => "Caller",
        Side::Agent => "You",
    };
    let text = said.text.trim();
    let end = text.floor_char_boundary(LINE_MAX);
    let more = if end < text.len() { " …" } else { "" };
    format!("{side}: {}{more}", text[..end].replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(side: Side, text: impl Into<String>) -> Said {
        Said { side, text: text.into() }
    }

    #[test]
    fn a_recap_keeps_the_order_and_says_whose_turn_it_is() {
        let text = recap(&[said(Side::Agent, "Hello."), said(Side::Caller, "My order\nis late.")]);

        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("do not greet again"));
        assert_eq!(lines[1..3], ["You: Hello.", "Caller: My order is late."]);
        assert!(lines[3].contains("still to be answered"));
    }

    #[test]
    fn a_long_conversation_keeps_its_end() {
        let long: Vec<Said> =
            (0..1_000).map(|n| said(Side::Caller, format!("{n} {}", "ä".repeat(700)))).collect();

        let text = recap(&long);

        assert!(text.len() < RECAP_MAX + 200, "{}", text.len());
        assert!(text.contains("Caller: 999 ") && !text.contains("Caller: 0 "));
    }
}
