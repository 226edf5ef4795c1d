//! Reads what a gateway sends on a Plivo media stream, as strictly as the documents are.

use std::time::Duration;

use super::LargerPieces;
use crate::phone::Sound;
use crate::phone::Warning;
use crate::phone::dialect::{Reading, Said};
use crate::phone::fields::{Fields, event_of};

/// "Plivo's playback buffer": beyond it audio is lost.
pub(super) const BUFFER: Duration = Duration::from_secs(40);

/// What Plivo calls a piece of audio that it does not like.
pub(super) const PAYLOAD: &str = "incorrectPayload";

pub(super) fn read(
    text: &str,
    stream_id: &str,
    sound: Sound,
    larger_pieces: LargerPieces,
    queued: Duration,
) -> Reading {
    let (event, message) = match event_of(text) {
        Ok(found) => found,
        Err(problem) => return Reading::wrong(invalid(&problem)),
    };
    let mut fields = Fields::new(&message, &event);
    let mut warnings = Vec::new();
    let said = match event.as_str() {
        "playAudio" => fields.object("media").and_then(|mut media| {
            let audio = media.audio(sound);
            let problems = media.finish();
            warnings.extend(problems.iter().map(|problem| payload(problem)));
            let audio = audio?;
            if audio.len() > sound.tick_bytes() && larger_pieces != LargerPieces::Fine {
                warnings.push(payload(&format!("{} bytes are more than 20 ms", audio.len())));
                if larger_pieces == LargerPieces::Dropped {
                    return None;
                }
            }
            if queued + sound.playing_time(audio.len()) > BUFFER {
                warnings.push(Warning::plain("the playback buffer of 40 s is full; audio is lost".into()));
                return None;
            }
            Some(Said::Audio(audio))
        }),
        "checkpoint" => {
            let name = fields.text("name").map(str::to_owned);
            if name.as_deref() == Some("") {
                fields.problems.push("a checkpoint without a name".into());
            }
            fields.stream(stream_id).and(name).map(Said::Mark)
        }
        "clearAudio" => fields.stream(stream_id).map(|()| Said::Clear),
        "sendDTMF" => fields.text("dtmf").map(str::to_owned).and_then(|digits| {
            let fine = !digits.is_empty() && digits.chars().all(|c| "0123456789*#ABCDwW".contains(c));
            if !fine {
                fields.problems.push(format!("dtmf {digits:?} is not digits"));
            }
            fine.then_some(Said::Digits(digits))
        }),
        other => return Reading::wrong(invalid(&format!("unknown event {other:?}"))),
    };
    warnings.extend(fields.finish().iter().map(|problem| invalid(problem)));
    Reading { said, warnings, ..Reading::default() }
}

pub(super) fn invalid(what: &str) -> Warning {
    Warning::plain(format!("invalid message: {what}"))
}

fn payload(what: &str) -> Warning {
    Warning::plain(format!("{PAYLOAD}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (Option<Said>, Vec<String>) {
        let reading = read(text, "s1", Sound::MULAW_8000, LargerPieces::Warned, Duration::ZERO);
        (reading.said, reading.warnings.into_iter().map(|warning| warning.text).collect())
    }

    #[test]
    fn documented_messages_are_obeyed_without_a_word() {
        for (text, expected) in [
            (
                r#"{"event":"playAudio","media":{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"AQID"}}"#,
                Said::Audio(vec![1, 2, 3]),
            ),
            (r#"{"event":"checkpoint","streamId":"s1","name":"seg-1"}"#, Said::Mark("seg-1".into())),
            (r#"{"event":"clearAudio","streamId":"s1"}"#, Said::Clear),
            (r##"{"event":"sendDTMF","dtmf":"1234#"}"##, Said::Digits("1234#".into())),
        ] {
            assert_eq!(said(text), (Some(expected), vec![]));
        }
    }

    #[test]
    fn every_deviation_is_named() {
        let audio = |media: &str| format!(r#"{{"event":"playAudio","media":{{{media}}}}}"#);
        for (text, wrong, obeyed) in [
            ("[]".into(), "not a JSON object", false),
            (r#"{"streamId":"s1"}"#.into(), "no event", false),
            (r#"{"event":"media","streamId":"s1"}"#.into(), "unknown event", false),
            (r#"{"event":"clearAudio"}"#.into(), "no text \"streamId\"", false),
            (r#"{"event":"clearAudio","streamId":"s2"}"#.into(), "is not this stream", false),
            (r#"{"event":"clearAudio","streamId":"s1","x":1}"#.into(), "extra field \"x\"", true),
            (r#"{"event":"checkpoint","streamId":"s1"}"#.into(), "no text \"name\"", false),
            (r#"{"event":"sendDTMF","dtmf":"12 34"}"#.into(), "is not digits", false),
            (
                audio(r#""contentType":"audio/x-mulaw;rate=8000","sampleRate":8000,"payload":"AQ==""#),
                "contentType",
                false,
            ),
            (
                audio(r#""contentType":"audio/x-l16","sampleRate":8000,"payload":"AQ==""#),
                "contentType",
                false,
            ),
            (
                audio(r#""contentType":"audio/x-mulaw","sampleRate":16000,"payload":"AQ==""#),
                "sampleRate",
                false,
            ),
            (
                audio(r#""contentType":"audio/x-mulaw","sampleRate":"8000","payload":"AQ==""#),
                "a text, not a number",
                true,
            ),
            (audio(r#""contentType":"audio/x-mulaw","sampleRate":8000,"payload":"A!""#), "not base64", false),
            (
                audio(r#""contentType":"audio/x-mulaw","sampleRate":8000,"payload":"AQ==","track":"o""#),
                "extra field \"track\"",
                true,
            ),
        ] {
            let (said, warnings) = said(&text);
            assert!(warnings.iter().any(|warning| warning.contains(wrong)), "{text}: {warnings:?}");
            assert_eq!(said.is_some(), obeyed, "{text}");
        }
    }

    #[test]
    fn pieces_of_more_than_a_frame_are_incorrect_payload_and_heard_unless_told_otherwise() {
        let payload = crate::b64::encode(&[0; 161]);
        let text = format!(
            r#"{{"event":"playAudio","media":{{"contentType":"audio/x-mulaw","sampleRate":8000,"payload":"{payload}"}}}}"#
        );
        for (rule, warnings, obeyed) in [
            (LargerPieces::Warned, 1, true),
            (LargerPieces::Dropped, 1, false),
            (LargerPieces::Fine, 0, true),
        ] {
            let reading = read(&text, "s1", Sound::MULAW_8000, rule, Duration::ZERO);
            assert_eq!((reading.warnings.len(), reading.said.is_some()), (warnings, obeyed), "{rule:?}");
        }
        let full = read(&text, "s1", Sound::MULAW_8000, LargerPieces::Fine, BUFFER);
        assert_eq!((full.warnings.len(), full.said), (1, None));
    }
}
