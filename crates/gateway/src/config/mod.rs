//! What the operator decides: one TOML file, every key by environment too.
//!
//! [`Config::load`] is pure: it is given the file's text and the environment and says either what the configuration is
//! and where each value came from, or everything that is wrong with it at once. [`read`] gathers these from the
//! machine. Strongest first: flags, `TRUNKLINE__…` variables, the older services' variables, the file, the defaults;
//! `.env` counts as environment and never overrides the real one.
//!
//! The structs are plain: public fields, one default, and doc comments that are the manual. [`reference()`] and
//! [`example_toml`] are made from the same lines.

pub mod keys;

mod agents;
mod assemble;
mod bots;
mod call_keys;
mod carriers;
mod check;
mod dialled;
mod environment;
mod file;
mod lines;
mod numbers;
mod outbound;
mod problems;
mod reference;
mod server;
mod settings;
mod settle;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

pub use agents::{Agents, ElevenLabs, ElevenLabsAuth};
pub use bots::{AgentKind, Bot, BotTool, Line, ToolMethod, Variable};
pub use carriers::{
    Browser, Carriers, ContentType, Exotel, ExotelRegion, Mcube, McubeFields, Plivo, Twilio, WhenGone,
};
pub use dialled::{bare, dialled, is_prefix};
pub use environment::older_name;
pub use lines::{Found, Lines};
pub use numbers::{
    Numbers, international, is_dialable, is_line, last_ten_digits, national, same_line, same_number,
};
pub use outbound::{Outbound, OutboundPrefix};
pub use problems::{ConfigErrors, Origin, Problem};
pub use reference::{example_toml, reference, show, show_read};
pub use server::{Limits, Log, LogFormat, Server};

use keys::section;
use settings::Settings;

use crate::carrier_kind::CarrierKind;

/// The file that is read when none is named.
pub const FILE_NAME: &str = "trunkline.toml";

/// A configuration file is a few kilobytes; anything larger is the wrong file.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

section! {
    /// Everything that can be decided about a gateway.
    pub struct Config {
        /// The bot that answers calls to numbers without a line. Default: the first bot; without bots, `elevenlabs` when
        /// there is a key and an agent for it, else `demo`.
        /// Example: `"reception"`
        default_bot: String = String::new(),
        /// The program itself.
        server: Server = Server::default(),
        /// Bounds.
        limits: Limits = Limits::default(),
        /// Logs.
        log: Log = Log::default(),
        /// How telephone numbers are written.
        numbers: Numbers = Numbers::default(),
        /// The phone side.
        carriers: Carriers = Carriers::default(),
        /// The AI side.
        agents: Agents = Agents::default(),
        /// Calls that are placed.
        outbound: Outbound = Outbound::default(),
        /// Bots.
        bots: Vec<Bot> = Vec::new(),
        /// Lines.
        lines: Lines = Lines::default(),
    }
}

/// Where a configuration comes from. Everything is text here, so that loading needs no machine.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Flags of the command line, by key (`server.listen`).
    pub flags: BTreeMap<String, String>,
    pub env: BTreeMap<String, String>,
    /// What `.env` says. The real environment goes before it.
    pub dotenv: BTreeMap<String, String>,
    pub file: Option<ConfigFile>,
    /// What could not be read on the way here. The rest is looked at all the same, so that one round of mending is
    /// enough.
    pub problems: Vec<Problem>,
    /// Reads the file that a `…_file` key names.
    pub secret_file: fn(&Path) -> io::Result<String>,
}

impl Default for Sources {
    fn default() -> Sources {
        Sources {
            flags: BTreeMap::new(),
            env: BTreeMap::new(),
            dotenv: BTreeMap::new(),
            file: None,
            problems: Vec::new(),
            secret_file: settings::read_secret_file,
        }
    }
}

#[derive(Clone, Debug)]
pub struct ConfigFile {
    pub path: PathBuf,
    pub text: String,
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// Where each value that is not a default came from, by key.
    pub origins: BTreeMap<String, Origin>,
    /// What works, but should be looked at. To be logged loudly at start-up.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Puts the sources together and checks everything.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
        let schema = Config::described("");
        let variables = environment::Variables::of(sources);
        let mut warnings = Vec::new();
        let mut settings = gather(sources, &variables, &schema, &mut warnings);

        let tree = assemble::assemble(&schema, &mut settings);
        let mut config = match Config::deserialize(toml::Value::Table(tree)) {
            Ok(config) => config,
            Err(error) => {
                let mend = "see the problems above, or compare with the reference";
                settings.problem("", Origin::Default, error.message().to_owned(), mend);
                return Err(ConfigErrors(settings.problems));
            }
        };
        let mut origins: BTreeMap<String, Origin> =
            settings.values.iter().map(|(path, setting)| (path.join("."), setting.origin.clone())).collect();
        settle::bots_and_lines(&mut config, &variables, &mut origins);
        check::check(&config, &origins, &mut settings.problems, &mut warnings);
        if settings.problems.is_empty() {
            Ok(Loaded { config, origins, warnings })
        } else {
            Err(ConfigErrors(settings.problems))
        }
    }

    pub fn bot(&self, name: &str) -> Option<&Bot> {
        self.bots.iter().find(|bot| bot.name == name)
    }

    /// The bot that answers this number, whichever carrier brings it; without a line, or without a number, the default
    /// bot.
    pub fn bot_for(&self, number: Option<&str>) -> Option<&Bot> {
        self.bot_of(self.line(None, number))
    }

    /// The bot that answers a call of this carrier to this number; without a line, or without a number, the default bot.
    pub fn bot_on(&self, carrier: CarrierKind, number: Option<&str>) -> Option<&Bot> {
        self.bot_of(self.line(Some(carrier), number))
    }

    /// The line that a number leads to, in whatever form it is written. Where two could be meant, none is.
    pub fn line(&self, carrier: Option<CarrierKind>, number: Option<&str>) -> Option<&Line> {
        let (number, country) = (number?, self.numbers.country_code());
        match self.lines.find(carrier, number, country.as_deref()) {
            Found::Line(at) => self.lines.get(at),
            Found::None => None,
            Found::Ambiguous(places) => {
                self.lines.tell_ambiguous(number, &places);
                None
            }
        }
    }

    fn bot_of(&self, line: Option<&Line>) -> Option<&Bot> {
        self.bot(line.map_or(&self.default_bot, |line| &line.bot))
    }
}

/// Puts the values of all sources under their keys, each looked at by itself.
fn gather(
    sources: &Sources,
    variables: &environment::Variables,
    schema: &keys::Section,
    warnings: &mut Vec<Problem>,
) -> Settings {
    let mut settings = Settings { problems: sources.problems.clone(), ..Settings::default() };
    if let Some(file) = &sources.file {
        file::read(file, schema, sources.secret_file, &mut settings);
    }
    environment::read_older(variables, schema, sources.secret_file, &mut settings);
    let listen_given = settle::port(variables, &mut settings);
    environment::read_own(variables, schema, sources.secret_file, &mut settings);
    environment::read_flags(&sources.flags, schema, sources.secret_file, &mut settings);
    settle::fallback_public_url(variables, &mut settings);
    settle::platform_port(listen_given, variables, &mut settings, warnings);
    settle::drop_empty(&mut settings);
    settings.sift(schema);
    settings
}

/// Reads the configuration of this process: its environment, `.env` and the file (`named`, or else `TRUNKLINE_CONFIG`,
/// or else `trunkline.toml` if there is one).
pub fn read(named: Option<&Path>, flags: BTreeMap<String, String>) -> Result<Loaded, ConfigErrors> {
    Config::load(&sources(named, flags))
}

/// The sources of this process, for those who want to look at them first. What cannot be read is among their problems.
pub fn sources(named: Option<&Path>, flags: BTreeMap<String, String>) -> Sources {
    let mut problems = Vec::new();
    let env: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let dotenv = read_dotenv(Path::new(".env"), &mut problems);
    let by_variable = || {
        let named = env.get("TRUNKLINE_CONFIG").or_else(|| dotenv.get("TRUNKLINE_CONFIG"))?;
        (!named.is_empty()).then(|| PathBuf::from(named))
    };
    let named = named.map(Path::to_path_buf).or_else(by_variable);
    let path = named.clone().unwrap_or_else(|| PathBuf::from(FILE_NAME));
    let file = match read_bounded(&path) {
        Ok(text) => Some(ConfigFile { path, text }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => None,
        Err(error) => {
            problems.push(unreadable(&path, &error, "name a readable configuration file with --config"));
            None
        }
    };
    Sources { flags, env, dotenv, file, problems, ..Sources::default() }
}

/// The variables of a `.env` file, up to a line that is none; without such a file there are none.
fn read_dotenv(path: &Path, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let text = match read_bounded(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return variables,
        Err(error) => {
            problems.push(unreadable(path, &error, "make it readable, or take it away"));
            return variables;
        }
    };
    for line in dotenvy::from_read_iter(text.as_bytes()) {
        match line {
            // The first of two equal names counts, as with the real environment before it.
            Ok((name, value)) => drop(variables.entry(name).or_insert(value)),
            // The error quotes the line, and the line may hold a secret.
            Err(_) => {
                let origin = Origin::File { path: path.to_path_buf(), line: 1 + variables.len() };
                problems.push(Problem {
                    key: String::new(),
                    origin,
                    wrong: "has a line near here that is not NAME=value".to_owned(),
                    mend: "put values with spaces or special characters in single quotes".to_owned(),
                });
                break;
            }
        }
    }
    variables
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any configuration"));
    }
    std::fs::read_to_string(path)
}

fn unreadable(path: &Path, error: &io::Error, mend: &str) -> Problem {
    Problem {
        key: String::new(),
        origin: Origin::File { path: path.to_path_buf(), line: 0 },
        wrong: format!("cannot be read: {error}"),
        mend: mend.to_owned(),
    }
}

/// An address that stands in the code.
#[expect(
    clippy::expect_used,
    reason = "written in this source and covered by every test that makes a default"
)]
fn known_url(url: &'static str) -> Url {
    Url::parse(url).expect("a valid address in the source")
}
