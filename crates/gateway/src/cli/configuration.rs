//! `trunkline config`: the reference, an example, and what is in force.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Given;
use crate::config;

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// What to print.
    #[arg(value_enum, default_value_t = What::Show)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// What is in force here, and where each value comes from. Secrets are hidden.
    Show,
    /// Every key with its environment variable, default and meaning, as Markdown.
    Reference,
    /// A configuration file to start from.
    Example,
}

pub(super) fn run(given: &Given, asked: &Asked) -> ExitCode {
    let text = match asked.what {
        What::Reference => config::reference(),
        What::Example => config::example_toml(),
        What::Show => match given.load_or_complain() {
            Ok(loaded) => config::show(&loaded),
            Err(code) => return code,
        },
    };
    print!("{text}");
    ExitCode::SUCCESS
}
