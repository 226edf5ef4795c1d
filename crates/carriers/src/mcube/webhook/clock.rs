//! Times as Mcube writes them: a date and time, a clock, seconds, seconds since 1970.

/// 2001: seconds since 1970 have at least this many, a call's duration never does.
const UNIX_S_MIN: u64 = 1_000_000_000;

/// The same in milliseconds.
const UNIX_MS_MIN: u64 = 1_000_000_000_000;

/// A time as Mcube writes it. What has not happened yet is written in zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `00:01:23`, or `83`: how long, or when within the day; the field says which.
    Seconds(u64),
    /// Seconds since 1970.
    Unix(u64),
    /// As it was written.
    DateTime(String),
}

impl Clock {
    /// `None` for what has not happened: zeros, dashes, nothing.
    pub(super) fn read(text: &str) -> Option<Clock> {
        let text = text.trim();
        if !text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
            return None;
        }
        if let Ok(number) = text.parse::<f64>() {
            // Fractions of a second are of no use here; what is no time at all becomes a large number.
            let number = number.max(0.0) as u64;
            return Some(match number {
                UNIX_MS_MIN.. => Clock::Unix(number / 1_000),
                UNIX_S_MIN.. => Clock::Unix(number),
                _ => Clock::Seconds(number),
            });
        }
        Some(clock(text).map_or_else(|| Clock::DateTime(text.to_owned()), Clock::Seconds))
    }
}

/// `HH:MM:SS` or `MM:SS`.
fn clock(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    parts.iter().try_fold(0_u64, |seconds, part| {
        let is_number = (1..=5).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| seconds * 60 + part.parse::<u64>().unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form() {
        let date = "2026-05-01 10:00:00";
        for (text, read) in [
            ("00:01:23", Some(Clock::Seconds(83))),
            ("01:23", Some(Clock::Seconds(83))),
            ("83", Some(Clock::Seconds(83))),
            ("83.7", Some(Clock::Seconds(83))),
            ("1746093600", Some(Clock::Unix(1_746_093_600))),
            ("1746093600123", Some(Clock::Unix(1_746_093_600))),
            (date, Some(Clock::DateTime(date.to_owned()))),
            ("10:1x:00", Some(Clock::DateTime("10:1x:00".to_owned()))),
            ("0000-00-00 00:00:00", None),
            ("00:00:00", None),
            ("0", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(Clock::read(text), read, "{text}");
        }
    }
}
