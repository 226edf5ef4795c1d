//! `GET /api/v1/status`: what this gateway is, and what is missing for each way to reach it.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;

use super::super::listener::Ends;
use super::super::reception::Reception;
use crate::config::Config;

#[derive(Debug, Serialize)]
pub(super) struct Status {
    version: &'static str,
    bots: Vec<BotName>,
    default_bot: String,
    carriers: Vec<CarrierStatus>,
    listen: String,
    public_url: Option<String>,
    draining: bool,
    calls: Calls,
    slots: Slots,
}

#[derive(Debug, Serialize)]
struct BotName {
    name: String,
    agent: &'static str,
}

#[derive(Debug, PartialEq, Serialize)]
struct CarrierStatus {
    name: &'static str,
    ready: bool,
    /// How to reach the gateway this way, or what is missing.
    words: String,
}

#[derive(Debug, Serialize)]
struct Calls {
    live: usize,
    max: usize,
}

#[derive(Debug, Serialize)]
struct Slots {
    held: usize,
    max: usize,
}

pub(super) async fn status(
    State(reception): State<Arc<Reception>>,
    Extension(ends): Extension<Ends>,
) -> Json<Status> {
    let gateway = &reception.gateway;
    let (config, switchboard) = (&gateway.config, &gateway.switchboard);
    let bots = config.bots.iter().map(|bot| BotName { name: bot.name.clone(), agent: bot.agent.name() });
    let mut listen = config.server.listen;
    // Port 0 lets the system choose.
    listen.set_port(ends.local.port());
    let (_, calls_max) = switchboard.seats();
    let (held, slots_max) = switchboard.slots();
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        bots: bots.collect(),
        default_bot: config.default_bot.clone(),
        carriers: vec![browser(config), twilio(config)],
        listen: listen.to_string(),
        public_url: config.server.public(""),
        draining: switchboard.is_draining(),
        calls: Calls { live: switchboard.live_count(), max: calls_max },
        slots: Slots { held, max: slots_max },
    })
}

fn browser(config: &Config) -> CarrierStatus {
    let ready = config.carriers.browser.enabled;
    let words = match ready {
        true => "This page. Nothing to set up.",
        false => "Switched off; set carriers.browser.enabled to true.",
    };
    CarrierStatus { name: "browser", ready, words: words.to_owned() }
}

fn twilio(config: &Config) -> CarrierStatus {
    let settings = &config.carriers.twilio;
    let mut missing = Vec::new();
    if settings.auth_token.is_none() && !settings.skip_signature_validation {
        missing.push("TWILIO_AUTH_TOKEN (carriers.twilio.auth_token)");
    }
    if config.server.public_url.is_none() {
        missing.push("a public address (server.public_url)");
    }
    let path = &settings.inbound_path;
    if !missing.is_empty() {
        let words = format!(
            "Missing: {}. Then point a number's voice webhook at POST {path}.",
            missing.join(" and ")
        );
        return CarrierStatus { name: "twilio", ready: false, words };
    }
    let address = config.server.public(path).unwrap_or_default();
    let mut words = format!("Point a number's voice webhook at POST {address}.");
    if settings.skip_signature_validation {
        words.push_str(
            " Webhooks are accepted from anybody: carriers.twilio.skip_signature_validation is on.",
        );
    }
    if !settings.can_control_calls() {
        words
            .push_str(" Calls cannot be transferred until TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are set.");
    }
    CarrierStatus { name: "twilio", ready: true, words }
}

#[cfg(test)]
mod tests {
    use url::Url;
    use wire::Secret;

    use super::*;

    #[test]
    fn a_carrier_that_is_not_ready_says_what_is_missing() {
        let mut config = Config::default();
        let nothing = twilio(&config);
        assert!(!nothing.ready && nothing.words.contains("TWILIO_AUTH_TOKEN"), "{nothing:?}");
        assert!(nothing.words.contains("server.public_url") && nothing.words.contains("/webhooks/inbound"));

        config.carriers.twilio.auth_token = Some(Secret::new("a-secret-token"));
        config.server.public_url = Some(Url::parse("https://voice.example.com").unwrap());
        let ready = twilio(&config);
        assert!(
            ready.ready && ready.words.contains("https://voice.example.com/webhooks/inbound."),
            "{ready:?}"
        );
        assert!(ready.words.contains("TWILIO_ACCOUNT_SID"), "{ready:?}");
        assert!(!ready.words.contains("a-secret-token"));
    }
}
