//! The terminal: lines of a story, wrapped where a line ends, and two level meters below them while somebody looks.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::story::{Who, seconds};

/// Where lines are broken when nobody says how wide the terminal is. Wider is hard to read anyway.
const COLUMNS: usize = 100;

/// What stands before the words of a line: time and name.
const INDENT: usize = 20;

#[derive(Clone, Debug)]
pub(in crate::cli) struct Screen {
    to: To,
    bar: Option<ProgressBar>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Out,
    /// The standard output belongs to the JSON.
    Err,
    Nowhere,
}

impl Screen {
    pub(in crate::cli) fn new(quiet: bool, json: bool) -> Screen {
        let to = match (quiet, json) {
            (true, _) => To::Nowhere,
            (false, true) => To::Err,
            (false, false) => To::Out,
        };
        let is_watched =
            std::io::stderr().is_terminal() && (to == To::Err || std::io::stdout().is_terminal());
        let bar = (to != To::Nowhere && is_watched).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar
        });
        Screen { to, bar }
    }

    /// A line as it is.
    pub(in crate::cli) fn line(&self, words: &str) {
        self.print(&wrapped(words, 0));
    }

    pub(in crate::cli) fn blank(&self) {
        self.print("");
    }

    /// A line of the story.
    pub(in crate::cli) fn told(&self, at: Duration, who: Who, words: &str) {
        self.print(&format!("{:>6} s  {:<8}  {}", seconds(at), who.name(), wrapped(words, INDENT)));
    }

    /// A line of a story that is told from above.
    pub(in crate::cli) fn at(&self, at: Duration, words: &str) {
        self.print(&format!("{:>6} s  {}", seconds(at), wrapped(words, 10)));
    }

    /// A name, and what there is to say about it from `column` on.
    pub(in crate::cli) fn row(&self, name: &str, column: usize, words: &str) {
        self.print(&format!("{name:<column$}{}", wrapped(words, column)));
    }

    fn print(&self, text: &str) {
        let print = || {
            // A reader that has gone away misses it.
            let _ = match self.to {
                To::Out => writeln!(std::io::stdout(), "{text}"),
                To::Err => writeln!(std::io::stderr(), "{text}"),
                To::Nowhere => Ok(()),
            };
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// How loud both sides are at the moment.
    pub(in crate::cli) fn levels(&self, caller_dbfs: f32, agent_dbfs: f32) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!(
                "           caller {}   agent {}",
                meter(caller_dbfs),
                meter(agent_dbfs)
            ));
            bar.tick();
        }
    }

    /// Somebody sees what changes in place.
    pub(in crate::cli) fn is_watched(&self) -> bool {
        self.bar.is_some()
    }

    /// How far things are: in place where somebody looks, line by line otherwise.
    pub(in crate::cli) fn progress(&self, at: Duration, words: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_message(format!("{:>6} s  {words}", seconds(at)));
                bar.tick();
            }
            None => self.at(at, words),
        }
    }

    /// Takes away what changes in place.
    pub(in crate::cli) fn close(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Twelve steps from -50 dBFS to -8 dBFS.
fn meter(dbfs: f32) -> String {
    const STEPS: usize = 12;
    let full = (((dbfs + 50.0) / 3.5).round().clamp(0.0, STEPS as f32)) as usize;
    format!("{}{}", "█".repeat(full), "·".repeat(STEPS - full))
}

/// Broken between words; further lines begin at `indent`, where the first one is taken to begin too.
pub(in crate::cli) fn wrapped(words: &str, indent: usize) -> String {
    let mut text = String::with_capacity(words.len());
    for (number, line) in words.lines().enumerate() {
        if number > 0 {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
        }
        let mut column = indent;
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if column > indent && column + 1 + length > COLUMNS {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                column = indent;
            } else if column > indent {
                text.push(' ');
                column += 1;
            }
            text.push_str(word);
            column += length;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_between_words_and_indented() {
        let text = wrapped(&"word ".repeat(40), 20);

        assert!(text.lines().count() >= 3, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with(&" ".repeat(20)) && line.trim_start().starts_with("word"))
        );
        assert_eq!(wrapped("short", 20), "short");
        assert_eq!(wrapped("two\nlines", 2), "two\n  lines");
    }

    #[test]
    fn a_meter_is_empty_at_silence_and_full_at_the_top() {
        assert_eq!(meter(-96.0), "············");
        assert_eq!(meter(0.0), "████████████");
    }
}
