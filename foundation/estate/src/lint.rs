use serde::Serialize;

use crate::Estate;

mod connection;
mod cycle;
mod dependency;
mod readiness;

/// How much a weakness will hurt on the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Costs time.
    Medium,
    /// Stops a vital service, or leaves no way to cut or to come back.
    High,
}

/// One weakness of an estate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LintFinding {
    /// Stable name of the check, listed in `docs/estate.md`.
    pub code: &'static str,
    /// How much it will hurt.
    pub severity: Severity,
    /// What it is about: kind and id, e.g. `connection letters-old`.
    pub subject: String,
    /// What is wrong, with the names and figures.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// Returns what will hurt on the day, worst first, then by code and subject.
///
/// O(systems · needs) for the single points of failure, less for everything else.
pub fn lint(estate: &Estate) -> Vec<LintFinding> {
    let mut findings = Vec::new();
    connection::check(estate, &mut findings);
    dependency::check(estate, &mut findings);
    cycle::check(estate, &mut findings);
    readiness::check(estate, &mut findings);
    findings.sort_by(|a, b| (b.severity, a.code, &a.subject).cmp(&(a.severity, b.code, &b.subject)));
    findings
}

/// Most names in one message; the rest is counted.
const NAMES_SHOWN_MAX: usize = 8;

/// Joins names for a message.
fn names<'n>(all: impl IntoIterator<Item = &'n str>) -> String {
    let all: Vec<&str> = all.into_iter().collect();
    let shown = all[..all.len().min(NAMES_SHOWN_MAX)].join(", ");
    match all.len().saturating_sub(NAMES_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
