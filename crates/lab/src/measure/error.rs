//! Why a measure came to nothing.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error("unknown part of the bench {0:?}; there are relay, agent and load")]
    UnknownPart(String),

    #[error("cannot read the plan of the bench's part: {0}")]
    Plan(#[source] serde_json::Error),

    #[error("cannot start {program}: {cause}")]
    Start {
        program: PathBuf,
        #[source]
        cause: io::Error,
    },

    #[error("{name} ended or fell silent before it had reported; {hint}")]
    PartFailed { name: String, hint: String },

    #[error("{name} was not ready at {url} within {seconds} s; {hint}")]
    NotReady { name: String, url: String, seconds: u64, hint: String },

    #[error("cannot use the address {0}")]
    Address(String),

    #[error("{0}")]
    Webhook(String),

    #[error("no call was carried: {0}")]
    NoCalls(String),

    #[error("cannot read what a process uses from /proc: {0}")]
    Process(#[source] io::Error),

    #[error("the network of the measure failed: {0}")]
    Socket(#[from] io::Error),
}
