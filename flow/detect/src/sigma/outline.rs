use std::collections::BTreeSet;

use rsigma_parser::{ConditionExpr, CorrelationRule, Detection, DetectionItem, Modifier, Quantifier, SelectorPattern, SigmaRule};

use crate::sigma::logsource::RuleSource;
use crate::sigma::rule::techniques;

/// Levels of nested conditions that are drawn.
const OUTLINE_DEEP_MAX: usize = 32;

/// A rule taken apart for people: what it says of itself, and what it looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Title.
    pub title: String,
    /// Id, if it has one.
    pub id: Option<String>,
    /// Author, if named.
    pub author: Option<String>,
    /// Licence, if the rule names one.
    pub license: Option<String>,
    /// Level, if it has one.
    pub level: Option<&'static str>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was written, and when changed.
    pub dates: Vec<String>,
    /// Where to read on.
    pub references: Vec<String>,
    /// What may look the same and be harmless.
    pub false_positives: Vec<String>,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// The log source; none for a correlation.
    pub source: Option<RuleSource>,
    /// Conditions; one of them is enough.
    pub conditions: Vec<Node>,
    /// Modifiers it uses, each once.
    pub modifiers: BTreeSet<String>,
    /// Of a correlation: its kind, rules, grouping, time span and threshold.
    pub correlation: Vec<(&'static str, String)>,
}

/// A part of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// All of these hold.
    All(Vec<Node>),
    /// One of these holds.
    Any(Vec<Node>),
    /// As many of these hold.
    AtLeast(u64, Vec<Node>),
    /// This does not hold.
    Not(Box<Node>),
    /// A named selection.
    Named(String, Box<Node>),
    /// A field has one of the values (all of them with the modifier `all`); no field means anywhere in the record.
    Item {
        /// The field.
        field: Option<String>,
        /// Modifiers, as written.
        modifiers: Vec<String>,
        /// Values, as written.
        values: Vec<String>,
    },
    /// Of a list in the record one member, or every, satisfies this.
    Members {
        /// The list.
        field: String,
        /// `any` or `all`.
        which: String,
        /// What a member satisfies.
        body: Box<Node>,
    },
    /// Nested deeper than is drawn, or a name that is not defined.
    Left(String),
}

impl Outline {
    /// Takes every rule and correlation of a YAML text apart; what cannot be parsed is left out ([`crate::Rules::add`] says
    /// why). O(text).
    pub fn read(text: &str) -> Vec<Self> {
        let Ok(collection) = rsigma_parser::parse_sigma_yaml(text) else {
            return Vec::new();
        };
        let rules = collection.rules.iter().map(Self::rule);
        rules.chain(collection.correlations.iter().map(Self::correlation)).collect()
    }

    fn rule(rule: &SigmaRule) -> Self {
        let mut outline = Self {
            title: rule.title.clone(),
            id: rule.id.clone(),
            author: rule.author.clone(),
            license: rule.license.clone(),
            level: rule.level.map(|level| level.as_str()),
            description: rule.description.clone(),
            dates: rule.date.iter().chain(&rule.modified).cloned().collect(),
            references: rule.references.clone(),
            false_positives: rule.falsepositives.clone(),
            techniques: techniques(&rule.tags),
            source: RuleSource::new(&rule.logsource).ok(),
            ..Self::default()
        };
        let conditions = rule.detection.conditions.iter();
        outline.conditions = conditions.map(|c| outline.condition(c, rule, 0)).collect();
        outline
    }

    fn correlation(rule: &CorrelationRule) -> Self {
        let kind = format!("{:?}", rule.correlation_type);
        Self {
            title: rule.title.clone(),
            id: rule.id.clone(),
            author: rule.author.clone(),
            license: rule.license.clone(),
            level: rule.level.map(|level| level.as_str()),
            description: rule.description.clone(),
            dates: rule.date.iter().chain(&rule.modified).cloned().collect(),
            references: rule.references.clone(),
            false_positives: rule.falsepositives.clone(),
            techniques: techniques(&rule.tags),
            correlation: vec![
                ("kind", kind),
                ("rules", rule.rules.join(", ")),
                ("group-by", rule.group_by.join(", ")),
                ("timespan", rule.timespan.original.clone()),
                ("condition", format!("{:?}", rule.condition)),
            ],
            ..Self::default()
        }
    }

    fn condition(&mut self, condition: &ConditionExpr, rule: &SigmaRule, deep: usize) -> Node {
        if deep > OUTLINE_DEEP_MAX {
            return Node::Left(condition.to_string());
        }
        let mut all = |parts: &[ConditionExpr]| parts.iter().map(|p| self.condition(p, rule, deep + 1)).collect();
        match condition {
            ConditionExpr::And(parts) => Node::All(all(parts)),
            ConditionExpr::Or(parts) => Node::Any(all(parts)),
            ConditionExpr::Not(part) => Node::Not(Box::new(self.condition(part, rule, deep + 1))),
            ConditionExpr::Identifier(name) => self.named(name, rule),
            ConditionExpr::Selector { quantifier, pattern } => {
                let mut names: Vec<&String> = rule.detection.named.keys().filter(|name| is_meant(pattern, name)).collect();
                names.sort();
                let parts = names.into_iter().map(|name| self.named(name, rule)).collect();
                match quantifier {
                    Quantifier::All => Node::All(parts),
                    Quantifier::Any | Quantifier::Count(1) => Node::Any(parts),
                    Quantifier::Count(n) => Node::AtLeast(*n, parts),
                }
            }
        }
    }

    fn named(&mut self, name: &str, rule: &SigmaRule) -> Node {
        match rule.detection.named.get(name) {
            Some(detection) => Node::Named(name.to_owned(), Box::new(self.detection(detection, 0))),
            None => Node::Left(name.to_owned()),
        }
    }

    fn detection(&mut self, detection: &Detection, deep: usize) -> Node {
        if deep > OUTLINE_DEEP_MAX {
            return Node::Left("…".to_owned());
        }
        match detection {
            Detection::AllOf(items) => Node::All(items.iter().map(|item| self.item(item)).collect()),
            Detection::And(parts) => Node::All(parts.iter().map(|part| self.detection(part, deep + 1)).collect()),
            Detection::AnyOf(parts) => Node::Any(parts.iter().map(|part| self.detection(part, deep + 1)).collect()),
            Detection::Keywords(values) => Node::Item {
                field: None,
                modifiers: Vec::new(),
                values: values.iter().map(ToString::to_string).collect(),
            },
            Detection::ArrayMatch {
                field, quantifier, body, ..
            } => Node::Members {
                field: field.clone(),
                which: quantifier.to_string(),
                body: Box::new(self.detection(body, deep + 1)),
            },
            other => Node::Left(format!("{other:?}")),
        }
    }

    fn item(&mut self, item: &DetectionItem) -> Node {
        let modifiers: Vec<String> = item.field.modifiers.iter().map(|m| word(*m)).collect();
        self.modifiers.extend(modifiers.iter().cloned());
        Node::Item {
            field: item.field.name.clone(),
            modifiers,
            values: item.values.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Returns whether `1 of …` means a selection of this name; names that begin with `_` are never meant by `them`.
fn is_meant(pattern: &SelectorPattern, name: &str) -> bool {
    match pattern {
        SelectorPattern::Them => !name.starts_with('_'),
        SelectorPattern::Pattern(pattern) => match pattern.split_once('*') {
            Some((start, end)) => name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
            None => pattern == name,
        },
    }
}

/// The word of a modifier, as rules write it.
fn word(modifier: Modifier) -> String {
    match modifier {
        Modifier::IgnoreCase => "i".to_owned(),
        Modifier::Multiline => "m".to_owned(),
        Modifier::DotAll => "s".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_taken_apart_by_its_condition() {
        let text = "title: T\nid: 5af54681-df95-4c26-854f-2565e13cfab0\nauthor: A\nlevel: high\ntags: [attack.t1490]\n\
            logsource: {product: windows, category: process_creation}\n\
            detection:\n  selection_a:\n    Image|endswith: ['\\vssadmin.exe', '\\wmic.exe']\n  selection_b: {CommandLine|contains|all: [delete, shadows]}\n  \
            filter: {User: SYSTEM}\n  condition: all of selection_* and not filter\n";
        let outlines = Outline::read(text);
        let [outline] = &outlines[..] else { panic!("{outlines:?}") };
        assert_eq!((outline.author.as_deref(), outline.level), (Some("A"), Some("high")));
        let modifiers: Vec<&str> = outline.modifiers.iter().map(String::as_str).collect();
        assert_eq!(modifiers, ["all", "contains", "endswith"]);
        let [Node::All(parts)] = &outline.conditions[..] else {
            panic!("{outline:?}")
        };
        let [Node::All(selections), Node::Not(_)] = &parts[..] else {
            panic!("{parts:?}")
        };
        let Node::Named(name, body) = &selections[0] else { panic!() };
        assert_eq!(name, "selection_a");
        let Node::All(items) = &**body else { panic!("{body:?}") };
        assert_eq!(
            items[0],
            Node::Item {
                field: Some("Image".into()),
                modifiers: vec!["endswith".into()],
                values: vec!["\\vssadmin.exe".into(), "\\wmic.exe".into()]
            }
        );
    }

    #[test]
    fn what_is_no_rule_has_no_outline() {
        assert_eq!(Outline::read("title: ["), []);
    }
}
