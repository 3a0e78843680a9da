//! The proving ground: generated traffic with known truth, and how the behaviour detectors fare on it.
//!
//! ```text
//!   seed ─► generator (with the truth) ─► Detector ─► opinions ─► ROC: TPR, FPR, precision, AUC, delay
//!   seed ─► a benign day of the miniature provider ─► Detector + Fusion ─► alarms by level
//! ```

mod beacon;
mod chance;
mod day;
mod encryption;
mod everyday;
mod exfiltration;
mod feed;
mod flood;
mod logon;
mod paper;
mod report;
mod roc;
mod silence;
mod tunnel;

use leckwehr_crypt::SealError;
use leckwehr_detect::Thresholds;
use leckwehr_estate::Estate;
use serde::Serialize;

pub use day::{DayConfig, DayError, DayNoise, Days, benign_day};
pub use encryption::ByFormat;
pub use report::{markdown, section_markdown};
pub use roc::{Curve, Point};

/// What is proved: one word each, as `--only` takes it.
pub const SUBJECTS: [&str; 10] = [
    "beacon",
    "exfiltration",
    "tunnel",
    "logon",
    "encryption",
    "flood",
    "burn",
    "silence",
    "skew",
    "day",
];

/// One part of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// A detector's curve.
    Curve(Curve),
    /// Encryption by format.
    Formats {
        /// Ways of encryption, in the order of the columns.
        ways: Vec<String>,
        /// One row per format.
        formats: Vec<ByFormat>,
    },
    /// Benign days.
    Days(Days),
}

/// Everything that was proved.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// Seeds of the traffic.
    pub seeds: Vec<u64>,
    /// In the order of [`SUBJECTS`].
    pub sections: Vec<Section>,
}

/// Something that could not be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProvingError {
    /// There is no such subject.
    #[error("nothing here is called {0:?}")]
    Unknown(String),
    /// A day could not be made.
    #[error(transparent)]
    Day(#[from] DayError),
    /// A file could not be encrypted.
    #[error(transparent)]
    Cipher(#[from] SealError),
}

/// Proves one subject with the default thresholds. Equal arguments give equal sections.
///
/// # Errors
/// For a word that is not in [`SUBJECTS`], and an estate too small for a miniature.
pub fn prove(subject: &str, seeds: &[u64], estate: &Estate, day: DayConfig) -> Result<Vec<Section>, ProvingError> {
    let t = Thresholds::default();
    let curve = match subject {
        "beacon" => beacon::prove(seeds, t.beacon_score_min),
        "exfiltration" => exfiltration::prove(seeds, t.egress_score_min),
        "tunnel" => tunnel::prove(seeds, t.tunnel_bytes_per_h_min),
        "logon" => logon::prove(seeds, t.logon_bits_min),
        "flood" => flood::prove(seeds, t.flood_score_min),
        "burn" => flood::prove_burn(seeds, t.burn_rate_min),
        "silence" => silence::prove(seeds, t.silence_factor),
        "skew" => silence::prove_skew(seeds, t.skew_s_min),
        "encryption" => {
            let (curve, formats) = encryption::prove(seeds, SUSPICION_MIN)?;
            let ways = encryption::ways();
            return Ok(vec![Section::Curve(curve), Section::Formats { ways, formats }]);
        }
        "day" => return Ok(vec![Section::Days(days(seeds, estate, day)?)]),
        other => return Err(ProvingError::Unknown(other.to_owned())),
    };
    Ok(vec![Section::Curve(curve)])
}

/// Suspicion from which on a structure counts as suspicious.
const SUSPICION_MIN: f64 = 0.8;

fn days(seeds: &[u64], estate: &Estate, config: DayConfig) -> Result<Days, DayError> {
    let days = seeds.iter().map(|seed| benign_day(estate, config, *seed));
    Ok(Days {
        what: format!(
            "{} hosts of the provider that comes with the program, {} days to learn from a Monday on, then one day on which everything \
             happens at once that does not happen every day: patch night (as in the week before), monthly batch with twenty times the \
             usual volume to the bank, two new workstations, a new program that polls, an archive of 300 pictures unpacked, an \
             administrator where he never was, twenty minutes of a busy portal, and the vendor. Everything goes line by line \
             through rules, detectors and fusion; alarms count by the loudest level that each reached.",
            config.hosts, config.learn_days
        ),
        days: days.collect::<Result<_, _>>()?,
        words: format!(
            "Above \"notice\" there may be three a day: more, and people stop looking. *Attack to critical*: after each day was counted, \
             somebody comes in with the vendor's credentials, reads an administrator's, goes on with them, and deletes backups after \
             {:.0} s: the time from his first log-on to the first critical alarm.",
            everyday::DESTRUCTION_S
        ),
    })
}
