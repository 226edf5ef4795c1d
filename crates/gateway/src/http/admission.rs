//! May this call come in? The same question at every carrier's webhook; only the answer is written in the carrier's way.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use call::masked;
use tracing::info;

use super::callers::caller;
use super::client_address::neighbourhood;
use super::rate_limit::TooOften;
use super::reception::Reception;
use crate::config::Bot;
use crate::switchboard::{Knock, Refusal, Reservation};

/// Why a call does not come in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAdmitted {
    #[error("too many calls a minute from one address; see limits.calls_per_minute_per_address")]
    AddressTooOften(TooOften),
    #[error("too many calls a minute from one caller; see limits.calls_per_minute_per_caller")]
    CallerTooOften(TooOften),
    #[error("no bot answers this call")]
    NoBot,
    #[error("nobody waits for this call any more")]
    GivenUp,
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl NotAdmitted {
    /// In one word, for metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            NotAdmitted::AddressTooOften(_) => "address_too_often",
            NotAdmitted::CallerTooOften(_) => "caller_too_often",
            NotAdmitted::NoBot => "no_such_bot",
            NotAdmitted::GivenUp => "given_up",
            NotAdmitted::Refused(refusal) => refusal.name(),
        }
    }
}

/// A place for the call that knocks, or why there is none. `counted_by` is the number of the person at the other end.
pub(super) fn admit(
    reception: &Reception,
    client: IpAddr,
    counted_by: &str,
    knock: Knock,
    bot: Option<Arc<Bot>>,
    now: Instant,
) -> Result<Reservation, NotAdmitted> {
    reception.calls_by_address.admit(neighbourhood(client), now).map_err(NotAdmitted::AddressTooOften)?;
    if let Some(caller) = caller(counted_by) {
        reception.calls_by_caller.admit(caller, now).map_err(NotAdmitted::CallerTooOften)?;
    }
    let bot = bot.ok_or(NotAdmitted::NoBot)?;
    let (carrier, name) = (knock.carrier.clone(), bot.name.clone());
    let reservation = reception.gateway.switchboard.reserve(knock, bot)?;
    info!(call = %reservation.id, carrier, bot = name, caller = masked(counted_by), "a call knocks");
    Ok(reservation)
}
