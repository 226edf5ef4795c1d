//! Where calls run: a few threads of their own, each a small runtime, and the sockets they read and write.
//!
//! A call's media path is a read, a step of its state machine and a write, fifty times a second on each side; what it
//! costs is the kernel's wake-ups. So the threads that carry calls do nothing else, and under load they wait a moment
//! before they look for ready sockets: one wake-up then serves many calls.

mod dial;
mod socket;
mod threads;

pub use dial::{DialError, dial};
pub use socket::{Gone, Heard, Socket, Stream};
pub use threads::{MediaThread, MediaThreads};
