//! Twilio's REST interface.

use std::sync::Arc;

use call::ControlOutcome;
use carriers::Control;
use carriers::twilio::call_control::{
    Account, ControlResult, Instructions, MachineDetection, Originate, OriginateResult, Progress,
    read_originate, read_update,
};
use carriers::twilio::signature::public_url;
use carriers::twilio::twiml::{self, Document, TwimlError};

use super::{CONTROL_WITHIN, NotPlaced, Placed, Placement, all_given, is_here, own_base};
use call::Voicemail;

use crate::config::Config;
use crate::gateway::{Gateway, TWILIO};
use crate::http::twilio_documents as documents;
use crate::switchboard::{LiveCall, Reservation};

/// What we end by ourselves, Twilio ends this much later: the last resort, not the rule.
const TIME_LIMIT_SLACK_S: u32 = 60;

pub(super) fn can_transfer(config: &Config) -> bool {
    config.carriers.twilio.can_control_calls()
}

pub(super) fn can_place(config: &Config) -> Result<(), String> {
    let twilio = &config.carriers.twilio;
    let needed = [
        ("carriers.twilio.account_sid", twilio.account_sid.is_some()),
        ("carriers.twilio.auth_token", twilio.auth_token.is_some()),
        // Otherwise it does not find its way back.
        ("server.public_url", config.server.public_url.is_some() || is_here(&twilio.api_base_url)),
    ];
    all_given(&needed, ("carriers.twilio.phone_number", twilio.phone_number.is_some()))
}

pub(super) async fn ask(gateway: &Arc<Gateway>, live: &Arc<LiveCall>, control: Control) -> ControlOutcome {
    match (control, account(gateway), live.carrier_call()) {
        // Without the carrier's service, letting go of the socket is all there is: the document that opened the stream
        // says what happens then, and it says: hang up.
        (Control::HangUp, None, _) | (Control::HangUp, _, None) => ControlOutcome::HungUp,
        (Control::Transfer { .. }, None, _) => ControlOutcome::TransferFailed {
            detail:
                "set `carriers.twilio.account_sid` and `auth_token`; without them calls cannot be handed over"
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
            let request = transfer_document(gateway, &to)
                .and_then(|document| account.transfer(&name, &document))
                .map_err(|error| error.to_string());
            let asked = match request {
                Ok(request) => update(gateway, &request).await,
                Err(detail) => Err(detail),
            };
            match asked {
                Ok(()) => ControlOutcome::Transferred,
                Err(detail) => ControlOutcome::TransferFailed { detail },
            }
        }
    }
}

pub(super) async fn place(gateway: &Arc<Gateway>, placement: &Placement<'_>) -> Result<Placed, NotPlaced> {
    let not_configured = |words: String| NotPlaced::NotConfigured(words);
    let request = originate(gateway, placement).map_err(not_configured)?;
    let reply = gateway.outward.send(TWILIO, &request, CONTROL_WITHIN).await;
    let reply = reply.map_err(|error| NotPlaced::unanswered(&error))?;
    match (read_originate(&reply), reply.status) {
        (OriginateResult::Placed { call_sid, .. }, _) => {
            Ok(Placed { carrier_call: Some(call_sid), request: None })
        }
        // It said yes without saying to what, or broke down: the phone may ring or not.
        (OriginateResult::Failed { message, .. }, 200..=299 | 500..) => {
            Err(NotPlaced::Unreachable { detail: message })
        }
        (OriginateResult::Failed { message, retry_after: Some(wait), .. }, _) => {
            Err(NotPlaced::Busy { detail: message, retry_after_s: Some(wait.as_secs()) })
        }
        (OriginateResult::Failed { message, retry_after: None, .. }, 401 | 403) => {
            Err(NotPlaced::NotConfigured(message))
        }
        (OriginateResult::Failed { message, retry_after: None, .. }, _) => {
            Err(NotPlaced::Refused { detail: message })
        }
    }
}

/// The whole order: what to do once answered, and to tell us of every step, by our own name for the call.
fn originate(gateway: &Gateway, placement: &Placement<'_>) -> Result<wire::Request, String> {
    let settings = &gateway.config.carriers.twilio;
    can_place(&gateway.config)?;
    let (Some(account), Some(base), Some(from)) =
        (account(gateway), own_base(gateway, &settings.api_base_url), placement.from)
    else {
        return Err("set `carriers.twilio.phone_number`, and `server.public_url`".to_owned());
    };
    let reservation = Reservation { id: placement.call, token: placement.token.to_owned() };
    let document = documents::connect(settings, &base, &reservation, from, placement.to)
        .map_err(|error| error.to_string())?;
    let callback = format!("{}?call={}", public_url(&base, &settings.status_path), placement.call);
    let longest = gateway.config.outbound.max_duration_s;
    let call = Originate {
        status_callback: Some(&callback),
        progress: &[Progress::Initiated, Progress::Ringing, Progress::Answered, Progress::Completed],
        timeout_s: Some(placement.ring_s),
        machine_detection: placement.detect_machine.then(|| MachineDetection {
            // A message belongs after the beep; hanging up can happen before.
            wait_for_beep: matches!(placement.bot.call.voicemail, Voicemail::Say { .. }),
            timeout_s: None,
            tell: Some(&callback),
        }),
        time_limit_s: Some(longest + TIME_LIMIT_SLACK_S),
        ..Originate::new(placement.to, from, Instructions::Document(&document))
    };
    account.originate(&call).map_err(|error| error.to_string())
}

/// Takes a call back. One that was answered in the meantime is hung up.
pub(super) async fn cancel(gateway: &Gateway, call_sid: &str) -> Result<(), String> {
    let account = account(gateway).ok_or("there is no account to ask")?;
    let reply = gateway.outward.send(TWILIO, &account.cancel(call_sid), CONTROL_WITHIN).await;
    match reply.map(|reply| read_update(&reply)).map_err(|error| error.to_string())? {
        ControlResult::Done => Ok(()),
        // Over, or answered: it takes another word to end the latter.
        ControlResult::AlreadyOver | ControlResult::Failed { .. } => {
            update(gateway, &account.hang_up(call_sid)).await
        }
    }
}

fn transfer_document(gateway: &Gateway, to: &str) -> Result<Document, TwimlError> {
    let settings = &gateway.config.carriers.twilio;
    twiml::dial(&twiml::Dial {
        caller_id: settings.transfer_caller_id.as_deref(),
        timeout_s: Some(settings.dial_timeout_s),
        ..twiml::Dial::to(to)?
    })
}

/// The account at Twilio, when calls can be controlled.
pub(crate) fn account(gateway: &Gateway) -> Option<Account> {
    let settings = &gateway.config.carriers.twilio;
    let (account, token) = (settings.account_sid.clone()?, settings.auth_token.clone()?);
    Some(Account::new(account, token, settings.api_base_url.clone()))
}

async fn update(gateway: &Gateway, request: &wire::Request) -> Result<(), String> {
    let reply =
        gateway.outward.send(TWILIO, request, CONTROL_WITHIN).await.map_err(|error| error.to_string())?;
    match read_update(&reply) {
        ControlResult::Done | ControlResult::AlreadyOver => Ok(()),
        ControlResult::Failed { message, .. } => Err(message),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;
    use wire::Secret;

    use super::*;

    #[test]
    fn what_is_missing_to_place_calls_is_said_in_words() {
        let mut config = Config::default();
        assert!(can_place(&config).unwrap_err().contains("carriers.twilio.account_sid"));

        config.carriers.twilio.account_sid = Some("AC1".to_owned());
        config.carriers.twilio.auth_token = Some(Secret::new("token"));
        assert!(can_place(&config).unwrap_err().contains("server.public_url"));

        config.server.public_url = Url::parse("https://voice.example.com").ok();
        assert_eq!(can_place(&config), Ok(()));
        config.server.public_url = None;
        config.carriers.twilio.api_base_url = Url::parse("http://127.0.0.1:7901").unwrap();
        assert_eq!(can_place(&config), Ok(()), "an emulator on this machine finds its way");
    }
}
