use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

use rust_decimal::Decimal;

use super::evaluate::{EvaluationError, Evaluator, Items, Outcome, Stop};
use super::moment::Moment;
use super::operator::single;
use super::schema::Primitive;
use super::ucum::Canonical;
use super::unit::Unit;
use super::value::{Quantity, Value};
use crate::source::NodeId;

impl<'a> Evaluator<'a> {
    /// Returns the value that FHIRPath sees in an item: a primitive's, or a Quantity's. Other nodes stay as they are, as do
    /// primitives whose text is not of their type.
    pub fn system(&self, item: &Value<'a>) -> Value<'a> {
        let Value::Node(node) = item else { return item.clone() };
        self.node_value(*node).unwrap_or_else(|| item.clone())
    }

    fn node_value(&self, node: NodeId) -> Option<Value<'a>> {
        let Some(text) = self.document().value(node) else {
            return self.quantity(node);
        };
        let string = || Some(Value::String(Cow::Borrowed(text)));
        // Nothing is known of an untyped node but its text.
        let Some(primitive) = self.primitive(node) else {
            return string();
        };
        match primitive {
            Primitive::Boolean => text.parse().ok().map(Value::Boolean),
            Primitive::Integer => text.parse().ok().map(Value::Integer),
            Primitive::Decimal => decimal(text).map(Value::Decimal),
            Primitive::Date => Moment::parse_date(text).map(Value::Moment),
            Primitive::DateTime => Moment::parse_date_time(text).map(Value::Moment),
            Primitive::Time => Moment::parse_time(text).map(Value::Moment),
            Primitive::String => None,
        }
        .or_else(string)
    }

    fn quantity(&self, node: NodeId) -> Option<Value<'a>> {
        let type_id = self.scene.schema.type_named("Quantity")?;
        if !self.is_a(node, type_id) {
            return None;
        }
        let document = self.document();
        let (mut value, mut unit, mut system, mut code) = (None, None, None, None);
        for child in document.children(node) {
            let text = document.value(child);
            match document.name(child) {
                "value" => value = text.and_then(decimal),
                "unit" => unit = text,
                "system" => system = text,
                "code" => code = text,
                // "Less than 5" is not a number that can be compared.
                "comparator" => return None,
                _ => {}
            }
        }
        let unit = match (system, code) {
            (Some("http://unitsofmeasure.org"), Some(code)) => Unit::Ucum(code.into()),
            (None, None) if unit.is_none() => Unit::one(),
            _ => Unit::Other {
                system: system.unwrap_or_default().into(),
                code: code.or(unit).unwrap_or_default().into(),
            },
        };
        Some(Value::Quantity(Box::new(Quantity { value: value?, unit })))
    }

    /// Returns a boolean's value.
    pub fn boolean(&self, item: &Value<'a>) -> Option<bool> {
        match self.system(item) {
            Value::Boolean(truth) => Some(truth),
            _ => None,
        }
    }

    /// Returns the text of a string, or of any primitive of the document.
    pub fn text(&self, item: &Value<'a>) -> Option<Cow<'a, str>> {
        match item {
            Value::String(text) => Some(text.clone()),
            Value::Node(node) => self.document().value(*node).map(Cow::Borrowed),
            _ => None,
        }
    }

    /// Returns a single integer.
    pub fn integer(&self, items: &[Value<'a>]) -> Result<Option<i64>, Stop> {
        match items {
            [] => Ok(None),
            [item] => match self.system(item) {
                Value::Integer(n) => Ok(Some(n)),
                _ => Err(EvaluationError::WrongType.into()),
            },
            _ => Err(EvaluationError::Several.into()),
        }
    }

    /// `=` of collections: in order; nothing if one is empty, or some pair cannot be told.
    pub fn equal_collections(&mut self, left: &[Value<'a>], right: &[Value<'a>]) -> Result<Option<bool>, Stop> {
        if left.is_empty() || right.is_empty() {
            return Ok(None);
        }
        if left.len() != right.len() {
            return Ok(Some(false));
        }
        let mut all = Some(true);
        for (l, r) in left.iter().zip(right) {
            match self.equal(l, r)? {
                Some(true) => {}
                Some(false) => return Ok(Some(false)),
                None => all = None,
            }
        }
        Ok(all)
    }

    /// `=` of items. Extensions and ids of primitives do not count.
    pub fn equal(&mut self, left: &Value<'a>, right: &Value<'a>) -> Result<Option<bool>, Stop> {
        self.spend(1)?;
        if let (Value::Node(l), Value::Node(r)) = (left, right) {
            let (l, r) = (*l, *r);
            let document = self.document();
            match (document.value(l), document.value(r)) {
                (Some(l), Some(r)) if l == r => return Ok(Some(true)),
                (None, None) if l == r => return Ok(Some(true)),
                (None, None) => {
                    if let (Some(Value::Quantity(l)), Some(Value::Quantity(r))) = (self.quantity(l), self.quantity(r)) {
                        return Ok(equal_quantities(&l, &r));
                    }
                    return self.equal_children(l, r);
                }
                _ => {}
            }
        }
        let (l, r) = (self.system(left), self.system(right));
        Ok(match (&l, &r) {
            (Value::Boolean(l), Value::Boolean(r)) => Some(l == r),
            (Value::Integer(l), Value::Integer(r)) => Some(l == r),
            (Value::String(l), Value::String(r)) => Some(l == r),
            (Value::Moment(l), Value::Moment(r)) => {
                let comparable = l.kind.is_time() == r.kind.is_time();
                if comparable {
                    l.compare(r).map(Ordering::is_eq)
                } else {
                    Some(false)
                }
            }
            (Value::Quantity(l), Value::Quantity(r)) => equal_quantities(l, r),
            (Value::Type(l), Value::Type(r)) => Some(l == r),
            // A number is a quantity without a unit.
            (Value::Quantity(q), n) | (n, Value::Quantity(q)) => match number(n) {
                Some(value) => equal_quantities(
                    q,
                    &Quantity {
                        value,
                        unit: Unit::one(),
                    },
                ),
                None => Some(false),
            },
            // The text of a primitive of the document compares with a string as it is written.
            (_, Value::String(text)) if matches!(left, Value::Node(_)) => Some(self.text(left).is_some_and(|l| l == *text)),
            (Value::String(text), _) if matches!(right, Value::Node(_)) => Some(self.text(right).is_some_and(|r| r == *text)),
            (l, r) => match (number(l), number(r)) {
                (Some(l), Some(r)) => Some(l == r),
                _ => Some(false),
            },
        })
    }

    fn equal_children(&mut self, left: NodeId, right: NodeId) -> Result<Option<bool>, Stop> {
        let document = self.document();
        let (mut l, mut r) = (document.children(left), document.children(right));
        loop {
            let (l, r) = match (l.next(), r.next()) {
                (None, None) => return Ok(Some(true)),
                (Some(l), Some(r)) => (l, r),
                _ => return Ok(Some(false)),
            };
            if document.name_id(l) != document.name_id(r) {
                return Ok(Some(false));
            }
            match self.equal(&Value::Node(l), &Value::Node(r))? {
                Some(true) => {}
                other => return Ok(other),
            }
        }
    }

    /// `~` of collections: in any order.
    pub fn equivalent_collections(&mut self, left: &[Value<'a>], right: &[Value<'a>]) -> Result<bool, Stop> {
        if left.len() != right.len() {
            return Ok(false);
        }
        let mut rest: Vec<&Value<'a>> = right.iter().collect();
        for l in left {
            let mut found = None;
            for (at, r) in rest.iter().enumerate() {
                if self.equivalent(l, r)? {
                    found = Some(at);
                    break;
                }
            }
            match found {
                Some(at) => rest.swap_remove(at),
                None => return Ok(false),
            };
        }
        Ok(true)
    }

    fn equivalent(&mut self, left: &Value<'a>, right: &Value<'a>) -> Result<bool, Stop> {
        self.spend(1)?;
        let (l, r) = (self.system(left), self.system(right));
        Ok(match (&l, &r) {
            (Value::Node(l), Value::Node(r)) => {
                let children = |of| self.document().children(of).map(Value::Node).collect::<Items<'a>>();
                let (l, r) = (children(*l), children(*r));
                return self.equivalent_named(&l, &r);
            }
            (Value::String(l), Value::String(r)) => normalized(l) == normalized(r),
            (Value::Moment(l), Value::Moment(r)) => {
                l.kind.is_time() == r.kind.is_time() && l.compare(r).is_some_and(Ordering::is_eq)
            }
            (Value::Quantity(l), Value::Quantity(r)) => equivalent_quantities(l, r),
            (l, r) => match (number(l), number(r)) {
                (Some(l), Some(r)) => equivalent_numbers(l, r),
                _ => self.equal(left, right)? == Some(true),
            },
        })
    }

    fn equivalent_named(&mut self, left: &[Value<'a>], right: &[Value<'a>]) -> Result<bool, Stop> {
        if left.len() != right.len() {
            return Ok(false);
        }
        let name = |document: &crate::source::Document, v: &Value<'a>| match v {
            Value::Node(node) => Some(document.name_id(*node)),
            _ => None,
        };
        let document = self.document();
        let mut rest: Vec<&Value<'a>> = right.iter().collect();
        for l in left {
            let mut found = None;
            for (at, r) in rest.iter().enumerate() {
                if name(document, l) == name(document, r) && self.equivalent(l, r)? {
                    found = Some(at);
                    break;
                }
            }
            match found {
                Some(at) => rest.swap_remove(at),
                None => return Ok(false),
            };
        }
        Ok(true)
    }

    /// Compares two items; nothing where that cannot be told.
    pub fn compare(&mut self, left: &Value<'a>, right: &Value<'a>) -> Result<Option<Ordering>, Stop> {
        self.spend(1)?;
        let (l, r) = (self.system(left), self.system(right));
        match (&l, &r) {
            (Value::String(l), Value::String(r)) => Ok(Some(l.cmp(r))),
            (Value::Moment(l), Value::Moment(r)) if l.kind.is_time() == r.kind.is_time() => Ok(l.compare(r)),
            (Value::Quantity(l), Value::Quantity(r)) => Ok(compare_quantities(l, r)),
            (Value::Quantity(q), n) if number(n).is_some() => Ok(compare_number(q, n)),
            (n, Value::Quantity(q)) if number(n).is_some() => Ok(compare_number(q, n).map(Ordering::reverse)),
            (l, r) => match (number(l), number(r)) {
                (Some(l), Some(r)) => Ok(Some(l.cmp(&r))),
                _ => Err(EvaluationError::WrongType.into()),
            },
        }
    }

    /// Leaves out what came before. Texts are found by their hash, other items by comparing each with each.
    pub fn distinct(&mut self, items: Items<'a>) -> Outcome<'a> {
        if items.len() < 2 {
            return Ok(items);
        }
        let mut texts: HashSet<Cow<'a, str>> = HashSet::new();
        let mut others: Items<'a> = Items::new();
        let mut kept = Items::new();
        for item in items {
            self.spend(1)?;
            match self.system(&item) {
                Value::String(text) if others.is_empty() => {
                    if texts.insert(text) {
                        kept.push(item);
                    }
                }
                _ => {
                    // From here on, items are of several types: compare as `=` does.
                    if !self.is_in(&item, &kept)? {
                        kept.push(item.clone());
                    }
                    others.push(item);
                }
            }
        }
        Ok(kept)
    }

    /// Returns whether an item is among others.
    pub fn is_in(&mut self, item: &Value<'a>, among: &[Value<'a>]) -> Result<bool, Stop> {
        for other in among {
            if self.equal(item, other)? == Some(true) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn union(&mut self, mut left: Items<'a>, right: Items<'a>) -> Outcome<'a> {
        left.extend(right);
        self.distinct(left)
    }

    /// `in`: the item on the left.
    pub fn membership(&mut self, item: Items<'a>, among: &[Value<'a>]) -> Result<Option<bool>, Stop> {
        let Some(item) = single(item)? else { return Ok(None) };
        self.is_in(&item, among).map(Some)
    }
}

/// Reads a decimal as FHIR writes it, exponents included.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        return Decimal::from_scientific(text).ok();
    }
    text.parse().ok()
}

pub(super) fn number(value: &Value<'_>) -> Option<Decimal> {
    match value {
        Value::Integer(n) => Some(Decimal::from(*n)),
        Value::Decimal(n) => Some(*n),
        _ => None,
    }
}

/// Equal to the digits of the less exact one.
fn equivalent_numbers(left: Decimal, right: Decimal) -> bool {
    let digits = left.normalize().scale().min(right.normalize().scale());
    let rounded = |n: Decimal| n.round_dp_with_strategy(digits, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    rounded(left) == rounded(right)
}

fn in_one_unit(left: &Quantity, right: &Quantity) -> Option<(Decimal, Decimal)> {
    if left.unit == right.unit {
        return Some((left.value, right.value));
    }
    left.unit
        .canonical()?
        .in_one_unit(left.value, &right.unit.canonical()?, right.value)
}

fn equal_quantities(left: &Quantity, right: &Quantity) -> Option<bool> {
    in_one_unit(left, right).map(|(l, r)| l == r)
}

fn compare_quantities(left: &Quantity, right: &Quantity) -> Option<Ordering> {
    in_one_unit(left, right).map(|(l, r)| l.cmp(&r))
}

fn compare_number(quantity: &Quantity, number_of: &Value<'_>) -> Option<Ordering> {
    let value = number(number_of)?;
    compare_quantities(
        quantity,
        &Quantity {
            value,
            unit: Unit::one(),
        },
    )
}

/// Equal to the digits of the less exact one, counted in the larger of the two units.
fn equivalent_quantities(left: &Quantity, right: &Quantity) -> bool {
    if left.unit == right.unit {
        return equivalent_numbers(left.value, right.value);
    }
    let (Some(l), Some(r)) = (left.unit.loosely_canonical(), right.unit.loosely_canonical()) else {
        return false;
    };
    let base = |unit: &Canonical, number| unit.in_base_units(number);
    let (Some(of_l), Some(of_r)) = (base(&l, Decimal::ONE), base(&r, Decimal::ONE)) else {
        return false;
    };
    let (Some(left), Some(right)) = (base(&l, left.value), base(&r, right.value)) else {
        return false;
    };
    let within = |number: Decimal| number.checked_div(of_l.max(of_r));
    match (within(left), within(right)) {
        (Some(left), Some(right)) => l.bases == r.bases && equivalent_numbers(left, right),
        _ => false,
    }
}

/// Ignores case and takes all white space for one blank.
fn normalized(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
