use rust_decimal::Decimal;

use super::evaluate::{Evaluator, Items, Outcome, Scope};
use super::expression::Call;
use super::function::Target;
use super::moment::{Moment, MomentKind};
use super::operator::single;
use super::unit::{Calendar, Unit};
use super::value::{Quantity, Value};

impl<'a> Evaluator<'a> {
    /// `toInteger()` and its kin: the converted item, or nothing.
    pub fn convert(&mut self, target: Target, call: &'a Call, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        let Some(item) = single(items)? else { return Ok(Items::new()) };
        let value = self.system(&item);
        let converted = match target {
            Target::String => return self.text_of(&item, value),
            Target::Boolean => to_boolean(&value).map(Value::Boolean),
            Target::Integer => to_integer(&value).map(Value::Integer),
            Target::Decimal => to_decimal(&value).map(Value::Decimal),
            Target::Date => to_moment(&value, MomentKind::Date).map(Value::Moment),
            Target::DateTime => to_moment(&value, MomentKind::DateTime).map(Value::Moment),
            Target::Time => to_moment(&value, MomentKind::Time).map(Value::Moment),
            Target::Quantity => {
                let unit = self.argument(call, 0, scope)?;
                let unit = self.single_text(&unit)?;
                let quantity = to_quantity(&value).filter(|q| unit.is_none_or(|u| q.unit == unit_of(&u)));
                quantity.map(|quantity| Value::Quantity(Box::new(quantity)))
            }
        };
        Ok(converted.into_iter().collect())
    }

    fn text_of(&mut self, item: &Value<'a>, value: Value<'a>) -> Outcome<'a> {
        // A primitive is written as it stands in the document.
        if let Some(text) = self.text(item) {
            return Ok(Items::from_iter([Value::String(text)]));
        }
        let text = match value {
            Value::Boolean(truth) => truth.to_string(),
            Value::Integer(n) => n.to_string(),
            Value::Decimal(n) => n.to_string(),
            Value::Moment(moment) => moment.to_string(),
            Value::Quantity(quantity) => quantity.literal(),
            _ => return Ok(Items::new()),
        };
        self.text_made(text)
    }
}

impl Quantity {
    /// Returns it as FHIRPath writes it: `4 days`, `10 'mg'`.
    pub fn literal(&self) -> String {
        format!("{} {}", self.value, self.unit.literal(self.value == Decimal::ONE))
    }
}

fn to_boolean(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Boolean(truth) => Some(*truth),
        Value::Integer(0) => Some(false),
        Value::Integer(1) => Some(true),
        Value::Decimal(n) if n.is_zero() => Some(false),
        Value::Decimal(n) if *n == Decimal::ONE => Some(true),
        Value::String(text) => match &*text.to_ascii_lowercase() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn to_integer(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Integer(n) => Some(*n),
        Value::Boolean(truth) => Some((*truth).into()),
        Value::String(text) => text.parse::<i32>().ok().map(i64::from),
        _ => None,
    }
}

fn to_decimal(value: &Value<'_>) -> Option<Decimal> {
    match value {
        Value::Decimal(n) => Some(*n),
        Value::Integer(n) => Some(Decimal::from(*n)),
        Value::Boolean(truth) => Some(Decimal::from(i64::from(*truth))),
        Value::String(text) => plain_decimal(text),
        _ => None,
    }
}

/// Reads `(+|-)?\d+(.\d+)?`, and nothing that is written otherwise.
fn plain_decimal(text: &str) -> Option<Decimal> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if plain(whole) && plain(fraction) {
        text.parse().ok()
    } else {
        None
    }
}

fn to_moment(value: &Value<'_>, kind: MomentKind) -> Option<Moment> {
    match (value, kind) {
        (Value::Moment(moment), _) if moment.kind == kind => Some(*moment),
        (Value::Moment(moment), MomentKind::Date) if moment.kind == MomentKind::DateTime => Some(moment.date()),
        (Value::Moment(moment), MomentKind::DateTime) if moment.kind == MomentKind::Date => Some(moment.as_date_time()),
        (Value::String(text), MomentKind::Date) => {
            Moment::parse_date(text).or_else(|| Moment::parse_date_time(text).map(Moment::date))
        }
        (Value::String(text), MomentKind::DateTime) => Moment::parse_date_time(text),
        (Value::String(text), MomentKind::Time) => Moment::parse_time(text.strip_prefix('T').unwrap_or(text)),
        _ => None,
    }
}

fn to_quantity(value: &Value<'_>) -> Option<Quantity> {
    let plain = |value: Decimal| Quantity {
        value,
        unit: Unit::one(),
    };
    match value {
        Value::Quantity(quantity) => Some((**quantity).clone()),
        Value::Integer(n) => Some(plain(Decimal::from(*n))),
        Value::Decimal(n) => Some(plain(*n)),
        Value::Boolean(truth) => Some(plain(Decimal::from(i64::from(*truth)))),
        Value::String(text) => {
            let end = text
                .find(|c: char| !c.is_ascii_digit() && !matches!(c, '+' | '-' | '.'))
                .unwrap_or(text.len());
            let value = plain_decimal(&text[..end])?;
            let unit = match text[end..].trim() {
                "" if end == text.len() => return Some(plain(value)),
                quoted if quoted.len() > 2 && quoted.starts_with('\'') && quoted.ends_with('\'') => {
                    Unit::Ucum(quoted[1..quoted.len() - 1].into())
                }
                word => Unit::Calendar(Calendar::of_word(word)?),
            };
            Some(Quantity { value, unit })
        }
        _ => None,
    }
}

/// Reads a unit given as an argument.
fn unit_of(text: &str) -> Unit {
    let code = text.trim_matches('\'');
    Calendar::of_word(code).map_or_else(|| Unit::Ucum(code.into()), Unit::Calendar)
}
