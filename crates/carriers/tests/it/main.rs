//! What the carriers' folders promise, checked from outside.

mod browser;
mod contract;
mod fixtures;
mod hostile;
mod twilio;
