//! `cargo xtask …`: the project's own chores.

mod hygiene;
mod peers;
mod steps;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [WORD…]   every check, with the real peers it needs; or only the steps whose names hold a WORD
cargo xtask steps          the steps of `test`
cargo xtask peers          install what the tests talk to (packages, Python and npm libraries)
cargo xtask hygiene        licences, sources and banned crates of everything that is built in
cargo xtask prompts        render the built-in agent's prompts anew (needs flite and sox)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = match arguments.split_first() {
        Some((chore, rest)) => (chore.as_str(), rest),
        None => ("", &[][..]),
    };
    let done = match chore {
        "test" => return steps::test(rest),
        "steps" => {
            steps::list();
            Ok(())
        }
        "peers" => peers::install_all().map(drop),
        "hygiene" => hygiene::check(),
        "prompts" => steps::cargo(&["run", "--release", "-p", "agents", "--example", "render_prompts"]),
        _ => Err(format!("no such chore\n\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("xtask: {words}");
            ExitCode::FAILURE
        }
    }
}
