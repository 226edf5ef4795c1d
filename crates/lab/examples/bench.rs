//! The floor by itself: what the bare relay costs on this machine, without a gateway.
//!
//! `cargo run --profile ci -p lab --example bench -- [calls,calls,…] [seconds] [rounds]`

use std::process::ExitCode;

use lab::measure::{BargeIn, PART_WORD, Plan, Starter, part_main, run_with};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|word| word == PART_WORD) {
        return part_main(&args[1..]);
    }

    let mut plan = Plan { relay_tick_us: Some(1_000), ..Plan::default() };
    if let Some(calls) = args.first() {
        plan.calls = calls.split(',').filter_map(|calls| calls.parse().ok()).collect();
    }
    if let Some(seconds) = args.get(1).and_then(|seconds| seconds.parse().ok()) {
        plan.seconds = seconds;
    }
    if let Some(rounds) = args.get(2).and_then(|rounds| rounds.parse().ok()) {
        plan.rounds = rounds;
    }
    plan.barge_in = Some(BargeIn {
        calls: 50,
        seconds: plan.seconds,
        every_ms: 2_500,
        by_agent: Vec::new(),
        by_system: Vec::new(),
        window_ms: 0,
    });

    let report = Starter::this_program()
        .and_then(|starter| run_with(&plan, &starter, &mut |line| eprintln!("{line}")));
    match report {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
