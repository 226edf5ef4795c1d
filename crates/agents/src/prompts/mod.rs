//! The spoken sentences that come with the program.
//!
//! Rendered once by a speech synthesiser (`examples/render_prompts.rs`), packed to four bits a sample, and carried in
//! the program itself, so that it can speak without a network, an account or a file. A sentence is unpacked and brought
//! to a rate when it is first needed there, and kept: a process has a few rates and a few dozen sentences.

pub mod bundle;

use std::sync::OnceLock;

use audio::resample::Resampler;
use audio::{Frame, Rate, adpcm};

use bundle::Bundle;

/// Everything that can be said.
macro_rules! prompts {
    ($($name:ident $id:literal,)*) => {
        /// One sentence or word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Prompt { $($name,)* }

        impl Prompt {
            pub const ALL: &[Prompt] = &[$(Prompt::$name,)*];

            /// Its name in `assets/demo/prompts.txt`.
            pub fn id(self) -> &'static str {
                match self { $(Prompt::$name => $id,)* }
            }
        }
    };
}

prompts! {
    Greeting "greeting",
    YouSaid "you_said",
    GoOn "go_on",
    YourTurn "your_turn",
    YouPressed "you_pressed",
    UnknownKey "unknown_key",
    TalkedFor "talked_for",
    OverAnHour "over_an_hour",
    And "and",
    Minute "minute",
    Minutes "minutes",
    Second "second",
    Seconds "seconds",
    Transfer "transfer",
    NoTransfer "no_transfer",
    StillThere "still_there",
    Goodbye "goodbye",
    NobodyThere "nobody_there",
    Zero "zero",
    One "one",
    Two "two",
    Three "three",
    Four "four",
    Five "five",
    Six "six",
    Seven "seven",
    Eight "eight",
    Nine "nine",
    Ten "ten",
    Eleven "eleven",
    Twelve "twelve",
    Thirteen "thirteen",
    Fourteen "fourteen",
    Fifteen "fifteen",
    Sixteen "sixteen",
    Seventeen "seventeen",
    Eighteen "eighteen",
    Nineteen "nineteen",
    Twenty "twenty",
    Thirty "thirty",
    Forty "forty",
    Fifty "fifty",
    Star "star",
    Hash "hash",
    Apology "apology",
    Busy "busy",
    Closing "closing",
}

static BUNDLED: &[u8] = include_bytes!("../../assets/demo/prompts.bin");

/// What it says, in letters.
pub fn text(prompt: Prompt) -> &'static str {
    Bundle(BUNDLED).find(prompt.id()).map_or("", |entry| entry.text)
}

/// What it says, as sound at a rate. Unpacked at the first call and lent ever after.
pub fn samples(prompt: Prompt, rate: Rate) -> &'static [i16] {
    const PROMPTS: usize = Prompt::ALL.len();
    static UNPACKED: [[OnceLock<Box<[i16]>>; PROMPTS]; Rate::ALL.len()] =
        [const { [const { OnceLock::new() }; PROMPTS] }; Rate::ALL.len()];
    UNPACKED[rate as usize][prompt as usize].get_or_init(|| unpack(prompt, rate).into())
}

/// The same as a frame of one's own.
pub fn load(prompt: Prompt, rate: Rate) -> Frame {
    Frame::new(rate, samples(prompt, rate).to_vec())
}

/// A bundle that lacks a sentence fails the tests; should one get out all the same, silence is no reason to drop a call.
fn unpack(prompt: Prompt, rate: Rate) -> Vec<i16> {
    let packed = Bundle(BUNDLED).find(prompt.id()).map_or(&[][..], |entry| entry.sound);
    let Ok(frame) = adpcm::decode(packed) else {
        return Vec::new();
    };
    if frame.rate == rate {
        return frame.samples;
    }
    let mut resampler = Resampler::new(frame.rate, rate);
    let mut samples = Vec::new();
    resampler.process(&frame.samples, &mut samples);
    // What is still inside the filter: the last few milliseconds of the last word.
    let rest = frame.rate.samples_in(resampler.group_delay()) as usize + 1;
    resampler.process(&vec![0; rest], &mut samples);
    samples
}
