//! What finding the line of a called number costs, with few lines and with many.
//!
//! `cargo build --release -p gateway --example lookup_cost`, then
//! `valgrind --tool=callgrind target/release/examples/lookup_cost 10000 1000` (lines, lookups) and again with 2000 lookups:
//! the difference divided by 1000 is the cost of a lookup in instructions. Ten lines or ten thousand hardly differ.

use gateway::carrier_kind::CarrierKind;
use gateway::config::{Config, Line, Numbers};

fn main() {
    let mut words = std::env::args().skip(1).map_while(|word| word.parse::<usize>().ok());
    let (lines, lookups) = (words.next().unwrap_or(10_000), words.next().unwrap_or(1_000));
    let number = |at: usize| format!("{:010}", 8_000_000_000 + at * 7_919);
    let lines: Vec<Line> =
        (0..lines).map(|at| Line { number: format!("+91{}", number(at)), ..Line::default() }).collect();
    // As three carriers write it.
    let written: Vec<String> = (0..lines.len().min(97))
        .flat_map(|at| [format!("+91{}", number(at)), format!("0{}", number(at)), number(at)])
        .collect();
    let mut found = 0;
    for country in [Some("91".to_owned()), None] {
        let config =
            Config { lines: lines.clone().into(), numbers: Numbers { country }, ..Config::default() };
        // The first one makes the index.
        found += usize::from(config.line(None, written.first().map(String::as_str)).is_some());
        let asked = written.iter().cycle().take(lookups);
        found +=
            asked.filter(|number| config.line(Some(CarrierKind::Exotel), Some(number)).is_some()).count();
    }
    println!("{found} of {} found among {} lines", 2 * lookups + 2, lines.len());
}
