use rsigma_parser::{Level, SigmaRule};

use crate::sigma::condition::{self, Compiled, Fault};
use crate::sigma::item::Placeholders;
use crate::sigma::locate::Position;
use crate::sigma::logsource::RuleSource;

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
    /// Sigma's level; `informational` where the rule has none.
    pub level: &'static str,
    /// Risk weight from the level, 0 to 100.
    pub weight: u8,
    /// Log source that the rule is for.
    pub source: RuleSource,
    /// File, or name of the text, that the rule was read from.
    pub file: String,
    /// Where in the file the rule begins.
    pub at: Position,
    /// The name by which correlations may refer to it.
    pub name: Option<String>,
    pub(crate) compiled: Compiled,
}

impl Rule {
    pub(crate) fn compile(file: &str, at: Position, rule: &SigmaRule, placeholders: &Placeholders) -> Result<Self, Fault> {
        if rsigma_parser::version::is_unsupported(rule.sigma_version) {
            return Err(Fault::new("written for a later version of Sigma", "look for a newer leckwehr").below("sigma-version"));
        }
        let compiled = condition::compile(&rule.detection, placeholders).map_err(|fault| fault.below("detection"))?;
        Ok(Self {
            id: rule.id.clone().unwrap_or_else(|| rule.title.clone()),
            title: rule.title.clone(),
            author: author(rule.author.as_deref()),
            techniques: techniques(&rule.tags),
            level: rule.level.map_or("informational", |level| level.as_str()),
            weight: weight(rule.level),
            source: RuleSource::new(&rule.logsource)?,
            file: file.to_owned(),
            at,
            name: rule.name.clone(),
            compiled,
        })
    }

    /// Returns whether a filter or correlation means this rule by its id, name or title.
    pub(crate) fn is_called(&self, reference: &str) -> bool {
        self.id == reference || self.name.as_deref() == Some(reference) || self.title == reference
    }
}

pub(crate) fn author(author: Option<&str>) -> String {
    author.unwrap_or("unknown").to_owned()
}

/// Returns the ATT&CK techniques among the tags.
pub(crate) fn techniques(tags: &[String]) -> Vec<String> {
    tags.iter().filter_map(|tag| technique(tag)).collect()
}

fn technique(tag: &str) -> Option<String> {
    let id = tag.strip_prefix("attack.t")?;
    id.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("T{id}"))
}

/// Sigma's levels as risk; only `critical` reaches an alarm of that level alone.
pub(crate) fn weight(level: Option<Level>) -> u8 {
    match level {
        Some(Level::Informational) | None => 2,
        Some(Level::Low) => 10,
        Some(Level::Medium) => 25,
        Some(Level::High) => 40,
        Some(Level::Critical) => 90,
    }
}
