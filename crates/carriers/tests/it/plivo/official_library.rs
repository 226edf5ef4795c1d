//! Plivo's own Python library and we understand each other.
//!
//! Its validators accept our signatures and we accept what it signs; its builder writes the documents that we write; its
//! client sends the requests that we send and reads the replies as we do.

mod answer;
mod rest;
mod signatures;
