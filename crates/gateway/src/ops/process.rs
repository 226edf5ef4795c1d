//! What the process uses: processor time, memory, open files, threads.
//!
//! Read from `/proc` when asked for, which is once per scrape. Where there is no `/proc`, the figures are absent rather
//! than wrong.

use std::fs;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The kernel counts processor time for user space in hundredths of a second on every architecture.
const TICKS_PER_SECOND: u64 = 100;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ProcessFigures {
    pub cpu_s: Option<f64>,
    pub resident_bytes: Option<u64>,
    pub open_files: Option<u64>,
    pub open_files_max: Option<u64>,
    pub threads: Option<u64>,
}

impl ProcessFigures {
    pub fn read() -> ProcessFigures {
        let file = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        let status = file("status");
        ProcessFigures {
            cpu_s: cpu_s(&file("stat")),
            resident_bytes: status_figure(&status, "VmRSS:").map(|kib| kib * 1024),
            open_files: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
            open_files_max: open_files_max(&file("limits")),
            threads: status_figure(&status, "Threads:"),
        }
    }
}

/// The soft limit of open files: what the process can have without asking.
pub fn open_files_limit() -> Option<u64> {
    open_files_max(&fs::read_to_string("/proc/self/limits").ok()?)
}

fn cpu_s(stat: &str) -> Option<f64> {
    // The second field is the program's name in brackets and may hold anything, spaces and brackets too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND as f64)
}

fn status_figure(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn open_files_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_ascii_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

/// How much of one core was used between two looks.
#[derive(Debug)]
pub struct CpuMeter {
    last: Mutex<(Instant, f64, f64)>,
}

impl Default for CpuMeter {
    fn default() -> CpuMeter {
        let cpu_s = ProcessFigures::read().cpu_s.unwrap_or(0.0);
        CpuMeter { last: Mutex::new((Instant::now(), cpu_s, 0.0)) }
    }
}

impl CpuMeter {
    /// Cores in use (1.0 is one core fully busy) since the last look. Looks within half a second share one answer, for
    /// processor time is counted in coarse steps.
    pub fn cores(&self, now: Instant, cpu_s: f64) -> f64 {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (then, cpu_then, cores) = *last;
        let elapsed = now.saturating_duration_since(then);
        if elapsed < Duration::from_millis(500) {
            return cores;
        }
        let cores = ((cpu_s - cpu_then) / elapsed.as_secs_f64()).max(0.0);
        *last = (now, cpu_s, cores);
        cores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_whatever_the_program_is_called() {
        let stat = "42 (odd) name (x)) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 7 0 100 0 0";

        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(cpu_s(""), None);
        assert_eq!(status_figure("Name:\tx\nVmRSS:\t  2048 kB\nThreads:\t7\n", "Threads:"), Some(7));
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(open_files_max(limits), Some(1024));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_figures() {
        let figures = ProcessFigures::read();

        assert!(figures.resident_bytes.unwrap() > 1_000_000);
        assert!(figures.open_files.unwrap() >= 3);
        assert!(figures.threads.unwrap() >= 1);
        assert!(figures.open_files_max.unwrap() >= figures.open_files.unwrap());
        assert!(figures.cpu_s.is_some());
    }

    #[test]
    fn cores_are_counted_between_two_looks() {
        let meter = CpuMeter { last: Mutex::new((Instant::now(), 10.0, 0.25)) };
        let start = meter.last.lock().unwrap().0;

        assert_eq!(meter.cores(start + Duration::from_millis(100), 10.1), 0.25, "too soon to say");
        assert_eq!(meter.cores(start + Duration::from_secs(2), 11.0), 0.5);
    }
}
