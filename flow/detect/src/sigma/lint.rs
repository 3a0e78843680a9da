use crate::sigma::locate::Position;
use crate::sigma::ruleset::Rules;

/// What became of one rule that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleStatus {
    /// File, or name of the text.
    pub file: String,
    /// Where in the file the rule begins.
    pub at: Position,
    /// `rule`, or the kind of a correlation.
    pub kind: &'static str,
    /// Stable id, or the title.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Author, as the Detection Rule License asks.
    pub author: String,
    /// Sigma's level.
    pub level: &'static str,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// Log source as product/category/service, `*` for any; empty for a correlation.
    pub source: String,
    /// Why the rule can fire on no record, if so: no telemetry is read as its log source.
    pub never: Option<String>,
    /// Placeholders without values: what asks for them fits nothing, so that an exception made of them excepts nothing.
    pub unfilled: Vec<String>,
}

impl Rules {
    /// Returns what became of every rule and correlation, in the order in which they were read. Rules that could not be
    /// used are in the errors of [`Rules::load`].
    pub fn lint(&self) -> Vec<RuleStatus> {
        let rules = self.all().iter().map(|rule| RuleStatus {
            file: rule.file.clone(),
            at: rule.at,
            kind: "rule",
            id: rule.id.clone(),
            title: rule.title.clone(),
            author: rule.author.clone(),
            level: rule.level,
            techniques: rule.techniques.clone(),
            source: rule.source.to_string(),
            never: rule.source.unmapped(),
            unfilled: rule.compiled.unfilled.iter().cloned().collect(),
        });
        let correlations = self.correlations().iter().map(|correlation| RuleStatus {
            file: correlation.file.clone(),
            at: correlation.at,
            kind: correlation.kind(),
            id: correlation.id.clone(),
            title: correlation.title.clone(),
            author: correlation.author.clone(),
            level: correlation.level,
            techniques: correlation.techniques.clone(),
            source: String::new(),
            never: None,
            unfilled: Vec::new(),
        });
        rules.chain(correlations).collect()
    }
}
