//! Whether the values make sense, each by itself and all together.
//!
//! Everything is looked at even when something is wrong already, so that one round of mending is enough.

mod agents;
mod bots;
mod carriers;
mod exotel;
mod fitness;
mod lines;
mod mcube;
mod outbound;
mod plivo;
mod server;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use url::{Host, Url};

use super::{Config, Origin, Problem};

pub(super) fn check(
    config: &Config,
    origins: &BTreeMap<String, Origin>,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    let mut check = Check { config, origins, problems: Vec::new(), warnings: Vec::new() };
    check.server();
    check.limits();
    check.log();
    check.twilio();
    check.plivo();
    check.exotel();
    check.mcube();
    check.browser();
    check.paths();
    check.elevenlabs();
    check.bots();
    check.numbers();
    check.lines();
    check.fitness();
    check.outbound();
    // A value that could not be read stands at its default here: what follows from that is no news.
    let known: Vec<String> = problems.iter().map(|problem| problem.key.clone()).collect();
    // A file that could not be read may hold what seems to be missing.
    let half_read = known.iter().any(String::is_empty);
    let is_news = |key: &String| !known.contains(key) && (!half_read || origins.contains_key(key));
    problems.extend(check.problems.into_iter().filter(|problem| is_news(&problem.key)));
    warnings.extend(check.warnings.into_iter().filter(|warning| !known.contains(&warning.key)));
}

struct Check<'a> {
    config: &'a Config,
    origins: &'a BTreeMap<String, Origin>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Check<'_> {
    fn wrong(&mut self, key: impl Into<String>, wrong: impl Into<String>, mend: impl Into<String>) {
        let problem = self.problem(key, wrong, mend);
        self.problems.push(problem);
    }

    fn warn(&mut self, key: impl Into<String>, wrong: impl Into<String>, mend: impl Into<String>) {
        let warning = self.problem(key, wrong, mend);
        self.warnings.push(warning);
    }

    fn problem(&self, key: impl Into<String>, wrong: impl Into<String>, mend: impl Into<String>) -> Problem {
        let key = key.into();
        // A table has no place of its own; its first key has.
        let inside = format!("{key}.");
        let below =
            || self.origins.iter().find(|(other, _)| other.starts_with(&inside)).map(|(_, origin)| origin);
        let origin = self.origins.get(&key).or_else(below).cloned().unwrap_or(Origin::Default);
        Problem { key, origin, wrong: wrong.into(), mend: mend.into() }
    }

    fn given(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    fn range<T: PartialOrd + Display>(&mut self, key: impl Into<String>, value: T, range: RangeInclusive<T>) {
        if !range.contains(&value) {
            let mend = format!("choose a value from {} to {}", range.start(), range.end());
            self.wrong(key, format!("is {value}"), mend);
        }
    }

    /// An address of a provider or of ours: `https`, or `http` towards this machine.
    fn safe_url(&mut self, key: &str, url: &Url) {
        if let Err((wrong, mend)) = base_url(url) {
            self.wrong(key, wrong, mend);
        }
    }
}

fn base_url(url: &Url) -> Result<(), (String, &'static str)> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err((
            format!("has the scheme `{}`", url.scheme()),
            "write the whole address, such as https://voice.example.com",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("holds a user name or password".to_owned(), "take it out; keys have keys of their own"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(("has a `?` or `#` part".to_owned(), "end it after the host, or after a path"));
    }
    if url.scheme() == "http" && !is_loopback(url) {
        return Err((
            "is plain http towards another machine".to_owned(),
            "use https; plain http is for 127.0.0.1 and localhost alone",
        ));
    }
    Ok(())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}
