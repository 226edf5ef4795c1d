//! The command line.

#[cfg(feature = "demo")]
mod bench;
mod carriers;
mod configuration;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "demo")]
mod dial;
mod doctor;
mod serve;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ConfigErrors, Loaded, Sources};

/// Puts a voice AI on any phone line.
///
/// Without a command it serves: a gateway on http://127.0.0.1:7900 with a built-in agent, no account needed.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    command: Option<Order>,
}

/// What every command takes.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Given {
    /// The configuration file [default: trunkline.toml, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, such as 0.0.0.0:7900.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Any other key of the configuration, such as --set limits.calls=200. May be given again and again.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Answer calls (also without any command).
    Serve,
    /// Measure what a call costs here, beside a bare relay.
    #[cfg(feature = "demo")]
    Bench(bench::Asked),
    /// Say what is missing or wrong, and how to mend it.
    Doctor(doctor::Asked),
    /// Play one whole call between an emulated Twilio and an emulated ElevenLabs, and say what happens.
    #[cfg(feature = "demo")]
    Demo(demo::Asked),
    /// Call a gateway from this terminal, with a recording as the caller.
    #[cfg(feature = "demo")]
    Dial(Box<dial::Asked>),
    /// Show what the configuration comes to, its reference, or an example to start from.
    Config(configuration::Asked),
    /// Show which carriers are ready and what the others lack, or the manual of all of them.
    Carriers(carriers::Asked),
}

/// Runs the program.
pub fn main() -> ExitCode {
    #[cfg(feature = "demo")]
    if let Some(part) = bench_part() {
        return part;
    }
    let cli = Cli::parse();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("trunkline: another TLS provider is installed already; this is a bug");
        return ExitCode::FAILURE;
    }
    match cli.command.unwrap_or(Order::Serve) {
        Order::Serve => serve::run(&cli.given),
        #[cfg(feature = "demo")]
        Order::Bench(asked) => bench::run(&asked),
        Order::Doctor(asked) => doctor::run(&cli.given, &asked),
        #[cfg(feature = "demo")]
        Order::Demo(asked) => demo::run(&asked),
        #[cfg(feature = "demo")]
        Order::Dial(asked) => dial::run(&cli.given, &asked),
        Order::Config(asked) => configuration::run(&cli.given, &asked),
        Order::Carriers(asked) => carriers::run(&cli.given, &asked),
    }
}

/// The parts of the bench are this program started again. They come before everything else, so that what they measure
/// is their own.
#[cfg(feature = "demo")]
fn bench_part() -> Option<ExitCode> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (first, rest) = words.split_first()?;
    (first == lab::measure::PART_WORD).then(|| lab::measure::part_main(rest))
}

impl Given {
    /// Reads the configuration with the flags of the command line on top.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigErrors> {
        Config::load(&self.sources())
    }

    /// What the configuration is made of.
    pub(crate) fn sources(&self) -> Sources {
        config::sources(self.config.as_deref(), self.flags())
    }

    pub(crate) fn load_or_complain(&self) -> Result<Loaded, ExitCode> {
        self.load().map_err(|errors| {
            eprintln!("trunkline: the configuration cannot be used.\n\n{errors}");
            ExitCode::from(2)
        })
    }

    fn flags(&self) -> BTreeMap<String, String> {
        let mut flags = BTreeMap::new();
        for pair in &self.set {
            // A flag without a value is reported by the loader, under its name.
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            flags.insert(key.trim().to_owned(), value.to_owned());
        }
        if let Some(listen) = &self.listen {
            flags.insert("server.listen".to_owned(), listen.clone());
        }
        flags
    }
}

/// Prints to the terminal or into a pipe. Whoever reads it may have enough before the end (`| head`): that is no error,
/// and the rest is not printed.
pub(crate) fn print_out(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        Err(error) => eprintln!("trunkline: cannot print: {error}"),
    }
}

/// A runtime for everything but media.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("trunkline")
        .enable_all()
        .build()
}
