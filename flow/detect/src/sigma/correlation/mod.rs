//! Correlations of Sigma 2: counting, statistics and order over the findings of other rules.

mod correlator;
mod window;

use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, Quantifier, Timespan, WindowMode,
};

pub use correlator::{
    CHAIN_DEEP_MAX, CORRELATION_BYTES_MAX, CORRELATION_GROUPS_MAX, Correlated, CorrelationSnapshot, Correlator, RestoreError,
};
pub use window::CORRELATION_ENTRIES_MAX;

use crate::sigma::condition::Fault;
use crate::sigma::locate::Position;
use crate::sigma::rule::{author, techniques, weight};

/// Rules that one correlation may be built on.
pub const CORRELATION_RULES_MAX: usize = 64;
/// Seconds in the longest time span, a year.
const SPAN_SECONDS_MAX: u64 = 366 * 86_400;

/// A rule over the findings of other rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Correlation {
    /// Stable id; the title where the rule has none.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Author.
    pub author: String,
    /// ATT&CK technique ids.
    pub techniques: Vec<String>,
    /// Sigma's level; `informational` where the rule has none.
    pub level: &'static str,
    /// Risk weight from the level, 0 to 100.
    pub weight: u8,
    /// File, or name of the text, that the rule was read from.
    pub file: String,
    /// Where in the file the rule begins.
    pub at: Position,
    /// The name by which other correlations may refer to it.
    pub name: Option<String>,
    /// Ids, names or titles of the rules that it is built on.
    pub rules: Vec<String>,
    /// Whether those rules tell of themselves as well.
    pub generate: bool,
    pub(crate) group_by: Vec<GroupField>,
    pub(crate) span_ns: i64,
    pub(crate) mode: Mode,
    pub(crate) test: Test,
}

/// A field whose values part the findings into groups.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupField {
    pub(crate) name: String,
    /// What the field is called in the records of a rule, by the rule's reference.
    pub(crate) called: Vec<(String, String)>,
}

/// How the time span lies in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Ends at each record.
    Sliding,
    /// Parts the time since 1970.
    Tumbling,
    /// Goes on until nothing came for so many nanoseconds.
    Session(i64),
}

/// What must be true of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Events(Bounds),
    Distinct(Bounds, Vec<String>),
    Sum(Bounds, String),
    Average(Bounds, String),
    /// The value below which so many percent lie.
    Percentile(Bounds, String, f64),
    /// Which rules fired, in any order.
    Together(Temporal),
    /// All rules fired, in the order in which they are named.
    InOrder(Option<Temporal>),
}

/// What a number is compared with; all must hold.
pub(crate) type Bounds = Vec<(ConditionOperator, f64)>;

/// A condition over the rules' places in the correlation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Temporal {
    Rule(usize),
    All(Vec<Temporal>),
    AtLeast(usize, Vec<Temporal>),
    Not(Box<Temporal>),
}

impl Correlation {
    pub(crate) fn compile(file: &str, at: Position, rule: &CorrelationRule) -> Result<Self, Fault> {
        let below = |fault: Fault, key: &str| fault.below(key).below("correlation");
        if rule.rules.is_empty() {
            return Err(below(
                Fault::new("it is built on no rule", "name the rules it is built on"),
                "rules",
            ));
        }
        if rule.rules.len() > CORRELATION_RULES_MAX {
            let fault = Fault::new(format!("more than {CORRELATION_RULES_MAX} rules"), "part it");
            return Err(below(fault, "rules"));
        }
        let group_by = rule.group_by.iter().map(|name| {
            let alias = rule.aliases.iter().find(|a| a.alias == *name);
            let mut called: Vec<_> = alias.iter().flat_map(|a| a.mapping.clone()).collect();
            called.sort();
            GroupField {
                name: name.clone(),
                called,
            }
        });
        Ok(Self {
            id: rule.id.clone().unwrap_or_else(|| rule.title.clone()),
            title: rule.title.clone(),
            author: author(rule.author.as_deref()),
            techniques: techniques(&rule.tags),
            level: rule.level.map_or("informational", |level| level.as_str()),
            weight: weight(rule.level),
            file: file.to_owned(),
            at,
            name: rule.name.clone(),
            rules: rule.rules.clone(),
            generate: rule.generate,
            group_by: group_by.collect(),
            span_ns: nanoseconds(&rule.timespan).map_err(|f| below(f, "timespan"))?,
            mode: match (rule.window, &rule.gap) {
                (WindowMode::Sliding, _) => Mode::Sliding,
                (WindowMode::Tumbling, _) => Mode::Tumbling,
                (WindowMode::Session, Some(gap)) => Mode::Session(nanoseconds(gap).map_err(|f| below(f, "gap"))?),
                (WindowMode::Session, None) => {
                    return Err(below(
                        Fault::new("a session needs a gap", "say after which pause it ends"),
                        "window",
                    ));
                }
            },
            test: test(rule).map_err(|f| below(f, "condition"))?,
        })
    }

    /// Returns whether another correlation means this one by its id, name or title.
    pub(crate) fn is_called(&self, reference: &str) -> bool {
        self.id == reference || self.name.as_deref() == Some(reference) || self.title == reference
    }

    /// Returns Sigma's name of the kind.
    pub fn kind(&self) -> &'static str {
        match &self.test {
            Test::Events(_) => "event_count",
            Test::Distinct(..) => "value_count",
            Test::Sum(..) => "value_sum",
            Test::Average(..) => "value_avg",
            Test::Percentile(..) => "value_percentile",
            Test::Together(_) => "temporal",
            Test::InOrder(_) => "temporal_ordered",
        }
    }
}

fn nanoseconds(span: &Timespan) -> Result<i64, Fault> {
    let seconds = (1..=SPAN_SECONDS_MAX).contains(&span.seconds).then_some(span.seconds);
    let ns = seconds
        .and_then(|s| i64::try_from(s).ok())
        .map(|s| s.saturating_mul(1_000_000_000));
    ns.ok_or_else(|| Fault::new(format!("a time span of {} s", span.seconds), "give 1 s to a year"))
}

fn test(rule: &CorrelationRule) -> Result<Test, Fault> {
    let temporal = matches!(
        rule.correlation_type,
        CorrelationType::Temporal | CorrelationType::TemporalOrdered
    );
    let (predicates, fields, percentile) = match &rule.condition {
        CorrelationCondition::Extended(expr) if temporal => {
            let condition = self::temporal(expr, &rule.rules)?;
            return Ok(match rule.correlation_type {
                CorrelationType::Temporal => Test::Together(condition),
                _ => Test::InOrder(Some(condition)),
            });
        }
        CorrelationCondition::Extended(_) => {
            let what = "a condition over rules, where numbers are compared";
            return Err(Fault::new(what, "compare with gt, gte, lt, lte, eq or neq"));
        }
        CorrelationCondition::Threshold {
            predicates,
            field,
            percentile,
        } => (predicates, field.clone().unwrap_or_default(), *percentile),
    };
    if let Some((_, huge)) = predicates.iter().find(|(_, n)| *n > i64::MAX as u64) {
        return Err(Fault::new(
            format!("{huge} is no number to compare with"),
            "give a number of 0 or more",
        ));
    }
    let bounds: Bounds = predicates.iter().map(|(how, n)| (*how, *n as f64)).collect();
    let counted = matches!(
        rule.correlation_type,
        CorrelationType::EventCount | CorrelationType::ValueCount
    );
    if counted && bounds.iter().any(|(_, n)| *n >= CORRELATION_ENTRIES_MAX as f64) {
        let what = format!("a count beyond {CORRELATION_ENTRIES_MAX}, which are remembered of a group");
        return Err(Fault::new(what, "lower it, or shorten the time span"));
    }
    let one_field = || match &*fields {
        [field] => Ok(field.clone()),
        [] => Err(Fault::new("no field is named", "add `field`")),
        _ => Err(Fault::new("more than one field for one number", "name one")),
    };
    Ok(match rule.correlation_type {
        CorrelationType::EventCount => Test::Events(bounds),
        CorrelationType::ValueCount if fields.is_empty() => return Err(Fault::new("no field is named", "add `field`")),
        CorrelationType::ValueCount => Test::Distinct(bounds, fields),
        CorrelationType::ValueSum => Test::Sum(bounds, one_field()?),
        CorrelationType::ValueAvg => Test::Average(bounds, one_field()?),
        CorrelationType::ValueMedian => Test::Percentile(bounds, one_field()?, 50.0),
        CorrelationType::ValuePercentile => {
            let percent = percentile.unwrap_or(50);
            if percent > 100 {
                return Err(Fault::new(format!("{percent} percent"), "give 0 to 100"));
            }
            Test::Percentile(bounds, one_field()?, percent as f64)
        }
        CorrelationType::Temporal => Test::Together(all_of(rule.rules.len())),
        CorrelationType::TemporalOrdered => Test::InOrder(None),
    })
}

/// Without a condition all rules must have fired (correlation rules specification, Temporal Proximity).
fn all_of(rules: usize) -> Temporal {
    Temporal::All((0..rules).map(Temporal::Rule).collect())
}

fn temporal(expr: &ConditionExpr, rules: &[String]) -> Result<Temporal, Fault> {
    let each = |parts: &[ConditionExpr]| parts.iter().map(|p| temporal(p, rules)).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        ConditionExpr::And(parts) => Temporal::All(each(parts)?),
        ConditionExpr::Or(parts) => Temporal::AtLeast(1, each(parts)?),
        ConditionExpr::Not(part) => Temporal::Not(temporal(part, rules)?.into()),
        ConditionExpr::Identifier(name) => match rules.iter().position(|r| r == name) {
            Some(place) => Temporal::Rule(place),
            None => {
                let remedy = format!("name one of: {}", rules.join(", "));
                return Err(Fault::new(format!("{name:?} is not among its rules"), remedy));
            }
        },
        ConditionExpr::Selector { quantifier, pattern } => {
            let places = rules.iter().enumerate().filter(|(_, r)| pattern.matches_detection_name(r));
            let parts: Vec<_> = places.map(|(place, _)| Temporal::Rule(place)).collect();
            if parts.is_empty() {
                return Err(Fault::new(format!("no rule fits {pattern}"), "mend the name"));
            }
            match quantifier {
                Quantifier::Any => Temporal::AtLeast(1, parts),
                Quantifier::All => Temporal::All(parts),
                Quantifier::Count(n) => Temporal::AtLeast(usize::try_from(*n).unwrap_or(usize::MAX), parts),
            }
        }
    })
}
