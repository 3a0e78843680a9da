use rust_decimal::Decimal;
use smallvec::smallvec;

use super::equality::number;
use super::evaluate::{Doubt, EvaluationError, Evaluator, Items, Outcome, Scope, Stop, TEXT_BYTES_MAX};
use super::expression::{Expr, Operator, Step};
use super::function::Function;
use super::moment::Moment;
use super::ucum::Canonical;
use super::unit::{Calendar, Unit};
use super::value::{Quantity, Value};

impl<'a> Evaluator<'a> {
    pub fn binary(&mut self, operator: Operator, left: &'a Expr, right: &'a Expr, scope: Scope<'_, 'a>) -> Outcome<'a> {
        if operator.is_condition() {
            return Ok(answer(self.relation(operator, left, right, scope)?));
        }
        let left = self.eval(left, scope)?;
        let right = self.eval(right, scope)?;
        match operator {
            Operator::Union => self.union(left, right),
            Operator::Concatenate => self.concatenate(left, right),
            _ => self.arithmetic(operator, left, right),
        }
    }

    /// Evaluates an expression as a condition: a single item that is no boolean is true. The commonest conditions are answered
    /// without making a collection for it.
    pub fn condition(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Result<Option<bool>, Stop> {
        match expr {
            Expr::Binary(operator, sides) if operator.is_condition() => {
                self.spend(1)?;
                self.relation(*operator, &sides.0, &sides.1, scope)
            }
            Expr::TypeOperator(Function::Is, of, spec) if spec.exists() => {
                self.spend(1)?;
                let item = single(self.eval(of, scope)?)?;
                Ok(item.map(|item| self.is_of(&item, spec, false)))
            }
            Expr::Path(start, steps) => {
                let Some((Step::Call(call), before)) = steps.split_last() else {
                    let items = self.path(start, steps, scope)?;
                    return self.truth(&items);
                };
                let items = self.path(start, before, scope)?;
                match (call.function, call.arguments.first()) {
                    (Function::Exists, None) => Ok(Some(!items.is_empty())),
                    (Function::Empty, _) => Ok(Some(items.is_empty())),
                    (Function::Not, _) => Ok(self.truth(&items)?.map(|truth| !truth)),
                    (Function::Exists, Some(criterion)) => self.exists(criterion, &items).map(Some),
                    (Function::All, Some(criterion)) => self.all(criterion, &items).map(Some),
                    _ => {
                        let items = self.call(call, items, scope)?;
                        self.truth(&items)
                    }
                }
            }
            _ => {
                let items = self.eval(expr, scope)?;
                self.truth(&items)
            }
        }
    }

    /// Operators that are answered with yes, no or nothing.
    fn relation(
        &mut self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<bool>, Stop> {
        if operator.is_logic() {
            return self.logic(operator, left, right, scope);
        }
        let left = self.eval(left, scope)?;
        let right = self.eval(right, scope)?;
        match operator {
            Operator::In => self.membership(left, &right),
            Operator::Contains => self.membership(right, &left),
            Operator::Equal | Operator::NotEqual => {
                let equal = self.equal_collections(&left, &right)?;
                Ok(equal.map(|e| e == (operator == Operator::Equal)))
            }
            Operator::Equivalent | Operator::NotEquivalent => {
                let equivalent = self.equivalent_collections(&left, &right)?;
                Ok(Some(equivalent == (operator == Operator::Equivalent)))
            }
            _ => {
                let (Some(left), Some(right)) = (single(left)?, single(right)?) else {
                    return Ok(None);
                };
                let order = self.compare(&left, &right)?;
                Ok(order.map(|order| match operator {
                    Operator::Less => order.is_lt(),
                    Operator::Greater => order.is_gt(),
                    Operator::LessOrEqual => order.is_le(),
                    _ => order.is_ge(),
                }))
            }
        }
    }

    /// Three-valued logic. What cannot be told on one side does not matter where the other side decides.
    fn logic(&mut self, operator: Operator, left: &'a Expr, right: &'a Expr, scope: Scope<'_, 'a>) -> Result<Option<bool>, Stop> {
        let left = self.condition(left, scope);
        let decided = |side: &Result<Option<bool>, Stop>| match (operator, side) {
            (Operator::And, Ok(Some(false))) => Some(false),
            (Operator::Or, Ok(Some(true))) => Some(true),
            _ => None,
        };
        let decided_by_left = match (operator, &left) {
            (Operator::Implies, Ok(Some(false))) => Some(true),
            _ => decided(&left),
        };
        if decided_by_left.is_some() {
            return Ok(decided_by_left);
        }
        if let Err(Stop::Error(error)) = left {
            return Err(error.into());
        }
        let right = self.condition(right, scope);
        let decided_by_right = match (operator, &right) {
            (Operator::Implies, Ok(Some(true))) => Some(true),
            _ => decided(&right),
        };
        if decided_by_right.is_some() {
            return Ok(decided_by_right);
        }
        Ok(match (operator, left?, right?) {
            (Operator::And | Operator::Or, Some(l), Some(r)) => Some(if operator == Operator::And { l && r } else { l || r }),
            (Operator::Xor, Some(l), Some(r)) => Some(l != r),
            (Operator::Implies, Some(true), r) => r,
            _ => None,
        })
    }

    /// Returns a collection as a condition: a single item that is no boolean is true.
    pub fn truth(&self, items: &[Value<'a>]) -> Result<Option<bool>, Stop> {
        match items {
            [] => Ok(None),
            [item] => Ok(Some(self.boolean(item).unwrap_or(true))),
            _ => Err(EvaluationError::Several.into()),
        }
    }

    fn concatenate(&mut self, left: Items<'a>, right: Items<'a>) -> Outcome<'a> {
        let mut text = String::new();
        for side in [left, right] {
            if let Some(item) = single(side)? {
                text.push_str(&self.text(&item).ok_or(EvaluationError::WrongType)?);
            }
        }
        self.text_made(text)
    }

    /// Returns a text that was made, if it is not too long.
    pub fn text_made(&mut self, text: String) -> Outcome<'a> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Doubt::Text.into());
        }
        self.spend(1 + text.len() / 64)?;
        Ok(smallvec![Value::String(text.into())])
    }

    fn arithmetic(&mut self, operator: Operator, left: Items<'a>, right: Items<'a>) -> Outcome<'a> {
        let (Some(left), Some(right)) = (single(left)?, single(right)?) else {
            return Ok(Items::new());
        };
        let (left, right) = (self.system(&left), self.system(&right));
        let result = match (left, right) {
            (Value::Integer(l), Value::Integer(r)) if operator != Operator::Divide => integers(operator, l, r)?,
            (Value::String(l), Value::String(r)) if operator == Operator::Add => return self.text_made(format!("{l}{r}")),
            (Value::Moment(moment), Value::Quantity(span)) => match operator {
                Operator::Add => shift(&moment, &span, 1)?.map(Value::Moment),
                Operator::Subtract => shift(&moment, &span, -1)?.map(Value::Moment),
                _ => return Err(EvaluationError::WrongType.into()),
            },
            (Value::Quantity(l), Value::Quantity(r)) => quantities(operator, &l, &r)?,
            (Value::Quantity(quantity), n) | (n, Value::Quantity(quantity)) if operator == Operator::Multiply => {
                let n = number(&n).ok_or(EvaluationError::WrongType)?;
                scaled(quantity.value.checked_mul(n), quantity.unit)
            }
            (Value::Quantity(quantity), n) if operator == Operator::Divide => {
                let n = number(&n).ok_or(EvaluationError::WrongType)?;
                scaled(quantity.value.checked_div(n), quantity.unit)
            }
            (n, Value::Quantity(quantity)) if operator == Operator::Divide => {
                let value = number(&n).ok_or(EvaluationError::WrongType)?;
                quantities(
                    operator,
                    &Quantity {
                        value,
                        unit: Unit::one(),
                    },
                    &quantity,
                )?
            }
            (l, r) => match (number(&l), number(&r)) {
                (Some(l), Some(r)) => decimals(operator, l, r)?,
                _ => return Err(EvaluationError::WrongType.into()),
            },
        };
        Ok(result.into_iter().collect())
    }

    pub fn sign(&mut self, negative: bool, of: Items<'a>) -> Outcome<'a> {
        let Some(item) = single(of)? else { return Ok(Items::new()) };
        let value = match self.system(&item) {
            Value::Integer(n) if negative => return Ok(n.checked_neg().map(Value::Integer).into_iter().collect()),
            Value::Integer(n) => Value::Integer(n),
            // Zero has no sign.
            Value::Decimal(n) => Value::Decimal(if negative && !n.is_zero() { -n } else { n }),
            Value::Quantity(mut quantity) => {
                if negative {
                    quantity.value = -quantity.value;
                }
                Value::Quantity(quantity)
            }
            _ => return Err(EvaluationError::WrongType.into()),
        };
        Ok(smallvec![value])
    }
}

/// Returns a three-valued answer as a collection.
pub(super) fn answer<'a>(answer: Option<bool>) -> Items<'a> {
    answer.map(Value::Boolean).into_iter().collect()
}

/// Returns the one item of a collection, if there is any.
pub(super) fn single<'a>(items: Items<'a>) -> Result<Option<Value<'a>>, Stop> {
    if items.len() > 1 {
        return Err(EvaluationError::Several.into());
    }
    Ok(items.into_iter().next())
}

fn scaled<'a>(value: Option<Decimal>, unit: Unit) -> Option<Value<'a>> {
    value.map(|value| Value::Quantity(Box::new(Quantity { value, unit })))
}

/// Integers have 32 bits; what does not fit is empty.
fn integers<'a>(operator: Operator, left: i64, right: i64) -> Result<Option<Value<'a>>, Stop> {
    let value = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Div => left.checked_div(right),
        Operator::Mod => left.checked_rem(right),
        _ => return Err(EvaluationError::WrongType.into()),
    };
    Ok(value.filter(|n| i32::try_from(*n).is_ok()).map(Value::Integer))
}

fn decimals<'a>(operator: Operator, left: Decimal, right: Decimal) -> Result<Option<Value<'a>>, Stop> {
    Ok(match operator {
        Operator::Add => left.checked_add(right).map(Value::Decimal),
        Operator::Subtract => left.checked_sub(right).map(Value::Decimal),
        Operator::Multiply => left.checked_mul(right).map(Value::Decimal),
        Operator::Divide => left.checked_div(right).map(Value::Decimal),
        Operator::Mod => left.checked_rem(right).map(Value::Decimal),
        Operator::Div => {
            let whole = left.checked_div(right).map(|n| n.trunc());
            whole.and_then(|n| i32::try_from(n).ok()).map(|n| Value::Integer(n.into()))
        }
        _ => return Err(EvaluationError::WrongType.into()),
    })
}

fn quantities<'a>(operator: Operator, left: &Quantity, right: &Quantity) -> Result<Option<Value<'a>>, Stop> {
    match operator {
        Operator::Add | Operator::Subtract => {
            let Some((l, r)) = same_unit(left, right) else {
                return Ok(None);
            };
            let (value, unit) = match left.unit == right.unit {
                true => ((left.value, right.value), left.unit.clone()),
                false => ((l.0, r), Unit::Ucum(l.1)),
            };
            let sum = if operator == Operator::Add {
                value.0.checked_add(value.1)
            } else {
                value.0.checked_sub(value.1)
            };
            Ok(scaled(sum, unit))
        }
        Operator::Multiply | Operator::Divide => {
            let (Some(l), Some(r)) = (left.unit.canonical(), right.unit.canonical()) else {
                return Ok(None);
            };
            let Some(unit) = l.times(&r, if operator == Operator::Multiply { 1 } else { -1 }) else {
                return Ok(None);
            };
            let value = if operator == Operator::Multiply {
                left.value.checked_mul(right.value)
            } else {
                left.value.checked_div(right.value)
            };
            Ok(scaled(value.and_then(|v| unit.in_base_units(v)), Unit::Ucum(unit.code())))
        }
        _ => Err(EvaluationError::WrongType.into()),
    }
}

/// Returns both numbers in base units, and the code of those; nothing if the units are of different kinds.
fn same_unit(left: &Quantity, right: &Quantity) -> Option<((Decimal, Box<str>), Decimal)> {
    let (l, r): (Canonical, Canonical) = (left.unit.canonical()?, right.unit.canonical()?);
    if l.bases != r.bases {
        return None;
    }
    let code = l.code();
    Some(((l.in_base_units(left.value)?, code), r.in_base_units(right.value)?))
}

/// Adds a span to a date or time. Fractions of it count for nothing. A date takes hours only as whole days.
fn shift(moment: &Moment, span: &Quantity, sign: i64) -> Result<Option<Moment>, Stop> {
    let unit = span.unit.span().ok_or(EvaluationError::Span)?;
    let Ok(count) = i64::try_from(span.value.trunc()) else {
        return Ok(None);
    };
    let Some(count) = count.checked_mul(sign) else {
        return Ok(None);
    };
    let is_time = moment.kind == super::moment::MomentKind::Time;
    if is_time && unit < Calendar::Hour {
        return Err(EvaluationError::Span.into());
    }
    let seconds = match unit {
        Calendar::Year => return Ok(count.checked_mul(12).and_then(|n| moment.plus_months(n))),
        Calendar::Month => return Ok(moment.plus_months(count)),
        Calendar::Week => 604_800,
        Calendar::Day => 86_400,
        Calendar::Hour => 3_600,
        Calendar::Minute => 60,
        Calendar::Second => 1,
        Calendar::Millisecond => return Ok(moment.plus_nanoseconds(i128::from(count) * 1_000_000)),
    };
    Ok(moment.plus_nanoseconds(i128::from(count) * seconds * 1_000_000_000))
}
