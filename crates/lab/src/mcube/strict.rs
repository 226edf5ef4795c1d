//! Reads what a gateway sends on a Mcube media socket, and says what nobody has ever seen work.

use super::StreamHabits;
use crate::phone::Warning;
use crate::phone::dialect::{Reading, Said};
use crate::phone::fields::{Fields, event_of};

pub(super) fn read(text: &str, call_id: &str, stream_id: &str, habits: &StreamHabits) -> Reading {
    let (event, message) = match event_of(text) {
        Ok(found) => found,
        Err(problem) => return Reading::wrong(invalid(&problem)),
    };
    let mut fields = Fields::new(&message, &event);
    let mut warnings = Vec::new();
    if event != "playAudio" {
        if habits.names_stream {
            if fields.stream(stream_id).is_none() {
                warnings.extend(fields.problems.iter().map(|problem| invalid(problem)));
                return Reading { warnings, ..Reading::default() };
            }
        } else {
            // The gateway had to make one up.
            fields.text("streamId");
        }
    }
    let said = match event.as_str() {
        "playAudio" => fields.object("media").and_then(|mut media| {
            let audio = media.audio(habits.sound);
            if media.optional("name").is_some_and(|name| !name.is_string()) {
                media.problems.push("media.name is not a text".into());
            }
            warnings.extend(media.finish().iter().map(|problem| invalid(problem)));
            audio.map(Said::Audio)
        }),
        "checkpoint" => match fields.text("name") {
            Some("") => {
                fields.problems.push("a checkpoint without a name".into());
                None
            }
            name => name.map(|name| Said::Mark(name.to_owned())),
        },
        "clearAudio" => Some(Said::Clear),
        "terminate" => Some(Said::HangUp),
        "transfer" => {
            if fields.text("callId").is_some_and(|given| given != call_id) {
                fields.problems.push("callId is not this call".into());
            }
            let number = fields.text(&habits.transfer_field).unwrap_or_default();
            let digits = number.strip_prefix('+').unwrap_or(number);
            let fine = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if !fine {
                fields.problems.push(format!("{} is no number: {number:?}", habits.transfer_field));
            }
            fine.then(|| Said::Transfer { number: number.to_owned() })
        }
        other => return Reading::wrong(invalid(&format!("unknown event {other:?}"))),
    };
    warnings.extend(fields.finish().iter().map(|problem| invalid(problem)));
    Reading { said, warnings, ..Reading::default() }
}

pub(super) fn invalid(what: &str) -> Warning {
    Warning::plain(format!("invalid message: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, habits: &StreamHabits) -> (Option<Said>, Vec<String>) {
        let reading = read(text, "c1", "s1", habits);
        (reading.said, reading.warnings.into_iter().map(|warning| warning.text).collect())
    }

    #[test]
    fn recommended_messages_are_obeyed_without_a_word() {
        for (text, expected) in [
            (
                r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"AQID","name":"seg-12"}}"#,
                Said::Audio(vec![1, 2, 3]),
            ),
            (r#"{"event":"checkpoint","streamId":"s1","name":"seg-12"}"#, Said::Mark("seg-12".into())),
            (r#"{"event":"clearAudio","streamId":"s1"}"#, Said::Clear),
            (
                r#"{"event":"transfer","streamId":"s1","callId":"c1","number":"9876543210"}"#,
                Said::Transfer { number: "9876543210".into() },
            ),
            (r#"{"event":"terminate","streamId":"s1"}"#, Said::HangUp),
        ] {
            assert_eq!(said(text, &StreamHabits::default()), (Some(expected), vec![]));
        }
    }

    #[test]
    fn every_deviation_is_named() {
        for (text, wrong, obeyed) in [
            (r#"{"event":"terminate"}"#, "no text \"streamId\"", false),
            (r#"{"event":"terminate","streamId":"s2"}"#, "is not this stream", false),
            (r#"{"event":"terminate","streamId":"s1","callId":"c1"}"#, "extra field \"callId\"", true),
            (r#"{"event":"transfer","streamId":"s1","callId":"c2","number":"1"}"#, "not this call", true),
            (r#"{"event":"transfer","streamId":"s1","callId":"c1","to":"1"}"#, "no text \"number\"", false),
            (r#"{"event":"checkpoint","streamId":"s1","name":""}"#, "without a name", false),
            (r#"{"event":"hangup","streamId":"s1"}"#, "unknown event", false),
            (r#"{"event":"playAudio","media":{"payload":"AQID"}}"#, "contentType", false),
        ] {
            let (said, warnings) = said(text, &StreamHabits::default());
            assert!(warnings.iter().any(|warning| warning.contains(wrong)), "{text}: {warnings:?}");
            assert_eq!(said.is_some(), obeyed, "{text}");
        }
    }

    #[test]
    fn transfer_may_have_another_field_and_a_stream_no_name() {
        let habits = StreamHabits {
            transfer_field: "transferTo".into(),
            names_stream: false,
            ..StreamHabits::default()
        };
        let text = r#"{"event":"transfer","streamId":"made-up","callId":"c1","transferTo":"+919876543210"}"#;

        assert_eq!(said(text, &habits), (Some(Said::Transfer { number: "+919876543210".into() }), vec![]));
    }
}
