//! What Plivo tells us over HTTP: a call knocks, rings, is over; a machine answered; a stream changed.
//!
//! Each of these is a form, or a query. [`Params`] keeps all of it, because every parameter takes part in the signature;
//! what a call needs of it is picked by a type of its own. Parameters appear without notice and unknown words for known
//! things do too, so only what names the call is required.

mod reports;

pub use self::reports::{
    CallReport, CallStatus, Direction, HangUp, ReportError, StreamEvent, StreamReport, read_machine,
};
pub use crate::twilio::webhook::{FormError, Params};
