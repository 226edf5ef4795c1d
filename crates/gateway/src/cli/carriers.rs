//! `trunkline carriers`: how far each carrier is set up, and the manual.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Given, print_out};
use crate::carrier_setup::{self, CarrierSetup};
use crate::config::{Config, Loaded};
use crate::manual;

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// What to print.
    #[arg(value_enum, default_value_t = What::Show)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Which carriers are ready here, what the others lack, and which addresses to enter in their consoles.
    Show,
    /// What each carrier can do and how to set it up, as Markdown.
    Manual,
}

pub(super) fn run(given: &Given, asked: &Asked) -> ExitCode {
    match asked.what {
        What::Manual => print_out(&manual::carriers()),
        What::Show => match given.load_or_complain() {
            Ok(Loaded { config, .. }) => print_out(&show(&config)),
            Err(code) => return code,
        },
    }
    ExitCode::SUCCESS
}

fn show(config: &Config) -> String {
    let mut text = String::new();
    for setup in carrier_setup::all(config) {
        let state = match (setup.is_ready(), setup.begun) {
            (true, _) => "ready",
            (false, true) => "not ready",
            (false, false) => "not set up",
        };
        text.push_str(&format!("{} ({}): {state}\n", setup.carrier.table().title, setup.carrier.name()));
        for line in lines(&setup) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

fn lines(setup: &CarrierSetup) -> Vec<String> {
    let mut lines = Vec::new();
    if !setup.is_ready() {
        lines.push(format!("set {}", setup.missing_words()));
    }
    lines.extend(setup.to_enter().into_iter().map(|words| format!("enter {words}")));
    for address in setup.addresses.iter().filter(|address| !address.enter) {
        lines.push(format!("told by the gateway: {}", address.words()));
    }
    lines.extend(setup.remarks.iter().cloned());
    if setup.is_ready() {
        match &setup.places_calls {
            Ok(()) if setup.placing_hints.is_empty() => lines.push("places calls".to_owned()),
            Ok(()) => {
                let hints = setup.placing_hints.iter();
                lines.extend(hints.map(|hint| format!("places calls, but {}: {}", hint.words, hint.mend)));
            }
            Err(why) => lines.push(format!("places no calls: {why}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use wire::Secret;

    use super::*;

    #[test]
    fn every_carrier_says_how_far_it_is() {
        let mut config = Config::default();
        config.carriers.twilio.auth_token = Some(Secret::new("a-secret"));
        let half = show(&config);
        assert!(
            half.contains("Twilio (twilio): not ready\n  set server.public_url (WEBHOOK_BASE_URL)\n"),
            "{half}"
        );
        assert!(
            half.contains("Plivo (plivo): not set up\n") && half.contains("Browser (browser): ready\n"),
            "{half}"
        );

        config.server.public_url = Some(url::Url::parse("https://voice.example.com").unwrap());
        let ready = show(&config);
        assert!(ready.contains(
            "  enter POST https://voice.example.com/webhooks/inbound as a number's voice webhook\n"
        ));
        assert!(
            ready.contains("told by the gateway: wss://voice.example.com/twilio/media-stream"),
            "{ready}"
        );
        assert!(!ready.contains("a-secret"));

        config.carriers.twilio.account_sid = Some("AC1".to_owned());
        let placing = show(&config);
        assert!(
            placing.contains("places calls, but none may be placed until outbound.allow names"),
            "{placing}"
        );
        assert!(placing.contains("(`from`): set carriers.twilio.phone_number\n"), "{placing}");
        config.outbound.allow = vec!["+49".to_owned()];
        config.carriers.twilio.phone_number = Some("+14155550100".to_owned());
        assert!(show(&config).contains("\n  places calls\n"));
    }
}
