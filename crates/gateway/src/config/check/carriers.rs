//! The phone side: credentials that belong together, webhooks that stay authentic, paths that do not collide.

use super::{Check, is_loopback};
use crate::config::{WhenGone, is_dialable};

/// Twilio's own limit for inline documents, less what surrounds the text.
const SAY_CHARS_MAX: usize = 3_000;

impl Check<'_> {
    pub(super) fn twilio(&mut self) {
        let twilio = &self.config.carriers.twilio;
        self.safe_url("carriers.twilio.api_base_url", &twilio.api_base_url);
        if twilio.account_sid.is_some() && twilio.auth_token.is_none() {
            self.warn(
                "carriers.twilio.auth_token",
                "is missing, so carriers.twilio.account_sid is not used and no webhook of Twilio can be checked",
                "set it (TWILIO_AUTH_TOKEN) to the auth token on the first page of Twilio's console",
            );
        }
        if twilio.auth_token.is_some() && twilio.account_sid.is_none() {
            self.warn(
                "carriers.twilio.account_sid",
                "is missing, so calls can be answered but neither transferred nor hung up by Twilio's REST interface",
                "set it (TWILIO_ACCOUNT_SID) to the account SID beside the auth token",
            );
        }
        if twilio.auth_token.is_some() && self.config.server.public_url.is_none() {
            self.warn(
                "server.public_url",
                "is missing, so Twilio's webhooks cannot be checked and no media address can be given to it",
                "set it (WEBHOOK_BASE_URL) to the https address under which Twilio reaches this gateway; for trials, a \
                 tunnel's, such as `cloudflared tunnel --url http://127.0.0.1:7900` prints it",
            );
        }
        for key in ["phone_number", "transfer_caller_id"] {
            let number = match key {
                "phone_number" => &twilio.phone_number,
                _ => &twilio.transfer_caller_id,
            };
            if let Some(number) = number
                && !is_dialable(number)
            {
                self.wrong(
                    format!("carriers.twilio.{key}"),
                    format!("is `{number}`, which is not a telephone number"),
                    "write it in international form, such as +14155550100",
                );
            }
        }
        match &twilio.when_gone {
            WhenGone::HangUp => {}
            WhenGone::Say { text } => {
                if text.trim().is_empty() || text.chars().count() > SAY_CHARS_MAX {
                    self.wrong(
                        "carriers.twilio.when_gone.text",
                        format!("has {} characters", text.chars().count()),
                        format!("write from 1 to {SAY_CHARS_MAX} characters"),
                    );
                }
            }
            WhenGone::Dial { number } => {
                if !is_dialable(number) {
                    self.wrong(
                        "carriers.twilio.when_gone.number",
                        format!("is `{number}`, which is not a telephone number"),
                        "write it in international form, such as +14155550100",
                    );
                }
            }
        }
        if twilio.when_gone != WhenGone::HangUp && twilio.auth_token.is_some() && !twilio.can_control_calls()
        {
            self.warn(
                "carriers.twilio.when_gone",
                "also follows when the agent hangs up: without the account SID, calls end by closing their stream",
                "set carriers.twilio.account_sid (TWILIO_ACCOUNT_SID)",
            );
        }
        self.range("carriers.twilio.dial_timeout_s", twilio.dial_timeout_s, 5..=600);
        self.signature_validation();
    }

    /// Unsigned webhooks are for one machine. Whoever can reach them can place calls on somebody else's account.
    fn signature_validation(&mut self) {
        let twilio = &self.config.carriers.twilio;
        let key = "carriers.twilio.skip_signature_validation";
        if !twilio.skip_signature_validation {
            return;
        }
        let server = &self.config.server;
        let public = server.public_url.as_ref().is_some_and(|url| !is_loopback(url));
        let open = !server.listen.ip().is_loopback() || public;
        if open && !twilio.force_skip_signature_validation {
            let reach = match public {
                true => "server.public_url leads here from outside".to_owned(),
                false => format!("{} can be reached from other machines", server.listen),
            };
            self.wrong(
                key,
                format!("accepts webhooks from anybody, and {reach}"),
                "set it to false and give carriers.twilio.auth_token; in a closed test network, \
                 carriers.twilio.force_skip_signature_validation = true insists",
            );
        } else {
            self.warn(
                key,
                "is on: WEBHOOKS ARE ACCEPTED FROM ANYBODY WHO CAN REACH THIS GATEWAY",
                "for trials alone; set it to false and give carriers.twilio.auth_token",
            );
        }
    }

    pub(super) fn browser(&mut self) {
        if self.config.carriers.browser.path == "/" {
            self.wrong(
                "carriers.browser.path",
                "is the page itself",
                "choose another path, such as /browser",
            );
        }
    }

    /// Every route has its own path, none of them the program's own.
    pub(super) fn paths(&mut self) {
        let (twilio, plivo) = (&self.config.carriers.twilio, &self.config.carriers.plivo);
        let exotel = &self.config.carriers.exotel;
        let paths = [
            // Those that no key moves come first, so that whatever collides with them is told to make room.
            ("Exotel's outbound calls", "/call".to_owned()),
            ("Exotel's list of sessions", "/voicebot/sessions".to_owned()),
            ("carriers.twilio.inbound_path", twilio.inbound_path.clone()),
            ("carriers.twilio.status_path", twilio.status_path.clone()),
            ("carriers.twilio.stream_path", twilio.stream_path.clone()),
            ("carriers.twilio.stream_status_path", twilio.stream_status_path.clone()),
            ("carriers.mcube.webhook_path", self.config.carriers.mcube.webhook_path.clone()),
            ("carriers.mcube.stream_path", self.config.carriers.mcube.stream_path.clone()),
            ("carriers.plivo.answer_path", plivo.answer_path.clone()),
            ("carriers.plivo.hangup_path", plivo.hangup_path.clone()),
            ("carriers.plivo.ring_path", plivo.ring_path.clone()),
            ("carriers.plivo.machine_path", plivo.machine_path.clone()),
            ("carriers.plivo.transfer_path", plivo.transfer_path.clone()),
            ("carriers.plivo.stream_path", plivo.stream_path.clone()),
            ("carriers.plivo.stream_status_path", plivo.stream_status_path.clone()),
            ("carriers.exotel.ws_path", exotel.ws_path.clone()),
            ("carriers.exotel.status_path", exotel.status_path.clone()),
            ("carriers.exotel.passthru_path", exotel.passthru_path.clone()),
            ("carriers.exotel.transfer_path", exotel.transfer_path.clone()),
            ("carriers.browser.path", self.config.carriers.browser.path.clone()),
        ];
        for (at, (key, path)) in paths.iter().enumerate() {
            let plain = path.starts_with('/')
                && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
            let first = path.split('/').nth(1).unwrap_or_default();
            let own = ["api", "livez", "readyz", "health", "metrics", "console", "assets"].contains(&first);
            if !plain {
                self.wrong(
                    *key,
                    format!("is `{path}`"),
                    "begin it with / and use letters, digits, - _ . ~ and / alone",
                );
            } else if own {
                self.wrong(*key, format!("is `{path}`, which is the gateway's own"), "choose another path");
            } else if let Some((other, _)) = paths.iter().take(at).find(|(_, other)| other == path) {
                self.wrong(*key, format!("is `{path}`, the same as {other}"), "give each its own path");
            }
        }
    }
}
