//! Plivo's REST interface.

use std::sync::Arc;

use call::{ControlOutcome, Voicemail};
use carriers::Control;
use carriers::plivo::call_control::{
    Account, ControlResult, Failure, MachineDetection, Originate, OriginateResult, read_originate,
    read_update,
};
use carriers::twilio::signature::public_url;
use url::Url;

use super::{CONTROL_WITHIN, Handle, NotPlaced, Placed, Placement, all_given, is_here, own_base};
use crate::config::Config;
use crate::gateway::{Gateway, PLIVO};
use crate::http::plivo_transfer as transfer;
use crate::switchboard::LiveCall;

/// What we end by ourselves, Plivo ends this much later: the last resort, not the rule.
const TIME_LIMIT_SLACK_S: u32 = 60;

/// Plivo comes back to us for the document that says to whom, so there must be a way.
pub(super) fn can_transfer(config: &Config) -> bool {
    can_place(config).is_ok()
}

pub(super) fn can_place(config: &Config) -> Result<(), String> {
    let plivo = &config.carriers.plivo;
    let needed = [
        ("carriers.plivo.auth_id", plivo.auth_id.is_some()),
        ("carriers.plivo.auth_token", plivo.auth_token.is_some()),
        // Otherwise it does not find its way back.
        ("server.public_url", config.server.public_url.is_some() || is_here(&plivo.api_base_url)),
    ];
    all_given(&needed, ("carriers.plivo.phone_number", plivo.phone_number.is_some()))
}

pub(super) async fn ask(gateway: &Arc<Gateway>, live: &Arc<LiveCall>, control: Control) -> ControlOutcome {
    match (control, account(gateway), live.carrier_call()) {
        // Without the carrier's service, letting go of the socket is all there is: the document that opened the stream
        // says what happens then, and it says: hang up.
        (Control::HangUp, None, _) | (Control::HangUp, _, None) => ControlOutcome::HungUp,
        (Control::Transfer { .. }, None, _) => ControlOutcome::TransferFailed {
            detail: "set `carriers.plivo.auth_id` and `auth_token`; without them calls cannot be handed over"
                .into(),
        },
        (Control::Transfer { .. }, _, None) => {
            ControlOutcome::TransferFailed { detail: "the carrier's name for this call is not known".into() }
        }
        (Control::HangUp, Some(account), Some(name)) => {
            match update(gateway, &account.hang_up(&name)).await {
                Ok(()) => ControlOutcome::HungUp,
                Err(detail) => ControlOutcome::HangUpFailed { detail },
            }
        }
        (Control::Transfer { to }, Some(account), Some(name)) => {
            let asked = match transfer_address(gateway, &name, &to) {
                Ok(url) => update(gateway, &account.transfer(&name, &url)).await,
                Err(detail) => Err(detail),
            };
            match asked {
                Ok(()) => ControlOutcome::Transferred,
                Err(detail) => ControlOutcome::TransferFailed { detail },
            }
        }
    }
}

/// Where Plivo finds the document that hands this caller over. What it would refuse is known before it is asked.
fn transfer_address(gateway: &Gateway, call_uuid: &str, to: &str) -> Result<String, String> {
    let settings = &gateway.config.carriers.plivo;
    transfer::document(settings, to).map_err(|error| error.to_string())?;
    let base = own_base(gateway, &settings.api_base_url)
        .ok_or("set `server.public_url`, so that Plivo finds its way back")?;
    transfer::address(settings, &base, call_uuid, to)
        .ok_or_else(|| "there is no token to vouch with".to_owned())
}

pub(super) async fn place(gateway: &Arc<Gateway>, placement: &Placement<'_>) -> Result<Placed, NotPlaced> {
    let request = originate(gateway, placement).map_err(NotPlaced::NotConfigured)?;
    let reply = gateway.outward.send(PLIVO, &request, CONTROL_WITHIN).await;
    let reply = reply.map_err(|error| NotPlaced::unanswered(&error))?;
    let Failure { message, status, retry_after } = match read_originate(&reply) {
        // The call's own name comes with its first report.
        OriginateResult::Placed { request_uuid } => {
            return Ok(Placed { carrier_call: None, request: Some(request_uuid) });
        }
        OriginateResult::Failed(failure) => failure,
    };
    Err(match (status, retry_after) {
        // It said yes without saying to what, or broke down: the phone may ring or not.
        (200..=299 | 500.., _) => NotPlaced::Unreachable { detail: message },
        (_, Some(wait)) => NotPlaced::Busy { detail: message, retry_after_s: Some(wait.as_secs()) },
        (401 | 403, None) => NotPlaced::NotConfigured(message),
        (_, None) => NotPlaced::Refused { detail: message },
    })
}

/// The whole order: where to ask what to do once answered, and where to tell of every step, by our own name for the call.
fn originate(gateway: &Gateway, placement: &Placement<'_>) -> Result<wire::Request, String> {
    let settings = &gateway.config.carriers.plivo;
    can_place(&gateway.config)?;
    let (Some(account), Some(base)) = (account(gateway), own_base(gateway, &settings.api_base_url)) else {
        return Err("set `server.public_url`".to_owned());
    };
    let from =
        placement.from.or(settings.phone_number.as_deref()).ok_or("set `carriers.plivo.phone_number`")?;
    let at = |path: &str| callback(&base, path, placement);
    let (answer, hangup) = (at(&settings.answer_path), at(&settings.hangup_path));
    let (ring, machine) = (at(&settings.ring_path), at(&settings.machine_path));
    let call = Originate {
        hangup_url: Some(&hangup),
        ring_url: Some(&ring),
        ring_timeout_s: Some(placement.ring_s),
        time_limit_s: Some(gateway.config.outbound.max_duration_s.saturating_add(TIME_LIMIT_SLACK_S)),
        // Told beside the call, so that nobody who answers waits for the finding.
        machine_detection: placement.detect_machine.then(|| MachineDetection {
            hang_up: false,
            // A message belongs after the beep: the longer Plivo listens, the likelier it has come.
            time_ms: matches!(placement.bot.call.voicemail, Voicemail::Say { .. }).then_some(10_000),
            tell: Some(&machine),
        }),
        ..Originate::new(placement.to, from, &answer)
    };
    account.originate(&call).map_err(|error| error.to_string())
}

fn callback(base: &Url, path: &str, placement: &Placement<'_>) -> String {
    format!("{}?call={}", public_url(base, path), placement.call)
}

/// Takes a call back: while it rings by the name of our request, and by its own name once it was answered.
pub(super) async fn cancel(gateway: &Gateway, handle: &Handle) -> Result<(), String> {
    let account = account(gateway).ok_or("there is no account to ask")?;
    let asked = match &handle.request {
        None => Err("the name of our request is not known".to_owned()),
        Some(request) => {
            let reply = gateway.outward.send(PLIVO, &account.cancel(request), CONTROL_WITHIN).await;
            match reply.map(|reply| read_update(&reply)).map_err(|error| error.to_string())? {
                ControlResult::Done => return Ok(()),
                // Answered, or over.
                ControlResult::AlreadyOver => Ok(()),
                ControlResult::Failed(failure) => Err(failure.message),
            }
        }
    };
    match &handle.carrier_call {
        Some(name) => update(gateway, &account.hang_up(name)).await,
        None => asked,
    }
}

/// The account at Plivo, when calls can be controlled.
pub(crate) fn account(gateway: &Gateway) -> Option<Account> {
    let settings = &gateway.config.carriers.plivo;
    let (id, token) = (settings.auth_id.clone()?, settings.auth_token.clone()?);
    Some(Account::new(id, token, settings.api_base_url.clone()))
}

async fn update(gateway: &Gateway, request: &wire::Request) -> Result<(), String> {
    let reply =
        gateway.outward.send(PLIVO, request, CONTROL_WITHIN).await.map_err(|error| error.to_string())?;
    match read_update(&reply) {
        ControlResult::Done | ControlResult::AlreadyOver => Ok(()),
        ControlResult::Failed(failure) => Err(failure.message),
    }
}
