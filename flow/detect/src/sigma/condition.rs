use std::collections::BTreeSet;
use std::sync::Arc;

use rsigma_parser::{ConditionExpr, Detection, DetectionItem, Detections, FieldSpec, Quantifier};

use crate::sigma::item::{Item, Placeholders, Test};
use crate::sigma::modifier;

/// A Sigma condition with its selections put in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    AtLeast(usize, Vec<Expr>),
    Item(Arc<Item>),
}

impl Expr {
    pub(crate) fn all(parts: Vec<Self>) -> Self {
        Self::joined(parts, Self::All)
    }

    /// Returns whether any record could fulfil the condition: not if it needs a placeholder that has no values.
    fn is_possible(&self) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(Self::is_possible),
            Self::Any(parts) => parts.iter().any(Self::is_possible),
            Self::AtLeast(n, parts) => parts.iter().filter(|p| p.is_possible()).count() >= *n,
            Self::Not(_) => true,
            Self::Item(item) => !matches!(item.test, Test::Unfilled(_)),
        }
    }

    /// Collects the placeholders that have no values.
    fn unfilled(&self, names: &mut BTreeSet<String>) {
        match self {
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => parts.iter().for_each(|p| p.unfilled(names)),
            Self::Not(part) => part.unfilled(names),
            Self::Item(item) => {
                if let Test::Unfilled(name) = &item.test {
                    names.insert(name.to_string());
                }
            }
        }
    }

    pub(crate) fn any(parts: Vec<Self>) -> Self {
        Self::joined(parts, Self::Any)
    }

    fn joined(mut parts: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match parts.pop() {
            Some(only) if parts.is_empty() => only,
            Some(last) => {
                parts.push(last);
                join(parts)
            }
            None => join(parts),
        }
    }
}

/// What is wrong in a rule, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Keys from the rule's top down; the last ones may be missing in the text.
    pub(crate) path: Vec<String>,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// Says that the fault lies below `key`.
    pub(crate) fn below(mut self, key: &str) -> Self {
        self.path.insert(0, key.to_owned());
        self
    }
}

/// Nested selections and parentheses; deeper ones are refused.
const DEPTH_MAX: usize = 64;

/// A compiled detection section.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Compiled {
    /// All conditions: any one of them fires the rule.
    pub(crate) condition: Expr,
    /// Each selection by name, in the order of names.
    pub(crate) selections: Vec<(Box<str>, Expr)>,
    /// Placeholders without values: what asks for them fits nothing.
    pub(crate) unfilled: BTreeSet<String>,
}

/// Compiles the detection section of a rule or filter.
pub(crate) fn compile(detections: &Detections, placeholders: &Placeholders) -> Result<Compiled, Fault> {
    if detections.timeframe.is_some() {
        let what = "a time frame in a detection was part of Sigma 1";
        return Err(Fault::new(what, "write a correlation rule with `timespan`").below("timeframe"));
    }
    let mut named: Vec<_> = detections.named.iter().collect();
    named.sort_by_key(|(name, _)| name.as_str());
    let mut selections: Vec<(Box<str>, Expr)> = Vec::new();
    for (name, found) in named {
        let expr = detection(found, placeholders, 0).map_err(|fault| fault.below(name))?;
        selections.push((name.as_str().into(), expr));
    }
    let conditions = detections.conditions.iter().map(|c| expression(c, &selections, 0));
    let conditions: Vec<_> = conditions
        .collect::<Result<_, _>>()
        .map_err(|fault| fault.below("condition"))?;
    if conditions.is_empty() {
        return Err(Fault::new("there is no condition", "say which selections make the rule fire").below("condition"));
    }
    let condition = Expr::any(conditions);
    let mut unfilled = BTreeSet::new();
    condition.unfilled(&mut unfilled);
    if let Some(name) = unfilled.first().filter(|_| !condition.is_possible()) {
        let what = format!("the placeholder %{name}% has no values, so the rule could never fire");
        return Err(Fault::new(what, "give its values in the table of placeholders, or leave the rule out").below("condition"));
    }
    Ok(Compiled {
        condition,
        selections,
        unfilled,
    })
}

fn expression(expr: &ConditionExpr, selections: &[(Box<str>, Expr)], depth: usize) -> Result<Expr, Fault> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    let each = |parts: &[ConditionExpr]| {
        let each = parts.iter().map(|p| expression(p, selections, depth + 1));
        each.collect::<Result<Vec<_>, _>>()
    };
    Ok(match expr {
        ConditionExpr::And(parts) => Expr::all(each(parts)?),
        ConditionExpr::Or(parts) => Expr::any(each(parts)?),
        ConditionExpr::Not(part) => Expr::Not(Box::new(expression(part, selections, depth + 1)?)),
        ConditionExpr::Identifier(name) => match selections.iter().find(|(n, _)| **n == **name) {
            Some((_, found)) => found.clone(),
            None => {
                let names: Vec<&str> = selections.iter().map(|(n, _)| &**n).collect();
                let remedy = format!("name one of: {}", names.join(", "));
                return Err(Fault::new(format!("there is no selection {name:?}"), remedy));
            }
        },
        ConditionExpr::Selector { quantifier, pattern } => {
            let fitting = selections.iter().filter(|(n, _)| pattern.matches_detection_name(n));
            let parts: Vec<Expr> = fitting.map(|(_, e)| e.clone()).collect();
            if parts.is_empty() {
                let what = format!("no selection fits {pattern}");
                return Err(Fault::new(
                    what,
                    "mend the name; those that begin with _ do not belong to `them`",
                ));
            }
            match quantifier {
                Quantifier::Any => Expr::any(parts),
                Quantifier::All => Expr::all(parts),
                Quantifier::Count(n) => {
                    let n = usize::try_from(*n).unwrap_or(usize::MAX);
                    if n > parts.len() {
                        let what = format!("{n} of {pattern}, but only {} selections fit", parts.len());
                        return Err(Fault::new(what, "the rule could never fire: lower the number"));
                    }
                    Expr::AtLeast(n, parts)
                }
            }
        }
    })
}

fn detection(found: &Detection, placeholders: &Placeholders, depth: usize) -> Result<Expr, Fault> {
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    let each = |parts: &[Detection]| {
        if parts.is_empty() {
            return Err(empty());
        }
        let each = parts.iter().map(|p| detection(p, placeholders, depth + 1));
        each.collect::<Result<Vec<_>, _>>()
    };
    Ok(match found {
        Detection::AllOf(items) if items.is_empty() => return Err(empty()),
        Detection::AllOf(items) => {
            let each = items.iter().map(|i| item(i, placeholders));
            Expr::all(each.collect::<Result<_, _>>()?)
        }
        Detection::AnyOf(parts) => Expr::any(each(parts)?),
        Detection::And(parts) => Expr::all(each(parts)?),
        Detection::Keywords(values) => modifier::keywords(values)?,
        Detection::ArrayMatch { field, .. } => {
            let what = "quantified arrays are a proposal for Sigma 3: records are flat here";
            return Err(Fault::new(what, "ask for the field by its dotted name: any member counts").below(field));
        }
        Detection::Conditional { .. } => {
            let what = "conditions inside an array are a proposal for Sigma 3: records are flat here";
            return Err(Fault::new(what, "ask for the fields by their dotted names"));
        }
    })
}

fn item(item: &DetectionItem, placeholders: &Placeholders) -> Result<Expr, Fault> {
    let name = item.field.name.as_deref().unwrap_or("");
    modifier::compile(item, placeholders).map_err(|fault| fault.below(&written(name, &item.field)))
}

/// Returns the key as it begins in the rule's text.
fn written(name: &str, spec: &FieldSpec) -> String {
    if spec.modifiers.is_empty() {
        name.to_owned()
    } else {
        format!("{name}|")
    }
}

fn empty() -> Fault {
    Fault::new("the selection is empty", "say what it selects")
}

fn too_deep() -> Fault {
    Fault::new(format!("nested more than {DEPTH_MAX} deep"), "write it flatter")
}
