//! Fuzz targets: each parser of outside bytes, as one function from bytes.
//!
//! A target must not panic, whatever the bytes; a panic is a fault of the parser or of a promise that the target checks. The
//! driver (`main.rs`) mutates seeds with a deterministic generator and keeps those inputs that reach something new;
//! `guided/` runs the same functions under libFuzzer.

mod fhir_json;
mod fhir_xml;
mod fhirpath;
mod mutate;
mod sigma_record;
mod sigma_rule;
mod tree;

pub use mutate::{Dice, mutate};

/// One parser under attack.
pub struct Target {
    /// Name on the command line: the name of its file.
    pub name: &'static str,
    /// Takes any bytes. Returns a fingerprint of what they reached (kinds of errors, shape of the result): inputs with a new
    /// one become seeds. 0 if there is nothing to tell.
    pub run: fn(&[u8]) -> u64,
    /// What to begin with.
    pub seeds: &'static [&'static str],
    /// Words of the format, which chance alone would hardly find.
    pub words: &'static [&'static str],
}

/// All targets. A new one is a file beside this and a line here.
pub const TARGETS: &[Target] = &[
    fhir_xml::TARGET,
    fhir_json::TARGET,
    fhirpath::TARGET,
    sigma_record::TARGET,
    sigma_rule::TARGET,
];

/// Folds numbers into a fingerprint.
pub(crate) fn fingerprint(parts: impl IntoIterator<Item = u64>) -> u64 {
    parts.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        (hash ^ part).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}
