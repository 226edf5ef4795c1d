//! What an operator sees of the program: logs, metrics, health, the figures of the process.

pub mod health;
pub mod latency;
pub mod logs;
pub mod metrics;
pub mod process;
pub mod rotating;
