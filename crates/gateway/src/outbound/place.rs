//! Placing a call: from what is asked for to a carrier that has taken it on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use call::{CallId, EndCause, Unreached, Voicemail, masked};
use jiff::Timestamp;
use tokio::sync::{Notify, oneshot, watch};
use tracing::{Instrument, info, warn};

use super::answers::{Answer, Turn};
use super::board::{Entry, Stage};
use super::choice::Choice;
use super::guard::{Pass, whole_seconds};
use super::{Accepted, NotAccepted, Request, State};
use crate::carrier_kind::CarrierKind;
use crate::control::{self, NotPlaced, Placement};
use crate::gateway::Gateway;
use crate::ops::logs::call_span;
use crate::switchboard::{Direction, Knock, Refusal, Reservation};

/// From being answered to the first media message. Carriers need a second or two.
pub(super) const MEDIA_WITHIN: Duration = Duration::from_secs(30);

/// Between two renewals of the agent's slot while it rings.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// When another place may be free.
const PLACE_WITHIN: Duration = Duration::from_secs(10);

/// Visible characters of a key; longer than any UUID, and than what others allow.
const KEY_CHARS_MAX: usize = 255;

/// What is logged of a destination at most; it may be anything yet.
const CALLED_CHARS_MAX: usize = 64;

impl Gateway {
    /// Places a call, or says why not. Returns as soon as the carrier has taken it on; whoever asks may go away meanwhile.
    pub async fn place_call(self: &Arc<Self>, request: Request) -> Result<Accepted, NotAccepted> {
        let ticket = match &request.key {
            None => None,
            Some(key) if !is_key(key) => {
                return Err(NotAccepted::new(
                    422,
                    "bad_idempotency_key",
                    "the idempotency key cannot be used",
                    format!("use 1 to {KEY_CHARS_MAX} visible ASCII characters, such as a UUID"),
                ));
            }
            Some(key) => {
                // The lock is let go before anything is waited for.
                let turn = self.outbound.answers().begin(Instant::now(), key, &request);
                match turn {
                    Turn::First(ticket) => Some(ticket),
                    Turn::Again(answer) => return answered(answer).await,
                    Turn::Taken => {
                        return Err(NotAccepted::new(
                            409,
                            "idempotency_key_used",
                            "this idempotency key was used for another request",
                            "use a new key for each call",
                        ));
                    }
                }
            }
        };
        let (done, answer) = oneshot::channel();
        let gateway = Arc::clone(self);
        // In a task of its own: a client that hangs up must not leave a call half placed.
        self.spawn(async move {
            let outcome = gateway.place(&request).await;
            if let Err(refused) = &outcome {
                gateway.metrics.outbound_refused(refused.code());
                let called: String = request.to.chars().take(CALLED_CHARS_MAX).collect();
                info!(
                    reason = refused.code(),
                    called = masked(&called),
                    "a call was not placed: {}",
                    refused.words
                );
            }
            if let Some(ticket) = ticket {
                let keep = outcome.as_ref().map_or_else(|refused| refused.stands, |_| true);
                gateway.outbound.answers().end(ticket, outcome.clone(), keep);
            }
            let _ = done.send(outcome);
        });
        answer.await.unwrap_or_else(|_| Err(broken()))
    }

    async fn place(self: &Arc<Self>, request: &Request) -> Answer {
        let choice = Choice::of(&self.config, request)?;
        let pass = self.outbound.guard().admit(Instant::now(), &choice.to, &request.asker)?;
        let settings = &self.config.outbound;
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let within = seconds(settings.ring_s) + seconds(settings.grace_s);
        let knock = Knock {
            direction: Direction::Outbound,
            carrier: choice.carrier.name().to_owned(),
            from: choice.from.clone(),
            to: Some(choice.to.clone()),
            variables: choice.variables.clone(),
            ..Knock::default()
        };
        // The agent's slot is taken now: whoever picks up the phone must not be told that all agents are busy. Its place
        // outlasts everything that is waited for, so that only the board decides when the wait is over.
        let place = self.switchboard.reserve_for(knock, Arc::clone(&choice.bot), within + 2 * MEDIA_WITHIN);
        let reservation = match place {
            Ok(reservation) => reservation,
            Err(refusal) => {
                self.outbound.guard().undo(pass);
                return Err(no_place(&refusal));
            }
        };
        let id = reservation.id;
        let span = call_span(id, choice.carrier.name(), &choice.bot.name, Some(&choice.to));
        self.place_reserved(choice, reservation, pass, within).instrument(span).await
    }

    async fn place_reserved(
        self: &Arc<Self>,
        choice: Choice,
        reservation: Reservation,
        pass: Pass,
        within: Duration,
    ) -> Answer {
        let Reservation { id, token } = reservation;
        let changed = Arc::new(Notify::new());
        let began = Instant::now();
        let entry = Entry {
            carrier: choice.carrier,
            carrier_call: None,
            request: None,
            token: token.clone(),
            bot: choice.bot.name.clone(),
            agent: choice.bot.agent.name(),
            to: choice.to.clone(),
            from: choice.from.clone(),
            placed_at: Timestamp::now(),
            began,
            until: began + within,
            pass,
            changed: Arc::clone(&changed),
            state: State::Placing,
            stage: Stage::Waiting,
            machine: false,
        };
        self.outbound.board().enter(id, entry);
        self.spawn(Arc::clone(self).mind(id, token.clone(), changed).in_current_span());
        self.publish_outbound(id);
        if self.switchboard.is_draining() {
            // Whoever takes the gateway down may have looked before this call was on the list.
            self.not_reached(id, EndCause::Drained, false);
            return Err(NotAccepted { call: Some(id), ..no_place(&Refusal::Draining) });
        }
        info!(carrier = choice.carrier.name(), bot = choice.bot.name, "placing a call");
        let table = choice.carrier.table();
        let placement = Placement {
            call: id,
            token: &token,
            to: &choice.to,
            from: choice.from.as_deref(),
            bot: &choice.bot,
            ring_s: self.config.outbound.ring_s,
            detect_machine: choice.bot.call.voicemail != Voicemail::Continue && table.detects_machines,
        };
        match control::place(self, choice.carrier, &placement).await {
            Ok(placed) => {
                if let Some(request) = placed.request {
                    self.name_request(choice.carrier, id, request);
                }
                if let Some(name) = &placed.carrier_call {
                    self.name_outbound(choice.carrier, id, name);
                }
                Ok(self.accepted(id, &choice, placed.carrier_call))
            }
            Err(why) => {
                warn!("the carrier did not place the call: {why}");
                let detail = why.to_string();
                // Of one that could not be reached nobody knows what it does; it is told as soon as it shows.
                let given_up = matches!(why, NotPlaced::Unreachable { .. });
                self.not_reached(id, EndCause::NotReached { why: Unreached::Failed, detail }, given_up);
                Err(NotAccepted { call: Some(id), ..not_placed(why, choice.carrier) })
            }
        }
    }

    fn accepted(&self, id: CallId, choice: &Choice, carrier_call: Option<String>) -> Accepted {
        let state = self.outbound.board().get(id).map_or(State::Over, |entry| entry.state);
        Accepted {
            id,
            state,
            carrier: choice.carrier.name().to_owned(),
            carrier_call,
            bot: choice.bot.name.clone(),
            to: choice.to.clone(),
            from: choice.from.clone(),
        }
    }

    /// Looks after a call until its media is here or it is over, whatever the carrier says or does not say.
    async fn mind(self: Arc<Self>, id: CallId, token: String, changed: Arc<Notify>) {
        loop {
            let until = {
                let board = self.outbound.board();
                match board.get(id) {
                    Some(entry) if entry.stage == Stage::Waiting => entry.until,
                    Some(_) | None => return,
                }
            };
            let now = Instant::now();
            if now >= until {
                self.ran_out(id);
                return;
            }
            self.switchboard.renew_reservation(&token);
            tokio::select! {
                () = tokio::time::sleep((until - now).min(RENEW_EVERY)) => {}
                () = changed.notified() => {}
            }
        }
    }
}

/// The answer to the first request with this key.
async fn answered(mut coming: watch::Receiver<Option<Answer>>) -> Answer {
    match coming.wait_for(Option::is_some).await {
        Ok(answer) => answer.clone().unwrap_or_else(|| Err(broken())),
        Err(_) => Err(broken()),
    }
}

fn is_key(key: &str) -> bool {
    (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn broken() -> NotAccepted {
    NotAccepted::new(
        500,
        "internal",
        "placing this call met a bug of ours",
        "the log has the place; please report it",
    )
}

fn no_place(refusal: &Refusal) -> NotAccepted {
    let mend = match refusal {
        Refusal::AllLinesBusy { .. } | Refusal::NoAgentSlot { .. } => {
            format!("wait {} s, or until a call is over", whole_seconds(PLACE_WITHIN))
        }
        Refusal::Draining => "ask again when it is up".to_owned(),
        Refusal::Over => "place it anew".to_owned(),
    };
    let retry_after = Some(PLACE_WITHIN);
    NotAccepted { retry_after, ..NotAccepted::new(503, refusal.name(), refusal.to_string(), mend) }
}

fn not_placed(why: NotPlaced, kind: CarrierKind) -> NotAccepted {
    let carrier = kind.table().title;
    match why {
        NotPlaced::NotConfigured(mend) => NotAccepted::new(
            409,
            "carrier_cannot_place",
            format!("no calls can be placed with {carrier}"),
            mend,
        ),
        NotPlaced::Refused { detail } => {
            let mend = "the same request would get the same answer; the carrier's words say what to change";
            NotAccepted { stands: true, ..NotAccepted::new(422, "carrier_refused", detail, mend) }
        }
        NotPlaced::Busy { detail, retry_after_s } => {
            let retry_after = Duration::from_secs(retry_after_s.unwrap_or(1).max(1));
            let mend = format!("{carrier} asks for patience; try again in {} s", retry_after.as_secs());
            let refused = NotAccepted::new(503, "carrier_busy", detail, mend);
            NotAccepted { retry_after: Some(retry_after), ..refused }
        }
        NotPlaced::Unreachable { detail } => {
            let mend = match control::can_cancel(kind) {
                true => "it may have understood all the same: if it rings after all, the call is taken back",
                false => {
                    "it may have understood all the same: if it rings after all, whoever answers is let go"
                }
            };
            NotAccepted { stands: true, ..NotAccepted::new(502, "carrier_unreachable", detail, mend) }
        }
        NotPlaced::NotReached { detail } => {
            let mend = format!(
                "{carrier} was not reached and nobody was rung; it may be tried again, with the same key too"
            );
            NotAccepted::new(502, "carrier_unreachable", detail, mend)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_and_bounded() {
        assert!(is_key("8e03978e-40d5-43e8-bc93-6894a57f9324") && is_key(&"x".repeat(KEY_CHARS_MAX)));
        for bad in ["", " ", "a b", "é", "a\n", &"x".repeat(KEY_CHARS_MAX + 1)] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_what_may_have_rung_somebody_stands() {
        let detail = || "words".to_owned();
        let of = |why| {
            let refused = not_placed(why, CarrierKind::Twilio);
            (refused.status().as_u16(), refused.code(), refused.stands, refused.retry_after)
        };
        assert_eq!(of(NotPlaced::NotConfigured(detail())), (409, "carrier_cannot_place", false, None));
        assert_eq!(of(NotPlaced::Refused { detail: detail() }), (422, "carrier_refused", true, None));
        let unreachable = of(NotPlaced::Unreachable { detail: detail() });
        assert_eq!(unreachable, (502, "carrier_unreachable", true, None));
        let not_reached = of(NotPlaced::NotReached { detail: detail() });
        assert_eq!(not_reached, (502, "carrier_unreachable", false, None));
        let words = not_placed(NotPlaced::NotReached { detail: detail() }, CarrierKind::Twilio).mend;
        assert!(words.contains("nobody was rung") && words.contains("tried again"), "{words}");
        let busy = of(NotPlaced::Busy { detail: detail(), retry_after_s: Some(7) });
        assert_eq!(busy, (503, "carrier_busy", false, Some(Duration::from_secs(7))));
    }
}
