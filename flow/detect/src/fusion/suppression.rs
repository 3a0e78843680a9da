use leckwehr_incident::{Finding, Suppression, Timestamp, What};

use super::{Fusion, FusionError, Silenced};

/// Suppressions at a time.
pub const SUPPRESSIONS_MAX: usize = 1_000;
/// Longest time for which findings can be suppressed, in milliseconds: 90 days. It can be said again.
pub const SUPPRESSION_MS_MAX: i64 = 90 * 86_400_000;

/// A suppression that may not be.
#[derive(Debug, thiserror::Error)]
pub enum SuppressionError {
    /// Nobody answers for it, or says why.
    #[error("a suppression wants an author and a reason")]
    Unsigned,
    /// It would hide everything.
    #[error("a suppression of every rule on every entity would hide an attack: name a rule or an entity")]
    Everything,
    /// It ends before it begins, or too late.
    #[error("a suppression ends between now and 90 days from now, not at {until}")]
    Expiry {
        /// The end that was asked for.
        until: Timestamp,
    },
    /// There are too many.
    #[error("there are {SUPPRESSIONS_MAX} suppressions already: lift some, or mend the rules")]
    TooMany,
    /// None has this id.
    #[error("there is no suppression {id:?}")]
    Unknown {
        /// The id.
        id: String,
    },
}

impl Fusion {
    /// Suppresses findings from now on, and returns the fact that says so; the id is given here.
    ///
    /// A finding whose rule matches (id or title) raises nothing if the entity pattern matches its host or account. If the
    /// pattern matches only another entity that it touches (the host it came from, a service), that entity alone stays quiet.
    /// Findings are still recorded, and counted by the suppression.
    pub fn suppress(&mut self, wanted: Suppression, now: Timestamp) -> Result<What, FusionError> {
        self.may_be(&wanted, now)?;
        let suppression = Suppression {
            id: format!("suppression-{}", self.suppressions_made + 1),
            ..wanted
        };
        self.keep_quiet(suppression.clone());
        Ok(What::Suppressed { suppression })
    }

    /// Ends a suppression before its time, and returns the fact that says so.
    pub fn lift(&mut self, id: &str, by: &str, reason: &str) -> Result<What, FusionError> {
        if by.trim().is_empty() || reason.trim().is_empty() {
            return Err(SuppressionError::Unsigned.into());
        }
        let unknown = || SuppressionError::Unknown { id: id.to_owned() };
        let lifted = self.suppressions.remove(id).ok_or_else(unknown)?;
        Ok(ended(lifted, format!("lifted by {by}: {reason}")))
    }

    /// Ends suppressions whose time is over, and returns the facts that say so.
    pub fn tick(&mut self, now: Timestamp) -> Vec<What> {
        let over = self.suppressions.extract_if(.., |_, s| s.suppression.until < now);
        over.map(|(_, silenced)| ended(silenced, "expired".to_owned())).collect()
    }

    /// Returns the suppressions that have not ended, in order of id.
    pub fn suppressions(&self) -> impl Iterator<Item = &Suppression> {
        self.suppressions.values().map(|s| &s.suppression)
    }

    fn may_be(&self, wanted: &Suppression, now: Timestamp) -> Result<(), SuppressionError> {
        let Suppression { entity, rule, until, .. } = wanted;
        let is_all = |pattern: &str| pattern.chars().all(|c| c == '*' || c.is_whitespace());
        if wanted.author.trim().is_empty() || wanted.reason.trim().is_empty() {
            return Err(SuppressionError::Unsigned);
        }
        if is_all(entity) && is_all(rule) {
            return Err(SuppressionError::Everything);
        }
        if *until <= now || *until > now.plus_ms(SUPPRESSION_MS_MAX) {
            return Err(SuppressionError::Expiry { until: *until });
        }
        match self.suppressions.len() < SUPPRESSIONS_MAX {
            true => Ok(()),
            false => Err(SuppressionError::TooMany),
        }
    }

    pub(super) fn keep_quiet(&mut self, suppression: Suppression) {
        self.suppressions_made += 1;
        let silenced = Silenced {
            suppression,
            findings: 0,
        };
        self.suppressions.insert(silenced.suppression.id.clone(), silenced);
    }

    /// Returns whether a finding raises nothing at all, and counts it.
    pub(super) fn is_suppressed(&mut self, finding: &Finding) -> bool {
        let host = format!("host:{}", finding.host);
        let account = finding.account.as_ref().map(|account| format!("account:{account}"));
        let mut all = self.suppressions.values_mut();
        let found =
            all.find(|s| s.covers(finding) && [Some(&host), account.as_ref()].into_iter().flatten().any(|e| s.is_about(e)));
        found.map(|silenced| silenced.findings += 1).is_some()
    }

    pub(super) fn is_entity_suppressed(&self, entity: &str, finding: &Finding) -> bool {
        self.suppressions.values().any(|s| s.covers(finding) && s.is_about(entity))
    }
}

impl Silenced {
    fn covers(&self, finding: &Finding) -> bool {
        let Suppression { rule, until, .. } = &self.suppression;
        finding.at <= *until && (matches(rule, &finding.rule) || matches(rule, &finding.title))
    }

    fn is_about(&self, entity: &str) -> bool {
        matches(&self.suppression.entity, entity)
    }
}

fn ended(silenced: Silenced, reason: String) -> What {
    What::SuppressionEnded {
        suppression: silenced.suppression.id,
        findings: silenced.findings,
        reason,
    }
}

/// Returns whether a text is what a pattern with `*` for any text says, without regard to case. O(pattern × text).
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.trim().to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [
            ("host:a*", "host:A1"),
            ("*", ""),
            ("a*b*c", "axbxxc"),
            ("*port*", "a port scan"),
            ("x", "X"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("host:a", "host:ab"), ("a*a", "a"), ("a*b*c", "axc"), ("", "x"), ("b*", "ab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
