//! Findings and alarms in the formats of other people's tools: OCSF Detection Findings and STIX 2.1.
//!
//! Both are pure and deterministic: equal input gives equal bytes. Every rule stands with its author, as the Detection Rule
//! License asks.

mod ocsf;
mod stix;

pub use ocsf::{OCSF_VERSION, ocsf_alarm, ocsf_finding};
pub use stix::{StixExport, stix_findings};

/// Namespace of our identifiers (RFC 9562, version 5), so that the same export gives the same identifiers.
const OWN: [u8; 16] = [
    0x3b, 0x5e, 0x1d, 0x0a, 0x52, 0x6c, 0x4f, 0x77, 0x8d, 0x11, 0x64, 0x65, 0x74, 0x65, 0x63, 0x74,
];

/// Returns whether a text is the id of an ATT&CK technique: `T1021` or `T1021.006`.
fn is_technique(text: &str) -> bool {
    let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    let Some(rest) = text.strip_prefix('T') else {
        return false;
    };
    match rest.split_once('.') {
        Some((main, sub)) => digits(main, 4) && digits(sub, 3),
        None => digits(rest, 4),
    }
}

/// The page that says what a technique is.
fn technique_url(technique: &str) -> String {
    format!("https://attack.mitre.org/techniques/{}", technique.replace('.', "/"))
}
