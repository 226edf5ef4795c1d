//! A carrier played by the terminal: an emulated one calls the gateway over real sockets, the way the real one does.
//!
//! Each carrier has a file for what differs: where it asks, what proves that it is the carrier, which number it calls
//! unless told otherwise. Everything else is the same: `accept` finds a secret that the gateway accepts, this lives
//! through the call and tells of it, `past` says what it came to.

mod accept;
mod exotel;
mod mcube;
mod past;
mod plivo;
mod twilio;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use call::{CallId, Sound};
use lab::caller::Caller;
use lab::phone::{CallNote, Happening, LiveCall, StreamEnd};
use rustls::ClientConfig;
use tokio::time::{Instant, sleep_until};
use wire::Secret;

use super::api::Api;
use super::caller::TICK;
use super::live::{Happened, Teller};
use super::place::Place;
use super::{Asked, Dialling, Past, Words};
use crate::carrier_kind::CarrierKind;
use crate::config::Config;
use crate::outward::{base_client, rustls_config};

pub(super) struct Exchange {
    kind: CarrierKind,
    line: Line,
    from: String,
    api: Api,
}

/// The emulated carrier.
enum Line {
    Twilio(twilio::Line),
    Plivo(plivo::Line),
    Exotel(exotel::Line),
    Mcube(mcube::Line),
}

/// What a carrier needs to open its line to the gateway.
struct Opening<'a> {
    place: &'a Place,
    config: &'a Config,
    to: String,
    bot: Option<&'a str>,
    /// Straight to the media socket; nobody is asked for it.
    socket: bool,
    sound: Option<Sound>,
    tls: Arc<ClientConfig>,
    http: reqwest::Client,
}

impl Opening<'_> {
    /// What may prove that we are the carrier, the likelier first: the token that a gateway on this machine has given
    /// out, then what this configuration has for the real carrier.
    fn secrets<'a>(&'a self, ours: impl Iterator<Item = &'a Secret>) -> Vec<&'a Secret> {
        self.place.lab_token().into_iter().chain(ours).collect()
    }
}

/// Who calls, and who is called, when nobody names a number: nobody's lines, written as the carrier writes them.
fn any_numbers(kind: CarrierKind) -> (&'static str, &'static str) {
    match kind {
        CarrierKind::Exotel => ("09999900100", "08040001234"),
        CarrierKind::Mcube => ("9123456780", "8047654321"),
        CarrierKind::Twilio | CarrierKind::Plivo | CarrierKind::Browser => ("+14155550100", "+14155550199"),
    }
}

/// The number that is called: the one asked for, else one of this carrier's in the configuration.
pub(super) fn called_number<'a>(kind: CarrierKind, asked: &'a Asked, config: &'a Config) -> Option<&'a str> {
    let carriers = &config.carriers;
    let own = match kind {
        CarrierKind::Twilio => carriers.twilio.phone_number.as_deref(),
        CarrierKind::Plivo => carriers.plivo.phone_number.as_deref(),
        CarrierKind::Exotel => carriers.exotel.phone_number.as_deref(),
        CarrierKind::Mcube | CarrierKind::Browser => None,
    };
    let line = || config.lines.iter().find(|line| line.carrier_kind() == Some(kind));
    asked.to.as_deref().or(own).or_else(|| line().map(|line| line.number.as_str()))
}

impl Exchange {
    /// Finds out how to prove itself to the gateway, and opens the exchange.
    pub(super) async fn open(
        kind: CarrierKind,
        place: &Place,
        config: &Config,
        asked: &Asked,
    ) -> Result<Exchange, Words> {
        let tls = rustls_config(config.server.extra_ca_file.as_deref()).map_err(|error| error.to_string())?;
        let (from, to) = any_numbers(kind);
        let opening = Opening {
            place,
            config,
            to: called_number(kind, asked, config).unwrap_or(to).to_owned(),
            bot: asked.bot.as_deref(),
            socket: asked.socket,
            sound: asked.sound,
            http: base_client(&tls).no_proxy().build().map_err(|error| error.to_string())?,
            tls,
        };
        let line = match kind {
            CarrierKind::Twilio => Line::Twilio(twilio::Line::open(opening).await?),
            CarrierKind::Plivo => Line::Plivo(plivo::Line::open(opening).await?),
            CarrierKind::Exotel => Line::Exotel(exotel::Line::open(opening).await?),
            CarrierKind::Mcube => Line::Mcube(mcube::Line::open(opening).await?),
            CarrierKind::Browser => {
                return Err("the browser is no carrier that could be pretended".to_owned());
            }
        };
        let from = asked.from.as_deref().unwrap_or(from).to_owned();
        Ok(Exchange { kind, line, from, api: place.api().clone() })
    }

    pub(super) async fn call(&self, number: usize, dialling: Dialling) -> Past {
        let call = self.place(counted_up(&self.from, number), dialling.caller.clone());
        let mut teller = Teller::new(dialling.notes.clone());
        let id = self.watch(&call, &mut teller, &dialling).await;
        let past = past::of(self.kind, id, call.finished().await, dialling.keep_sound);
        let piece = match &self.line {
            Line::Exotel(line) => line.piece(),
            Line::Twilio(_) | Line::Plivo(_) | Line::Mcube(_) => TICK,
        };
        Past { piece, ..past }
    }

    fn place(&self, from: String, caller: Caller) -> LiveCall {
        match &self.line {
            Line::Twilio(line) => line.place(from, caller),
            Line::Plivo(line) => line.place(from, caller),
            Line::Exotel(line) => line.place(from, caller),
            Line::Mcube(line) => line.place(from, caller),
        }
    }

    pub(super) async fn close(self) {
        match self.line {
            Line::Twilio(line) => line.close().await,
            Line::Plivo(line) => line.close().await,
            Line::Exotel(line) => line.close().await,
            Line::Mcube(line) => line.close().await,
        }
    }

    /// Tells what happens, and hangs up in time. Returns the gateway's name for the call.
    async fn watch(&self, call: &LiveCall, teller: &mut Teller, dialling: &Dialling) -> Option<String> {
        let limit = Instant::now() + dialling.limit;
        let mut notes = call.notes();
        let mut told_to_end = false;
        let mut opened = None;
        let mut id = None;
        // Not every carrier is told our name for a call; the gateway knows the carrier's.
        let mut asking = Box::pin(self.api.named(self.kind.name(), call.sid()));
        let mut asks = false;
        let mut waiting: Vec<(Duration, Happened)> = Vec::new();
        let mut objections: HashSet<String> = HashSet::new();
        loop {
            let note = tokio::select! {
                biased;
                note = notes.next() => note,
                () = dialling.hang_up.cancelled(), if !told_to_end => {
                    told_to_end = true;
                    call.hang_up().await;
                    continue;
                }
                () = sleep_until(limit), if !told_to_end => {
                    told_to_end = true;
                    call.hang_up().await;
                    continue;
                }
                found = &mut asking, if asks => {
                    asks = false;
                    teller.tell_at(opened.unwrap_or_default(), Happened::Call { id: found.clone() });
                    waiting.drain(..).for_each(|(at, happened)| teller.tell_at(at, happened));
                    id = found;
                    continue;
                }
            };
            let Some(CallNote { at, what }) = note else { break };
            if let Happening::StreamOpened { parameters, .. } = &what
                && opened.is_none()
            {
                opened = Some(at);
                let named = parameters.iter().find(|(name, _)| name == "call").map(|(_, value)| value);
                // It is used in an address; only a real one is. One may be written without its dashes.
                id = named.and_then(|id| id.parse::<CallId>().ok()).map(|id| id.to_string());
                asks = id.is_none();
            }
            // Whoever does something wrong does it again and again.
            if let Happening::Warned(warning) = &what
                && (objections.len() >= past::OBJECTIONS_MAX || !objections.insert(warning.text.clone()))
            {
                continue;
            }
            let is_opening = matches!(what, Happening::StreamOpened { .. });
            let known = (is_opening && id.is_some()).then(|| Happened::Call { id: id.clone() });
            for happened in told(self.kind, what, opened.is_some()).into_iter().chain(known) {
                if asks && !is_opening {
                    // What is told by ear may be told better in a moment.
                    waiting.push((at, happened));
                } else {
                    teller.tell_at(at, happened);
                }
            }
        }
        if asks {
            id = asking.await;
            teller.tell_at(opened.unwrap_or_default(), Happened::Call { id: id.clone() });
        }
        waiting.drain(..).for_each(|(at, happened)| teller.tell_at(at, happened));
        id
    }
}

/// What belongs to the story, in its words.
fn told(kind: CarrierKind, what: Happening, was_opened: bool) -> Vec<Happened> {
    let step = |words: String| vec![Happened::Step { words }];
    let carrier = kind.table().title;
    let does = if was_opened { "waits" } else { "rings" };
    match what {
        Happening::WebhookAnswered { status, took, .. } => {
            step(format!("{does}; the webhook answers with status {status} after {} ms", took.as_millis()))
        }
        Happening::WebhookFailed { problem, .. } => step(format!("{does}, and the webhook fails: {problem}")),
        Happening::StreamOpened { .. } => step("is answered: the media stream is open".to_owned()),
        Happening::StreamRefused { status, problem, .. } => {
            let status = status.map_or(String::new(), |status| format!(" with status {status}"));
            step(format!("finds the media stream refused{status}: {problem}"))
        }
        Happening::StreamEnded { why: StreamEnd::Lost { why }, .. } => {
            step(format!("loses the media stream: {why}"))
        }
        Happening::Said { text } => step(format!("is told by {carrier}'s voice: “{text}”")),
        Happening::Dialled { numbers, outcome } => {
            step(format!("is connected to {}: {outcome}", numbers.join(", ")))
        }
        Happening::Warned(warning) if kind == CarrierKind::Twilio => {
            step(format!("would find in Twilio's debugger: {}", warning.text))
        }
        Happening::Warned(warning) => {
            step(format!("notes that the pretended {carrier} objects: {}", warning.text))
        }
        Happening::CallerLostPatience => step("hears nothing, loses patience and hangs up".to_owned()),
        Happening::AgentSpeechBegan => vec![Happened::AgentSpeaks],
        Happening::AgentSpeechEnded => vec![Happened::AgentPauses],
        Happening::CallerSpeaks => vec![Happened::CallerSpeaks],
        Happening::CallerPressed { digit } => vec![Happened::Pressed { digit }],
        Happening::Cleared { dropped } => vec![Happened::Silenced { dropped }],
        _ => Vec::new(),
    }
}

/// The number with so much added to its last digits: callers are told apart by it.
fn counted_up(number: &str, by: usize) -> String {
    let digits = number.len() - number.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (head, tail) = number.split_at(number.len() - digits.min(9));
    match tail.parse::<usize>() {
        Ok(last) => format!("{head}{:0width$}", last + by, width = tail.len()),
        Err(_) => number.to_owned(),
    }
}

/// The same sound, in the emulator's terms.
fn lab_sound(sound: Sound) -> lab::phone::Sound {
    let encoding = match sound.encoding {
        call::Encoding::Mulaw => lab::phone::Encoding::Mulaw,
        call::Encoding::Pcm16 => lab::phone::Encoding::Pcm16,
    };
    lab::phone::Sound { encoding, rate: sound.rate }
}

fn does_not_start(kind: CarrierKind, error: &std::io::Error) -> Words {
    format!("the pretended {} does not start: {error}", kind.table().title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_count_up() {
        assert_eq!(counted_up("+14155550100", 0), "+14155550100");
        assert_eq!(counted_up("+14155550100", 55), "+14155550155");
        assert_eq!(counted_up("+14155550999", 1), "+14155551000");
        assert_eq!(counted_up("09999900100", 1), "09999900101");
        assert_eq!(counted_up("anonymous", 3), "anonymous");
        assert_eq!(counted_up("", 3), "");
    }

    #[test]
    fn a_pretended_carrier_tells_what_it_objects_to() {
        let warned = |kind| {
            let warning = Happening::Warned(lab::phone::Warning { code: None, text: "too short".to_owned() });
            match told(kind, warning, true).pop() {
                Some(Happened::Step { words }) => words,
                other => panic!("{other:?}"),
            }
        };

        assert_eq!(warned(CarrierKind::Twilio), "would find in Twilio's debugger: too short");
        assert_eq!(warned(CarrierKind::Exotel), "notes that the pretended Exotel objects: too short");
    }
}
