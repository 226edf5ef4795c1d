//! `trunkline dial`: a caller at the terminal, for a trial or for fifty calls at once.
//!
//! Read along a call: `asked` is what was asked for, `place` finds (or starts) the gateway, `caller` is the person,
//! `browser` and `exchange` (a pretended carrier) are the telephones, `live` tells the conversation as it happens, `ear`
//! measures what was heard, `summary` closes. `many` does it many times.

mod api;
mod asked;
mod browser;
mod caller;
mod ear;
mod exchange;
mod live;
mod many;
mod place;
pub(super) mod screen;
pub(super) mod story;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use audio::Frame;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Given, print_out, runtime};
use crate::carrier_kind::CarrierKind;
use crate::config::Loaded;
pub(super) use asked::Asked;
pub(super) use ear::{Ear, Figures};
use live::Note;
use place::Place;
pub(super) use place::free_address;
use screen::Screen;

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
    /// How much speech is in one of them.
    piece: Duration,
    /// Sound that arrived from the gateway, and what of it an interruption threw away.
    received: Duration,
    cleared: Duration,
    /// What the pretended carrier found wrong with what the gateway did.
    objections: Vec<Words>,
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
            piece: caller::TICK,
            received: Duration::ZERO,
            cleared: Duration::ZERO,
            objections: Vec::new(),
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
    Exchange(Box<exchange::Exchange>),
}

impl Telephone {
    async fn pick_up(asked: &Asked, loaded: &Loaded, place: &Place) -> Result<Telephone, Words> {
        let config = &loaded.config;
        Ok(match asked.carrier.kind() {
            CarrierKind::Browser => {
                Telephone::Browser(browser::Browser::new(place, config, asked.bot.clone())?)
            }
            kind => {
                Telephone::Exchange(Box::new(exchange::Exchange::open(kind, place, config, asked).await?))
            }
        })
    }

    /// Places the call with this number (from 0) and lives through it.
    async fn call(&self, number: usize, dialling: Dialling) -> Past {
        match self {
            Telephone::Browser(browser) => browser.call(dialling).await,
            Telephone::Exchange(exchange) => exchange.call(number, dialling).await,
        }
    }

    /// Whether the protocol tells the caller why a call ended.
    fn hears_why(&self) -> bool {
        matches!(self, Telephone::Browser(_))
    }

    async fn hang_on_hook(self) {
        if let Telephone::Exchange(exchange) = self {
            exchange.close().await;
        }
    }
}

pub(super) fn run(given: &Given, asked: &Asked) -> ExitCode {
    if let Err(words) = asked.check() {
        return complain(&words, ExitCode::from(2));
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
    let kind = asked.carrier.kind();
    let number = exchange::called_number(kind, asked, &loaded.config);
    let number = number.filter(|_| kind != CarrierKind::Browser);
    let built_in = place.is_built_in_agent(asked.bot.as_deref(), kind, number, loaded).await?;
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
