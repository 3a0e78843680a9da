use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an incident stands.
///
/// ```text
/// watching ⇄ alarm → declared → contained → assessed → restoring → recovered → closed
/// ```
/// Going back is a normal event (an alarm is closed, a second wave is found, a restored service fails its gate);
/// skipping forward is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Sensors are read, nothing is wrong as far as seen.
    #[default]
    Watching,
    /// At least one alarm awaits a decision.
    Alarm,
    /// People declared an incident; a takedown is being planned or approved.
    Declared,
    /// The takedown is executed and verified.
    Contained,
    /// The impact analysis stands, with what it cannot know.
    Assessed,
    /// Systems come back in the planned order.
    Restoring,
    /// Every service is back at the level its plan promised.
    Recovered,
    /// The incident is over; later evidence reopens it.
    Closed,
}

/// A change of phase that skips a step forward or stays in place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an incident cannot go from {from} to {to}")]
pub struct PhaseError {
    /// The phase the incident is in.
    pub from: Phase,
    /// The phase that was asked for.
    pub to: Phase,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Self; 8] = [
        Self::Watching,
        Self::Alarm,
        Self::Declared,
        Self::Contained,
        Self::Assessed,
        Self::Restoring,
        Self::Recovered,
        Self::Closed,
    ];

    /// Returns the next phase if the incident may go there: one step forward, or back to any earlier phase.
    pub fn enter(self, to: Self) -> Result<Self, PhaseError> {
        let forward_one = Self::ALL.iter().position(|p| *p == self).and_then(|i| Self::ALL.get(i + 1)) == Some(&to);
        if forward_one || to < self {
            Ok(to)
        } else {
            Err(PhaseError { from: self, to })
        }
    }

    /// Returns the word used in JSON, on pages and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Alarm => "alarm",
            Self::Declared => "declared",
            Self::Contained => "contained",
            Self::Assessed => "assessed",
            Self::Restoring => "restoring",
            Self::Recovered => "recovered",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_step_forward_and_any_step_back() {
        for (i, from) in Phase::ALL.iter().enumerate() {
            for (j, to) in Phase::ALL.iter().enumerate() {
                assert_eq!(from.enter(*to).is_ok(), j < i || j == i + 1, "{from} -> {to}");
            }
        }
    }
}
