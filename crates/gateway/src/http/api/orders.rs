//! `POST /api/v1/calls/{id}/hangup|transfer|say`: what a call may be asked, and when it cannot do it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use call::{CallId, Order, PhaseName};
use serde::Deserialize;
use serde_json::json;

use super::super::reception::Reception;
use super::super::refusal::Refusal;
use super::request::{Expected, NamedCall, Told};
use crate::config::{is_dialable, same_number};

/// Who asked, as the ledger has it.
const BY: &str = "the API";

/// Longer than any number or SIP address that is meant.
const DESTINATION_CHARS_MAX: usize = 256;

/// Some two minutes of speech.
const SAY_CHARS_MAX: usize = 2_000;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HangUp {}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transfer {
    to: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Say {
    text: String,
}

impl Expected for HangUp {
    const LOOKS: &'static str = "nothing, or {}";

    fn unsaid() -> Option<HangUp> {
        Some(HangUp {})
    }
}

impl Expected for Transfer {
    const LOOKS: &'static str = r#"{"to": "+14155550111"}"#;
}

impl Expected for Say {
    const LOOKS: &'static str = r#"{"text": "One moment, please."}"#;
}

pub(super) async fn hang_up(
    State(reception): State<Arc<Reception>>,
    NamedCall(id): NamedCall,
    Told(HangUp {}): Told<HangUp>,
) -> Result<Response, Refusal> {
    if reception.gateway.cancel_outbound(id, BY) {
        return Ok((StatusCode::ACCEPTED, Json(json!({"id": id, "ordered": "hangup"}))).into_response());
    }
    give(&reception, id, "hangup", |able| able.hang_up())
}

pub(super) async fn transfer(
    State(reception): State<Arc<Reception>>,
    NamedCall(id): NamedCall,
    Told(Transfer { to }): Told<Transfer>,
) -> Result<Response, Refusal> {
    give(&reception, id, "transfer", |able| able.transfer(&to))
}

pub(super) async fn say(
    State(reception): State<Arc<Reception>>,
    NamedCall(id): NamedCall,
    Told(Say { text }): Told<Say>,
) -> Result<Response, Refusal> {
    give(&reception, id, "say", |able| able.say(&text))
}

/// Hands an order to a live call, if the call can obey it.
fn give(
    reception: &Reception,
    id: CallId,
    name: &str,
    order: impl FnOnce(&Able<'_>) -> Result<Order, Refusal>,
) -> Result<Response, Refusal> {
    let gateway = &reception.gateway;
    let Some(live) = gateway.switchboard.find(id) else {
        return Err(match (gateway.outbound_view(id), gateway.records.find(id)) {
            (Some(_), None) => not_now("nobody has answered it yet", "wait until its phase is `talking`"),
            (_, Some(_)) => over(),
            (None, None) => Refusal::no_such_call(),
        });
    };
    let bot = gateway.config.bot(live.bot());
    let able = Able {
        phase: live.phase(),
        says: bot.is_some_and(|bot| crate::gateway::agent_capabilities(bot.agent).says),
        transfers: gateway.can_transfer(live.carrier()),
        transfer_to: bot.map_or(&[], |bot| &bot.call.transfer_to),
    };
    if !live.order(order(&able)?) {
        return Err(over());
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"id": id, "ordered": name}))).into_response())
}

/// What a call can do at the moment.
#[derive(Clone, Copy, Debug)]
struct Able<'a> {
    phase: PhaseName,
    says: bool,
    transfers: bool,
    /// Where its bot may hand callers to; empty: anywhere.
    transfer_to: &'a [String],
}

impl Able<'_> {
    fn hang_up(&self) -> Result<Order, Refusal> {
        match self.phase {
            PhaseName::Over => Err(over()),
            // One that is saying goodbye is cut short.
            PhaseName::Arriving
            | PhaseName::Greeting
            | PhaseName::Talking
            | PhaseName::Holding
            | PhaseName::Transferring
            | PhaseName::Leaving => Ok(Order::HangUp { by: BY.to_owned() }),
        }
    }

    fn transfer(&self, to: &str) -> Result<Order, Refusal> {
        let to = to.trim();
        if to.chars().count() > DESTINATION_CHARS_MAX || !is_dialable(to) {
            return Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad_destination",
                "`to` is neither a telephone number nor a SIP address",
                "write a number in international form such as +14155550111, or sip:desk@example.com",
            ));
        }
        if !self.transfers {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "cannot_transfer",
                "this call cannot be handed over: the gateway has no access to its carrier's account",
                "set carriers.twilio.account_sid and carriers.twilio.auth_token",
            ));
        }
        if !self.transfer_to.is_empty() && !self.transfer_to.iter().any(|allowed| same_number(allowed, to)) {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "destination_not_allowed",
                "this bot's calls may not be handed over there",
                "add the number to the bot's `call.transfer_to`, or empty that list",
            ));
        }
        match self.phase {
            PhaseName::Greeting | PhaseName::Talking | PhaseName::Holding => {
                Ok(Order::Transfer { to: to.to_owned(), by: BY.to_owned() })
            }
            PhaseName::Arriving => Err(not_now("its media has not begun", "wait until it talks")),
            PhaseName::Transferring | PhaseName::Leaving => Err(leaving()),
            PhaseName::Over => Err(over()),
        }
    }

    fn say(&self, text: &str) -> Result<Order, Refusal> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars == 0 || chars > SAY_CHARS_MAX {
            return Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad_text",
                format!("`text` has {chars} characters"),
                format!("write from 1 to {SAY_CHARS_MAX} characters"),
            ));
        }
        if !self.says {
            return Err(Refusal::new(
                StatusCode::CONFLICT,
                "cannot_say",
                "this call's agent cannot say a given text",
                "answer the line with a bot whose agent can, such as elevenlabs",
            ));
        }
        match self.phase {
            PhaseName::Talking => Ok(Order::Say { text: text.to_owned() }),
            PhaseName::Arriving | PhaseName::Greeting | PhaseName::Holding => {
                Err(not_now("its agent is not there at the moment", "try again when its phase is `talking`"))
            }
            PhaseName::Transferring | PhaseName::Leaving => Err(leaving()),
            PhaseName::Over => Err(over()),
        }
    }
}

fn not_now(why: &str, mend: &str) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "not_now", format!("this call cannot do that now: {why}"), mend)
}

fn leaving() -> Refusal {
    let mend = "there is nothing more to ask of it but to hang up";
    Refusal::new(
        StatusCode::CONFLICT,
        "call_leaving",
        "this call is ending or being handed over already",
        mend,
    )
}

fn over() -> Refusal {
    let mend = "its record is at /api/v1/calls/{id}";
    Refusal::new(StatusCode::CONFLICT, "call_over", "this call is over", mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABLE: Able<'static> =
        Able { phase: PhaseName::Talking, says: true, transfers: true, transfer_to: &[] };

    fn code(refused: Result<Order, Refusal>) -> &'static str {
        refused.unwrap_err().code
    }

    #[test]
    fn a_call_that_talks_obeys() {
        assert_eq!(ABLE.hang_up(), Ok(Order::HangUp { by: BY.into() }));
        assert_eq!(ABLE.say(" Hello. "), Ok(Order::Say { text: "Hello.".into() }));
        for to in ["+14155550111", "+49 30 1234567", "sip:desk@example.com"] {
            assert_eq!(ABLE.transfer(to), Ok(Order::Transfer { to: to.into(), by: BY.into() }));
        }
    }

    #[test]
    fn nonsense_is_refused_before_the_call_hears_of_it() {
        for to in
            ["", "  ", "reception", "http://example.com", "sip:", "sip:a b@example.com", "+1234567890123456"]
        {
            let refused = ABLE.transfer(to).unwrap_err();
            assert_eq!((refused.status.as_u16(), refused.code), (422, "bad_destination"), "{to:?}");
        }
        assert_eq!(
            code(ABLE.transfer(&format!("sip:{}", "a".repeat(DESTINATION_CHARS_MAX)))),
            "bad_destination"
        );
        assert_eq!(code(ABLE.say("\n ")), "bad_text");
        assert_eq!(code(ABLE.say(&"é".repeat(SAY_CHARS_MAX + 1))), "bad_text");
        assert!(ABLE.say(&"é".repeat(SAY_CHARS_MAX)).is_ok());
    }

    #[test]
    fn what_a_call_cannot_do_is_said_in_words() {
        let mute = Able { says: false, ..ABLE };
        let bound = Able { transfers: false, ..ABLE };
        let allowed = ["+14155550111".to_owned()];
        let listed = Able { transfer_to: &allowed, ..ABLE };

        assert_eq!(code(mute.say("Hello")), "cannot_say");
        assert_eq!(code(bound.transfer("+14155550111")), "cannot_transfer");
        assert_eq!(code(listed.transfer("+14155550112")), "destination_not_allowed");
        assert!(listed.transfer("+1 (415) 555-0111").is_ok(), "however it is written");
    }

    #[test]
    fn every_phase_knows_what_it_takes() {
        let at = |phase| {
            let able = Able { phase, ..ABLE };
            let word = |order: Result<Order, Refusal>| order.map_or_else(|refusal| refusal.code, |_| "ok");
            [word(able.hang_up()), word(able.transfer("+14155550111")), word(able.say("Hello"))]
        };

        assert_eq!(at(PhaseName::Arriving), ["ok", "not_now", "not_now"]);
        assert_eq!(at(PhaseName::Greeting), ["ok", "ok", "not_now"]);
        assert_eq!(at(PhaseName::Talking), ["ok", "ok", "ok"]);
        assert_eq!(at(PhaseName::Holding), ["ok", "ok", "not_now"]);
        assert_eq!(at(PhaseName::Transferring), ["ok", "call_leaving", "call_leaving"]);
        assert_eq!(at(PhaseName::Leaving), ["ok", "call_leaving", "call_leaving"]);
        assert_eq!(at(PhaseName::Over), ["call_over", "call_over", "call_over"]);
    }
}
