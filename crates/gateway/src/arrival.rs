//! A media socket arrives: who is it, may it come in, and which call is it?
//!
//! Nothing of a call exists yet. The socket may be anybody's until it has shown a token that we gave out, or came with
//! a signature; until then it gets little time and little memory.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use call::{Call, CarrierEvent, MediaStart};
use carriers::{Upgrade, browser, exotel, mcube, plivo, twilio};
use futures_util::FutureExt;
use tokio::net::TcpStream;
use tracing::{Instrument, info, warn};

use crate::call_task::CallTask;
use crate::carrier_kind::CarrierKind;
use crate::config::Bot;
use crate::gateway::Gateway;
use crate::legs::{CarrierLeg, CarrierSide};
use crate::media::Socket;
use crate::ops::logs::call_span;
use crate::switchboard::{Direction, Knock, LiveCall, Refusal, Seat};

/// What waits to be written to a carrier at most: several seconds of sound beside what the kernel holds.
const CARRIER_OUT_BYTES_MAX: usize = 128 * 1024;

/// Events before media starts. A carrier sends two or three; somebody who sends a hundred is no carrier.
const EVENTS_BEFORE_START_MAX: usize = 100;

/// Facts that are between the carrier and us, and no facts about the call.
const OURS_AMONG_FACTS: [&str; 3] = ["token", "call", "bot"];

/// How a media socket came in: what its request says, and whether that is proof enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance {
    pub carrier: CarrierKind,
    /// The request has shown who it is: a signature, a password, the API token. Otherwise a token that we gave out must
    /// follow, here or in the first message.
    pub proven: bool,
    /// A token in the request itself.
    pub token: Option<String>,
    pub upgrade: Upgrade,
    /// What else the request says about the call, by name. Names that are no facts of ours are kept as they are.
    pub facts: Vec<(String, String)>,
}

impl Entrance {
    /// A socket whose request says nothing but whose it is.
    pub fn plain(carrier: CarrierKind, proven: bool) -> Entrance {
        Entrance { carrier, proven, token: None, upgrade: Upgrade::default(), facts: Vec::new() }
    }
}

/// Why a media socket was turned away. The first field of each answer is the close code.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TurnedAway {
    #[error("no start message came in time")]
    NeverStarted,
    #[error("the token is unknown, used or expired")]
    NoToken,
    #[error("the page did not show the API token")]
    NotAuthorised,
    #[error("there is no bot of that name")]
    NoSuchBot,
    #[error("the call was given up before its media came")]
    TooLate,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the socket closed before media started")]
    Left,
}

impl TurnedAway {
    fn close_code(&self) -> u16 {
        match self {
            TurnedAway::NeverStarted
            | TurnedAway::NoToken
            | TurnedAway::NotAuthorised
            | TurnedAway::TooLate
            | TurnedAway::NoSuchBot => 1008,
            TurnedAway::Refused(_) => 1013,
            TurnedAway::Left => 1000,
        }
    }

    /// In one word, for metrics.
    pub fn name(&self) -> &'static str {
        match self {
            TurnedAway::NeverStarted => "never_started",
            TurnedAway::NoToken => "no_token",
            TurnedAway::NotAuthorised => "not_authorised",
            TurnedAway::NoSuchBot => "no_such_bot",
            TurnedAway::TooLate => "too_late",
            TurnedAway::Refused(refusal) => refusal.name(),
            TurnedAway::Left => "left",
        }
    }
}

/// Receives a media socket on the media thread that it shall live on, and carries its call to the end.
pub async fn receive(
    gateway: Arc<Gateway>,
    stream: std::net::TcpStream,
    mut early: Vec<u8>,
    entrance: Entrance,
) {
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            warn!(%error, "a media socket could not be taken over: {error}");
            return;
        }
    };
    let upgrade = entrance.upgrade.clone();
    let leg = match entrance.carrier {
        CarrierKind::Twilio => CarrierLeg::Twilio(twilio::Leg::new()),
        CarrierKind::Plivo => {
            let sound = gateway.config.carriers.plivo.content_type.sound();
            CarrierLeg::Plivo(plivo::Leg::new(upgrade).asked_for(sound))
        }
        CarrierKind::Exotel => {
            let settings = gateway.config.carriers.exotel.leg_settings();
            CarrierLeg::Exotel(exotel::Leg::new(upgrade, settings))
        }
        CarrierKind::Mcube => {
            let settings = gateway.config.carriers.mcube.leg_settings(&gateway.config.bots);
            CarrierLeg::Mcube(mcube::Leg::new(upgrade, settings))
        }
        CarrierKind::Browser => CarrierLeg::Browser(browser::Leg::new()),
    };
    let message_bytes_max = gateway.config.limits.carrier_message_bytes;
    let mut carrier = CarrierSide::new(leg, Socket::server(stream, message_bytes_max, CARRIER_OUT_BYTES_MAX));
    let mut events = Vec::new();
    carrier.read_early(&mut early, &mut events);
    drop(early);
    let within = Duration::from_millis(u64::from(gateway.config.limits.token_ms));
    let started = match tokio::time::timeout(within, start(&mut carrier, &mut events)).await {
        Ok(started) => started,
        Err(_) => Err(TurnedAway::NeverStarted),
    };
    let seat = started.and_then(|mut started| {
        // What the request said stands where the messages say nothing.
        started.facts.extend(entrance.facts.iter().cloned());
        started.carrier_call = started.carrier_call.or_else(|| entrance.upgrade.call.clone());
        let seat = admit(&gateway, &entrance, &started)?;
        let is_placed = seat.knock.direction == Direction::Outbound;
        if is_placed && !gateway.outbound_arrives(entrance.carrier, &seat) {
            return Err(TurnedAway::TooLate);
        }
        Ok((seat, started))
    });
    match seat {
        Ok((seat, started)) => Box::pin(run(gateway, seat, started, carrier, events)).await,
        Err(turned_away) => {
            gateway.metrics.refused(turned_away.name());
            info!(reason = turned_away.name(), "a media socket was turned away: {turned_away}");
            carrier.close(turned_away.close_code(), &turned_away.to_string());
            let ending = poll_fn(|cx| carrier.poll_end(cx));
            let _ = tokio::time::timeout(Duration::from_secs(2), ending).await;
        }
    }
}

/// Listens until media starts.
async fn start(carrier: &mut CarrierSide, events: &mut Vec<CarrierEvent>) -> Result<MediaStart, TurnedAway> {
    loop {
        for event in events.iter() {
            match event {
                CarrierEvent::Started(start) => return Ok(start.clone()),
                CarrierEvent::Left(_) => return Err(TurnedAway::Left),
                _ => {}
            }
        }
        if events.len() > EVENTS_BEFORE_START_MAX {
            return Err(TurnedAway::NeverStarted);
        }
        poll_fn(|cx| carrier.poll_events(cx, events)).await;
    }
}

/// Decides whether this socket may be a call.
fn admit(gateway: &Gateway, entrance: &Entrance, start: &MediaStart) -> Result<Seat, TurnedAway> {
    let fact =
        |name: &str| start.facts.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let carrier = entrance.carrier.name();
    let shown = entrance.token.as_deref().or_else(|| fact("token"));
    let mut proven = entrance.proven;
    if entrance.carrier == CarrierKind::Browser {
        proven |= shown.is_some_and(|token| crate::auth::is_api_token(&gateway.config.server, token));
        if !proven {
            return Err(TurnedAway::NotAuthorised);
        }
    } else {
        if let Some(token) = shown {
            // A proven socket with a token that is used up: the carrier has opened another one for the same call.
            match gateway.switchboard.claim(token) {
                Some(seat) if seat.knock.carrier == carrier => return Ok(seat),
                Some(_) | None => proven |= gateway.is_carrier_secret(entrance.carrier, token),
            }
        }
        if !proven {
            return Err(TurnedAway::NoToken);
        }
        // The call was announced by webhook, and its socket proves itself without the token.
        let named = start.carrier_call.as_deref();
        if let Some(seat) = named.and_then(|name| gateway.switchboard.claim_named(carrier, name)) {
            return Ok(seat);
        }
    }
    // A call that is here already keeps its bot.
    let before =
        start.carrier_call.as_deref().and_then(|name| gateway.switchboard.find_by_name(carrier, name));
    let bot = match (&before, fact("bot")) {
        (Some(before), _) => gateway.bot(before.bot()),
        (None, Some(name)) => gateway.bot(name),
        (None, None) => gateway.config.bot_on(entrance.carrier, start.to.as_deref()).cloned().map(Arc::new),
    };
    let knock = match before {
        // It stays the call that it is: who called whom, and what was given along.
        Some(before) => Knock { carrier_call: start.carrier_call.clone(), ..before.knock().clone() },
        None => Knock {
            carrier: carrier.to_owned(),
            carrier_call: start.carrier_call.clone(),
            from: start.from.clone(),
            to: start.to.clone(),
            ..Knock::default()
        },
    };
    Ok(gateway.switchboard.seat(knock, bot.ok_or(TurnedAway::NoSuchBot)?)?)
}

/// Carries a call from here to its record. Whatever goes wrong inside ends this call and no other.
async fn run(
    gateway: Arc<Gateway>,
    mut seat: Seat,
    started: MediaStart,
    carrier: CarrierSide,
    events: Vec<CarrierEvent>,
) {
    // What the media socket says completes what the webhook said.
    seat.knock.carrier_call = seat.knock.carrier_call.take().or(started.carrier_call);
    seat.knock.from = seat.knock.from.take().or(started.from);
    seat.knock.to = seat.knock.to.take().or(started.to);
    let told = started.facts.into_iter().filter(|(name, _)| !OURS_AMONG_FACTS.contains(&name.as_str()));
    seat.knock.facts.extend(told);
    let bot: Arc<Bot> = Arc::clone(&seat.bot);
    let (live, orders) =
        LiveCall::new(seat.id, seat.knock.clone(), started.raw, bot.name.clone(), bot.agent.name());
    if let Some(stream) = started.stream {
        live.name_stream(stream);
    }
    let far = match seat.knock.direction {
        Direction::Inbound => seat.knock.from.as_deref(),
        Direction::Outbound => seat.knock.to.as_deref(),
    };
    let span = call_span(seat.id, &seat.knock.carrier, &bot.name, far);
    let place = gateway.switchboard.enter(Arc::clone(&live));
    if seat.knock.direction == Direction::Outbound {
        gateway.outbound_is_live(&live);
    }
    let plan = gateway.plan(&seat, &carrier);
    let task = CallTask {
        gateway: Arc::clone(&gateway),
        seat,
        call: Box::new(Call::new(plan)),
        live: Arc::clone(&live),
        orders,
        carrier,
        first: events,
        metrics: gateway.metrics.for_call(live.carrier(), live.bot(), live.agent()).started(),
    };
    async {
        info!("call began");
        let ended = std::panic::AssertUnwindSafe(Box::pin(task.run())).catch_unwind().await;
        // The seat went with the task, so places and slots are free before the record says that the call is over. The
        // record is there before the call leaves the list, so that it can always be found in one of them.
        gateway.finished(&live, ended.ok().as_deref());
        drop(place);
    }
    .instrument(span)
    .await;
}
