//! Calls that we place.
//!
//! Placing goes through `place`: what is asked for is completed and checked (`choice`), let out or not (`guard`), given a
//! place at the switchboard, put on the list (`board`), and only then is the carrier asked. From there on one of two things
//! happens, decided in one place (`board`): its media arrives, and it is a call like any other with a record like
//! any other; or it is not reached, and a record says why. `report` takes in what carriers say meanwhile, in any order.

pub mod answers;
pub mod guard;

mod board;
mod choice;
mod place;
mod report;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use call::{CallId, Unreached};
use serde::Serialize;

use crate::config::{self, Variable};
use answers::Answers;
use board::Board;
use guard::{Denied, Guard};

pub(crate) use report::PlaceOf;

/// A call that somebody wants placed. Whatever is left out is found by the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub to: String,
    /// The number that the far side sees.
    pub from: Option<String>,
    pub bot: Option<String>,
    /// The carrier by its name.
    pub carrier: Option<String>,
    /// Values for the agent's placeholders.
    pub variables: BTreeMap<String, Variable>,
    /// Two requests of one asker with the same key are one.
    pub key: Option<String>,
    /// Who asks, for the limits that each key has and for keys of its own: "the API token", or a name for another
    /// interface that lets somebody place calls.
    pub asker: String,
}

/// A call is being placed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Accepted {
    pub id: CallId,
    pub state: State,
    pub carrier: String,
    /// The carrier's name for the call, if it says so already.
    pub carrier_call: Option<String>,
    pub bot: String,
    pub to: String,
    pub from: Option<String>,
}

/// How far a call that we place has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The carrier has been asked.
    Placing,
    Ringing,
    Answered,
    Over,
}

/// Why a call is not placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAccepted {
    status: StatusCode,
    code: &'static str,
    pub words: Cow<'static, str>,
    /// What to do about it.
    pub mend: Cow<'static, str>,
    pub retry_after: Option<Duration>,
    /// The carrier was asked: this call has a record.
    pub call: Option<CallId>,
    /// Asking again with the same key gets the same answer.
    stands: bool,
}

impl NotAccepted {
    pub(crate) fn new(
        status: u16,
        code: &'static str,
        words: impl Into<Cow<'static, str>>,
        mend: impl Into<Cow<'static, str>>,
    ) -> NotAccepted {
        NotAccepted {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            words: words.into(),
            mend: mend.into(),
            retry_after: None,
            call: None,
            stands: false,
        }
    }

    /// What HTTP calls it.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// In one word, for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

impl From<Denied> for NotAccepted {
    fn from(denied: Denied) -> NotAccepted {
        let status = if denied.retry_after().is_some() { 429 } else { 403 };
        let retry_after = denied.retry_after();
        NotAccepted {
            retry_after,
            ..NotAccepted::new(status, denied.code(), denied.to_string(), denied.mend())
        }
    }
}

/// What a carrier reports of a call that we placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Ringing,
    Answered,
    /// A person answered, as far as the carrier can tell.
    Person,
    /// A machine answered.
    Machine,
    /// It is over; `why` when it was never answered.
    Over {
        why: Option<Unreached>,
        detail: String,
    },
}

/// By which name a carrier speaks of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// Our own, which it was given along.
    Ours(CallId),
    /// Its own.
    Theirs(&'a str),
}

/// Everything about placed calls that is shared.
#[derive(Debug)]
pub struct Outbound {
    guard: Mutex<Guard>,
    board: Mutex<Board>,
    answers: Mutex<Answers>,
}

impl Outbound {
    pub fn new(settings: &config::Outbound, country: Option<&str>) -> Outbound {
        Outbound {
            guard: Mutex::new(Guard::new(settings).in_country(country)),
            board: Mutex::default(),
            answers: Mutex::default(),
        }
    }

    fn guard(&self) -> MutexGuard<'_, Guard> {
        lock(&self.guard)
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        lock(&self.answers)
    }
}

/// Every change is whole when a lock is let go, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
