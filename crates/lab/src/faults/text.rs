//! The written form of a fault script.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Faults, Garbage, What, When};

/// What is wrong with a script, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fault {entry:?}: {problem}")]
pub struct FaultError {
    pub entry: String,
    pub problem: String,
}

impl FromStr for Faults {
    type Err = FaultError;

    fn from_str(script: &str) -> Result<Faults, FaultError> {
        let mut faults = Faults::default();
        for entry in entries(script) {
            let wrong = |problem: String| FaultError { entry: entry.to_owned(), problem };
            if let Some(seed) = entry.strip_prefix("seed ") {
                faults.seed = seed.trim().parse().map_err(|_| wrong("a seed is a whole number".into()))?;
                continue;
            }
            let Some((when, what)) = entry.split_once(':') else {
                return Err(wrong("write it as `when: what`".into()));
            };
            faults
                .list
                .push((read_when(when.trim()).map_err(wrong)?, read_what(what.trim()).map_err(wrong)?));
        }
        Ok(faults)
    }
}

/// Splits at semicolons and line ends, but not inside the braces of a JSON body.
fn entries(script: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut depth, mut quoted, mut escaped, mut start) = (0u32, false, false, 0);
    for (at, c) in script.char_indices() {
        if quoted && depth > 0 {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '"' => quoted = depth > 0,
            ';' | '\n' if depth == 0 => {
                found.push(&script[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&script[start..]);
    found.into_iter().map(str::trim).filter(|entry| !entry.is_empty()).collect()
}

fn read_when(text: &str) -> Result<When, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match (word, rest.trim()) {
        ("at_handshake", "") => When::AtHandshake,
        ("before_metadata", "") => When::BeforeMetadata,
        ("after_metadata", "") => When::AfterMetadata,
        ("while_speaking", "") => When::WhileSpeaking,
        ("during_tool_call", "") => When::DuringToolCall,
        ("always", "") => When::Always,
        ("after_messages", count) => {
            When::AfterMessages(count.parse().map_err(|_| format!("{count:?} is not a number of messages"))?)
        }
        ("at", time) => When::At(read_duration(time)?),
        _ => return Err(format!("{text:?} is no moment I know")),
    })
}

fn read_what(text: &str) -> Result<What, String> {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    Ok(match word {
        "delay" => What::Delay(read_duration(rest)?),
        "jitter" => What::Jitter(read_duration(rest)?),
        "stall" => What::Stall(read_duration(rest)?),
        "slow_reader" => What::SlowReader(read_duration(rest)?),
        "close" => {
            let (code, reason) = numbered(rest)?;
            if !(1000..5000).contains(&code) {
                return Err(format!("{code} is not a close code"));
            }
            // RFC 6455 §5.5: a control frame holds 125 bytes, two of them are the code.
            if reason.len() > 123 {
                return Err("a close reason has at most 123 bytes".into());
            }
            What::Close { code, reason }
        }
        "refuse" => {
            let (status, body) = http_status(rest)?;
            What::RefuseHandshake { status, body }
        }
        "error_body" => {
            let (status, body) = http_status(rest)?;
            What::ErrorBody { status, body }
        }
        "garbage" => What::Garbage(read_garbage(rest)?),
        "drop" if rest.is_empty() => What::Drop,
        "duplicate" if rest.is_empty() => What::Duplicate,
        "lose_mark" if rest.is_empty() => What::LoseMark,
        "out_of_order" if rest.is_empty() => What::OutOfOrder,
        _ => return Err(format!("{text:?} is no fault I know")),
    })
}

fn read_garbage(text: &str) -> Result<Garbage, String> {
    Ok(match text.split_once(' ').unwrap_or((text, "")) {
        ("utf8", "") => Garbage::Utf8,
        ("json", "") => Garbage::Json,
        ("base64", "") => Garbage::Base64,
        ("odd_audio", "") => Garbage::OddAudio,
        ("binary", "") => Garbage::Binary,
        ("unknown_event", "") => Garbage::UnknownEvent,
        ("audio", "") => Garbage::Audio,
        // Above the 16 MiB that the largest accepted messages may have.
        ("huge", "") => Garbage::Huge(17 << 20),
        ("huge", size) => match size.trim().parse() {
            Ok(size) if size <= 256 << 20 => Garbage::Huge(size),
            _ => return Err(format!("{size:?} is not a size up to 256 MiB")),
        },
        _ => return Err(format!("{text:?} is no garbage I know")),
    })
}

fn numbered(text: &str) -> Result<(u16, String), String> {
    let (number, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let number = number.parse().map_err(|_| format!("{number:?} is not a code"))?;
    Ok((number, rest.trim().to_owned()))
}

fn http_status(text: &str) -> Result<(u16, String), String> {
    let (status, body) = numbered(text)?;
    if (400..600).contains(&status) { Ok((status, body)) } else { Err(format!("{status} refuses nothing")) }
}

fn read_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time such as 250ms, 3s or 2m");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        _ => return Err(wrong()),
    };
    // A day: far beyond any call, and far from any overflow.
    if seconds > 86_400.0 {
        return Err(wrong());
    }
    Ok(Duration::from_millis((seconds * 1_000.0).round() as u64))
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = Vec::new();
        if self.seed != 0 {
            lines.push(format!("seed {}", self.seed));
        }
        lines.extend(
            self.list.iter().map(|(when, what)| format!("{}: {}", write_when(when), write_what(what))),
        );
        f.write_str(&lines.join("; "))
    }
}

fn write_when(when: &When) -> String {
    match when {
        When::AtHandshake => "at_handshake".into(),
        When::BeforeMetadata => "before_metadata".into(),
        When::AfterMetadata => "after_metadata".into(),
        When::WhileSpeaking => "while_speaking".into(),
        When::DuringToolCall => "during_tool_call".into(),
        When::AfterMessages(count) => format!("after_messages {count}"),
        When::At(time) => format!("at {}", write_duration(*time)),
        When::Always => "always".into(),
    }
}

fn write_what(what: &What) -> String {
    match what {
        What::Delay(by) => format!("delay {}", write_duration(*by)),
        What::Jitter(by) => format!("jitter {}", write_duration(*by)),
        What::Stall(by) => format!("stall {}", write_duration(*by)),
        What::SlowReader(by) => format!("slow_reader {}", write_duration(*by)),
        What::Close { code, reason } => format!("close {code} {reason}").trim_end().to_owned(),
        What::RefuseHandshake { status, body } => format!("refuse {status} {body}").trim_end().to_owned(),
        What::ErrorBody { status, body } => format!("error_body {status} {body}").trim_end().to_owned(),
        What::Drop => "drop".into(),
        What::Duplicate => "duplicate".into(),
        What::LoseMark => "lose_mark".into(),
        What::OutOfOrder => "out_of_order".into(),
        What::Garbage(kind) => match kind {
            Garbage::Utf8 => "garbage utf8".into(),
            Garbage::Json => "garbage json".into(),
            Garbage::Base64 => "garbage base64".into(),
            Garbage::OddAudio => "garbage odd_audio".into(),
            Garbage::Binary => "garbage binary".into(),
            Garbage::UnknownEvent => "garbage unknown_event".into(),
            Garbage::Audio => "garbage audio".into(),
            Garbage::Huge(size) => format!("garbage huge {size}"),
        },
    }
}

fn write_duration(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

impl Serialize for Faults {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Faults {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Faults, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
