//! The one message that comes fifty times a second, read without a parser.
//!
//! Understands what Twilio really sends: a flat object of known fields in any order, strings without escapes, no white
//! space. On any surprise it gives up and the full reader decides, so being wrong here is not possible, only being slow.
//! A property test holds the two readers against each other.

use memchr::memchr;

use super::messages::{MediaMessage, Numeral};

/// What a leg needs of a media message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MediaView<'a> {
    pub(crate) sequence: Option<u64>,
    pub(crate) stream: Option<&'a str>,
    pub(crate) track: Option<&'a str>,
    pub(crate) payload: &'a str,
}

impl MediaMessage<'_> {
    pub(crate) fn view(&self) -> MediaView<'_> {
        MediaView {
            sequence: self.sequence_number.map(|Numeral(number)| number),
            stream: self.stream_sid.as_deref(),
            track: self.media.track.as_deref(),
            payload: &self.media.payload,
        }
    }
}

/// The message, or `None` when this reader does not understand it. That says nothing about the message.
pub(crate) fn read(text: &str) -> Option<MediaView<'_>> {
    let mut cursor = Cursor { text, at: 0 };
    let mut is_media = false;
    let (mut sequence, mut stream, mut media) = (None, None, None);

    cursor.skip(b"{").then_some(())?;
    loop {
        // Names and marks together: comparing a dozen bytes at once costs less than looking at them.
        if !is_media && cursor.skip(br#""event":"media""#) {
            is_media = true;
        } else if sequence.is_none() && cursor.skip(br#""sequenceNumber":"#) {
            sequence = Some(cursor.number()?);
        } else if stream.is_none() && cursor.skip(br#""streamSid":""#) {
            stream = Some(cursor.string()?);
        } else if media.is_none() && cursor.skip(br#""media":{"#) {
            media = Some(cursor.media()?);
        } else {
            return None;
        }
        match cursor.next()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    let (track, payload) = media?;
    (is_media && cursor.at == text.len()).then_some(MediaView { sequence, stream, track, payload })
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn media(&mut self) -> Option<(Option<&'a str>, &'a str)> {
        let (mut track, mut chunk, mut timestamp, mut payload) = (None, None, None, None);
        loop {
            if track.is_none() && self.skip(br#""track":""#) {
                track = Some(self.string()?);
            } else if chunk.is_none() && self.skip(br#""chunk":"#) {
                chunk = Some(self.number()?);
            } else if timestamp.is_none() && self.skip(br#""timestamp":"#) {
                timestamp = Some(self.number()?);
            } else if payload.is_none() && self.skip(br#""payload":""#) {
                payload = Some(self.string()?);
            } else {
                return None;
            }
            match self.next()? {
                b',' => {}
                b'}' => return Some((track, payload?)),
                _ => return None,
            }
        }
    }

    /// The rest of a string whose opening quote is behind us.
    fn string(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let string = rest.get(..memchr(b'"', rest.as_bytes())?)?;
        // No early exit and no branch: this way sixteen letters are looked at together.
        let odd = string.bytes().fold(0, |odd, byte| odd | u8::from(byte < 0x20) | u8::from(byte == b'\\'));
        if odd != 0 {
            return None;
        }
        self.at += string.len() + 1;
        Some(string)
    }

    /// `"42"` or `42`. Up to 18 digits, so that nothing overflows.
    fn number(&mut self) -> Option<u64> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let (digits, quoted) = match rest {
            [b'"', digits @ ..] => (digits, true),
            digits => (digits, false),
        };
        let mut length = 0;
        let mut number = 0;
        while let Some(digit @ b'0'..=b'9') = digits.get(length) {
            number = number * 10 + u64::from(digit - b'0');
            length += 1;
            if length > 18 {
                return None;
            }
        }
        // JSON allows no leading zero in a number.
        if length == 0 || (!quoted && length > 1 && digits[0] == b'0') {
            return None;
        }
        self.at += length + usize::from(quoted);
        (!quoted || self.next()? == b'"').then_some(number)
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn skip(&mut self, wanted: &[u8]) -> bool {
        let found = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(wanted));
        if found {
            self.at += wanted.len();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::twilio::messages::FromTwilio;

    const AS_SENT: &str = concat!(
        r#"{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"3","timestamp":"60","#,
        r#""payload":"fn5+fn5+"},"streamSid":"MZ18ad3ab5a668481ce02b83e7395059f0"}"#,
    );

    #[test]
    fn what_twilio_sends_takes_the_quick_way() {
        assert_eq!(
            read(AS_SENT),
            Some(MediaView {
                sequence: Some(4),
                stream: Some("MZ18ad3ab5a668481ce02b83e7395059f0"),
                track: Some("inbound"),
                payload: "fn5+fn5+",
            })
        );
    }

    #[test]
    fn every_cut_and_every_changed_byte_is_read_alike_or_not_at_all() {
        for end in 0..AS_SENT.len() {
            agree(&AS_SENT[..end]);
        }
        for at in 0..AS_SENT.len() {
            for other in [b'"', b'\\', b'{', b'}', b',', b':', b' ', b'0', b'm', b'/', 0x01] {
                let mut changed = AS_SENT.as_bytes().to_vec();
                changed[at] = other;
                agree(std::str::from_utf8(&changed).unwrap());
            }
        }
    }

    proptest! {
        #[test]
        fn both_readers_agree_on_messages_of_every_shape(text in shape()) {
            agree(&text);
        }

        #[test]
        fn both_readers_agree_on_anything(text in ".*") {
            agree(&text);
        }
    }

    /// Whatever the quick reader understands, the full reader understands in the same way.
    fn agree(text: &str) {
        let Some(quick) = read(text) else { return };
        match FromTwilio::read(text) {
            Ok(FromTwilio::Media(message)) => assert_eq!(quick, message.view(), "{text}"),
            other => panic!("only the quick reader takes this for media: {text}\n{other:?}"),
        }
    }

    /// Objects of the right names in any order, with the kinds of values that a surprise is made of.
    fn shape() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            4 => r#""[0-9]{1,3}""#,
            2 => "[0-9]{1,3}",
            1 => "[0-9]{17,21}",
            4 => r#""[A-Za-z0-9+/=]{0,40}""#,
            1 => r#""(inbound|outbound|media|mark)""#,
            1 => r#""[a-z\\/"\n\u{e4}\u{7f}]{0,6}""#,
            1 => Just("null".to_owned()),
            1 => Just("-1".to_owned()),
            1 => Just("1.5".to_owned()),
            1 => Just("{}".to_owned()),
        ];
        let inner_name = prop::sample::select(vec!["track", "chunk", "timestamp", "payload", "event"]);
        let inner = prop::collection::vec((inner_name, value.clone()), 0..5).prop_map(object);
        let outer_name = prop::sample::select(vec!["sequenceNumber", "streamSid", "more"]);
        let outer = prop::collection::vec((outer_name, value), 0..4);
        (outer, prop::collection::vec(inner, 0..3), 0..3usize, any::<prop::sample::Index>()).prop_map(
            |(mut fields, media, events, at)| {
                fields.extend(media.into_iter().map(|media| ("media", media)));
                fields.extend((0..events).map(|_| ("event", r#""media""#.to_owned())));
                if !fields.is_empty() {
                    let middle = at.index(fields.len());
                    fields.rotate_left(middle);
                }
                object(fields)
            },
        )
    }

    fn object(fields: Vec<(&str, String)>) -> String {
        let fields: Vec<String> =
            fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}
