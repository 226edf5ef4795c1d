//! The doctor: looks at everything that can keep calls from working, before a caller finds out, and says what to do.
//!
//! [`offline`] looks at the configuration and this machine; [`online`] asks the providers too. Both only look: nothing
//! is changed anywhere. Whatever is told is told without secrets.

mod machine;
mod online;
mod setup;

use serde::Serialize;

use crate::config::{ConfigErrors, Loaded};

pub(crate) use machine::probe;
pub use online::online;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    Configuration,
    Machine,
    Network,
    Bots,
    Twilio,
    Plivo,
    Exotel,
    Mcube,
    #[serde(rename = "elevenlabs")]
    ElevenLabs,
}

impl Area {
    fn title(self) -> &'static str {
        match self {
            Area::Configuration => "Configuration",
            Area::Machine => "This machine",
            Area::Network => "Network",
            Area::Bots => "Bots",
            Area::Twilio => "Twilio",
            Area::Plivo => "Plivo",
            Area::Exotel => "Exotel",
            Area::Mcube => "Mcube",
            Area::ElevenLabs => "ElevenLabs",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Ok,
    /// It could be better.
    Hint,
    /// Something does not work, or is unsafe.
    Warn,
    /// The gateway does not start, or calls fail.
    Fail,
}

impl Severity {
    fn mark(self) -> &'static str {
        match self {
            Severity::Ok => "  ok  ",
            Severity::Hint => " hint ",
            Severity::Warn => " WARN ",
            Severity::Fail => " FAIL ",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub area: Area,
    pub severity: Severity,
    pub words: String,
    /// What to do about it; empty when there is nothing to do.
    pub mend: String,
}

/// Findings as they are made.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, area: Area, words: impl Into<String>) {
        self.0.push(Finding { area, severity: Severity::Ok, words: words.into(), mend: String::new() });
    }

    fn hint(&mut self, area: Area, words: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { area, severity: Severity::Hint, words: words.into(), mend: mend.into() });
    }

    fn warn(&mut self, area: Area, words: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { area, severity: Severity::Warn, words: words.into(), mend: mend.into() });
    }

    fn fail(&mut self, area: Area, words: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { area, severity: Severity::Fail, words: words.into(), mend: mend.into() });
    }
}

/// What can only be looked at with a configuration in force.
const NEEDS_CONFIGURATION: [&str; 9] = [
    "the folder for records",
    "the log file",
    "open files",
    "certificates",
    "the port",
    "the public address",
    "bots",
    "the carriers",
    "ElevenLabs",
];

/// Looks at the configuration and this machine. Takes a moment; asks nobody outside.
pub fn offline(configuration: &Result<Loaded, ConfigErrors>) -> Vec<Finding> {
    let mut findings = Findings::default();
    match configuration {
        Ok(loaded) => {
            setup::configuration(loaded, &mut findings);
            machine::machine(&loaded.config, &mut findings);
            setup::network(&loaded.config, &mut findings);
            setup::bots(&loaded.config, &mut findings);
            setup::twilio(&loaded.config, &mut findings);
            setup::carriers(&loaded.config, &mut findings);
            setup::elevenlabs(&loaded.config, &mut findings);
        }
        Err(errors) => {
            for problem in &errors.0 {
                let place = match (&problem.key, &problem.origin) {
                    (key, crate::config::Origin::Default) => key.clone(),
                    (key, origin) if key.is_empty() => origin.to_string(),
                    (key, origin) => format!("{key} ({origin})"),
                };
                findings.fail(Area::Configuration, format!("{place} {}", problem.wrong), &problem.mend);
            }
            machine::clock(&mut findings);
            let (last, others) = NEEDS_CONFIGURATION.split_last().unwrap_or((&"", &[]));
            findings.hint(
                Area::Configuration,
                format!(
                    "{} checks were not made: {} and {last}",
                    NEEDS_CONFIGURATION.len(),
                    others.join(", ")
                ),
                "mend the failures above first",
            );
        }
    }
    sorted(findings.0)
}

/// The whole examination; `ask_outside` asks the providers too, where the configuration can be used at all.
pub async fn examine(configuration: &Result<Loaded, ConfigErrors>, ask_outside: bool) -> Vec<Finding> {
    let mut findings = offline(configuration);
    if let (Ok(loaded), true) = (configuration, ask_outside) {
        findings.extend(online(loaded).await);
    }
    sorted(findings)
}

/// By area, and the worst first.
fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.area, std::cmp::Reverse(finding.severity)));
    findings
}

/// Whether calls can be expected to work.
pub fn is_fit(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity != Severity::Fail)
}

/// For a person at a terminal.
pub fn to_text(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut area = None;
    for finding in findings {
        if area != Some(finding.area) {
            let gap = if area.is_some() { "\n" } else { "" };
            text.push_str(&format!("{gap}{}\n", finding.area.title()));
            area = Some(finding.area);
        }
        text.push_str(&format!("  [{}] {}\n", finding.severity.mark(), finding.words));
        if !finding.mend.is_empty() {
            text.push_str(&format!("           → {}\n", finding.mend));
        }
    }
    text.push_str(&format!("\n{}\n", verdict(findings)));
    text
}

fn verdict(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let say = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts: Vec<String> = [
        say(count(Severity::Fail), "failure", "failures"),
        say(count(Severity::Warn), "warning", "warnings"),
        say(count(Severity::Hint), "hint", "hints"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (is_fit(findings), parts.is_empty()) {
        (true, true) => "Everything is in order.".to_owned(),
        (true, false) => format!("Calls can come: {}.", parts.join(", ")),
        (false, _) => format!("Not ready for calls: {}.", parts.join(", ")),
    }
}

/// For programs: `{fit, findings}`.
pub fn to_json(findings: &[Finding]) -> String {
    let report = serde_json::json!({ "fit": is_fit(findings), "findings": findings });
    format!("{report:#}\n")
}
