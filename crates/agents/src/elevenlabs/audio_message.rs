//! The quick way through the one message that matters for speed.
//!
//! Nearly every byte an agent sends is base64 inside an `audio` message. Parsing that as JSON reads each byte to look
//! for escapes, copies it, and then decodes it. This reader knows the shape of the message, steps over the few short
//! fields around the audio and lends the base64 as it lies there. Whatever it does not know at sight is left to the
//! general parser, audio that is no base64 among it; a property test holds both to the same reading.

use memchr::memchr2;
use serde::de::IgnoredAny;

/// Audio as it lies in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioMessage<'a> {
    pub base64: &'a str,
    pub event_id: i64,
}

impl<'a> AudioMessage<'a> {
    /// Reads a message that is plainly an `audio` message; `None` says nothing about any other.
    pub fn read_quickly(text: &'a str) -> Option<AudioMessage<'a>> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.take(b'{')?;
        let (mut is_audio, mut event) = (false, None);
        loop {
            match cursor.key()? {
                "type" if !is_audio => {
                    if cursor.string()? != "audio" {
                        return None;
                    }
                    is_audio = true;
                }
                "audio_event" if event.is_none() => event = Some(cursor.audio_event()?),
                _ => return None,
            }
            if cursor.ends_object()? {
                break;
            }
        }
        cursor.skip_space();
        let at_end = cursor.at == text.len();
        event.filter(|_| is_audio && at_end)
    }
}

/// A place in a JSON text. Every step either reads exactly what it says or gives up.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn audio_event(&mut self) -> Option<AudioMessage<'a>> {
        let (mut base64, mut event_id, mut has_alignment) = (None, None, false);
        self.take(b'{')?;
        loop {
            match self.key()? {
                "audio_base_64" if base64.is_none() => base64 = Some(self.string()?),
                "event_id" if event_id.is_none() => event_id = Some(self.integer()?),
                "alignment" if !has_alignment => {
                    has_alignment = true;
                    self.skip_value()?;
                }
                _ => return None,
            }
            if self.ends_object()? {
                break;
            }
        }
        Some(AudioMessage { base64: base64?, event_id: event_id? })
    }

    fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn key(&mut self) -> Option<&'a str> {
        let key = self.string()?;
        self.take(b':')?;
        Some(key)
    }

    /// A string without escapes: everything an id, a key or base64 can be.
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        let length = memchr2(b'"', b'\\', &self.text.as_bytes()[start..])?;
        self.at = start + length + 1;
        if self.text.as_bytes()[start + length] != b'"' {
            return None;
        }
        // Both ends are quotes, so the cuts are between characters.
        Some(&self.text[start..start + length])
    }

    /// A number of at most 18 digits: it cannot overflow, and no leading zero hides another meaning.
    fn integer(&mut self) -> Option<i64> {
        let negative = self.peek()? == b'-';
        self.at += usize::from(negative);
        let digits: &[u8] = &self.text.as_bytes()[self.at..];
        let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = &digits[..length];
        if length == 0 || length > 18 || (length > 1 && digits[0] == b'0') {
            return None;
        }
        self.at += length;
        // A fraction or an exponent would follow here; what may follow is checked by the caller.
        let value = digits.iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        Some(if negative { -value } else { value })
    }

    fn skip_value(&mut self) -> Option<()> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(())
    }

    /// After a member: `true` at the object's end, `false` when another member follows.
    fn ends_object(&mut self) -> Option<bool> {
        match self.peek()? {
            b'}' => self.at += 1,
            b',' => {
                self.at += 1;
                return Some(false);
            }
            _ => return None,
        }
        Some(true)
    }
}
