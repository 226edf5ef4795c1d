//! What a process has used, as Linux counts it.
//!
//! Time on the processor comes from `/proc/<pid>/task/*/schedstat`, in nanoseconds per thread; `/proc/<pid>/stat` counts in
//! steps of 10 ms and is the fallback, and the safer figure when a thread has ended in between. Memory comes from
//! `/proc/<pid>/smaps_rollup`. Elsewhere than on Linux every reading is an error, and the report says nothing of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// USER_HZ, 100 on every Linux we build for.
const NANOS_PER_TICK: u64 = 10_000_000;

/// A reading; two of them make a [`Spent`].
#[derive(Clone, Debug)]
pub struct Usage {
    threads: BTreeMap<u32, Thread>,
    ticks: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    ran_ns: u64,
    waited_ns: u64,
    /// Turns on a processor: wake-ups, and the rare resumption after being pushed off it.
    turns: u64,
}

/// What all threads together used between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    pub cpu_ns: u64,
    /// Ready to run, but another had the core.
    pub waited_ns: u64,
    pub turns: u64,
}

/// Resident memory in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// All resident pages, shared ones in full.
    pub rss_kib: u64,
    /// Shared pages by the share.
    pub pss_kib: u64,
    /// Heap and stacks: what state costs, without the program's own pages.
    pub anonymous_kib: u64,
}

impl Usage {
    pub fn read(pid: u32) -> io::Result<Usage> {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let entry = entry?;
            let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // A thread may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            if let Some(reading) = schedstat(&text) {
                threads.insert(thread, reading);
            }
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let ticks =
            stat_ticks(&stat).ok_or_else(|| io::Error::other("/proc/<pid>/stat is not as proc(5) says"))?;
        Ok(Usage { threads, ticks })
    }

    pub fn since(&self, earlier: &Usage) -> Spent {
        let mut spent = Spent::default();
        for (id, now) in &self.threads {
            let before = earlier.threads.get(id).copied().unwrap_or_default();
            spent.cpu_ns += now.ran_ns.saturating_sub(before.ran_ns);
            spent.waited_ns += now.waited_ns.saturating_sub(before.waited_ns);
            spent.turns += now.turns.saturating_sub(before.turns);
        }
        let has_lost_a_thread = earlier.threads.keys().any(|id| !self.threads.contains_key(id));
        if has_lost_a_thread || self.threads.is_empty() {
            let by_ticks = self.ticks.saturating_sub(earlier.ticks) * NANOS_PER_TICK;
            spent.cpu_ns = spent.cpu_ns.max(by_ticks);
        }
        spent
    }
}

impl Memory {
    pub fn read(pid: u32) -> io::Result<Memory> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let kib = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
        };
        Ok(Memory { rss_kib: kib("Rss"), pss_kib: kib("Pss"), anonymous_kib: kib("Anonymous") })
    }
}

/// "ran waited turns", all three in nanoseconds or counts (kernel's sched-stats.rst).
fn schedstat(text: &str) -> Option<Thread> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    match (numbers.next()?, numbers.next()?, numbers.next()?) {
        (Ok(ran_ns), Ok(waited_ns), Ok(turns)) => Some(Thread { ran_ns, waited_ns, turns }),
        _ => None,
    }
}

/// utime + stime, the 14th and 15th fields; the second, the program's name, may hold blanks and brackets.
fn stat_ticks(text: &str) -> Option<u64> {
    let mut after_name = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some(after_name.next()?.parse::<u64>().ok()? + after_name.next()?.parse::<u64>().ok()?)
}

/// Whether cores can be told apart here: more than one, and `taskset` to choose with.
pub(super) fn can_pin() -> bool {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores > 1 && Command::new("taskset").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A command that runs `program` on one core only, with as many open files as the system allows.
///
/// Both steps replace themselves by the next, so the child's process id is the program's own.
pub(super) fn command(program: &OsStr, core: Option<usize>) -> Command {
    if cfg!(not(unix)) {
        return Command::new(program);
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(r#"ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$@""#).arg("sh");
    if let Some(core) = core {
        command.arg("taskset").arg("-c").arg(core.to_string());
    }
    command.arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 90 0 0 0 31 11 0 0 20 0 1 0 5 9 8 7";
        assert_eq!(stat_ticks(stat), Some(42));
        assert_eq!(stat_ticks("7 (cut off"), None);
    }

    #[test]
    fn threads_that_came_and_went_are_counted() {
        let thread = |ran_ns| Thread { ran_ns, waited_ns: 5, turns: 2 };
        let before = Usage { threads: BTreeMap::from([(1, thread(100)), (2, thread(50))]), ticks: 3 };
        let grown =
            Usage { threads: BTreeMap::from([(1, thread(400)), (2, thread(60)), (3, thread(7))]), ticks: 9 };
        let shrunk = Usage { threads: BTreeMap::from([(1, thread(400))]), ticks: 9 };

        assert_eq!(grown.since(&before), Spent { cpu_ns: 317, waited_ns: 5, turns: 2 });
        assert_eq!(
            shrunk.since(&before).cpu_ns,
            6 * NANOS_PER_TICK,
            "the ended thread's time is in the ticks"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_use_grows_with_work() {
        let pid = std::process::id();
        let before = Usage::read(pid).expect("readable");
        let mut held = vec![0_u8; 8 << 20];
        let memory = Memory::read(pid).expect("readable");
        let mut rounds: u64 = 0;
        // Until the clock of the processor has moved: no fixed amount of work is long enough everywhere.
        while Usage::read(pid).expect("readable").since(&before).cpu_ns < 20_000_000 {
            held.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
            rounds += 1;
        }

        assert!(rounds > 0 && held[0] as u64 == rounds % 256);
        assert!(Memory::read(pid).expect("readable").anonymous_kib >= 8 * 1024);
        assert!(memory.rss_kib >= memory.anonymous_kib && memory.rss_kib >= memory.pss_kib);
    }
}
