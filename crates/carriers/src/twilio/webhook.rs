//! What Twilio tells us over HTTP: a call knocks, a call changed, a stream changed, a dialled number answered or not.
//!
//! Each of these is a form. [`Params`] keeps all of it, because every parameter takes part in the signature; what a
//! call needs of it is picked by a type of its own. Parameters appear without notice and unknown words for known
//! things do too, so only what names the call is required.

mod params;
mod reports;

pub use params::{FormError, Params};
pub use reports::{
    AnsweredBy, AnsweredByReport, CallStatus, CallStatusReport, DialReport, DialStatus, Direction,
    InboundCall, Recording, ReportError, ReportOrder, StreamEvent, StreamStatusReport,
};
