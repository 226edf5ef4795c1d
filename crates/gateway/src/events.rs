//! What happens in live calls, for whoever listens: the console's pages, the event stream of the API, the terminal.
//!
//! Listeners come and go and may be slow; a call never waits for one. A listener that falls behind loses the oldest
//! events and is told how many.

use std::sync::Arc;

use call::{CallId, Entry};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::switchboard::CallView;

/// What a slow listener may be behind before it loses events: some seconds of a busy gateway.
const BEHIND_MAX: usize = 2_048;

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Event {
    /// A call began, moved to another phase, or ended.
    Call(Box<CallView>),
    Fact(CallFact),
    Levels(CallLevels),
}

#[derive(Clone, Debug, Serialize)]
pub struct CallFact {
    pub call: CallId,
    #[serde(flatten)]
    pub entry: Arc<Entry>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct CallLevels {
    pub call: CallId,
    pub caller_dbfs: f32,
    pub agent_dbfs: f32,
    pub caller_speaks: bool,
    pub agent_speaks: bool,
}

impl Event {
    /// The name under which the event stream sends it.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Call(_) => "call",
            Event::Fact(_) => "fact",
            Event::Levels(_) => "levels",
        }
    }

    pub fn call(&self) -> CallId {
        match self {
            Event::Call(view) => view.id,
            Event::Fact(fact) => fact.call,
            Event::Levels(levels) => levels.call,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<Arc<Event>>,
}

impl Default for Events {
    fn default() -> Events {
        Events { sender: broadcast::channel(BEHIND_MAX).0 }
    }
}

impl Events {
    /// Anybody listens at all. Levels are measured only then.
    pub fn has_listeners(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub fn publish(&self, event: Event) {
        if self.has_listeners() {
            // Fails only when the last listener left this very moment.
            let _ = self.sender.send(Arc::new(event));
        }
    }

    pub fn listen(&self) -> broadcast::Receiver<Arc<Event>> {
        self.sender.subscribe()
    }
}
