//! The conversation as it happens: from the gateway's own account where it can be had, else by ear.

use std::time::Duration;

use call::{Entry, Fact};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::Words;
use super::api::{Api, Event, Events};
use super::screen::Screen;
use super::story::{self, Who};

/// Notes that may wait for the terminal. A telephone makes a few a second.
pub(super) const NOTES_MAX: usize = 1_024;

/// For the gateway's last words about a call whose telephone is silent already.
const LAST_WORDS_WITHIN: Duration = Duration::from_secs(2);

/// Something that a telephone noticed, counted from the moment it was picked up.
#[derive(Debug)]
pub(super) struct Note {
    at: Duration,
    what: Happened,
}

#[derive(Debug)]
pub(super) enum Happened {
    /// Something on the caller's side that the gateway does not know.
    Step {
        words: Words,
    },
    /// The gateway's name for this call, where it can be found out.
    Call {
        id: Option<String>,
    },
    // By ear, and told only where there is nothing better.
    AgentSpeaks,
    AgentPauses,
    CallerSpeaks,
    Pressed {
        digit: char,
    },
    Silenced {
        dropped: Duration,
    },
}

/// A telephone's side of it.
#[derive(Debug)]
pub(super) struct Teller {
    began: Instant,
    notes: mpsc::Sender<Note>,
}

impl Teller {
    pub(super) fn new(notes: mpsc::Sender<Note>) -> Teller {
        Teller { began: Instant::now(), notes }
    }

    /// Tells it, unless nobody listens or the terminal is far behind.
    pub(super) fn tell(&mut self, what: Happened) {
        self.tell_at(self.began.elapsed(), what);
    }

    pub(super) fn tell_at(&mut self, at: Duration, what: Happened) {
        let _ = self.notes.try_send(Note { at, what });
    }
}

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The gateway gave its own account.
    pub(super) by_gateway: bool,
}

/// Shows the conversation until the telephone is silent.
pub(super) async fn tell(api: &Api, mut notes: mpsc::Receiver<Note>, screen: &Screen) -> Told {
    let mut telling = Telling {
        screen,
        offset: Duration::ZERO,
        shown: Vec::new(),
        last: None,
        events: None,
        agent_was_lost: false,
        over: false,
    };
    loop {
        let events = telling.events.as_mut();
        let note = tokio::select! {
            biased;
            note = notes.recv() => note,
            event = next(events) => {
                telling.event(event);
                continue;
            }
        };
        match note {
            Some(Note { at, what: Happened::Call { id } }) => telling.follow(api, at, id.as_deref()).await,
            Some(note) => telling.note(&note),
            None => break,
        }
    }
    let last_words = async {
        while telling.events.is_some() && !telling.over {
            let event = next(telling.events.as_mut()).await;
            telling.event(event);
        }
    };
    // A gateway that has gone away says nothing more.
    let _ = timeout(LAST_WORDS_WITHIN, last_words).await;
    Told { by_gateway: !telling.shown.is_empty() }
}

async fn next(events: Option<&mut Events>) -> Option<Event> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

struct Telling<'a> {
    screen: &'a Screen,
    /// From the picking up of the telephone to the beginning of the gateway's account.
    offset: Duration,
    shown: Vec<Entry>,
    last: Option<(Who, Words)>,
    events: Option<Events>,
    agent_was_lost: bool,
    over: bool,
}

impl Telling<'_> {
    /// The call has a name: its account so far, and what happens from now on.
    async fn follow(&mut self, api: &Api, at: Duration, id: Option<&str>) {
        self.offset = at;
        if let Some(id) = id {
            self.events = api.events(id).await;
        }
        let Some(id) = id.filter(|_| self.events.is_some()) else {
            self.screen.line("The gateway's own account of the call cannot be had, so this is told by ear.");
            return;
        };
        // Asked for after the stream stands, so that nothing falls in between.
        if let Some(record) = api.call(id).await {
            if !record.agent.is_empty() {
                let words =
                    format!("is connected to the bot {} ({})", record.bot, agent_words(&record.agent));
                self.screen.told(at, Who::Caller, &words);
            }
            for entry in record.entries() {
                self.entry(entry);
            }
        }
    }

    fn event(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Fact(entry)) => self.entry(*entry),
            Some(Event::Levels { caller_dbfs, agent_dbfs }) => self.screen.levels(caller_dbfs, agent_dbfs),
            None => self.events = None,
        }
    }

    fn entry(&mut self, entry: Entry) {
        // The account so far and the stream overlap.
        if self.shown.contains(&entry) {
            return;
        }
        self.over |= matches!(entry.fact, Fact::Ended { .. });
        self.agent_was_lost |= matches!(entry.fact, Fact::AgentLost { .. });
        // Before the agent is there for the first time, all there is to be kept is the line's silence.
        let is_silence = matches!(entry.fact, Fact::HeldAudioDelivered { .. }) && !self.agent_was_lost;
        if let Some(told) = story::of(&entry.fact).filter(|_| !is_silence) {
            // Two stretches of speech within one turn need not be told twice.
            if self.last.as_ref() != Some(&told) {
                let at = self.offset + Duration::from_micros(entry.at.micros());
                self.screen.told(at, told.0, &told.1);
            }
            self.last = Some(told);
        }
        self.shown.push(entry);
    }

    fn note(&self, note: &Note) {
        let by_ear = self.events.is_none() && self.shown.is_empty();
        let (who, words) = match &note.what {
            Happened::Step { words } => (Who::Caller, words.clone()),
            Happened::AgentSpeaks if by_ear => (Who::Agent, "speaks".to_owned()),
            Happened::AgentPauses if by_ear => (Who::Agent, "pauses".to_owned()),
            Happened::CallerSpeaks if by_ear => (Who::Caller, "speaks".to_owned()),
            Happened::Pressed { digit } if by_ear => (Who::Caller, format!("presses {digit}")),
            Happened::Silenced { dropped } if by_ear => {
                (Who::Agent, format!("is silenced; {} s of its answer are dropped", story::seconds(*dropped)))
            }
            Happened::Call { .. }
            | Happened::AgentSpeaks
            | Happened::AgentPauses
            | Happened::CallerSpeaks
            | Happened::Pressed { .. }
            | Happened::Silenced { .. } => return,
        };
        self.screen.told(note.at, who, &words);
    }
}

fn agent_words(agent: &str) -> &str {
    match agent {
        "demo" => "the built-in agent",
        "elevenlabs" => "an ElevenLabs agent",
        other => other,
    }
}
