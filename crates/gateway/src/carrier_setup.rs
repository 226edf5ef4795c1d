//! How far each carrier is set up: what its settings lack, which addresses to enter in its console, what it can then do.
//! The configuration's checks, the doctor, the first lines on the terminal and the API all read this.

use serde::Serialize;

use crate::carrier_kind::CarrierKind;
use crate::config::Config;
use crate::control;
use crate::http::EXOTEL_CONNECT;

/// A setting that a carrier cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub key: &'static str,
    /// The variable that it may also come from, of the older names.
    pub variable: Option<&'static str>,
}

impl Setting {
    const fn new(key: &'static str, variable: &'static str) -> Setting {
        Setting { key, variable: Some(variable) }
    }

    const fn plain(key: &'static str) -> Setting {
        Setting { key, variable: None }
    }

    fn words(self) -> String {
        match self.variable {
            Some(variable) => format!("{} ({variable})", self.key),
            None => self.key.to_owned(),
        }
    }
}

const PUBLIC_URL: Setting = Setting::new("server.public_url", "WEBHOOK_BASE_URL");

/// An address of ours that the carrier must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// Where it belongs, in the carrier's own words, and what is to be added to it. Never a secret itself.
    pub field: String,
    /// `GET` and `POST` for webhooks; none for a media socket.
    pub method: Option<&'static str>,
    /// Whole where the public address is known, else its path.
    pub url: String,
    /// A person tells the carrier; other addresses it learns from us.
    pub enter: bool,
    /// It may stand in place of the one before it.
    pub instead: bool,
}

/// Why calls are placed less freely than the carrier would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacingHint {
    pub words: String,
    pub mend: String,
}

/// One carrier.
#[derive(Clone, Debug)]
pub struct CarrierSetup {
    pub carrier: CarrierKind,
    /// Somebody has begun to set it up.
    pub begun: bool,
    /// What is missing before calls can come.
    pub missing: Vec<Setting>,
    pub addresses: Vec<Address>,
    /// What works, but should be known.
    pub remarks: Vec<String>,
    pub transfers: bool,
    /// Whether calls can be placed; otherwise, in words, why not.
    pub places_calls: Result<(), String>,
    /// What stands in the way where they can.
    pub placing_hints: Vec<PlacingHint>,
}

impl CarrierSetup {
    /// Calls can come.
    pub fn is_ready(&self) -> bool {
        self.missing.is_empty()
    }

    pub fn missing_words(&self) -> String {
        listed(&self.missing)
    }

    /// What a person enters at the carrier, one after the other; of those that stand for each other one is enough.
    pub fn to_enter(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for address in self.addresses.iter().filter(|address| address.enter) {
            match all.last_mut() {
                Some(last) if address.instead => {
                    last.push_str(", or ");
                    last.push_str(&address.words());
                }
                _ => all.push(address.words()),
            }
        }
        all
    }

    /// How to reach the gateway this way, or what is missing.
    pub fn words(&self) -> String {
        if self.carrier == CarrierKind::Browser {
            return match self.is_ready() {
                true => "This page. Nothing to set up.".to_owned(),
                false => "Switched off; set carriers.browser.enabled to true.".to_owned(),
            };
        }
        let enter = self.to_enter().join("; ");
        let mut words = match self.is_ready() {
            true => format!("Enter {enter}."),
            false => format!("Missing: {}. Then enter {enter}.", self.missing_words()),
        };
        for remark in &self.remarks {
            words.push(' ');
            words.push_str(remark);
        }
        words
    }
}

impl Address {
    pub fn words(&self) -> String {
        match self.method {
            Some(method) => format!("{method} {} as {}", self.url, self.field),
            None => format!("{} as {}", self.url, self.field),
        }
    }
}

fn listed(settings: &[Setting]) -> String {
    settings.iter().map(|setting| setting.words()).collect::<Vec<_>>().join(" and ")
}

/// All carriers, in the order in which people are told.
pub fn all(config: &Config) -> Vec<CarrierSetup> {
    CarrierKind::ALL.into_iter().map(|carrier| of(config, carrier)).collect()
}

/// Carriers with numbers that somebody has begun to set up.
pub fn phone_carriers(config: &Config) -> Vec<CarrierKind> {
    let begun = all(config).into_iter().filter(|setup| setup.begun && setup.carrier != CarrierKind::Browser);
    begun.map(|setup| setup.carrier).collect()
}

/// How far this carrier is set up.
pub fn of(config: &Config, carrier: CarrierKind) -> CarrierSetup {
    let carriers = &config.carriers;
    let mut setup = CarrierSetup {
        carrier,
        begun: begun(config, carrier),
        missing: Vec::new(),
        addresses: Vec::new(),
        remarks: Vec::new(),
        transfers: control::can_transfer(config, carrier),
        places_calls: control::can_place(config, carrier),
        placing_hints: placing_hints(config, carrier),
    };
    let webhook = |path: &str| config.server.public(path).unwrap_or_else(|| path.to_owned());
    let socket = |path: &str| socket_address(&webhook(path));
    let address = |field: &str, method, url| Address {
        field: field.to_owned(),
        method,
        url,
        enter: true,
        instead: false,
    };
    match carrier {
        CarrierKind::Twilio => {
            let twilio = &carriers.twilio;
            if twilio.auth_token.is_none() && !twilio.skip_signature_validation {
                setup.missing.push(Setting::new("carriers.twilio.auth_token", "TWILIO_AUTH_TOKEN"));
            }
            setup.addresses.push(address(
                "a number's voice webhook",
                Some("POST"),
                webhook(&twilio.inbound_path),
            ));
            setup.addresses.push(address(
                "a number's status callback (optional)",
                Some("POST"),
                webhook(&twilio.status_path),
            ));
            setup.addresses.push(Address {
                enter: false,
                ..address("the media stream", None, socket(&twilio.stream_path))
            });
            if twilio.skip_signature_validation {
                setup.remarks.push(
                    "Webhooks are accepted from anybody: carriers.twilio.skip_signature_validation is on."
                        .to_owned(),
                );
            }
        }
        CarrierKind::Plivo => {
            let plivo = &carriers.plivo;
            if plivo.auth_token.is_none() && !plivo.skip_signature_validation {
                setup.missing.push(Setting::new("carriers.plivo.auth_token", "PLIVO_AUTH_TOKEN"));
            }
            setup.addresses.push(address(
                "the application's answer URL",
                Some("POST"),
                webhook(&plivo.answer_path),
            ));
            setup.addresses.push(address(
                "the application's hangup URL (optional)",
                Some("POST"),
                webhook(&plivo.hangup_path),
            ));
            if plivo.skip_signature_validation {
                setup.remarks.push(
                    "Webhooks are accepted from anybody: carriers.plivo.skip_signature_validation is on."
                        .to_owned(),
                );
            }
            setup.addresses.push(Address {
                enter: false,
                ..address("the audio stream", None, socket(&plivo.stream_path))
            });
        }
        CarrierKind::Exotel => {
            let exotel = &carriers.exotel;
            if exotel.ws_token.is_none() && !exotel.allow_unauthenticated {
                setup.missing.push(Setting::new("carriers.exotel.ws_token", "EXOTEL_WS_TOKEN"));
            }
            let asks = exotel.ws_token.is_some() || !exotel.allow_unauthenticated;
            let with_token = |field: &str| match asks {
                true => format!("{field}, with ?token= (EXOTEL_WS_TOKEN)"),
                false => field.to_owned(),
            };
            setup.addresses.push(address(
                &with_token("the Voicebot applet's URL"),
                None,
                socket(&exotel.ws_path),
            ));
            setup.addresses.push(Address {
                instead: true,
                ..address(
                    &with_token("the Voicebot applet's dynamic URL"),
                    Some("GET"),
                    webhook(EXOTEL_CONNECT),
                )
            });
            for (field, path) in [
                ("the Passthru applet's URL for transfers", &exotel.passthru_path),
                ("the Connect applet's URL for transfers", &exotel.transfer_path),
            ] {
                setup.addresses.push(address(&with_token(field), Some("GET"), webhook(path)));
            }
            // Calls that are placed name it to Exotel.
            setup.addresses.push(Address {
                enter: false,
                ..address("the status callback", Some("POST"), webhook(&exotel.status_path))
            });
            if exotel.ws_token.is_none() && exotel.allow_unauthenticated {
                setup.remarks.push(
                    "Everybody is taken for Exotel: carriers.exotel.allow_unauthenticated is on.".to_owned(),
                );
            }
        }
        CarrierKind::Mcube => {
            let mcube = &carriers.mcube;
            if !mcube.has_token() && !mcube.allow_unauthenticated {
                setup.missing.push(Setting::new("carriers.mcube.token", "MCUBE_WEBHOOK_SECRET"));
            }
            let media = format!("{}/mcube/{{callId}}", mcube.stream_path.trim_end_matches('/'));
            let field = match mcube.has_token() || !mcube.allow_unauthenticated {
                true => "refurl, with ?token= (MCUBE_WEBHOOK_SECRET)",
                false => "refurl",
            };
            setup.addresses.push(address(field, Some("POST"), webhook(&mcube.webhook_path)));
            setup
                .addresses
                .push(Address { enter: false, ..address("the media socket", None, socket(&media)) });
            if !mcube.has_token() && mcube.allow_unauthenticated {
                setup.remarks.push(
                    "Everybody is taken for Mcube: carriers.mcube.allow_unauthenticated is on.".to_owned(),
                );
            }
        }
        CarrierKind::Browser => {
            if !carriers.browser.enabled {
                setup.missing.push(Setting::plain("carriers.browser.enabled"));
            }
            return setup;
        }
    }
    if config.server.public_url.is_none() {
        setup.missing.push(PUBLIC_URL);
    }
    if !setup.transfers && setup.begun {
        setup.remarks.push(match (carrier.table().transfer.exists(), carrier) {
            (false, _) => "Calls cannot be handed over.".to_owned(),
            (true, CarrierKind::Exotel) => {
                "Calls are handed over only by whoever started their stream: carriers.exotel.legs is on."
                    .to_owned()
            }
            (true, _) => format!("Calls cannot be handed over: set {}.", transfer_words(config, carrier)),
        });
    }
    setup
}

/// The settings without which a carrier that could hand calls over does not.
pub fn transfer_words(config: &Config, carrier: CarrierKind) -> String {
    match carrier {
        CarrierKind::Plivo if config.carriers.plivo.can_control_calls() => PUBLIC_URL.words(),
        CarrierKind::Exotel => "carriers.exotel.legs to false".to_owned(),
        _ => account_words(config, carrier),
    }
}

fn placing_hints(config: &Config, carrier: CarrierKind) -> Vec<PlacingHint> {
    let mut hints = Vec::new();
    if control::can_place(config, carrier).is_err() {
        return hints;
    }
    if config.outbound.allow.is_empty() {
        hints.push(PlacingHint {
            words: "none may be placed until outbound.allow names where to".to_owned(),
            mend: "set outbound.allow, such as [\"+49\"]".to_owned(),
        });
    }
    if control::caller_id(config, carrier).is_none() {
        let (number, key) = match carrier {
            CarrierKind::Mcube => ("the executive's number", "carriers.mcube.exe_number".to_owned()),
            _ => ("the number to show", format!("carriers.{}.phone_number", carrier.name())),
        };
        hints.push(PlacingHint {
            words: format!("placed only where the request names {number} (`from`)"),
            mend: format!("set {key}"),
        });
    }
    hints
}

fn begun(config: &Config, carrier: CarrierKind) -> bool {
    let carriers = &config.carriers;
    match carrier {
        CarrierKind::Twilio => {
            let twilio = &carriers.twilio;
            twilio.auth_token.is_some() || twilio.account_sid.is_some() || twilio.skip_signature_validation
        }
        CarrierKind::Plivo => {
            let plivo = &carriers.plivo;
            plivo.auth_token.is_some() || plivo.auth_id.is_some() || plivo.skip_signature_validation
        }
        CarrierKind::Exotel => carriers.exotel.is_used() || carriers.exotel.allow_unauthenticated,
        CarrierKind::Mcube => carriers.mcube.is_used(),
        CarrierKind::Browser => carriers.browser.enabled,
    }
}

/// The settings of the account without which a carrier's own interface cannot be asked; those that are missing, or all.
pub fn account_words(config: &Config, carrier: CarrierKind) -> String {
    let carriers = &config.carriers;
    let settings: Vec<(Setting, bool)> = match carrier {
        CarrierKind::Twilio => vec![
            (
                Setting::new("carriers.twilio.account_sid", "TWILIO_ACCOUNT_SID"),
                carriers.twilio.account_sid.is_some(),
            ),
            (
                Setting::new("carriers.twilio.auth_token", "TWILIO_AUTH_TOKEN"),
                carriers.twilio.auth_token.is_some(),
            ),
        ],
        CarrierKind::Plivo => vec![
            (Setting::new("carriers.plivo.auth_id", "PLIVO_AUTH_ID"), carriers.plivo.auth_id.is_some()),
            (
                Setting::new("carriers.plivo.auth_token", "PLIVO_AUTH_TOKEN"),
                carriers.plivo.auth_token.is_some(),
            ),
        ],
        CarrierKind::Exotel => vec![
            (
                Setting::new("carriers.exotel.account_sid", "EXOTEL_ACCOUNT_SID"),
                carriers.exotel.account_sid.is_some(),
            ),
            (Setting::new("carriers.exotel.api_key", "EXOTEL_API_KEY"), carriers.exotel.api_key.is_some()),
            (
                Setting::new("carriers.exotel.api_token", "EXOTEL_API_TOKEN"),
                carriers.exotel.api_token.is_some(),
            ),
        ],
        CarrierKind::Mcube => vec![
            (Setting::new("carriers.mcube.api_token", "MCUBE_API_TOKEN"), carriers.mcube.api_token.is_some()),
            (
                Setting::new("carriers.mcube.exe_number", "MCUBE_EXE_NUMBER"),
                carriers.mcube.exe_number.is_some(),
            ),
        ],
        CarrierKind::Browser => return "carriers.browser.enabled".to_owned(),
    };
    let missing: Vec<Setting> =
        settings.iter().filter(|(_, given)| !given).map(|(setting, _)| *setting).collect();
    match missing.is_empty() {
        true => listed(&settings.into_iter().map(|(setting, _)| setting).collect::<Vec<_>>()),
        false => listed(&missing),
    }
}

/// The address of a socket, by that of a webhook beside it.
fn socket_address(url: &str) -> String {
    match url.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some(("http", rest)) => format!("ws://{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;
    use wire::Secret;

    use super::*;

    fn reachable() -> Config {
        let mut config = Config::default();
        config.server.public_url = Some(Url::parse("https://voice.example.com/phone/").unwrap());
        config
    }

    #[test]
    fn a_carrier_that_is_not_ready_says_what_is_missing() {
        let nothing = of(&Config::default(), CarrierKind::Twilio);
        assert!(!nothing.is_ready() && !nothing.begun);
        let words = nothing.words();
        assert!(words.contains("TWILIO_AUTH_TOKEN") && words.contains("server.public_url"), "{words}");
        assert!(words.contains("POST /webhooks/inbound"), "{words}");

        let mut config = reachable();
        config.carriers.twilio.auth_token = Some(Secret::new("a-secret-token"));
        let ready = of(&config, CarrierKind::Twilio);
        let words = ready.words();
        assert!(
            ready.is_ready() && words.contains("https://voice.example.com/phone/webhooks/inbound"),
            "{words}"
        );
        assert!(words.contains("TWILIO_ACCOUNT_SID") && !words.contains("a-secret-token"), "{words}");
        assert!(ready.places_calls.is_err() && !ready.transfers);
    }

    #[test]
    fn each_carrier_is_told_where_to_go_without_secrets() {
        let mut config = reachable();
        config.carriers.plivo.auth_token = Some(Secret::new("plivo-secret"));
        config.carriers.exotel.ws_token = Some(Secret::new("exotel-secret"));
        config.carriers.mcube.token = Some(Secret::new("mcube-secret"));

        for (carrier, address) in [
            (CarrierKind::Plivo, "POST https://voice.example.com/phone/plivo/answer"),
            (CarrierKind::Exotel, "wss://voice.example.com/phone/voicebot/ws"),
            (CarrierKind::Exotel, "https://voice.example.com/phone/api/v1/exotel/voice/connect"),
            (CarrierKind::Mcube, "POST https://voice.example.com/phone/mcube/call"),
        ] {
            let setup = of(&config, carrier);
            assert!(setup.is_ready() && setup.begun, "{setup:?}");
            assert!(setup.words().contains(address), "{}", setup.words());
            assert!(!setup.words().contains("-secret"));
        }
        assert_eq!(phone_carriers(&config), [CarrierKind::Plivo, CarrierKind::Exotel, CarrierKind::Mcube]);
    }

    #[test]
    fn exotel_is_told_its_secret_and_either_of_two_addresses() {
        let mut config = reachable();
        config.carriers.exotel.ws_token = Some(Secret::new("exotel-secret"));
        let entered = of(&config, CarrierKind::Exotel).to_enter();
        assert_eq!(entered.len(), 3, "{entered:?}");
        assert!(entered[0].contains("URL, with ?token= (EXOTEL_WS_TOKEN), or GET https://"), "{entered:?}");
        assert!(entered.iter().all(|words| words.contains("EXOTEL_WS_TOKEN")), "{entered:?}");
        assert!(entered[1].contains("/passthru as the Passthru") && entered[2].contains("/transfer as the"));

        config.carriers.exotel.ws_token = None;
        config.carriers.exotel.allow_unauthenticated = true;
        assert!(!of(&config, CarrierKind::Exotel).words().contains("?token="));
    }

    #[test]
    fn what_keeps_calls_from_being_handed_over_is_named() {
        let mut config = Config::default();
        config.carriers.plivo.auth_token = Some(Secret::new("plivo-secret"));
        let remark = |config: &Config| of(config, CarrierKind::Plivo).remarks.concat();
        assert!(remark(&config).contains("set carriers.plivo.auth_id (PLIVO_AUTH_ID)."));
        config.carriers.plivo.auth_id = Some("MA1".to_owned());
        assert_eq!(remark(&config), "Calls cannot be handed over: set server.public_url (WEBHOOK_BASE_URL).");
        config.server.public_url = reachable().server.public_url;
        assert_eq!(remark(&config), "");

        config.carriers.exotel.ws_token = Some(Secret::new("exotel-secret"));
        config.carriers.exotel.legs = true;
        assert!(of(&config, CarrierKind::Exotel).remarks.concat().contains("carriers.exotel.legs is on"));
    }

    #[test]
    fn what_stands_in_the_way_of_placing_calls_is_said() {
        let mut config = reachable();
        config.carriers.mcube.token = Some(Secret::new("mcube-secret"));
        let hints = |config: &Config| -> Vec<String> {
            let setup = of(config, CarrierKind::Mcube);
            setup.placing_hints.into_iter().map(|hint| format!("{}: {}", hint.words, hint.mend)).collect()
        };
        assert!(hints(&config).is_empty(), "that none can be placed at all is said elsewhere");

        config.carriers.mcube.api_token = Some(Secret::new("mcube-api-secret"));
        let both = hints(&config);
        assert!(both[0].contains("until outbound.allow names where to"), "{both:?}");
        assert!(both[1].contains("carriers.mcube.exe_number"), "{both:?}");

        config.outbound.allow = vec!["+91".to_owned()];
        config.carriers.mcube.exe_number = Some("9876543210".to_owned());
        assert!(hints(&config).is_empty());
    }

    #[test]
    fn a_page_that_is_switched_off_says_so() {
        let mut config = Config::default();
        assert!(of(&config, CarrierKind::Browser).is_ready());
        config.carriers.browser.enabled = false;
        let off = of(&config, CarrierKind::Browser);
        assert!(!off.is_ready() && off.words().contains("carriers.browser.enabled"));
    }
}
