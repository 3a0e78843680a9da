use rsigma_parser::{FilterRule, FilterRuleTarget};

use crate::sigma::condition::{self, Expr, Fault};
use crate::sigma::item::Placeholders;
use crate::sigma::locate::Position;
use crate::sigma::logsource::RuleSource;
use crate::sigma::rule::Rule;

/// A Sigma filter: a condition that others' rules must fulfil as well.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) title: String,
    pub(crate) file: String,
    pub(crate) at: Position,
    /// Ids, names or titles; nothing means every rule of the log source.
    pub(crate) targets: Option<Vec<String>>,
    source: Option<RuleSource>,
    pub(crate) condition: Expr,
}

impl Filter {
    pub(crate) fn compile(file: &str, at: Position, filter: &FilterRule, placeholders: &Placeholders) -> Result<Self, Fault> {
        let compiled = condition::compile(&filter.detection, placeholders).map_err(|fault| fault.below("filter"))?;
        Ok(Self {
            title: filter.title.clone(),
            file: file.to_owned(),
            at,
            targets: match &filter.rules {
                FilterRuleTarget::Any => None,
                FilterRuleTarget::Specific(names) => Some(names.clone()),
            },
            source: filter.logsource.as_ref().map(RuleSource::new).transpose()?,
            condition: compiled.condition,
        })
    }

    /// Returns whether the filter is meant for the rule.
    pub(crate) fn is_for(&self, rule: &Rule) -> bool {
        let named = self
            .targets
            .as_ref()
            .is_none_or(|names| names.iter().any(|n| rule.is_called(n)));
        named && self.source.as_ref().is_none_or(|source| source.contains(&rule.source))
    }
}
