//! A web page as a telephone.
//!
//! One WebSocket carries everything. Text messages are JSON objects with a `type`; binary messages are sound: PCM16,
//! little-endian, mono, 16 kHz, in whole samples and at most one second at a time.
//!
//! The page begins with `start` and is answered with `ready`; sound may flow both ways from then on.
//!
//! | page → gateway | |
//! |---|---|
//! | `{"type":"start","rate":16000,"bot":"name","token":"…"}` | first message; `bot` and `token` may be left out |
//! | binary | what the microphone hears, 20 ms at a time |
//! | `{"type":"digit","digit":"1"}` | a key: `0`–`9`, `*`, `#`, `A`–`D` |
//! | `{"type":"played","generation":0,"ms":1234}` | so much of this generation's sound has come out of the loudspeaker; several times a second while it plays |
//! | `{"type":"bye"}` | the caller hangs up |
//!
//! | gateway → page | |
//! |---|---|
//! | `{"type":"ready","call":"<id>","rate":16000,"generation":0}` | the call stands |
//! | binary | sound of the current generation, to be played after everything before it |
//! | `{"type":"clear","generation":1}` | throw away what has not been played; the sound that follows is of this generation, counted from 0 ms |
//! | `{"type":"digits","digits":"12"}` | play these keys' tones |
//! | `{"type":"transfer","to":"…"}` | the caller has been handed over; there is no telephone network here, so the page says so |
//! | `{"type":"bye","cause":"…"}` | the call is over; the socket closes |
//!
//! A page reports what was played, so what the caller has heard is known here as it is on a telephone line.
//! Unknown types and unknown fields are skipped, in both directions.

mod capabilities;
mod leg;
pub mod messages;

pub use capabilities::CAPABILITIES;
pub use leg::Leg;
