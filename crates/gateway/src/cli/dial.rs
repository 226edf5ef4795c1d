//! `trunkline dial`: a caller at the terminal, for a trial or for fifty calls at once.
//!
//! Read along a call: `place` finds (or starts) the gateway, `caller` is the person, `browser` and `twilio` are the two
//! telephones, `live` tells the conversation as it happens, `ear` measures what was heard, `summary` closes. `many` does
//! it many times.

mod api;
mod browser;
mod caller;
mod ear;
mod live;
mod many;
mod place;
pub(super) mod screen;
pub(super) mod story;
mod summary;
mod twilio;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use audio::Frame;
use clap::{Args, ValueEnum};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Given, print_out, runtime};
use crate::config::Loaded;
pub(super) use ear::{Ear, Figures};
use live::Note;
use place::Place;
pub(super) use place::free_address;
use screen::Screen;

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Whose protocol to speak. `twilio` asks the gateway's webhook with a signed request, follows its answer and
    /// streams media, as Twilio does.
    #[arg(long, value_enum, default_value_t = Carrier::Browser)]
    carrier: Carrier,
    /// The gateway to call, as http://host:port or host:port [default: the address that this configuration listens on,
    /// or --listen names; where no gateway runs there, one is started for the call].
    #[arg(long, value_name = "URL", value_parser = place::address_of)]
    url: Option<Url>,
    /// The bot to talk to [default: the gateway's default bot]. With Twilio's protocol the called number decides.
    #[arg(long, value_name = "NAME")]
    bot: Option<String>,
    /// The gateway's API token [default: server.api_token of this configuration].
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// What the caller says, as a WAV file [default: a bundled question about opening hours].
    #[arg(long, value_name = "FILE")]
    wav: Option<PathBuf>,
    /// Speak over the agent's answer.
    #[arg(long)]
    interrupt: bool,
    /// Keys to press after the answer, one after the other.
    #[arg(long, value_name = "KEYS")]
    digits: Option<String>,
    /// Hang up after so many seconds at the latest [default: long enough for the conversation, and a minute more].
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Where to write what the caller heard [default: trunkline-heard.wav; with several calls: nowhere].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// So many callers at once, and a table of what they met with.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    calls: u16,
    /// The caller's number, with Twilio's protocol; further callers count up from it.
    #[arg(long, value_name = "NUMBER", default_value = "+14155550100")]
    from: String,
    /// The called number, with Twilio's protocol [default: carriers.twilio.phone_number, or one that has no line].
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// The summary alone.
    #[arg(long)]
    quiet: bool,
    /// The summary as JSON on the standard output, everything else on the standard error output.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Carrier {
    /// The gateway's own page as a telephone.
    Browser,
    /// Twilio's webhook and media streams.
    Twilio,
}

/// Written in the working directory, where a newcomer looks.
const HEARD_FILE: &str = "trunkline-heard.wav";

/// Everything that may go wrong before a call stands, in words that say what to do.
pub(super) type Words = String;

/// A call that is over, as the caller knows it.
#[derive(Debug)]
struct Past {
    /// The gateway's name for it.
    id: Option<String>,
    end: End,
    /// From the answer to the end.
    lasted: Duration,
    /// What came out of the receiver, silence included; empty where nobody wants to keep it.
    heard: Frame,
    ear: Ear,
    frames_sent: u64,
    /// Sound that arrived from the gateway, and what of it an interruption threw away.
    received: Duration,
    cleared: Duration,
}

/// How a call ended for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// A conversation that came to its end.
    Over {
        words: Words,
    },
    /// The gateway had no room for it, and said so.
    Busy {
        words: Words,
    },
    Failed {
        words: Words,
    },
}

impl End {
    fn words(&self) -> &str {
        match self {
            End::Over { words } | End::Busy { words } | End::Failed { words } => words,
        }
    }
}

impl Past {
    /// A call that never came to be.
    fn none(end: End) -> Past {
        Past {
            id: None,
            end,
            lasted: Duration::ZERO,
            heard: Frame::new(audio::Rate::Hz8000, Vec::new()),
            ear: Ear::default(),
            frames_sent: 0,
            received: Duration::ZERO,
            cleared: Duration::ZERO,
        }
    }
}

/// What a telephone needs to know of one call.
struct Dialling {
    caller: lab::caller::Caller,
    /// The caller hangs up then, whatever goes on.
    limit: Duration,
    keep_sound: bool,
    /// Somebody at the keyboard wants it to end.
    hang_up: CancellationToken,
    notes: mpsc::Sender<Note>,
}

/// Either telephone.
enum Telephone {
    Browser(browser::Browser),
    Twilio(Box<twilio::Exchange>),
}

impl Telephone {
    async fn pick_up(asked: &Asked, loaded: &Loaded, place: &Place) -> Result<Telephone, Words> {
        match asked.carrier {
            Carrier::Browser => {
                Ok(Telephone::Browser(browser::Browser::new(place, &loaded.config, asked.bot.clone())?))
            }
            Carrier::Twilio => {
                let exchange =
                    twilio::Exchange::open(place, &loaded.config, &asked.from, asked.to.as_deref()).await?;
                Ok(Telephone::Twilio(Box::new(exchange)))
            }
        }
    }

    /// Places the call with this number (from 0) and lives through it.
    async fn call(&self, number: usize, dialling: Dialling) -> Past {
        match self {
            Telephone::Browser(browser) => browser.call(dialling).await,
            Telephone::Twilio(exchange) => exchange.call(number, dialling).await,
        }
    }

    /// Whether the protocol tells the caller why a call ended.
    fn hears_why(&self) -> bool {
        matches!(self, Telephone::Browser(_))
    }

    async fn hang_on_hook(self) {
        if let Telephone::Twilio(exchange) = self {
            exchange.close().await;
        }
    }
}

pub(super) fn run(given: &Given, asked: &Asked) -> ExitCode {
    if asked.carrier == Carrier::Twilio && asked.bot.is_some() {
        eprintln!(
            "trunkline: with Twilio's protocol the called number decides which bot answers; name one of your lines \
             with --to, or leave out --carrier twilio"
        );
        return ExitCode::from(2);
    }
    let loaded = match given.load_or_complain() {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    let says = match caller::what_to_say(asked.wav.as_deref()) {
        Ok(says) => says,
        Err(words) => return complain(&words, ExitCode::from(2)),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("no threads to run on: {error}"), ExitCode::FAILURE),
    };
    let code = runtime.block_on(Box::pin(async {
        match whole(asked, &loaded, &says).await {
            Ok(code) => code,
            Err(words) => complain(&words, ExitCode::FAILURE),
        }
    }));
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

fn complain(words: &str, code: ExitCode) -> ExitCode {
    eprintln!("trunkline: {words}");
    code
}

async fn whole(asked: &Asked, loaded: &Loaded, says: &Frame) -> Result<ExitCode, Words> {
    let screen = Screen::new(asked.quiet, asked.json);
    if let Some(folder) =
        asked.out.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        // Better now than after the call.
        return Err(format!(
            "there is no folder {} to write to; make it, or choose another --out",
            folder.display()
        ));
    }
    let place = Place::find(asked.url.as_ref(), asked.token.as_deref(), loaded, &screen).await?;
    let called = Box::pin(call_or_calls(asked, loaded, says, &place, &screen)).await;
    screen.close();
    place.leave().await;
    called
}

async fn call_or_calls(
    asked: &Asked,
    loaded: &Loaded,
    says: &Frame,
    place: &Place,
    screen: &Screen,
) -> Result<ExitCode, Words> {
    let number = asked.to.as_deref().or(loaded.config.carriers.twilio.phone_number.as_deref());
    let number = number.filter(|_| asked.carrier == Carrier::Twilio);
    let built_in = place.is_built_in_agent(asked.bot.as_deref(), number, loaded).await?;
    let caller = caller::script(&caller::Wishes {
        says,
        interrupts: asked.interrupt,
        digits: asked.digits.as_deref().unwrap_or_default(),
        built_in_agent: built_in,
    })?;
    let limit = asked
        .seconds
        .map_or_else(|| caller::speech_in(&caller) + Duration::from_secs(60), Duration::from_secs);
    let telephone = Arc::new(Telephone::pick_up(asked, loaded, place).await?);
    let hang_up = CancellationToken::new();
    let watching = tokio::spawn(until_interrupted(hang_up.clone()));
    let code = if asked.calls > 1 {
        let round = many::Round { asked, caller, limit, hang_up, api: place.api() };
        Box::pin(many::run(Arc::clone(&telephone), round, screen)).await
    } else {
        Box::pin(one(asked, &telephone, caller, limit, hang_up, place, screen)).await
    };
    watching.abort();
    if let Ok(telephone) = Arc::try_unwrap(telephone) {
        telephone.hang_on_hook().await;
    }
    code
}

/// Ctrl-C hangs up, so that the call ends in order; once more ends the program.
async fn until_interrupted(hang_up: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        hang_up.cancel();
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(130);
    }
}

async fn one(
    asked: &Asked,
    telephone: &Telephone,
    caller: lab::caller::Caller,
    limit: Duration,
    hang_up: CancellationToken,
    place: &Place,
    screen: &Screen,
) -> Result<ExitCode, Words> {
    let out = asked.out.clone().unwrap_or_else(|| PathBuf::from(HEARD_FILE));
    let (notes, told) = mpsc::channel(live::NOTES_MAX);
    let dialling = Dialling { caller, limit, keep_sound: true, hang_up, notes };
    let (past, told) = tokio::join!(telephone.call(0, dialling), live::tell(place.api(), told, screen));
    if let End::Failed { words } | End::Busy { words } = &past.end
        && past.frames_sent == 0
    {
        return Err(words.clone());
    }
    let record = match &past.id {
        Some(id) => place.api().record(id).await,
        None => None,
    };
    screen.close();
    let written = write_wav(&out, &past.heard);
    let summary = summary::Summary::new(&past, record.as_ref(), &told, &out, asked, place);
    if asked.json {
        print_out(&format!("{}\n", summary.json()));
    } else {
        print_out(&summary.text());
    }
    // The summary is worth having even so.
    written?;
    Ok(match past.end {
        End::Over { .. } => ExitCode::SUCCESS,
        End::Busy { .. } | End::Failed { .. } => ExitCode::FAILURE,
    })
}

pub(super) fn write_wav(path: &Path, heard: &Frame) -> Result<(), Words> {
    std::fs::write(path, audio::wav::write(heard)).map_err(|error| {
        format!("{} cannot be written: {error}; choose another file with --out", path.display())
    })
}
