//! Exotel: a secret where anybody can knock, credentials that belong together, sound that it has.

use audio::Rate;
use url::Url;

use super::{Check, is_loopback};
use crate::config::is_dialable;

/// Secrets shorter than this are guessed.
const TOKEN_CHARS_MIN: usize = 12;

impl Check<'_> {
    pub(super) fn exotel(&mut self) {
        let exotel = &self.config.carriers.exotel;
        self.exotel_secret();
        for (key, url) in [("api_base_url", &exotel.api_base_url), ("legs_base_url", &exotel.legs_base_url)] {
            if let Some(url) = url {
                self.safe_url(&format!("carriers.exotel.{key}"), url);
            }
        }
        if let Some(host) = exotel.host() {
            let whole = Url::parse(&format!("https://{host}")).ok();
            let is_host =
                whole.is_some_and(|url| url.host_str().is_some_and(|found| found.eq_ignore_ascii_case(host)));
            if !is_host {
                self.wrong(
                    "carriers.exotel.subdomain",
                    format!("is `{host}`, which is not the name of a host"),
                    "write it as Exotel's console shows it, such as api.in.exotel.com; an address with its scheme belongs \
                     in carriers.exotel.api_base_url",
                );
            }
        }
        let account = [
            ("account_sid", "EXOTEL_ACCOUNT_SID", exotel.account_sid.is_some()),
            ("api_key", "EXOTEL_API_KEY", exotel.api_key.is_some()),
            ("api_token", "EXOTEL_API_TOKEN", exotel.api_token.is_some()),
        ];
        if account.iter().any(|(_, _, given)| *given) {
            for (key, variable, _) in account.iter().filter(|(_, _, given)| !given) {
                self.warn(
                    format!("carriers.exotel.{key}"),
                    "is missing, so no calls can be placed with Exotel",
                    format!("set it ({variable}) to what Exotel's console shows under API settings"),
                );
            }
        }
        if exotel.has_account() && exotel.phone_number.is_none() {
            self.warn(
                "carriers.exotel.phone_number",
                "is missing, so calls can be placed only where the request says `from`",
                "set it (EXOTEL_CALLER_ID) to one of the account's ExoPhones",
            );
        }
        if exotel.is_used() && self.config.server.public_url.is_none() && !self.given("server.public_url") {
            self.warn(
                "server.public_url",
                "is missing, so no media address can be given to Exotel",
                "set it (WEBHOOK_BASE_URL) to the https address under which Exotel reaches this gateway",
            );
        }
        if let Some(number) = &exotel.phone_number
            && !is_dialable(number)
        {
            self.wrong(
                "carriers.exotel.phone_number",
                format!("is `{number}`, which is not a telephone number"),
                "write the ExoPhone as Exotel's console shows it, such as 08047112233",
            );
        }
        if let Some(flow) = &exotel.flow_id
            && (flow.is_empty() || !flow.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            self.wrong(
                "carriers.exotel.flow_id",
                format!("is `{flow}`"),
                "write the flow's number alone, as in the address of its page in App Bazaar",
            );
        }
        let rate = Rate::from_hz(exotel.sample_rate);
        if !matches!(rate, Some(Rate::Hz8000 | Rate::Hz16000 | Rate::Hz24000)) {
            self.wrong(
                "carriers.exotel.sample_rate",
                format!("is {}", exotel.sample_rate),
                "choose 8000, 16000 or 24000",
            );
        }
        if let Some(ms) = exotel.frame_ms {
            self.range("carriers.exotel.frame_ms", ms, 100..=400);
        }
    }

    /// Exotel signs nothing: without a secret, everybody who finds the address is Exotel.
    fn exotel_secret(&mut self) {
        let (exotel, server) = (&self.config.carriers.exotel, &self.config.server);
        let key = "carriers.exotel.ws_token";
        if let Some(token) = &exotel.ws_token {
            if token.reveal().chars().count() < TOKEN_CHARS_MIN {
                self.warn(
                    key,
                    format!("has fewer than {TOKEN_CHARS_MIN} characters and can be guessed"),
                    "set it (EXOTEL_WS_TOKEN) to the output of `openssl rand -hex 24`, here and in Exotel's flow",
                );
            }
            if exotel.allow_unauthenticated {
                self.warn(
                    "carriers.exotel.allow_unauthenticated",
                    "is on and without effect: there is a secret, and it must be shown",
                    "take one of the two out",
                );
            }
            return;
        }
        if exotel.allow_unauthenticated {
            self.warn(
                "carriers.exotel.allow_unauthenticated",
                "is on: EVERYBODY WHO CAN REACH THIS GATEWAY IS TAKEN FOR EXOTEL",
                "set carriers.exotel.ws_token (EXOTEL_WS_TOKEN), and the same secret in Exotel's flow",
            );
            return;
        }
        let public = server.public_url.as_ref().is_some_and(|url| !is_loopback(url));
        if exotel.is_used() && (public || !server.listen.ip().is_loopback()) {
            let reach = match public {
                true => "server.public_url leads here from outside".to_owned(),
                false => format!("{} can be reached from other machines", server.listen),
            };
            self.wrong(
                key,
                format!("is missing, and {reach}: nobody could be told from Exotel"),
                "set it (EXOTEL_WS_TOKEN) to the output of `openssl rand -hex 24` and show it in the flow's address; where \
                 the network lets nobody but Exotel in, carriers.exotel.allow_unauthenticated = true insists",
            );
        }
    }
}
