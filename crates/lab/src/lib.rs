//! A phone network in a box.
pub mod measure;
