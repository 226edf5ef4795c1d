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

/// The recap as one text; `None` when nothing was said yet.
pub(super) fn recap(conversation: &[Said]) -> Option<String> {
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
    let newest = conversation.last()?;
    lines.push(INTRODUCTION.to_owned());
    lines.reverse();
    lines.push(match newest.side {
        Side::Caller => "The caller's last words are still to be answered.".to_owned(),
        Side::Agent => "Go on from there; the caller may have something to say first.".to_owned(),
    });
    Some(lines.join("\n"))
}

fn line(said: &Said) -> String {
    let side = match said.side {
        Side::Caller => "Caller",
        Side::Agent => "You",
    };
    let text = said.text.trim();
    let mut end = text.len().min(LINE_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
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
        let text = recap(&[said(Side::Agent, "Hello."), said(Side::Caller, "My order\nis late.")]).unwrap();

        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("do not greet again"));
        assert_eq!(lines[1..3], ["You: Hello.", "Caller: My order is late."]);
        assert!(lines[3].contains("still to be answered"));
    }

    #[test]
    fn a_long_conversation_keeps_its_end() {
        let long: Vec<Said> =
            (0..1_000).map(|n| said(Side::Caller, format!("{n} {}", "ä".repeat(700)))).collect();

        let text = recap(&long).unwrap();

        assert!(text.len() < RECAP_MAX + 200, "{}", text.len());
        assert!(text.contains("Caller: 999 ") && !text.contains("Caller: 0 "));
    }

    #[test]
    fn nothing_said_is_nothing_to_tell() {
        assert_eq!(recap(&[]), None);
    }
}
