//! A telephone line of each carrier and each form of its sound, with the carrier's emulator behind it.

use std::fmt;
use std::time::Duration;

use audio::Rate;
use call::Encoding;
use gateway::carrier_kind::CarrierKind;
use gateway::config::{Carriers, ContentType};
use lab::caller::Caller;
use lab::exotel::{self, Applet, Exotel, ExotelConfig, Flow, FormKind, Manner, Passthru, PassthruWay, Then};
use lab::faults::Faults;
use lab::mcube::{self, Mcube, McubeConfig, StreamHabits, Webhooks};
use lab::phone::{DialOutcome, Dialling, LiveCall};
use lab::plivo::{self, Plivo, PlivoConfig};
use lab::twilio::{self, Method, StatusCallback, Twilio, TwilioConfig};
use wire::Secret;

use crate::world::{Setup, World};

/// A carrier, and the form that its sound has on this line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) carrier: CarrierKind,
    pub(crate) encoding: Encoding,
    pub(crate) rate: Rate,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}", self.carrier.name(), self.encoding, self.rate.hz())
    }
}

/// The secret that carriers without signatures show.
pub(crate) const SECRET: &str = "a secret between the two of us";

pub(super) const DIALLING: Dialling = Dialling {
    outcome: DialOutcome::Completed,
    rings_for: Duration::from_millis(20),
    talks_for: Duration::from_millis(20),
};

/// A carrier's emulator, the gateway it calls, and everything around them.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) line: Line,
    pub(crate) world: World,
    pub(crate) network: Network,
}

#[derive(Debug)]
pub(crate) enum Network {
    /// The world has one already.
    Twilio,
    Plivo(Plivo),
    Exotel(Exotel),
    Mcube(Mcube),
}

impl Line {
    /// Every form of sound in every carrier's table, but the page's: it has no telephone network.
    pub(crate) fn all() -> Vec<Line> {
        let carriers = CarrierKind::ALL.into_iter().filter(|carrier| *carrier != CarrierKind::Browser);
        carriers
            .flat_map(|carrier| {
                let sounds = carrier.table().sounds.iter();
                sounds.map(move |sound| Line { carrier, encoding: sound.encoding, rate: sound.rate })
            })
            .collect()
    }

    /// One line of each carrier: the form of sound that is usual there.
    pub(crate) fn usual() -> Vec<Line> {
        let mut lines = Line::all();
        lines.dedup_by_key(|line| line.carrier);
        lines
    }

    pub(crate) async fn ring(self, mut setup: Setup) -> Ring {
        setup.network.dialling = DIALLING;
        let network = Network::start(self, &setup.network, Habits::default()).await;
        self.tell(&mut setup.config.carriers, &network.base_url());
        Ring { line: self, world: setup.start().await, network }
    }

    /// Tells a gateway of this line's carrier, whose emulator is as its defaults say.
    pub(crate) fn tell(self, carriers: &mut Carriers, base_url: &str) {
        match self.carrier {
            // The world does this.
            CarrierKind::Twilio | CarrierKind::Browser => {}
            CarrierKind::Plivo => {
                let (plivo, emulator) = (&mut carriers.plivo, PlivoConfig::default());
                plivo.auth_id = Some(emulator.auth_id);
                plivo.auth_token = Some(Secret::new(emulator.auth_token));
                plivo.api_base_url = base_url.parse().unwrap();
                plivo.content_type = match (self.encoding, self.rate) {
                    (Encoding::Mulaw, _) => ContentType::Mulaw8000,
                    (Encoding::Pcm16, Rate::Hz16000) => ContentType::Pcm16000,
                    (Encoding::Pcm16, _) => ContentType::Pcm8000,
                };
            }
            CarrierKind::Exotel => {
                let (exotel, emulator) = (&mut carriers.exotel, ExotelConfig::default());
                exotel.ws_token = Some(Secret::new(SECRET));
                exotel.account_sid = Some(emulator.account_sid);
                exotel.api_key = Some(emulator.api_key);
                exotel.api_token = Some(Secret::new(emulator.api_token));
                exotel.api_base_url = Some(base_url.parse().unwrap());
                exotel.sample_rate = self.rate.hz();
            }
            CarrierKind::Mcube => {
                let mcube = &mut carriers.mcube;
                mcube.token = Some(Secret::new(SECRET));
                mcube.api_token = Some(Secret::new(McubeConfig::default().token));
                mcube.api_base_url = base_url.parse().unwrap();
            }
        }
    }
}

/// What carriers do in one way or the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// A last word on the media socket, also from those that are not known to have one.
    pub(crate) says_stop: bool,
    /// A signature on the media socket's upgrade, also from those that promise none.
    pub(crate) signs_sockets: bool,
}

/// A call as a test wants it. What is none is as the carrier has it.
#[derive(Clone, Debug)]
pub(crate) struct Dialled {
    pub(crate) caller: Caller,
    pub(crate) faults: Faults,
    /// The carrier's name for the call.
    pub(crate) name: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    /// Facts that the carrier tells along, where it has any.
    pub(crate) facts: Vec<(String, String)>,
    /// The gateway is asked first where the media goes, also by carriers that may know it.
    pub(crate) asks: bool,
    pub(crate) reports: Telling,
}

impl Default for Dialled {
    fn default() -> Dialled {
        Dialled {
            caller: Caller::silent(),
            faults: Faults::none(),
            name: None,
            from: None,
            to: None,
            facts: Vec::new(),
            asks: false,
            reports: Telling::Once,
        }
    }
}

/// How a carrier tells over HTTP what becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Not at all: only the media socket speaks.
    Nothing,
    Once,
    /// Everything twice, or in the wrong order, or both.
    AgainAndMixedUp,
}

/// One gateway that carriers of every kind bring their calls to.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) world: World,
    pub(crate) networks: Vec<(Line, Network)>,
}

impl Exchange {
    /// All carriers.
    pub(crate) async fn open(setup: Setup) -> Exchange {
        Exchange::of(Line::usual(), setup, Habits::default()).await
    }

    pub(crate) async fn of(lines: Vec<Line>, mut setup: Setup, habits: Habits) -> Exchange {
        setup.network.dialling = DIALLING;
        let mut networks = Vec::new();
        for line in lines {
            let network = Network::start(line, &setup.network, habits).await;
            line.tell(&mut setup.config.carriers, &network.base_url());
            networks.push((line, network));
        }
        Exchange { world: setup.start().await, networks }
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        self.networks.iter().map(|(line, _)| *line).collect()
    }

    pub(crate) fn call(&self, line: Line, dialled: Dialled) -> LiveCall {
        let (_, network) = self.networks.iter().find(|(known, _)| *known == line).expect("a line of ours");
        network.place(line, &self.world.network, &self.world.url(""), dialled)
    }
}

impl Ring {
    pub(crate) fn call(&self, caller: Caller) -> LiveCall {
        self.dial(Dialled { caller, ..Dialled::default() })
    }

    /// A call whose media socket misbehaves like this.
    pub(crate) fn call_with(&self, caller: Caller, faults: Faults) -> LiveCall {
        self.dial(Dialled { caller, faults, ..Dialled::default() })
    }

    pub(crate) fn dial(&self, dialled: Dialled) -> LiveCall {
        self.network.place(self.line, &self.world.network, &self.world.url(""), dialled)
    }
}

impl Network {
    /// Twilio's habits are those of the others, too, as far as they have the same.
    pub(crate) async fn start(line: Line, like: &TwilioConfig, habits: Habits) -> Network {
        let (dialling, faults) = (like.dialling.clone(), like.rest_faults.clone());
        match line.carrier {
            CarrierKind::Twilio | CarrierKind::Browser => Network::Twilio,
            CarrierKind::Plivo => {
                let config = PlivoConfig {
                    dialling,
                    rest_faults: faults,
                    say_per_character: like.say_per_character,
                    sends_stop: habits.says_stop,
                    signs_upgrade: habits.signs_sockets,
                    ..PlivoConfig::default()
                };
                Network::Plivo(Plivo::start(config).await.unwrap())
            }
            CarrierKind::Exotel => {
                let config = ExotelConfig { dialling, rest_faults: faults, ..ExotelConfig::default() };
                Network::Exotel(Exotel::start(config).await.unwrap())
            }
            CarrierKind::Mcube => {
                let stream = StreamHabits {
                    sound: mcube::Sound {
                        encoding: match line.encoding {
                            Encoding::Mulaw => mcube::Encoding::Mulaw,
                            Encoding::Pcm16 => mcube::Encoding::Pcm16,
                        },
                        rate: line.rate,
                    },
                    sends_stop: habits.says_stop,
                    ..StreamHabits::default()
                };
                let config = McubeConfig { stream, dialling, api_faults: faults, ..McubeConfig::default() };
                Network::Mcube(Mcube::start(config).await.unwrap())
            }
        }
    }

    /// Where its own interface is.
    pub(crate) fn base_url(&self) -> String {
        match self {
            Network::Twilio => String::new(),
            Network::Plivo(plivo) => plivo.base_url(),
            Network::Exotel(exotel) => exotel.base_url(),
            Network::Mcube(mcube) => mcube.base_url(),
        }
    }

    pub(crate) async fn shut_down(self) {
        match self {
            Network::Twilio => {}
            Network::Plivo(plivo) => plivo.shut_down().await,
            Network::Exotel(exotel) => exotel.shut_down().await,
            Network::Mcube(mcube) => mcube.shut_down().await,
        }
    }

    /// Brings a call to the gateway at this address.
    pub(crate) fn place(&self, line: Line, twilio: &Twilio, base: &str, dialled: Dialled) -> LiveCall {
        match self {
            Network::Twilio => twilio.place_call(of_twilio(base, dialled)),
            Network::Plivo(plivo) => plivo.place_call(of_plivo(base, dialled)),
            Network::Exotel(exotel) => exotel.place_call(of_exotel(line, base, dialled)),
            Network::Mcube(mcube) => mcube.place_call(of_mcube(base, dialled)),
        }
    }
}

/// The secret as the end of an address.
pub(crate) fn shown_secret() -> String {
    format!("token={}", SECRET.replace(' ', "%20"))
}

fn of_twilio(base: &str, dialled: Dialled) -> twilio::PlacedCall {
    let usual = twilio::PlacedCall::default();
    let out_of_order = dialled.reports == Telling::AgainAndMixedUp;
    let events: &[&str] =
        if out_of_order { &["initiated", "ringing", "answered", "completed"] } else { &["completed"] };
    let status_callback = StatusCallback {
        url: format!("{base}/webhooks/status-callback"),
        events: events.iter().map(|&event| event.to_owned()).collect(),
        out_of_order,
    };
    twilio::PlacedCall {
        call_sid: dialled.name,
        from: dialled.from.unwrap_or(usual.from),
        to: dialled.to.unwrap_or(usual.to),
        webhook_url: format!("{base}/webhooks/inbound"),
        status_callback: (dialled.reports != Telling::Nothing).then_some(status_callback),
        caller: dialled.caller,
        faults: dialled.faults,
        ..twilio::PlacedCall::default()
    }
}

fn of_plivo(base: &str, dialled: Dialled) -> plivo::PlacedCall {
    let usual = plivo::PlacedCall::default();
    plivo::PlacedCall {
        call_uuid: dialled.name,
        from: dialled.from.unwrap_or(usual.from),
        to: dialled.to.unwrap_or(usual.to),
        answer_url: format!("{base}/plivo/answer"),
        hangup_url: (dialled.reports != Telling::Nothing).then(|| format!("{base}/plivo/hangup")),
        caller: dialled.caller,
        faults: dialled.faults,
        ..plivo::PlacedCall::default()
    }
}

fn of_exotel(line: Line, base: &str, dialled: Dialled) -> exotel::PlacedCall {
    let secret = shown_secret();
    let socket = format!("{base}/voicebot/ws").replacen("http", "ws", 1);
    let applet = match dialled.asks {
        false => Applet::Static(format!("{socket}?sample-rate={}&{secret}", line.rate.hz())),
        true => Applet::Dynamic {
            url: format!("{base}/api/v1/exotel/voice/connect?{secret}"),
            method: Method::Get,
        },
    };
    let manner = match line.encoding {
        Encoding::Mulaw => Manner::of_legs(),
        Encoding::Pcm16 => Manner::default(),
    };
    let passthru = Passthru {
        url: format!("{base}/webhooks/exotel/passthru?{secret}"),
        way: PassthruWay::Brackets,
        connect: Some(format!("{base}/webhooks/exotel/transfer?{secret}")),
    };
    let status_callback = exotel::StatusCallback {
        url: format!("{base}/webhooks/exotel/status?{secret}"),
        events: ["ringing", "answered", "terminal"].map(str::to_owned).to_vec(),
        kind: FormKind::Multipart,
        twice: true,
        out_of_order: true,
    };
    let usual = exotel::PlacedCall::to(applet);
    let then = match dialled.reports {
        Telling::Nothing => Then::HangUp,
        Telling::Once | Telling::AgainAndMixedUp => Then::Passthru(passthru),
    };
    exotel::PlacedCall {
        call_sid: dialled.name,
        from: dialled.from.unwrap_or(usual.from),
        to: dialled.to.unwrap_or(usual.to),
        flow: Flow { then, ..usual.flow },
        status_callback: (dialled.reports == Telling::AgainAndMixedUp).then_some(status_callback),
        manner,
        caller: dialled.caller,
        faults: dialled.faults,
        ..exotel::PlacedCall::to(Applet::Static(String::new()))
    }
}

pub(crate) fn of_mcube(base: &str, dialled: Dialled) -> mcube::PlacedCall {
    let usual = mcube::PlacedCall::default();
    let secret = shown_secret();
    let (name, way) = match (dialled.reports, dialled.asks) {
        // Then it knows the socket, as the older service's calls did.
        (Telling::Nothing, false) => {
            let name = dialled.name.unwrap_or_else(|| format!("mc{:016x}", rand::random::<u64>()));
            let socket = format!("{base}/ws/mcube/{name}?{secret}").replacen("http", "ws", 1);
            (Some(name), mcube::Way::Socket { url: socket })
        }
        _ => (dialled.name, mcube::Way::Webhook { refurl: format!("{base}/mcube/call?{secret}") }),
    };
    let mixed_up = Webhooks {
        asks_again: true,
        reports_twice: true,
        out_of_order: true,
        between_attempts: Duration::from_millis(20),
        ..Webhooks::default()
    };
    mcube::PlacedCall {
        call_id: name,
        from: dialled.from.unwrap_or(usual.from),
        to: dialled.to.unwrap_or(usual.to),
        way,
        facts: dialled.facts,
        caller: dialled.caller,
        faults: dialled.faults,
        webhooks: (dialled.reports == Telling::AgainAndMixedUp).then_some(mixed_up),
        ..mcube::PlacedCall::default()
    }
}
