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

    cursor.expect(b'{')?;
    loop {
        match cursor.name()? {
            "event" if !is_media && cursor.string()? == "media" => is_media = true,
            "sequenceNumber" if sequence.is_none() => sequence = Some(cursor.number()?),
            "streamSid" if stream.is_none() => stream = Some(cursor.string()?),
            "media" if media.is_none() => media = Some(cursor.media()?),
            _ => return None,
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
        self.expect(b'{')?;
        loop {
            match self.name()? {
                "track" if track.is_none() => track = Some(self.string()?),
                "chunk" if chunk.is_none() => chunk = Some(self.number()?),
                "timestamp" if timestamp.is_none() => timestamp = Some(self.number()?),
                "payload" if payload.is_none() => payload = Some(self.long_string()?),
                _ => return None,
            }
            match self.next()? {
                b',' => {}
                b'}' => return Some((track, payload?)),
                _ => return None,
            }
        }
    }

    fn name(&mut self) -> Option<&'a str> {
        let name = self.string()?;
        self.expect(b':')?;
        Some(name)
    }

    /// A string of a few letters: a search by vectors would only cost.
    fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = self.text.as_bytes().get(self.at..)?;
        let end = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        self.take_to_quote(end)
    }

    /// A string of hundreds of letters.
    fn long_string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let rest = self.text.as_bytes().get(self.at..)?;
        let end = memchr(b'"', rest)?;
        // No early exit: this way it is done for sixteen letters at once.
        let odd = rest[..end].iter().fold(false, |odd, &byte| odd | (byte < 0x20) | (byte == b'\\'));
        if odd { None } else { self.take_to_quote(end) }
    }

    fn take_to_quote(&mut self, length: usize) -> Option<&'a str> {
        let string = self.text.get(self.at..self.at + length)?;
        self.at += length;
        self.expect(b'"')?;
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
        if quoted {
            self.expect(b'"')?;
        }
        Some(number)
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
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
