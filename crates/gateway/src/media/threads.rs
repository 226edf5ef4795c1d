//! The threads that carry calls.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Below this many calls a thread serves every frame at once: there is nothing to gather, and patience would only be
/// delay.
const GATHER_FROM_CALLS: usize = 8;

/// The media threads of a gateway. Dropping it stops them.
#[derive(Debug)]
pub struct MediaThreads {
    threads: Vec<MediaThread>,
    joins: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// One of them, to spawn calls on.
#[derive(Clone, Debug)]
pub struct MediaThread {
    runtime: Handle,
    calls: Arc<AtomicUsize>,
}

impl MediaThreads {
    pub fn start(count: usize, gather: Duration) -> std::io::Result<MediaThreads> {
        let stop = CancellationToken::new();
        let mut threads = Vec::with_capacity(count);
        let mut joins = Vec::with_capacity(count);
        for number in 0..count.max(1) {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&calls);
            let runtime = Builder::new_current_thread()
                .enable_all()
                // Looks for ready sockets only when there is nothing else to do, so that one look finds many.
                .event_interval(256)
                .on_thread_park(move || {
                    if !gather.is_zero() && counted.load(Ordering::Relaxed) >= GATHER_FROM_CALLS {
                        std::thread::sleep(gather);
                    }
                })
                .build()?;
            threads.push(MediaThread { runtime: runtime.handle().clone(), calls });
            let stop = stop.clone();
            joins.push(
                std::thread::Builder::new()
                    .name(format!("media-{number}"))
                    .spawn(move || runtime.block_on(stop.cancelled()))?,
            );
        }
        Ok(MediaThreads { threads, joins, stop })
    }

    /// The thread with the fewest calls.
    pub fn idlest(&self) -> &MediaThread {
        let idlest = self.threads.iter().min_by_key(|thread| thread.calls.load(Ordering::Relaxed));
        // There is always at least one: `start` makes it so.
        idlest.unwrap_or(&self.threads[0])
    }

    pub fn threads(&self) -> &[MediaThread] {
        &self.threads
    }

    /// Stops the threads and waits for them. Calls that still run are dropped where they stand.
    pub fn stop(mut self) {
        self.stop.cancel();
        for join in self.joins.drain(..) {
            // A media thread that panicked has been reported by its panic hook already.
            let _ = join.join();
        }
    }
}

impl Drop for MediaThreads {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl MediaThread {
    /// Runs a call here. It counts as one of this thread's calls for as long as it runs.
    pub fn spawn(&self, call: impl Future<Output = ()> + Send + 'static) {
        let counted = Counted::on(&self.calls);
        self.runtime.spawn(async move {
            let _counted = counted;
            call.await;
        });
    }

    pub fn handle(&self) -> &Handle {
        &self.runtime
    }
}

struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn on(calls: &Arc<AtomicUsize>) -> Counted {
        calls.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(calls))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
