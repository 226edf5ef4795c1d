//! What was found, as figures and as a table.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub machine: Machine,
    pub seconds: u64,
    pub rounds: usize,
    /// One for each system and number of calls, medians over the rounds.
    pub rows: Vec<Row>,
    pub barge_in: Vec<BargeInRow>,
    /// What makes figures doubtful, in words.
    pub doubts: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub kernel: String,
    /// System under test on one core, load and agent on another.
    pub is_pinned: bool,
}

/// Names of the rows that are always there.
pub const RELAY: &str = "bare relay";
pub const DIRECT: &str = "nothing between";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub system: String,
    pub calls: u16,
    /// `None` for the baseline without a system.
    pub cost: Option<Cost>,
    /// Round trip as measured, caller to agent and back.
    pub raw: Percentiles,
    /// The same without the median of the round trip with nothing between. The baseline's own tail stays in, so this
    /// errs against the system.
    pub added: Percentiles,
    /// Added time of the quickest frame of each reading: without the wait that batching means for the others.
    pub added_transit: Percentiles,
    /// How late the load wrote, in milliseconds at p99.
    pub load_lag_p99_ms: f64,
    /// Load and agent together, of their core.
    pub load_core_busy: f64,
    /// Counted over all rounds.
    pub frames: Frames,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Milliseconds of processor per call and second.
    pub cpu_ms: f64,
    /// Times the bare relay's at as many calls.
    pub cpu_ratio: Option<f64>,
    /// Share of one core.
    pub core_busy: f64,
    /// Turns on the processor per call and second.
    pub turns: f64,
    /// Resident set above the idle process, per call.
    pub rss_kib: f64,
    /// The part of it that is heap and stacks.
    pub anonymous_kib: f64,
    pub idle_rss_kib: u64,
}

/// Milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    pub sent: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub late: u64,
    pub out_of_order: u64,
    pub misrouted: u64,
    pub damaged: u64,
    pub failed_calls: u64,
}

/// First loud caller frame at the system's socket to `clear` read by the caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BargeInRow {
    pub system: String,
    /// Who noticed: the agent, or the system's own ears.
    pub noticed_by: String,
    pub calls: u16,
    pub shouts: u64,
    pub unanswered: u64,
    /// Clears that no shout had asked for.
    pub unasked: u64,
    pub raw: Percentiles,
    /// Speech that is needed before it counts, taken off in `beyond_window`.
    pub window_ms: f64,
    pub beyond_window: Percentiles,
}

/// One of the project's aims, and whether it was reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aim {
    pub what: String,
    pub found: String,
    pub is_met: bool,
}

impl Percentiles {
    pub fn of(histogram: &Histogram) -> Percentiles {
        let ms = |micros: u64| micros as f64 / 1_000.0;
        Percentiles {
            p50: ms(histogram.micros_at(0.5)),
            p99: ms(histogram.micros_at(0.99)),
            p999: ms(histogram.micros_at(0.999)),
            max: ms(histogram.micros_max()),
        }
    }

    /// Everything sooner by `ms`, never below nothing.
    pub fn less(self, ms: f64) -> Percentiles {
        let less = |value: f64| (value - ms).max(0.0);
        Percentiles { p50: less(self.p50), p99: less(self.p99), p999: less(self.p999), max: less(self.max) }
    }

    /// Percentile by percentile.
    pub fn median(of: &[Percentiles]) -> Percentiles {
        let pick = |value: fn(&Percentiles) -> f64| median(of.iter().map(value));
        Percentiles {
            p50: pick(|these| these.p50),
            p99: pick(|these| these.p99),
            p999: pick(|these| these.p999),
            max: pick(|these| these.max),
        }
    }
}

impl Frames {
    pub fn is_whole(&self) -> bool {
        let Frames { sent, lost, duplicated, late: _, out_of_order, misrouted, damaged, failed_calls } =
            *self;
        sent > 0 && lost + duplicated + out_of_order + misrouted + damaged + failed_calls == 0
    }
}

/// The middle one, or the mean of the middle two; 0 of none.
pub(super) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => (values[even / 2 - 1] + values[even / 2]) / 2.0,
    }
}

impl Report {
    pub fn row(&self, system: &str, calls: u16) -> Option<&Row> {
        self.rows.iter().find(|row| row.system == system && row.calls == calls)
    }

    /// What the project wants of every system that is not a yardstick itself (`yardsticks` by name).
    pub fn aims(&self, yardsticks: &[&str]) -> Vec<Aim> {
        let mut aims = Vec::new();
        for row in self.rows.iter().filter(|row| !yardsticks.contains(&row.system.as_str())) {
            let Some(cost) = row.cost else { continue };
            let mut aim = |what: &str, found: String, is_met| {
                let what = format!("{} at {} calls: {what}", row.system, row.calls);
                aims.push(Aim { what, found, is_met });
            };
            if let (Some(ratio), true) = (cost.cpu_ratio, row.calls >= 200) {
                aim("processor at most 1.0 × bare relay", format!("{ratio:.2}"), ratio <= 1.0);
            }
            aim("at most 64 KiB resident per call", format!("{:.0} KiB", cost.rss_kib), cost.rss_kib <= 64.0);
            if cost.core_busy <= 0.5 {
                aim("added p99 below 5 ms", format!("{:.2} ms", row.added.p99), row.added.p99 < 5.0);
            }
            aim("nothing lost, doubled, swapped or damaged", row.frames.to_string(), row.frames.is_whole());
        }
        for row in self.barge_in.iter().filter(|row| !yardsticks.contains(&row.system.as_str())) {
            let p99 = row.beyond_window.p99;
            aims.push(Aim {
                what: format!("{}, noticed by {}: silence within 25 ms at p99", row.system, row.noticed_by),
                found: format!("{p99:.1} ms, {} of {} unanswered", row.unanswered, row.shouts),
                is_met: p99 < 25.0 && row.unanswered == 0 && row.shouts > 0,
            });
        }
        aims
    }

    /// The tables, as they go into the documentation.
    pub fn markdown(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} lost, {} doubled, {} late", self.sent, self.lost, self.duplicated, self.late)?;
        for (count, what) in [
            (self.out_of_order, "out of order"),
            (self.misrouted, "misrouted"),
            (self.damaged, "damaged"),
            (self.failed_calls, "calls failed"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} / {:.2} / {:.2}", self.p50, self.p99, self.p999)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { processor, cores, kernel, is_pinned } = &self.machine;
        let pinned = if *is_pinned { "system on one core, load on another" } else { "not pinned to cores" };
        writeln!(
            f,
            "{processor}, {cores} cores, Linux {kernel}; {pinned}; windows of {} s, medians of {} rounds.\n",
            self.seconds, self.rounds
        )?;
        writeln!(
            f,
            "| calls | system | CPU per call-second (× floor) | core busy | turns per call-second | memory per call, RSS (heap) \
             | added p50 / p99 / p99.9 ms | raw p50 / p99 / p99.9 ms | frames |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            write!(f, "| {} | {} ", row.calls, row.system)?;
            match &row.cost {
                Some(cost) => {
                    write!(f, "| {:.2} ms", cost.cpu_ms)?;
                    if let Some(ratio) = cost.cpu_ratio {
                        write!(f, " ({ratio:.2})")?;
                    }
                    write!(f, " | {:.0} % | {:.0} ", cost.core_busy * 100.0, cost.turns)?;
                    write!(f, "| {:.1} KiB ({:.1}) | {} ", cost.rss_kib, cost.anonymous_kib, row.added)?;
                }
                None => write!(f, "| – | – | – | – | – ")?,
            }
            writeln!(f, "| {} | {} |", row.raw, row.frames)?;
        }
        if !self.barge_in.is_empty() {
            writeln!(
                f,
                "\n| calls | system | noticed by | barge-in to silence p50 / p99 / p99.9 ms | beyond the window | window \
                 | shouts | unanswered | unasked |"
            )?;
            writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
            for row in &self.barge_in {
                writeln!(
                    f,
                    "| {} | {} | {} | {} | {} | {:.0} ms | {} | {} | {} |",
                    row.calls,
                    row.system,
                    row.noticed_by,
                    row.raw,
                    row.beyond_window,
                    row.window_ms,
                    row.shouts,
                    row.unanswered,
                    row.unasked
                )?;
            }
        }
        for doubt in &self.doubts {
            writeln!(f, "\nDoubtful: {doubt}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(system: &str, cpu_ratio: f64, lost: u64) -> Row {
        let cost = Cost {
            cpu_ms: 1.0,
            cpu_ratio: Some(cpu_ratio),
            core_busy: 0.2,
            turns: 90.0,
            rss_kib: 30.0,
            anonymous_kib: 20.0,
            idle_rss_kib: 9_000,
        };
        Row {
            system: system.to_owned(),
            calls: 200,
            cost: Some(cost),
            raw: Percentiles { p50: 0.3, p99: 1.0, p999: 2.0, max: 3.0 },
            added: Percentiles::default(),
            added_transit: Percentiles::default(),
            load_lag_p99_ms: 0.1,
            load_core_busy: 0.3,
            frames: Frames { sent: 10, lost, ..Frames::default() },
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert_eq!(median(std::iter::empty()), 0.0);
    }

    #[test]
    fn what_is_subtracted_never_makes_a_time_negative() {
        let raw = Percentiles { p50: 0.2, p99: 1.0, p999: 2.0, max: 3.0 };
        assert_eq!(raw.less(0.5), Percentiles { p50: 0.0, p99: 0.5, p999: 1.5, max: 2.5 });
    }

    #[test]
    fn a_lost_frame_or_a_dear_one_misses_the_aim() {
        let rows = vec![row(RELAY, 1.0, 0), row("gateway", 1.2, 1)];
        let report = Report { rows, ..Report::default() };

        let missed: Vec<String> =
            report.aims(&[RELAY]).into_iter().filter(|aim| !aim.is_met).map(|aim| aim.what).collect();

        assert_eq!(missed.len(), 2);
        assert!(missed.iter().all(|what| what.starts_with("gateway at 200 calls")));
    }

    #[test]
    fn every_row_of_the_table_has_as_many_cells_as_its_head() {
        let mut rows = vec![row(RELAY, 1.0, 0), row(DIRECT, 1.0, 0)];
        rows[1].cost = None;
        let table = Report { rows, ..Report::default() }.markdown();
        let cells: Vec<usize> = table
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.matches('|').count())
            .collect();

        assert_eq!(cells.len(), 4);
        assert!(cells.iter().all(|count| *count == 10), "{table}");
    }
}
