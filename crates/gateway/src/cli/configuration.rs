//! `trunkline config`: the reference, an example, and what is in force.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Given, print_out};
use crate::config::{self, Config};

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
        What::Show => return show(given),
    };
    print_out(&text);
    ExitCode::SUCCESS
}

/// What is in force; when nothing can be, what is wrong and what could be read.
fn show(given: &Given) -> ExitCode {
    let sources = given.sources();
    match Config::load(&sources) {
        Ok(loaded) => {
            print_out(&config::show(&loaded));
            ExitCode::SUCCESS
        }
        Err(errors) => {
            eprintln!("trunkline: the configuration cannot be used.\n\n{errors}");
            print_out(&format!("# Not in force. What could be read:\n{}", config::show_read(&sources)));
            ExitCode::from(2)
        }
    }
}
