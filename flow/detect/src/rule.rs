use leckwehr_telemetry::{Event, Product};
use rsigma_parser::{Level, LogSource, SigmaRule};

use crate::condition::{Condition, Fields, Unsupported};

/// A rule that can be evaluated.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Stable id; the title where the rule has none.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Author, as the Detection Rule License asks.
    pub author: String,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// Risk weight from the level, 0 to 100.
    pub weight: u8,
    source: Source,
    condition: Condition,
}

/// The log source in our words; empty means any.
#[derive(Debug, Clone)]
struct Source {
    product: Option<Product>,
    service: String,
    category: String,
}

/// A rule that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Not a Sigma rule.
    #[error("{file}: not a Sigma rule: {reason}")]
    Unreadable {
        /// File or name of the text.
        file: String,
        /// The parser's words.
        reason: String,
    },
    /// Something in it is not built yet.
    #[error("{file}: rule {rule:?} at {place}: {what}")]
    Unsupported {
        /// File or name of the text.
        file: String,
        /// Title of the rule.
        rule: String,
        /// Where in the rule.
        place: String,
        /// What.
        what: String,
    },
    /// More rules than can be loaded.
    #[error("{file}: more than {} rules", crate::RULES_MAX)]
    TooMany {
        /// File or name of the text.
        file: String,
    },
}

impl RuleError {
    /// Returns the code under which `docs/errors.md` explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "LW-DETECT-001",
            Self::Unsupported { .. } => "LW-DETECT-002",
            Self::TooMany { .. } => "LW-DETECT-003",
        }
    }
}

impl Rule {
    pub(crate) fn compile(file: &str, rule: &SigmaRule) -> Result<Self, RuleError> {
        let error = |u: Unsupported| RuleError::Unsupported {
            file: file.to_owned(),
            rule: rule.title.clone(),
            place: u.place,
            what: u.what,
        };
        Ok(Self {
            id: rule.id.clone().unwrap_or_else(|| rule.title.clone()),
            title: rule.title.clone(),
            author: rule.author.clone().unwrap_or_else(|| "unknown".to_owned()),
            techniques: rule.tags.iter().filter_map(|t| technique(t)).collect(),
            weight: weight(rule.level),
            source: Source::new(&rule.logsource).map_err(error)?,
            condition: Condition::compile(&rule.detection).map_err(error)?,
        })
    }

    /// Returns whether the rule is meant for the product, service and category of this event.
    pub(crate) fn is_for(&self, event: &Event<'_>) -> bool {
        let source = &self.source;
        source.product.is_none_or(|p| p == event.product())
            && (source.service.is_empty() || source.service == event.service())
            && (source.category.is_empty() || source.category == event.category())
    }

    pub(crate) fn holds(&self, fields: &dyn Fields) -> bool {
        self.condition.holds(fields)
    }
}

impl Source {
    fn new(source: &LogSource) -> Result<Self, Unsupported> {
        let product = match source.product.as_deref() {
            None => None,
            Some("zeek") => Some(Product::Zeek),
            Some("leckwehr") => Some(Product::Leckwehr),
            Some("windows") => Some(Product::Windows),
            Some(other) => {
                let what = format!("no telemetry is read for the product {other:?} yet");
                return Err(Unsupported {
                    place: "logsource.product".to_owned(),
                    what,
                });
            }
        };
        let service = source.service.clone().unwrap_or_default();
        let category = source.category.clone().unwrap_or_default();
        if service.is_empty() && category.is_empty() {
            let what = "neither service nor category: the rule would fire across all records".to_owned();
            return Err(Unsupported {
                place: "logsource".to_owned(),
                what,
            });
        }
        Ok(Self {
            product,
            service,
            category,
        })
    }
}

fn technique(tag: &str) -> Option<String> {
    let id = tag.strip_prefix("attack.t")?;
    id.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("T{id}"))
}

/// Sigma's levels as risk; only `critical` reaches an alarm of that level alone.
fn weight(level: Option<Level>) -> u8 {
    match level {
        Some(Level::Informational) | None => 2,
        Some(Level::Low) => 10,
        Some(Level::Medium) => 25,
        Some(Level::High) => 40,
        Some(Level::Critical) => 90,
    }
}
