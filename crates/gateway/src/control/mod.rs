//! What only a carrier's own interface can do: end a call, hand it over, place one.
//!
//! Each carrier has a file with the same things: `can_transfer`, `can_place`, `ask` (a live call wants something), `place`
//! (a call is to be placed) and `cancel` (one that has not been answered is to be taken back). What a carrier cannot do by request is not here; its leg does it.

pub(crate) mod exotel;
mod mcube;
mod plivo;
pub(crate) mod twilio;

use std::sync::Arc;
use std::time::Duration;

use call::{CallId, ControlOutcome};
use carriers::Control;
use url::{Host, Url};

use crate::carrier_kind::CarrierKind;
use crate::config::{self, Bot, Config};
use crate::gateway::Gateway;
use crate::outward::OutwardError;
use crate::switchboard::LiveCall;

/// A request to a carrier's own service: hanging up and handing over must not take longer than a caller's patience.
const CONTROL_WITHIN: Duration = Duration::from_secs(8);

/// A call that is to be placed.
#[derive(Clone, Debug)]
pub struct Placement<'a> {
    pub call: CallId,
    /// Shown by the media socket, once.
    pub token: &'a str,
    pub to: &'a str,
    /// The number that the far side sees. Checked to be there where the carrier needs one.
    pub from: Option<&'a str>,
    pub bot: &'a Bot,
    /// How long it rings at most, in seconds.
    pub ring_s: u32,
    /// The carrier shall find out whether a person or a machine answers.
    pub detect_machine: bool,
}

/// A carrier has taken a call on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The carrier's name for the call, if it says so already.
    pub carrier_call: Option<String>,
    /// Its name for our request, where that is another one: good for taking the call back.
    pub request: Option<String>,
}

/// By what a carrier can be told which placed call is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) carrier_call: Option<String>,
    pub(crate) request: Option<String>,
}

impl Handle {
    pub(crate) fn is_empty(&self) -> bool {
        self.carrier_call.is_none() && self.request.is_none()
    }
}

/// Why a carrier does not place a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPlaced {
    /// In words what to set.
    #[error("{0}")]
    NotConfigured(String),
    /// The carrier said no; the same request would get the same answer.
    #[error("{detail}")]
    Refused { detail: String },
    /// Too much at once, at the carrier; later it may do it.
    #[error("{detail}")]
    Busy { detail: String, retry_after_s: Option<u64> },
    /// Nobody knows whether the carrier understood.
    #[error("{detail}")]
    Unreachable { detail: String },
    /// Nothing that would ring anybody was ever sent to the carrier.
    #[error("{detail}")]
    NotReached { detail: String },
}

impl NotPlaced {
    /// The order to ring somebody got no answer. Without a connection nobody can have understood it.
    fn unanswered(error: &OutwardError) -> NotPlaced {
        let detail = error.to_string();
        match error.was_sent() {
            true => NotPlaced::Unreachable { detail },
            false => NotPlaced::NotReached { detail },
        }
    }
}

/// In words which keys to set, each with the shorter name of its variable. Fine when all of `needed` are given; `wanted` is
/// the number to show, which a request may bring along, and is named with the others so that one round of setting is enough.
fn all_given(needed: &[(&str, bool)], wanted: (&str, bool)) -> Result<(), String> {
    if needed.iter().all(|(_, given)| *given) {
        return Ok(());
    }
    let missing = needed.iter().chain([&wanted]).filter(|(_, given)| !given);
    let words: Vec<String> = missing
        .map(|(key, _)| match config::older_name(key) {
            Some(variable) => format!("`{key}` ({variable})"),
            None => format!("`{key}`"),
        })
        .collect();
    Err(format!("set {}", words.join(" and ")))
}

/// Whether a call of this carrier can be handed over.
pub fn can_transfer(config: &Config, carrier: CarrierKind) -> bool {
    match carrier {
        CarrierKind::Twilio => twilio::can_transfer(config),
        CarrierKind::Plivo => plivo::can_transfer(config),
        CarrierKind::Exotel => exotel::can_transfer(config),
        CarrierKind::Mcube => mcube::can_transfer(config),
        CarrierKind::Browser => carrier.table().transfer.exists(),
    }
}

/// Whether calls can be placed with this carrier; in words, what is missing.
pub fn can_place(config: &Config, carrier: CarrierKind) -> Result<(), String> {
    match carrier {
        CarrierKind::Twilio => twilio::can_place(config),
        CarrierKind::Plivo => plivo::can_place(config),
        CarrierKind::Exotel => exotel::can_place(config),
        CarrierKind::Mcube => mcube::can_place(config),
        CarrierKind::Browser => Err("a browser cannot be called".to_owned()),
    }
}

/// Does for a live call what its leg cannot do on the media socket.
pub(crate) async fn ask(gateway: &Arc<Gateway>, live: &Arc<LiveCall>, control: Control) -> ControlOutcome {
    match CarrierKind::named(live.carrier()) {
        Some(CarrierKind::Twilio) => twilio::ask(gateway, live, control).await,
        Some(CarrierKind::Plivo) => plivo::ask(gateway, live, control).await,
        Some(CarrierKind::Exotel) => exotel::ask(gateway, live, control).await,
        // Their legs do everything by message.
        Some(CarrierKind::Mcube | CarrierKind::Browser) | None => match control {
            Control::HangUp => ControlOutcome::HungUp,
            Control::Transfer { .. } => {
                ControlOutcome::TransferFailed { detail: "this carrier has no interface for it".to_owned() }
            }
        },
    }
}

/// Asks a carrier to place a call.
pub(crate) async fn place(
    gateway: &Arc<Gateway>,
    carrier: CarrierKind,
    placement: &Placement<'_>,
) -> Result<Placed, NotPlaced> {
    match carrier {
        CarrierKind::Twilio => twilio::place(gateway, placement).await,
        CarrierKind::Plivo => plivo::place(gateway, placement).await,
        CarrierKind::Exotel => exotel::place(gateway, placement).await,
        CarrierKind::Mcube => mcube::place(gateway, placement).await,
        CarrierKind::Browser => Err(NotPlaced::NotConfigured("a browser cannot be called".to_owned())),
    }
}

/// The number of ours that calls placed with this carrier show, unless told otherwise.
pub fn caller_id(config: &Config, carrier: CarrierKind) -> Option<&str> {
    match carrier {
        CarrierKind::Twilio => config.carriers.twilio.phone_number.as_deref(),
        CarrierKind::Plivo => config.carriers.plivo.phone_number.as_deref(),
        CarrierKind::Exotel => config.carriers.exotel.phone_number.as_deref(),
        CarrierKind::Mcube => config.carriers.mcube.exe_number.as_deref(),
        CarrierKind::Browser => None,
    }
}

/// Whether this carrier places no call without a number to show.
pub fn needs_caller_id(carrier: CarrierKind) -> bool {
    match carrier {
        CarrierKind::Twilio | CarrierKind::Plivo | CarrierKind::Exotel => true,
        CarrierKind::Mcube | CarrierKind::Browser => false,
    }
}

/// Whether this carrier takes a call back that has not been answered.
pub fn can_cancel(carrier: CarrierKind) -> bool {
    match carrier {
        CarrierKind::Twilio | CarrierKind::Plivo => true,
        // It ends by itself when nobody answers, and has no media to come to when somebody does.
        CarrierKind::Exotel | CarrierKind::Mcube | CarrierKind::Browser => false,
    }
}

/// Takes a call back that has not been answered, or ends one that was answered this very moment.
pub(crate) async fn cancel(
    gateway: &Arc<Gateway>,
    carrier: CarrierKind,
    handle: &Handle,
) -> Result<(), String> {
    match carrier {
        CarrierKind::Twilio => match &handle.carrier_call {
            Some(name) => twilio::cancel(gateway, name).await,
            None => Err("its name is not known".to_owned()),
        },
        CarrierKind::Plivo => plivo::cancel(gateway, handle).await,
        CarrierKind::Exotel | CarrierKind::Mcube | CarrierKind::Browser => {
            Err("this carrier takes no call back".to_owned())
        }
    }
}

/// The address under which a carrier reaches us; an emulator on this machine reaches us where we listen.
fn own_base(gateway: &Gateway, api_base_url: &Url) -> Option<Url> {
    if let Some(url) = &gateway.config.server.public_url {
        return Some(url.clone());
    }
    let mut address = gateway.address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    is_here(api_base_url).then(|| Url::parse(&format!("http://{address}")).ok()).flatten()
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_sent_is_told_from_what_has_no_answer() {
        let host = || "api.example".to_owned();
        let words = || "connection refused".to_owned();
        let refused = OutwardError::Unreachable { host: host(), words: words() };
        assert!(
            matches!(NotPlaced::unanswered(&refused), NotPlaced::NotReached { detail } if detail.contains("refused"))
        );
        for sent in [
            OutwardError::TimedOut { host: host(), after: CONTROL_WITHIN },
            OutwardError::Broken { host: host(), words: words() },
            OutwardError::TooLarge { host: host(), bytes_max: 1 },
        ] {
            assert!(matches!(NotPlaced::unanswered(&sent), NotPlaced::Unreachable { .. }), "{sent}");
        }
    }

    #[test]
    fn whatever_is_missing_is_named_at_once() {
        let config = Config::default();
        for (carrier, keys) in [
            (
                CarrierKind::Twilio,
                ["account_sid` (TWILIO_ACCOUNT_SID)", "auth_token` (TWILIO_", "phone_number` (TWILIO_"],
            ),
            (
                CarrierKind::Plivo,
                ["auth_id` (PLIVO_AUTH_ID)", "auth_token` (PLIVO_", "phone_number` (PLIVO_"],
            ),
            (
                CarrierKind::Exotel,
                ["api_key` (EXOTEL_API_KEY)", "api_token` (EXOTEL_", "phone_number` (EXOTEL_CALLER_ID)"],
            ),
            (
                CarrierKind::Mcube,
                [
                    "api_token` (MCUBE_API_TOKEN)",
                    "token` (MCUBE_WEBHOOK_SECRET)",
                    "exe_number` (MCUBE_EXE_NUMBER)",
                ],
            ),
        ] {
            let words = can_place(&config, carrier).unwrap_err();
            for key in keys.into_iter().chain(["server.public_url` (WEBHOOK_BASE_URL)"]) {
                assert!(words.contains(key), "{key}: {words}");
            }
        }
        assert_eq!(all_given(&[("server.public_url", true)], ("carriers.mcube.exe_number", false)), Ok(()));
    }
}
