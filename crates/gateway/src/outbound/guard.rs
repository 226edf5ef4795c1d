//! Where calls may be placed to, how often, and how many at a time.
//!
//! Whoever has stolen a key earns money with every minute that a gateway rings certain numbers. So nothing may be
//! dialled that is not listed, and what is listed is bounded: overall, for each key, and for each destination. Time is an
//! argument, so that a minute takes none in a test.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::config::{self, bare};

const MINUTE: Duration = Duration::from_secs(60);

/// As long as this are emergency and service numbers at most. Their owners do not expect machines.
pub(super) const SHORT_DIGITS_MAX: usize = 6;

/// Keys that are counted. Beyond it newcomers are refused: a gateway has a handful.
const KEYS_MAX: usize = 4_096;

/// When a place is free again nobody knows; calls that ring are over within about this.
const PLACE_WITHIN: Duration = Duration::from_secs(15);

/// Why a number is not dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this gateway places no calls: outbound.allow is empty")]
    Off,
    #[error("calls to this number are not allowed")]
    NotAllowed {
        /// It has no country code, and none is configured.
        open: bool,
    },
    #[error("numbers that begin with {prefix} are blocked")]
    Blocked { prefix: String },
    #[error("short numbers are not dialled")]
    Short,
    #[error("{per_minute} calls a minute have been placed {scope}")]
    TooOften { scope: Scope, per_minute: u32, wait: Duration },
    #[error("{limit} placed calls are live {scope}")]
    TooMany { scope: Scope, limit: u32, wait: Duration },
}

/// What a limit is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    Key,
    Prefix(String),
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::All => f.write_str("already"),
            Scope::Key => f.write_str("with this key already"),
            Scope::Prefix(prefix) => write!(f, "to {prefix} already"),
        }
    }
}

impl Scope {
    /// Where the limit is configured.
    fn key(&self, name: &str) -> String {
        match self {
            Scope::All => format!("outbound.{name}"),
            Scope::Key => format!("outbound.{name}_per_key"),
            Scope::Prefix(_) => format!("outbound.prefixes.{name}"),
        }
    }
}

impl Denied {
    /// In one word, for programs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Denied::Off => "outbound_off",
            Denied::NotAllowed { .. } => "destination_not_allowed",
            Denied::Blocked { .. } => "destination_blocked",
            Denied::Short => "short_number",
            Denied::TooOften { .. } => "too_many_calls_a_minute",
            Denied::TooMany { .. } => "too_many_placed_calls",
        }
    }

    /// What to do about it.
    pub fn mend(&self) -> String {
        match self {
            Denied::Off => {
                "list the beginnings of the numbers that may be dialled in outbound.allow, such as \"+49\"".into()
            }
            Denied::NotAllowed { open: true } => {
                "write it in international form such as +91…, or set numbers.country; a number without a country code is \
                 not one of those that outbound.allow lists"
                    .into()
            }
            Denied::NotAllowed { open: false } => "add its beginning to outbound.allow, in international form".into(),
            Denied::Blocked { .. } => {
                "if calls there are really meant, put a longer beginning into outbound.allow, or take this one out of \
                 outbound.block"
                    .into()
            }
            Denied::Short => "write the number with its country code, or put the whole of it into outbound.allow".into(),
            Denied::TooOften { scope, wait, .. } => {
                format!("wait {} s, or raise {}", whole_seconds(*wait), scope.key("calls_per_minute"))
            }
            Denied::TooMany { scope, .. } => {
                format!("wait until one is over, or raise {}", scope.key("concurrent"))
            }
        }
    }

    /// When asking again makes sense.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Denied::Off | Denied::NotAllowed { .. } | Denied::Blocked { .. } | Denied::Short => None,
            Denied::TooOften { wait, .. } | Denied::TooMany { wait, .. } => Some(*wait),
        }
    }
}

/// In whole seconds, rounded up: whoever waits that long has waited enough.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Lets calls out, and remembers them.
#[derive(Debug)]
pub struct Guard {
    allow: Vec<String>,
    block: Vec<String>,
    /// Whose numbers may be listed as they are written at home.
    country: Option<String>,
    all: Meter,
    prefixes: Vec<(String, Meter)>,
    key_limits: Limits,
    keys: HashMap<String, Meter>,
}

/// A call that was let out. Must be given back to the guard.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is never given back counts for ever"]
pub struct Pass {
    key: String,
    prefix: Option<usize>,
    at: Instant,
}

impl Guard {
    pub fn new(settings: &config::Outbound) -> Guard {
        let limits = |per_minute, concurrent| Limits { per_minute, concurrent };
        Guard {
            allow: settings.allow.iter().map(|prefix| beginning(prefix)).collect(),
            block: settings.block.iter().map(|prefix| beginning(prefix)).collect(),
            country: None,
            all: Meter::new(limits(settings.calls_per_minute, settings.concurrent)),
            prefixes: settings
                .prefixes
                .iter()
                .map(|rule| {
                    (beginning(&rule.prefix), Meter::new(limits(rule.calls_per_minute, rule.concurrent)))
                })
                .collect(),
            key_limits: limits(settings.calls_per_minute_per_key, settings.concurrent_per_key),
            keys: HashMap::new(),
        }
    }

    /// Numbers of this country come with its code, whoever wrote them how. What is listed in national form (`0900`) is
    /// about them all the same: a block must not end because the country is configured.
    pub fn in_country(self, country: Option<&str>) -> Guard {
        Guard { country: country.map(str::to_owned), ..self }
    }

    /// The destination, and how else its country writes it.
    fn writings(&self, to: &str) -> Vec<String> {
        let mut all = vec![to.to_owned()];
        let home = self.country.as_deref();
        let abroad = to.strip_prefix('+');
        if let Some((home, national)) = home.and_then(|home| Some((home, abroad?.strip_prefix(home)?))) {
            all.extend([national.to_owned(), format!("0{national}"), format!("{home}{national}")]);
        }
        all
    }

    /// Lets one more call out, to a destination as [`config::dialled`] writes it. What is refused is not counted.
    pub fn admit(&mut self, now: Instant, to: &str, key: &str) -> Result<Pass, Denied> {
        self.may_be_dialled(to)?;
        if !self.keys.contains_key(key) && self.keys.len() >= KEYS_MAX {
            self.keys.retain(|_, meter| !meter.is_idle(now));
            if self.keys.len() >= KEYS_MAX {
                return Err(Denied::TooMany { scope: Scope::Key, limit: 0, wait: PLACE_WITHIN });
            }
        }
        let prefix = longest(self.prefixes.iter().map(|(prefix, _)| prefix.as_str()), &self.writings(to))
            .and_then(|found| self.prefixes.iter().position(|(prefix, _)| prefix == found));
        let of_key = self.keys.entry(key.to_owned()).or_insert_with(|| Meter::new(self.key_limits));
        // All must agree before any counts.
        self.all.look(now, &Scope::All)?;
        of_key.look(now, &Scope::Key)?;
        if let Some((prefix, meter)) = prefix.and_then(|at| self.prefixes.get_mut(at)) {
            meter.look(now, &Scope::Prefix(prefix.clone()))?;
            meter.count(now);
        }
        self.all.count(now);
        of_key.count(now);
        Ok(Pass { key: key.to_owned(), prefix, at: now })
    }

    /// The call is over.
    pub fn over(&mut self, pass: Pass) {
        self.meters(&pass).for_each(|meter| meter.live = meter.live.saturating_sub(1));
    }

    /// The call was never placed; it does not count.
    pub fn undo(&mut self, pass: Pass) {
        let at = pass.at;
        self.meters(&pass).for_each(|meter| {
            meter.live = meter.live.saturating_sub(1);
            if let Some(found) = meter.recent.iter().rposition(|moment| *moment == at) {
                meter.recent.remove(found);
            }
        });
    }

    fn meters(&mut self, pass: &Pass) -> impl Iterator<Item = &mut Meter> {
        let of_prefix = pass.prefix.and_then(|at| self.prefixes.get_mut(at)).map(|(_, meter)| meter);
        [Some(&mut self.all), self.keys.get_mut(&pass.key), of_prefix].into_iter().flatten()
    }

    fn may_be_dialled(&self, to: &str) -> Result<(), Denied> {
        if self.allow.is_empty() {
            return Err(Denied::Off);
        }
        let writings = self.writings(to);
        let allowed = longest(self.allow.iter().map(String::as_str), &writings);
        let blocked = longest(self.block.iter().map(String::as_str), &writings);
        if allowed.is_some_and(|prefix| prefix == to) && blocked != Some(to) {
            // The very number is listed.
            return Ok(());
        }
        let digits = to.strip_prefix('+').unwrap_or(to);
        if digits.len() <= SHORT_DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Denied::Short);
        }
        match (allowed, blocked) {
            (None, _) => Err(Denied::NotAllowed { open: !to.starts_with('+') && !to.contains(':') }),
            (Some(allowed), Some(blocked)) if weight(blocked) >= weight(allowed) => {
                Err(Denied::Blocked { prefix: blocked.to_owned() })
            }
            (Some(_), _) => Ok(()),
        }
    }
}

/// The longest of these beginnings that the destination has, in any of its writings.
fn longest<'a>(prefixes: impl Iterator<Item = &'a str>, writings: &[String]) -> Option<&'a str> {
    let begins = |prefix: &str, to: &str| {
        prefix == ANY
            || match prefix.contains(':') {
                // Hosts and schemes are the same in capitals.
                true => to.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
                false => to.starts_with(prefix),
            }
    };
    prefixes.filter(|prefix| writings.iter().any(|to| begins(prefix, to))).max_by_key(|prefix| weight(prefix))
}

/// How much a beginning says.
fn weight(prefix: &str) -> usize {
    if prefix == ANY { 0 } else { prefix.len() }
}

const ANY: &str = "*";

/// A beginning as destinations are written.
fn beginning(prefix: &str) -> String {
    let prefix = prefix.trim();
    if prefix.contains(':') {
        return prefix.to_ascii_lowercase();
    }
    let bare = bare(prefix);
    match bare.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => bare,
    }
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    per_minute: u32,
    concurrent: u32,
}

#[derive(Debug)]
struct Meter {
    limits: Limits,
    /// When the calls of the last minute were placed, oldest first. Never more than the limit.
    recent: VecDeque<Instant>,
    live: u32,
}

impl Meter {
    fn new(limits: Limits) -> Meter {
        Meter { limits, recent: VecDeque::new(), live: 0 }
    }

    /// Whether there is room for one more.
    fn look(&mut self, now: Instant, scope: &Scope) -> Result<(), Denied> {
        self.forget(now);
        let Limits { per_minute, concurrent } = self.limits;
        if concurrent > 0 && self.live >= concurrent {
            return Err(Denied::TooMany { scope: scope.clone(), limit: concurrent, wait: PLACE_WITHIN });
        }
        match self.recent.front() {
            Some(oldest) if per_minute > 0 && self.recent.len() >= per_minute as usize => {
                let wait = MINUTE.saturating_sub(now.saturating_duration_since(*oldest));
                Err(Denied::TooOften { scope: scope.clone(), per_minute, wait })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn count(&mut self, now: Instant) {
        self.live += 1;
        if self.limits.per_minute > 0 {
            self.recent.push_back(now);
        }
    }

    fn forget(&mut self, now: Instant) {
        while self.recent.front().is_some_and(|placed| now.saturating_duration_since(*placed) >= MINUTE) {
            self.recent.pop_front();
        }
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.live == 0 && self.recent.is_empty()
    }
}

#[cfg(test)]
mod tests;
