//! One folder per voice AI: its wire messages and the leg that speaks them.
//!
//! A leg turns an agent's wire into [`call::AgentEvent`]s and [`call::AgentCommand`]s into its wire. It owns no socket,
//! no clock and no task: whoever owns the socket hands it one message after the other and sends what it leaves in the
//! outbox. Nothing outside a folder knows that provider's words.
//!
//! - [`elevenlabs`] — ElevenLabs Agents over a WebSocket.
//! - [`demo`] — the built-in agent: no network, no account.
//! - [`prompts`] — the spoken sentences that come with the program, for the built-in agent and for the gateway itself.

mod base64;
pub mod demo;
pub mod elevenlabs;
pub mod prompts;
