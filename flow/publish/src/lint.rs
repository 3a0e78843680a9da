use leckwehr_incident::{Claim, Confidence};

/// Phrases that leave no exception, German and English, lower case. Each has been said too early in a real incident.
const ABSOLUTES: &[&str] = &[
    // English
    "never",
    "always",
    "at no time",
    "at no point",
    "no data",
    "no personal data",
    "no patient data",
    "no health data",
    "no customer data",
    "no information was",
    "no records",
    "no packet",
    "none of",
    "nothing was",
    "under no circumstances",
    "not affected",
    "was not at risk",
    "were not at risk",
    "impossible",
    "certainly",
    "definitely",
    "guaranteed",
    "100 %",
    "100%",
    "completely secure",
    "completely safe",
    "ruled out",
    // German
    "nie",
    "niemals",
    "immer",
    "zu keinem zeitpunkt",
    "zu keiner zeit",
    "keine daten",
    "keine personenbezogenen daten",
    "keine patientendaten",
    "keine gesundheitsdaten",
    "keine kundendaten",
    "keine versichertendaten",
    "keine sozialdaten",
    "keinerlei",
    "kein paket",
    "kein datenabfluss",
    "keinen datenabfluss",
    "nichts wurde",
    "auf keinen fall",
    "in keinem fall",
    "nicht betroffen",
    "nicht gefährdet",
    "unmöglich",
    "ausgeschlossen",
    "garantiert",
    "mit sicherheit",
    "hundertprozentig",
    "vollkommen sicher",
    "absolut",
];

/// Why a sentence must not be published as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LintFinding {
    /// An absolute without confirmed evidence.
    #[error("says \"{phrase}\" without confirmed evidence: state a bound, the window and what was not seen")]
    Absolute {
        /// The phrase found.
        phrase: &'static str,
    },
    /// No word on what was observed.
    #[error("has no coverage: say what was observed")]
    NoCoverage,
    /// More than "unknown", without evidence.
    #[error("has no evidence: name records, or set the confidence to unknown")]
    NoEvidence,
    /// There is nothing to read.
    #[error("has no text")]
    NoText,
}

/// Checks one wording of a claim: house law 5, no absolute without proof. An empty answer means it may be said.
///
/// Absolutes pass only with [`Confidence::Confirmed`] and at least one evidence reference. O(length of text × phrases).
pub fn lint_claim(text: &str, claim: &Claim) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    let words = normalise(text);
    if words.trim().is_empty() {
        findings.push(LintFinding::NoText);
    }
    if claim.coverage.trim().is_empty() {
        findings.push(LintFinding::NoCoverage);
    }
    if claim.evidence.is_empty() && claim.confidence != Confidence::Unknown {
        findings.push(LintFinding::NoEvidence);
    }
    if claim.confidence != Confidence::Confirmed || claim.evidence.is_empty() {
        let said = ABSOLUTES.iter().filter(|phrase| words.contains(&format!(" {phrase} ")));
        findings.extend(said.map(|phrase| LintFinding::Absolute { phrase }));
    }
    findings
}

/// Lower case, soft hyphens dropped, everything but letters, digits and `%` turned into single spaces, one at each end.
fn normalise(text: &str) -> String {
    let mut out = String::from(" ");
    for c in text.chars().filter(|c| *c != '\u{ad}') {
        if c.is_alphanumeric() || c == '%' {
            out.extend(c.to_lowercase());
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if !out.ends_with(' ') {
        out.push(' ');
    }
    out
}
