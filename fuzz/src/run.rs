//! A plain runner: mutates documents that are known to be good, for a bounded time, on a stable toolchain.
//!
//! It finds less than libFuzzer and runs anywhere, so it is part of every test run. For a long hunt:
//! `cargo fuzz run --features libfuzzer --sanitizer none any`, with `FUZZ_TARGET` naming a target.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let seconds = value("--seconds").and_then(|text| text.parse().ok()).unwrap_or(10.0);
    let seed = value("--seed").and_then(|text| text.parse().ok()).unwrap_or(1);
    let only = value("--target");
    let share = Duration::from_secs_f64(seconds / TARGETS.len() as f64);
    for target in TARGETS.iter().filter(|target| only.is_none_or(|name| name == target.name)) {
        let tried = hunt(target, share, seed);
        println!("{:20} {tried} inputs", target.name);
    }
    ExitCode::SUCCESS
}

fn hunt(target: &Target, share: Duration, seed: u64) -> u64 {
    let seeds = seeds(target);
    let mut chance = Chance(seed);
    let began = Instant::now();
    let mut tried = 0;
    for document in &seeds {
        attempt(target, document);
        tried += 1;
    }
    while began.elapsed() < share {
        let mut input = seeds[chance.below(seeds.len())].clone();
        for _ in 0..=chance.below(8) {
            chance.mutate(&mut input, &seeds);
        }
        attempt(target, &input);
        tried += 1;
    }
    tried
}

/// A panic must leave the input behind.
fn attempt(target: &Target, input: &[u8]) {
    if std::panic::catch_unwind(|| (target.run)(input)).is_err() {
        let path = std::env::temp_dir().join(format!("trunkline-fuzz-{}", target.name));
        let written =
            fs::write(&path, input).map_or_else(|error| error.to_string(), |()| path.display().to_string());
        eprintln!("{} fell over; its input: {written}", target.name);
        std::process::exit(1);
    }
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let mut seeds: Vec<Vec<u8>> = vec![Vec::new()];
    for folder in target.seeds {
        let Ok(files) = fs::read_dir(root.join(folder)) else { continue };
        for file in files.flatten() {
            if let Ok(bytes) = fs::read(file.path()) {
                // Whole documents for their order, and their lines one by one.
                seeds.extend(
                    bytes
                        .split(|byte| *byte == b'\n')
                        .map(<[u8]>::to_vec)
                        .filter(|line| line.len() < 64 * 1024),
                );
                if bytes.len() < 256 * 1024 {
                    seeds.push(bytes);
                }
            }
        }
    }
    seeds
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn mutate(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        const TELLING: &[&[u8]] = &[
            b"\"",
            b"{",
            b"}",
            b"[",
            b"\\",
            b"\\u0000",
            b"null",
            b"-1",
            b"1e999",
            b"99999999999999999999",
            b"\xff",
            b"\0",
            b"=",
            b"%",
            b"&",
            b"\n",
            b"\r\n",
        ];
        let at = self.below(input.len() + 1);
        match self.below(7) {
            0 if !input.is_empty() => {
                let at = self.below(input.len());
                input[at] ^= 1 << self.below(8);
            }
            1 if !input.is_empty() => input.truncate(at),
            2 => drop(input.splice(at..at, TELLING[self.below(TELLING.len())].iter().copied())),
            3 if !input.is_empty() => {
                let end = (at + self.below(32)).min(input.len());
                input.drain(at..end);
            }
            4 => {
                let end = (at + self.below(64)).min(input.len());
                let piece = input[at..end].to_vec();
                input.extend(piece);
            }
            5 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len() + 1);
                let room = (256 * 1024usize).saturating_sub(input.len());
                input.extend(other[from..].iter().take(room));
            }
            _ => input.push(self.next() as u8),
        }
    }
}
