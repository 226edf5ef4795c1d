//! The gateway's own page as a telephone, played by the terminal: its messages, a loudspeaker, a clock.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use audio::{Frame, Rate, pcm};
use rustls::ClientConfig;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, sleep_until, timeout};
use wire::{Incoming, Secret};

use super::caller::{Person, TICK};
use super::ear::Ear;
use super::live::{Happened, Teller};
use super::place::{Place, below};
use super::{Dialling, End, Past, Words};
use crate::config::Config;
use crate::media::{self, DialError, Gone, Heard, Socket};
use crate::outward::rustls_config;

const RATE: Rate = Rate::Hz16000;
const DIAL_WITHIN: Duration = Duration::from_secs(5);
/// From `start` to `ready`.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// After our own goodbye, for the gateway's.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// Larger than anything the gateway sends.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// What the network has not taken yet.
const OUT_BYTES_MAX: usize = 256 * 1024;
/// Sound that may wait for the loudspeaker; a gateway sends a fraction of a second ahead.
const WAITING_SAMPLES_MAX: usize = 16_000 * 60;
/// The loudspeaker says where it is so often, as the page does.
const REPORT_TICKS: u64 = 5;

#[derive(Debug)]
pub(super) struct Browser {
    address: String,
    headers: Vec<(&'static str, Secret)>,
    start: String,
    tls: Arc<ClientConfig>,
}

/// What the gateway says on the socket.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromGateway {
    Ready {
        call: String,
        #[serde(default)]
        generation: u32,
    },
    Clear {
        generation: u32,
    },
    Digits {
        digits: String,
    },
    Transfer {
        to: String,
    },
    Bye {
        cause: String,
    },
    #[serde(other)]
    Unknown,
}

enum Inbox {
    Text(FromGateway),
    Sound(Vec<i16>),
    Gone(Gone),
}

impl Browser {
    pub(super) fn new(place: &Place, config: &Config, bot: Option<String>) -> Result<Browser, Words> {
        let tls = rustls_config(config.server.extra_ca_file.as_deref()).map_err(|error| error.to_string())?;
        let address = below(place.url(), &config.carriers.browser.path).to_string();
        let address = match address.strip_prefix("http") {
            // `http` becomes `ws`, and `https` becomes `wss`.
            Some(rest) => format!("ws{rest}"),
            None => address,
        };
        let bearer = |token: &Secret| ("authorization", Secret::new(format!("Bearer {}", token.reveal())));
        let mut start = json!({"type": "start", "rate": RATE.hz()});
        if let Some(bot) = bot {
            start["bot"] = bot.into();
        }
        Ok(Browser {
            address,
            headers: place.token().map(bearer).into_iter().collect(),
            start: start.to_string(),
            tls,
        })
    }

    pub(super) async fn call(&self, dialling: Dialling) -> Past {
        let dialled = media::dial(&self.address, &self.headers, Arc::clone(&self.tls), DIAL_WITHIN).await;
        let (stream, early) = match dialled {
            Ok(dialled) => dialled,
            Err(error) => return Past::none(End::Failed { words: not_dialled(&error) }),
        };
        let socket = Socket::client(stream, rand::random(), MESSAGE_BYTES_MAX, OUT_BYTES_MAX);
        let mut phone = Phone::new(socket, early, &dialling);
        phone.socket.outbox.text_str(&self.start);
        Box::pin(phone.live(dialling)).await
    }
}

fn not_dialled(error: &DialError) -> Words {
    match error {
        DialError::Refused { reply, .. } => {
            let said = reply.body.trim();
            match reply.status {
                401 => "the gateway does not accept this API token; give its server.api_token with --token".to_owned(),
                404 => "the gateway has no telephone for browsers here; see carriers.browser in its configuration"
                    .to_owned(),
                status if said.is_empty() => format!("the gateway refused the call with status {status}"),
                _ => format!("the gateway refused the call: {said}"),
            }
        }
        other => other.to_string(),
    }
}

/// One call.
struct Phone {
    socket: Socket,
    inbox: VecDeque<Inbox>,
    person: Person,
    teller: Teller,
    ear: Ear,
    recording: Vec<i16>,
    keep_sound: bool,
    call: Option<String>,
    generation: u32,
    /// Sound that has not come out of the loudspeaker, of the present generation.
    waiting: VecDeque<i16>,
    /// Samples of the present generation that have come out, and how many were reported.
    played: u64,
    reported: u64,
    frames_sent: u64,
    received: u64,
    cleared: u64,
    ticks: u64,
    said_bye: bool,
    end: Option<End>,
}

impl Phone {
    fn new(mut socket: Socket, mut early: Vec<u8>, dialling: &Dialling) -> Phone {
        let mut inbox = VecDeque::new();
        socket.read_early(&mut early, &mut |heard| inbox.extend(taken(heard)));
        Phone {
            socket,
            inbox,
            person: Person::new(&dialling.caller, RATE),
            teller: Teller::new(dialling.notes.clone()),
            ear: Ear::default(),
            recording: Vec::new(),
            keep_sound: dialling.keep_sound,
            call: None,
            generation: 0,
            waiting: VecDeque::new(),
            played: 0,
            reported: 0,
            frames_sent: 0,
            received: 0,
            cleared: 0,
            ticks: 0,
            said_bye: false,
            end: None,
        }
    }

    async fn live(mut self, dialling: Dialling) -> Past {
        if timeout(READY_WITHIN, self.until_ready(&dialling)).await.is_err() {
            self.end = Some(End::Failed {
                words: "the gateway accepted the connection but did not answer the call; its log says why"
                    .to_owned(),
            });
        }
        let answered = Instant::now();
        while self.end.is_none() {
            let due = answered + TICK * (self.ticks as u32 + 1);
            let too_long = self.ticks >= dialling.limit.as_millis() as u64 / TICK.as_millis() as u64;
            let wants_end = too_long || dialling.hang_up.is_cancelled();
            if wants_end && !self.said_bye {
                self.hang_up();
                break;
            }
            tokio::select! {
                biased;
                () = hear(&mut self.socket, &mut self.inbox) => self.take_in(),
                () = sleep_until(due) => self.tick(),
                () = dialling.hang_up.cancelled() => {}
            }
            if self.said_bye {
                break;
            }
        }
        if self.said_bye && self.end.is_none() {
            // The gateway says goodbye too, and why the call is over as it sees it.
            let _ = timeout(GOODBYE_WITHIN, self.until_end()).await;
        }
        self.past()
    }

    async fn until_ready(&mut self, dialling: &Dialling) {
        self.take_in();
        while self.call.is_none() && self.end.is_none() {
            tokio::select! {
                () = hear(&mut self.socket, &mut self.inbox) => self.take_in(),
                () = dialling.hang_up.cancelled() => {
                    self.end = Some(End::Failed { words: "hung up before the call was answered".to_owned() });
                }
            }
        }
    }

    async fn until_end(&mut self) {
        while self.end.is_none() {
            hear(&mut self.socket, &mut self.inbox).await;
            self.take_in();
        }
    }

    fn take_in(&mut self) {
        while let Some(message) = self.inbox.pop_front() {
            match message {
                Inbox::Sound(samples) => {
                    self.received += samples.len() as u64;
                    let room = WAITING_SAMPLES_MAX.saturating_sub(self.waiting.len());
                    self.waiting.extend(samples.into_iter().take(room));
                }
                Inbox::Text(FromGateway::Ready { call, generation }) => {
                    self.generation = generation;
                    self.teller.tell(Happened::Call { id: Some(call.clone()) });
                    self.call = Some(call);
                }
                Inbox::Text(FromGateway::Clear { generation }) => {
                    let dropped = RATE.duration_of(self.waiting.len() as u64);
                    self.cleared += self.waiting.len() as u64;
                    self.waiting.clear();
                    self.generation = generation;
                    (self.played, self.reported) = (0, 0);
                    self.report();
                    self.teller.tell(Happened::Silenced { dropped });
                }
                Inbox::Text(FromGateway::Digits { digits }) => {
                    self.teller
                        .tell(Happened::Step { words: format!("the gateway plays the keys {digits}") });
                }
                Inbox::Text(FromGateway::Transfer { to }) => {
                    self.teller.tell(Happened::Step {
                        words: format!("would now be connected to {to}; there is no telephone network here"),
                    });
                }
                Inbox::Text(FromGateway::Bye { cause }) => {
                    self.end.get_or_insert(End::Over { words: in_words(&cause) });
                }
                Inbox::Text(FromGateway::Unknown) => {}
                Inbox::Gone(gone) => {
                    let end = self.lost(gone);
                    self.end.get_or_insert(end);
                }
            }
        }
    }

    /// The socket is gone without a goodbye.
    fn lost(&self, gone: Gone) -> End {
        match gone {
            Gone::Closed { code: Some(1013), reason } => End::Busy { words: reason },
            Gone::Closed { reason, .. } if !reason.is_empty() => {
                End::Failed { words: format!("the gateway closed the line: {reason}") }
            }
            _ if self.said_bye => End::Over { words: in_words("caller_hung_up") },
            Gone::Closed { code, .. } => End::Failed {
                words: format!("the gateway closed the line without a word (code {})", code.unwrap_or(1005)),
            },
            Gone::Broke { what, .. } => {
                End::Failed { words: format!("the gateway does not speak WebSocket: {what}") }
            }
            Gone::Lost { detail } => {
                End::Failed { words: format!("the connection to the gateway was lost: {detail}") }
            }
            Gone::NotReading => End::Failed { words: "the gateway stopped reading".to_owned() },
        }
    }

    /// 20 ms of a telephone's life.
    fn tick(&mut self) {
        self.ticks += 1;
        let count = RATE.samples_in(TICK) as usize;
        let mut heard: Vec<i16> = self.waiting.drain(..count.min(self.waiting.len())).collect();
        self.played += heard.len() as u64;
        let ran_empty = !heard.is_empty() && self.waiting.is_empty();
        heard.resize(count, 0);
        let tick = self.person.tick(&heard);
        self.ear.tick(&heard, &tick.frame);
        if self.keep_sound {
            self.recording.extend_from_slice(&heard);
        }
        self.teller.tell_tick(&tick);
        if let Some(digit) = tick.pressed {
            self.socket.outbox.text_str(&json!({"type": "digit", "digit": digit.to_string()}).to_string());
        }
        self.socket.outbox.binary(|bytes| pcm::pcm_to_le(&tick.frame, bytes));
        self.frames_sent += 1;
        if self.played != self.reported && (ran_empty || self.ticks.is_multiple_of(REPORT_TICKS)) {
            self.report();
        }
        if tick.hangs_up {
            self.hang_up();
        }
    }

    fn report(&mut self) {
        self.reported = self.played;
        let ms = RATE.duration_of(self.played).as_millis() as u64;
        let report = json!({"type": "played", "generation": self.generation, "ms": ms});
        self.socket.outbox.text_str(&report.to_string());
    }

    fn hang_up(&mut self) {
        self.said_bye = true;
        self.socket.outbox.text_str(r#"{"type":"bye"}"#);
    }

    fn past(self) -> Past {
        Past {
            id: self.call,
            end: self.end.unwrap_or_else(|| End::Over { words: in_words("caller_hung_up") }),
            lasted: TICK * self.ticks as u32,
            heard: Frame::new(RATE, self.recording),
            ear: self.ear,
            frames_sent: self.frames_sent,
            received: RATE.duration_of(self.received),
            cleared: RATE.duration_of(self.cleared),
            piece: TICK,
            objections: Vec::new(),
        }
    }
}

/// Writes what waits, and waits for something to be said.
async fn hear(socket: &mut Socket, inbox: &mut VecDeque<Inbox>) {
    poll_fn(|cx| {
        let heard = socket.poll_hear(cx, &mut |heard| inbox.extend(taken(heard)));
        match socket.poll_flush(cx) {
            Poll::Ready(Err(gone)) if !socket.is_gone() => {
                inbox.push_back(Inbox::Gone(gone));
                Poll::Ready(())
            }
            _ => heard,
        }
    })
    .await;
}

fn taken(heard: Heard<'_>) -> Option<Inbox> {
    match heard {
        Heard::Message(Incoming::Text(text)) => serde_json::from_str(text).ok().map(Inbox::Text),
        Heard::Message(Incoming::Binary(bytes)) => {
            let mut samples = Vec::with_capacity(bytes.len() / 2);
            // Half a sample at the end is no sound.
            pcm::le_to_pcm(&bytes[..bytes.len() & !1], &mut samples).ok()?;
            Some(Inbox::Sound(samples))
        }
        Heard::Gone(gone) => Some(Inbox::Gone(gone)),
    }
}

/// The gateway's word for the end, for a caller. The call's own record says it better, where it can be had.
fn in_words(cause: &str) -> Words {
    match cause {
        "caller_hung_up" => "The caller hung up.",
        "agent_hung_up" => "The agent ended the call.",
        "hung_up" | "closed" => "The other side hung up.",
        "transferred" => "The caller was handed over.",
        "operator_hung_up" => "The call was ended from the console or the API.",
        "agent_unavailable" => "No agent could be had.",
        "max_duration" => "The call reached the longest time a call may last.",
        "stale" => "Nobody said anything for too long.",
        "drained" => "The gateway was shut down.",
        other => return format!("The gateway ended the call: {}.", other.replace('_', " ")),
    }
    .to_owned()
}

impl Teller {
    fn tell_tick(&mut self, tick: &super::caller::Tick) {
        match tick.noticed {
            Some(true) => self.tell(Happened::AgentSpeaks),
            Some(false) => self.tell(Happened::AgentPauses),
            None => {}
        }
        if tick.began_speaking {
            self.tell(Happened::CallerSpeaks);
        }
        if let Some(digit) = tick.pressed {
            self.tell(Happened::Pressed { digit });
        }
        if tick.lost_patience {
            self.tell(Happened::Step { words: "hears nothing, loses patience and hangs up".to_owned() });
        }
    }
}
