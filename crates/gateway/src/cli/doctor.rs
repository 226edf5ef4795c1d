//! `trunkline doctor`: what is missing or wrong, and how to mend it.

use std::process::ExitCode;

use clap::Args;

use super::{Given, print_out, runtime};
use crate::doctor;

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Ask the providers too: whether keys are accepted, how the agent is set up, whether the public address leads here.
    #[arg(long)]
    online: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(given: &Given, asked: &Asked) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("trunkline: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let findings = runtime.block_on(doctor::examine(&given.load(), asked.online));
    if asked.json {
        print_out(&doctor::to_json(&findings));
    } else {
        let more = if asked.online { "" } else { "\nWith --online the providers are asked too.\n" };
        print_out(&format!("{}{more}", doctor::to_text(&findings)));
    }
    if doctor::is_fit(&findings) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
