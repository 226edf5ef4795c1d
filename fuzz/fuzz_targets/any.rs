//! For `cargo fuzz`: the target that `FUZZ_TARGET` names.
#![no_main]

use std::sync::LazyLock;

use fuzz::{TARGETS, Target};

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let known = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(" ");
    TARGETS
        .iter()
        .find(|target| target.name == wanted)
        .unwrap_or_else(|| panic!("set FUZZ_TARGET to one of: {}", known()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
