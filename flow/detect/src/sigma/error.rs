use crate::sigma::condition::Fault;
use crate::sigma::locate::{Position, locate, position_in};

/// A rule that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a Sigma rule.
    #[error("{file}:{at}: not a Sigma rule: {reason}")]
    Unreadable {
        /// File or name of the text.
        file: String,
        /// Where in it.
        at: Position,
        /// The parser's words.
        reason: String,
    },
    /// Something in it cannot be matched.
    #[error("{file}:{at}: rule {rule:?} at {place}: {what}; {remedy}")]
    Unsupported {
        /// File or name of the text.
        file: String,
        /// Where in it.
        at: Position,
        /// Title of the rule.
        rule: String,
        /// Where in the rule.
        place: Box<str>,
        /// What.
        what: Box<str>,
        /// What to do about it.
        remedy: Box<str>,
    },
    /// More rules than can be loaded.
    #[error("{file}: more than {} rules; load fewer", crate::RULES_MAX)]
    TooMany {
        /// File or name of the text.
        file: String,
    },
    /// A file or folder that cannot be read.
    #[error("{file}: cannot be read: {reason}; name a readable file or folder of rules")]
    NoFile {
        /// The file.
        file: String,
        /// The system's words.
        reason: String,
    },
}

impl RuleError {
    /// Returns the code under which `docs/errors.md` explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "LW-DETECT-001",
            Self::Unsupported { .. } => "LW-DETECT-002",
            Self::TooMany { .. } => "LW-DETECT-003",
            Self::NoFile { .. } => "LW-DETECT-004",
        }
    }

    /// Returns the file, or the name of the text.
    pub fn file(&self) -> &str {
        match self {
            Self::Unreadable { file, .. }
            | Self::Unsupported { file, .. }
            | Self::TooMany { file }
            | Self::NoFile { file, .. } => file,
        }
    }

    /// Returns the place in the file, if the file could be read.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Unreadable { at, .. } | Self::Unsupported { at, .. } => Some(*at),
            Self::TooMany { .. } | Self::NoFile { .. } => None,
        }
    }

    /// Makes an error of what the parser says, and finds the place that it means.
    pub(crate) fn unreadable(file: &str, text: &str, reason: &str) -> Self {
        let quoted = reason.split('\'').nth(1).unwrap_or("");
        let at = position_in(reason)
            .filter(|_| !reason.contains("Condition"))
            .unwrap_or_else(|| {
                let path: &[&str] = match reason {
                    r if r.contains("Condition") || r.contains("'condition'") => &["detection", "condition"],
                    r if r.contains("odifier") => &[],
                    _ => &[quoted],
                };
                let found = locate(text, 0, path);
                if reason.contains("odifier") {
                    place_of(text, &format!("|{quoted}"))
                } else {
                    found
                }
            });
        Self::Unreadable {
            file: file.to_owned(),
            at,
            reason: reason.to_owned(),
        }
    }

    pub(crate) fn unsupported(file: &str, text: &str, document: usize, rule: &str, fault: Fault) -> Self {
        let path: Vec<&str> = fault.path.iter().map(String::as_str).collect();
        let named = path.iter().map(|key| key.trim_end_matches('|'));
        let named: Vec<&str> = named.filter(|key| *key != "detection" && !key.is_empty()).collect();
        Self::Unsupported {
            file: file.to_owned(),
            at: locate(text, document, &path),
            rule: rule.to_owned(),
            place: if named.is_empty() {
                "the rule".into()
            } else {
                named.join(".").into()
            },
            what: fault.what.into(),
            remedy: fault.remedy.into(),
        }
    }
}

fn place_of(text: &str, wanted: &str) -> Position {
    let found = text
        .lines()
        .enumerate()
        .find_map(|(i, line)| Some((i, line, line.find(wanted)?)));
    found.map_or(Position { line: 1, column: 1 }, |(i, line, at)| {
        let column = line.get(..at).map_or(1, |before| before.chars().count() + 1);
        Position { line: i + 1, column }
    })
}
