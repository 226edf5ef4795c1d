//! What holds of every carrier, tried on every carrier, in every form in which its sound may come.

mod bare;
mod golden;
mod hooks;
mod lines;
mod outbound;
mod placing;
mod script;
mod withstand;
mod withstand_endings;
mod withstand_kill;
mod withstand_messages;
mod withstand_sockets;
mod withstand_webhooks;

pub(crate) use lines::{Line, Ring};
pub(crate) use withstand_kill::config as config_of_all;
