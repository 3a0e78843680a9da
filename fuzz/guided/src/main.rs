//! One target under libFuzzer: the one that `LECKWEHR_FUZZ_TARGET` names.
#![no_main]

use std::sync::LazyLock;

use leckwehr_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("LECKWEHR_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|target| target.name == name);
    found.unwrap_or_else(|| panic!("LECKWEHR_FUZZ_TARGET names no target: `{name}`"))
});

fuzz_target!(|bytes: &[u8]| {
    (TARGET.run)(bytes);
});
