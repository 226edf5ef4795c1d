//! Exotel's own interface: calls that we place, and what comes after the bot.

mod next_steps;

use std::sync::Arc;
use std::time::Instant;

use call::ControlOutcome;
use carriers::Control;
use carriers::exotel::call_control::{
    Account, Failure, Joins, LegResult, Legs, Originate, OriginateResult, read_active_streams, read_leg,
    read_originate,
};
use tracing::{info, warn};
use url::Url;

pub(crate) use self::next_steps::{NextStep, NextSteps};
use super::{CONTROL_WITHIN, NotPlaced, Placed, Placement, all_given, is_here, own_base};
use crate::config::{Config, Exotel};
use crate::gateway::{EXOTEL, Gateway};
use crate::switchboard::{Direction, LiveCall};

/// Shown in Exotel's list of streams.
const STREAM_NAME: &str = "trunkline";

/// What we end by ourselves, Exotel ends this much later: the last resort, not the rule.
const TIME_LIMIT_SLACK_S: u32 = 60;

/// The longest limit that Exotel takes.
const TIME_LIMIT_S_MAX: u32 = 14_400;

/// When another stream of the account may be free.
const STREAM_WITHIN_S: u64 = 15;

/// Over the Legs interface somebody else started the stream and rings whom they like.
pub(super) fn can_transfer(config: &Config) -> bool {
    !config.carriers.exotel.legs
}

pub(super) fn can_place(config: &Config) -> Result<(), String> {
    let exotel = &config.carriers.exotel;
    let given = [
        ("carriers.exotel.account_sid", exotel.account_sid.is_some()),
        ("carriers.exotel.api_key", exotel.api_key.is_some()),
        ("carriers.exotel.api_token", exotel.api_token.is_some()),
        // A flow knows the media address by itself.
        (
            "server.public_url",
            config.server.public_url.is_some() || exotel.flow_id.is_some() || is_here(&exotel.api_base()),
        ),
    ];
    all_given(&given, ("carriers.exotel.phone_number", exotel.phone_number.is_some()))
}

pub(super) async fn ask(gateway: &Arc<Gateway>, live: &Arc<LiveCall>, control: Control) -> ControlOutcome {
    let exotel = &gateway.config.carriers.exotel;
    match (control, live.carrier_call()) {
        (Control::HangUp, Some(leg)) if exotel.legs => match legs(exotel) {
            Some(legs) => hang_up_leg(gateway, &legs, &leg).await,
            None => ControlOutcome::HungUp,
        },
        (Control::HangUp, Some(call)) => {
            gateway.exotel_steps.set(&call, NextStep::HangUp, Instant::now());
            ControlOutcome::HungUp
        }
        // Nobody can ask by name, so the flow's own way on is all there is.
        (Control::HangUp, None) => ControlOutcome::HungUp,
        (Control::Transfer { .. }, None) => {
            ControlOutcome::TransferFailed { detail: "Exotel's name for this call is not known".into() }
        }
        (Control::Transfer { .. }, Some(_)) if exotel.legs => ControlOutcome::TransferFailed {
            detail: "a call of the Legs interface is handed over by whoever started its stream".into(),
        },
        (Control::Transfer { .. }, Some(_))
            if live.knock().direction == Direction::Outbound && exotel.flow_id.is_none() =>
        {
            ControlOutcome::TransferFailed {
                detail: "a call that was joined to the media socket directly ends with it; set \
                         `carriers.exotel.flow_id` to a flow with a Connect applet behind the bot"
                    .into(),
            }
        }
        (Control::Transfer { to }, Some(call)) => {
            gateway.exotel_steps.set(&call, NextStep::Transfer { to }, Instant::now());
            ControlOutcome::Transferred
        }
    }
}

async fn hang_up_leg(gateway: &Gateway, legs: &Legs, leg: &str) -> ControlOutcome {
    match gateway.outward.send(EXOTEL, &legs.hang_up(leg), CONTROL_WITHIN).await {
        Ok(reply) => match read_leg(&reply) {
            LegResult::Done { .. } | LegResult::AlreadyOver => ControlOutcome::HungUp,
            LegResult::Failed(Failure { message, .. }) => ControlOutcome::HangUpFailed { detail: message },
        },
        Err(error) => ControlOutcome::HangUpFailed { detail: error.to_string() },
    }
}

pub(super) async fn place(gateway: &Arc<Gateway>, placement: &Placement<'_>) -> Result<Placed, NotPlaced> {
    can_place(&gateway.config).map_err(NotPlaced::NotConfigured)?;
    let exotel = &gateway.config.carriers.exotel;
    let account = account(exotel).ok_or_else(no_account)?;
    let from = placement.from.or(exotel.phone_number.as_deref()).ok_or_else(|| {
        NotPlaced::NotConfigured(
            "set `carriers.exotel.phone_number`, or say `from`: one of your ExoPhones".into(),
        )
    })?;
    room(gateway, &account).await?;
    let id = placement.call.to_string();
    let status_callback = addressed(gateway, &exotel.status_path, false, &[("call_id", &id)]);
    let rate = exotel.sample_rate.to_string();
    let media = [("call_id", id.as_str()), ("sample-rate", &rate), ("token", placement.token)];
    let media = addressed(gateway, &exotel.ws_path, true, &media).map(String::from);
    let joins = match (&exotel.flow_id, &media) {
        (Some(flow), _) => Joins::Flow(flow),
        (None, Some(media)) => Joins::Stream(media),
        (None, None) => return Err(NotPlaced::NotConfigured("set `server.public_url`".to_owned())),
    };
    let status_callback = status_callback.map(|mut url| {
        // A trial with a pretended Exotel on this machine has no token but the one that was made for it.
        let here = is_here(&url).then_some(gateway.lab_token.as_ref()).flatten();
        if let Some(token) = exotel.ws_token.as_ref().or(here) {
            url.query_pairs_mut().append_pair("token", token.reveal());
        }
        String::from(url)
    });
    let longest = gateway.config.outbound.max_duration_s;
    let call = Originate {
        status_callback: status_callback.as_deref(),
        ring_s: Some(placement.ring_s),
        time_limit_s: Some(longest.saturating_add(TIME_LIMIT_SLACK_S).min(TIME_LIMIT_S_MAX)),
        stream_name: Some(STREAM_NAME),
        custom_field: Some(&id),
        ..Originate::new(placement.to, from, joins)
    };
    let request =
        account.originate(&call).map_err(|error| NotPlaced::Refused { detail: error.to_string() })?;
    let reply = gateway
        .outward
        .send(EXOTEL, &request, CONTROL_WITHIN)
        .await
        .map_err(|error| NotPlaced::unanswered(&error))?;
    match read_originate(&reply) {
        OriginateResult::Placed { call_sid, status } => {
            info!(carrier_call = call_sid, status = status.word(), "Exotel places the call");
            Ok(Placed { carrier_call: Some(call_sid), request: None })
        }
        OriginateResult::Failed(failure) if matches!(reply.status, 401 | 403) => {
            Err(NotPlaced::NotConfigured(failure.message))
        }
        OriginateResult::Failed(failure) => Err(not_placed(failure)),
    }
}

/// Whether the account may have another stream. An account that does not say may try.
async fn room(gateway: &Gateway, account: &Account) -> Result<(), NotPlaced> {
    let reply = gateway
        .outward
        .send(EXOTEL, &account.active_streams(), CONTROL_WITHIN)
        .await
        // Nobody has been rung yet.
        .map_err(|error| NotPlaced::NotReached { detail: error.to_string() })?;
    match read_active_streams(&reply) {
        Ok(streams) if streams.is_full() => Err(NotPlaced::Busy {
            detail: format!(
                "{} of the account's {} streams are in use; ask Exotel to raise the limit",
                streams.active,
                streams.limit.unwrap_or_default()
            ),
            retry_after_s: Some(STREAM_WITHIN_S),
        }),
        Ok(_) => Ok(()),
        Err(failure) if matches!(reply.status, 401 | 403) => Err(NotPlaced::NotConfigured(failure.message)),
        Err(failure) if reply.status == 429 => Err(not_placed(failure)),
        Err(failure) => {
            warn!("how many streams the account has is not known: {}", failure.message);
            Ok(())
        }
    }
}

fn not_placed(failure: Failure) -> NotPlaced {
    let Failure { message: detail, retry_after, unclear, .. } = failure;
    match (unclear, retry_after) {
        (true, _) => NotPlaced::Unreachable { detail },
        (false, Some(wait)) => NotPlaced::Busy { detail, retry_after_s: Some(wait.as_secs()) },
        (false, None) => NotPlaced::Refused { detail },
    }
}

/// An address of ours with these parameters; of a media socket, or of a webhook.
fn addressed(gateway: &Gateway, path: &str, is_socket: bool, query: &[(&str, &str)]) -> Option<Url> {
    let base = own_base(gateway, &gateway.config.carriers.exotel.api_base())?;
    let address = format!("{}{path}", base.as_str().trim_end_matches('/'));
    let address = match is_socket {
        // `http` becomes `ws`, and `https` becomes `wss`.
        true => address.replacen("http", "ws", 1),
        false => address,
    };
    let mut url = Url::parse(&address).ok()?;
    url.query_pairs_mut().extend_pairs(query);
    Some(url)
}

fn no_account() -> NotPlaced {
    NotPlaced::NotConfigured("set `carriers.exotel.account_sid`, `api_key` and `api_token`".to_owned())
}

/// The account at Exotel, when requests to it can be made.
pub(crate) fn account(exotel: &Exotel) -> Option<Account> {
    Some(Account {
        account_sid: exotel.account_sid.clone()?,
        api_key: exotel.api_key.clone()?,
        api_token: exotel.api_token.clone()?,
        api_base_url: exotel.api_base(),
    })
}

fn legs(exotel: &Exotel) -> Option<Legs> {
    Some(Legs {
        account_sid: exotel.account_sid.clone()?,
        api_key: exotel.api_key.clone()?,
        api_token: exotel.api_token.clone()?,
        base_url: exotel.legs_base(),
    })
}
