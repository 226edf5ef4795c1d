//! Plivo: credentials that belong together, webhooks that stay authentic.

use super::{Check, is_loopback};
use crate::config::{WhenGone, is_dialable};

/// As much as is spoken in one go.
const SPEAK_CHARS_MAX: usize = 3_000;

impl Check<'_> {
    pub(super) fn plivo(&mut self) {
        let plivo = &self.config.carriers.plivo;
        self.safe_url("carriers.plivo.api_base_url", &plivo.api_base_url);
        if plivo.auth_id.is_some() && plivo.auth_token.is_none() {
            self.warn(
                "carriers.plivo.auth_token",
                "is missing, so carriers.plivo.auth_id is not used and no webhook of Plivo can be checked",
                "set it (PLIVO_AUTH_TOKEN) to the auth token on the first page of Plivo's console",
            );
        }
        if plivo.auth_token.is_some() && plivo.auth_id.is_none() {
            self.warn(
                "carriers.plivo.auth_id",
                "is missing, so calls can be answered but neither transferred nor hung up by Plivo's REST interface",
                "set it (PLIVO_AUTH_ID) to the auth id beside the auth token",
            );
        }
        if plivo.auth_token.is_some() && self.config.server.public_url.is_none() {
            self.warn(
                "server.public_url",
                "is missing, so Plivo's webhooks cannot be checked and no media address can be given to it",
                "set it (WEBHOOK_BASE_URL) to the https address under which Plivo reaches this gateway; for trials, a \
                 tunnel's, such as `cloudflared tunnel --url http://127.0.0.1:7900` prints it",
            );
        }
        if plivo.accept_v2_signatures {
            self.warn(
                "carriers.plivo.accept_v2_signatures",
                "is on: these signatures do not cover what a webhook says, so whoever has seen one can make others",
                "set it to false unless your account sends no X-Plivo-Signature-V3",
            );
        }
        for (key, number) in
            [("phone_number", &plivo.phone_number), ("transfer_caller_id", &plivo.transfer_caller_id)]
        {
            if let Some(number) = number
                && !is_dialable(number)
            {
                self.wrong(
                    format!("carriers.plivo.{key}"),
                    format!("is `{number}`, which is not a telephone number"),
                    "write it in international form, such as +14155550100",
                );
            }
        }
        self.plivo_when_gone();
        self.range("carriers.plivo.dial_timeout_s", plivo.dial_timeout_s, 5..=600);
        self.plivo_signatures();
    }

    fn plivo_when_gone(&mut self) {
        let plivo = &self.config.carriers.plivo;
        match &plivo.when_gone {
            WhenGone::HangUp => {}
            WhenGone::Say { text } => {
                if text.trim().is_empty() || text.chars().count() > SPEAK_CHARS_MAX {
                    self.wrong(
                        "carriers.plivo.when_gone.text",
                        format!("has {} characters", text.chars().count()),
                        format!("write from 1 to {SPEAK_CHARS_MAX} characters"),
                    );
                }
            }
            WhenGone::Dial { number } => {
                // Plivo knows no `client:` addresses.
                if !is_dialable(number) || number.trim().to_ascii_lowercase().starts_with("client:") {
                    self.wrong(
                        "carriers.plivo.when_gone.number",
                        format!("is `{number}`, which Plivo cannot dial"),
                        "write a number in international form, such as +14155550100, or a sip: address",
                    );
                }
            }
        }
        if plivo.when_gone != WhenGone::HangUp && plivo.auth_token.is_some() && !plivo.can_control_calls() {
            self.warn(
                "carriers.plivo.when_gone",
                "also follows when the agent hangs up: without the auth id, calls end by closing their stream",
                "set carriers.plivo.auth_id (PLIVO_AUTH_ID)",
            );
        }
    }

    /// Unsigned webhooks are for one machine. Whoever can reach them can place calls on somebody else's account.
    fn plivo_signatures(&mut self) {
        let plivo = &self.config.carriers.plivo;
        let key = "carriers.plivo.skip_signature_validation";
        if !plivo.skip_signature_validation {
            return;
        }
        let server = &self.config.server;
        let public = server.public_url.as_ref().is_some_and(|url| !is_loopback(url));
        let open = !server.listen.ip().is_loopback() || public;
        if open && !plivo.force_skip_signature_validation {
            let reach = match public {
                true => "server.public_url leads here from outside".to_owned(),
                false => format!("{} can be reached from other machines", server.listen),
            };
            self.wrong(
                key,
                format!("accepts webhooks from anybody, and {reach}"),
                "set it to false and give carriers.plivo.auth_token; in a closed test network, \
                 carriers.plivo.force_skip_signature_validation = true insists",
            );
        } else {
            self.warn(
                key,
                "is on: WEBHOOKS ARE ACCEPTED FROM ANYBODY WHO CAN REACH THIS GATEWAY",
                "for trials alone; set it to false and give carriers.plivo.auth_token",
            );
        }
    }
}
