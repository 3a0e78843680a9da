use std::net::Ipv4Addr;

use rsigma_parser::{ConditionExpr, Detection, DetectionItem, Detections, Modifier, Quantifier, SigmaString, SigmaValue};

use crate::pattern::{Anchor, Pattern};

/// A Sigma condition with its selections, ready to be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    AtLeast(usize, Vec<Condition>),
    Item(Item),
    Keywords(Vec<Pattern>),
}

/// One field with the values it is compared to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    field: String,
    tests: Vec<Test>,
    all: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Text(Pattern),
    Compare(Comparison, f64),
    Cidr(u32, u8),
    Exists(bool),
    Missing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// Gives the values of a record's fields.
pub(crate) trait Fields {
    /// Calls `test` with each value of the field until it says yes; returns whether it did.
    fn any(&self, name: &str, test: &mut dyn FnMut(&str) -> bool) -> bool;
    /// Calls `test` with each value of every field until it says yes.
    fn any_at_all(&self, test: &mut dyn FnMut(&str) -> bool) -> bool;
}

/// What of a condition cannot be evaluated: the place in the rule, and why.
pub(crate) struct Unsupported {
    pub(crate) place: String,
    pub(crate) what: String,
}

impl Condition {
    /// Compiles all conditions of a rule: any one of them fires it.
    pub(crate) fn compile(detections: &Detections) -> Result<Self, Unsupported> {
        if detections.timeframe.is_some() {
            return Err(unsupported(
                "timeframe",
                "a time frame in a detection needs a correlation rule",
            ));
        }
        let conditions = detections.conditions.iter().map(|c| expression(c, detections));
        Ok(Self::Any(conditions.collect::<Result<_, _>>()?))
    }

    pub(crate) fn holds(&self, fields: &dyn Fields) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|p| p.holds(fields)),
            Self::Any(parts) => parts.iter().any(|p| p.holds(fields)),
            Self::Not(part) => !part.holds(fields),
            Self::AtLeast(n, parts) => parts.iter().filter(|p| p.holds(fields)).count() >= *n,
            Self::Item(item) => item.holds(fields),
            Self::Keywords(words) => words.iter().any(|w| fields.any_at_all(&mut |v| w.fits(v))),
        }
    }
}

impl Item {
    fn holds(&self, fields: &dyn Fields) -> bool {
        let holds = |test: &Test| match test {
            Test::Exists(wanted) => fields.any(&self.field, &mut |_| true) == *wanted,
            Test::Missing => !fields.any(&self.field, &mut |v| !v.is_empty()),
            other => fields.any(&self.field, &mut |v| other.fits(v)),
        };
        if self.all {
            self.tests.iter().all(holds)
        } else {
            self.tests.iter().any(holds)
        }
    }
}

impl Test {
    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Text(pattern) => pattern.fits(value),
            Self::Compare(comparison, wanted) => value.trim().parse::<f64>().is_ok_and(|v| comparison.holds(v, *wanted)),
            Self::Cidr(network, prefix) => value.trim().parse::<Ipv4Addr>().is_ok_and(|address| {
                let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
                u32::from(address) & mask == network & mask
            }),
            Self::Exists(_) | Self::Missing => false,
        }
    }
}

impl Comparison {
    fn holds(self, value: f64, wanted: f64) -> bool {
        match self {
            Self::Equal => value == wanted,
            Self::Greater => value > wanted,
            Self::GreaterOrEqual => value >= wanted,
            Self::Less => value < wanted,
            Self::LessOrEqual => value <= wanted,
        }
    }
}

fn unsupported(place: impl Into<String>, what: impl Into<String>) -> Unsupported {
    Unsupported {
        place: place.into(),
        what: what.into(),
    }
}

fn expression(expr: &ConditionExpr, detections: &Detections) -> Result<Condition, Unsupported> {
    let each = |parts: &[ConditionExpr]| parts.iter().map(|p| expression(p, detections)).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        ConditionExpr::And(parts) => Condition::All(each(parts)?),
        ConditionExpr::Or(parts) => Condition::Any(each(parts)?),
        ConditionExpr::Not(part) => Condition::Not(Box::new(expression(part, detections)?)),
        ConditionExpr::Identifier(name) => match detections.named.get(name) {
            Some(found) => detection(name, found)?,
            None => return Err(unsupported("condition", format!("there is no selection {name:?}"))),
        },
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut named: Vec<_> = detections
                .named
                .iter()
                .filter(|(n, _)| pattern.matches_detection_name(n))
                .collect();
            if named.is_empty() {
                return Err(unsupported("condition", format!("no selection fits {pattern}")));
            }
            named.sort_by_key(|(name, _)| name.as_str());
            let parts = named
                .into_iter()
                .map(|(n, d)| detection(n, d))
                .collect::<Result<Vec<_>, _>>()?;
            match quantifier {
                Quantifier::Any => Condition::Any(parts),
                Quantifier::All => Condition::All(parts),
                Quantifier::Count(n) => Condition::AtLeast(usize::try_from(*n).unwrap_or(usize::MAX), parts),
            }
        }
    })
}

fn detection(place: &str, found: &Detection) -> Result<Condition, Unsupported> {
    let each = |parts: &[Detection]| parts.iter().map(|p| detection(place, p)).collect::<Result<Vec<_>, _>>();
    Ok(match found {
        Detection::AllOf(items) => Condition::All(items.iter().map(|i| item(place, i)).collect::<Result<_, _>>()?),
        Detection::AnyOf(parts) => Condition::Any(each(parts)?),
        Detection::And(parts) => Condition::All(each(parts)?),
        Detection::Keywords(values) => Condition::Keywords(values.iter().map(keyword).collect()),
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => {
            return Err(unsupported(place, "array matching is not built yet"));
        }
    })
}

fn keyword(value: &SigmaValue) -> Pattern {
    Pattern::new(&text(value), Anchor::Anywhere, false)
}

fn item(place: &str, item: &DetectionItem) -> Result<Condition, Unsupported> {
    let Some(field) = &item.field.name else {
        return Ok(Condition::Keywords(item.values.iter().map(keyword).collect()));
    };
    let place = format!("{place}.{field}");
    let (mut anchor, mut cased, mut all, mut how) = (Anchor::Whole, false, false, None);
    for modifier in &item.field.modifiers {
        match modifier {
            Modifier::Contains => anchor = Anchor::Anywhere,
            Modifier::StartsWith => anchor = Anchor::Start,
            Modifier::EndsWith => anchor = Anchor::End,
            Modifier::All => all = true,
            Modifier::Cased => cased = true,
            Modifier::Cidr | Modifier::Exists | Modifier::Gt | Modifier::Gte | Modifier::Lt | Modifier::Lte => {
                how = Some(*modifier)
            }
            other => return Err(unsupported(place, format!("the modifier {other:?} is not built yet"))),
        }
    }
    let test = |value: &SigmaValue| match how {
        Some(modifier) => special(&place, modifier, value),
        None => Ok(plain(value, anchor, cased)),
    };
    let tests = item.values.iter().map(test).collect::<Result<Vec<_>, _>>()?;
    let tests = if tests.is_empty() { vec![Test::Missing] } else { tests };
    let field = field.clone();
    Ok(Condition::Item(Item { field, tests, all }))
}

fn plain(value: &SigmaValue, anchor: Anchor, cased: bool) -> Test {
    match value {
        SigmaValue::Null => Test::Missing,
        SigmaValue::Integer(n) if anchor == Anchor::Whole => Test::Compare(Comparison::Equal, *n as f64),
        SigmaValue::Float(f) if anchor == Anchor::Whole => Test::Compare(Comparison::Equal, *f),
        SigmaValue::String(s) => Test::Text(Pattern::new(s, anchor, cased)),
        other => Test::Text(Pattern::new(&text(other), anchor, cased)),
    }
}

fn special(place: &str, modifier: Modifier, value: &SigmaValue) -> Result<Test, Unsupported> {
    let comparison = match modifier {
        Modifier::Gt => Comparison::Greater,
        Modifier::Gte => Comparison::GreaterOrEqual,
        Modifier::Lt => Comparison::Less,
        Modifier::Lte => Comparison::LessOrEqual,
        Modifier::Exists => {
            return match value {
                SigmaValue::Bool(wanted) => Ok(Test::Exists(*wanted)),
                other => Err(unsupported(place, format!("exists needs true or false, not {other}"))),
            };
        }
        _ => return cidr(place, &value.to_string()),
    };
    let number = value
        .to_string()
        .parse()
        .map_err(|_| unsupported(place, format!("{value} is no number")))?;
    Ok(Test::Compare(comparison, number))
}

fn cidr(place: &str, text: &str) -> Result<Test, Unsupported> {
    let wrong = || unsupported(place, format!("{text:?} is no IPv4 network (IPv6 is not built yet)"));
    let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
    let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
    let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
    if prefix > 32 {
        return Err(wrong());
    }
    Ok(Test::Cidr(u32::from(address), prefix))
}

fn text(value: &SigmaValue) -> SigmaString {
    match value {
        SigmaValue::String(s) => s.clone(),
        other => SigmaString::from_raw(&other.to_string()),
    }
}
