//! Names and numbers that must not be mixed up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

/// Our name for a call, minted once when the carrier first knocks. Sorts by time (UUIDv7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(Uuid);

impl CallId {
    /// Time and chance are arguments: this crate has neither.
    pub fn mint(unix_millis: u64, random: [u8; 10]) -> CallId {
        CallId(Builder::from_unix_timestamp_millis(unix_millis, &random).into_uuid())
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for CallId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<CallId, uuid::Error> {
        Uuid::parse_str(text).map(CallId)
    }
}

/// Counts how often what was queued for the caller has been thrown away. Audio and marks belong to one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

impl Generation {
    #[must_use]
    pub fn next(self) -> Generation {
        Generation(self.0.wrapping_add(1))
    }
}

/// A place in the audio sent to the caller, which the carrier reports back when it gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    pub generation: Generation,
    pub serial: u32,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}-{}", self.generation.0, self.serial)
    }
}

impl FromStr for Mark {
    type Err = NotOurMark;

    fn from_str(text: &str) -> Result<Mark, NotOurMark> {
        let (generation, serial) =
            text.strip_prefix('g').and_then(|rest| rest.split_once('-')).ok_or(NotOurMark)?;
        Ok(Mark {
            generation: Generation(generation.parse().map_err(|_| NotOurMark)?),
            serial: serial.parse().map_err(|_| NotOurMark)?,
        })
    }
}

/// A mark name that this program did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOurMark;

/// The agent's number for one of its answers. Later answers have larger numbers; nothing else may be assumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnswerId(pub i64);

/// A key on the caller's telephone: `0`–`9`, `*`, `#`, `A`–`D`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Digit(char);

impl Digit {
    pub fn parse(symbol: char) -> Option<Digit> {
        let symbol = symbol.to_ascii_uppercase();
        matches!(symbol, '0'..='9' | '*' | '#' | 'A'..='D').then_some(Digit(symbol))
    }

    pub fn symbol(self) -> char {
        self.0
    }
}

impl TryFrom<char> for Digit {
    type Error = &'static str;

    fn try_from(symbol: char) -> Result<Digit, &'static str> {
        Digit::parse(symbol).ok_or("not a telephone key")
    }
}

impl From<Digit> for char {
    fn from(digit: Digit) -> char {
        digit.0
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A telephone number or address as it must not appear in a log: all but the last two characters hidden.
pub fn masked(number: &str) -> String {
    let count = number.chars().count();
    number
        .chars()
        .enumerate()
        .map(|(at, c)| if at + 2 < count && c.is_alphanumeric() { '•' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_names_carry_their_generation_there_and_back() {
        let mark = Mark { generation: Generation(3), serial: 17 };

        assert_eq!(mark.to_string(), "g3-17");
        assert_eq!("g3-17".parse(), Ok(mark));
        for foreign in ["", "g", "g3", "3-17", "g3-", "g-1", "g3-17-1", "g99999999999-1", "hello"] {
            assert_eq!(foreign.parse::<Mark>(), Err(NotOurMark), "{foreign}");
        }
    }

    #[test]
    fn masked_numbers_show_their_last_two_digits() {
        assert_eq!(masked("+14155550123"), "+•••••••••23");
        assert_eq!(masked("7"), "7");
    }
}
