use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, MathematicalOps, RoundingStrategy};

use super::boundary::{Side, decimal_boundary, moment_boundary};
use super::equality::number;
use super::evaluate::{EvaluationError, Evaluator, Items, Outcome, Scope, Stop};
use super::expression::Call;
use super::function::Function;
use super::operator::{answer, single};
use super::value::{Quantity, Value};

/// Most digits behind the point that a decimal has here.
const DIGITS_MAX: u32 = 28;

impl<'a> Evaluator<'a> {
    /// Functions of numbers, and those that ask how exact a value is. Empty input gives an empty result.
    pub fn call_on_number(&mut self, call: &'a Call, items: Items<'a>, scope: Scope<'_, 'a>) -> Outcome<'a> {
        let Some(item) = single(items)? else { return Ok(Items::new()) };
        let value = self.system(&item);
        let result = match call.function {
            Function::LowBoundary => self.boundary(call, &value, Side::Low, scope)?,
            Function::HighBoundary => self.boundary(call, &value, Side::High, scope)?,
            Function::Precision => precision(&value)?,
            Function::Comparable => {
                let other = self.argument(call, 0, scope)?;
                let Some(other) = single(other)? else {
                    return Ok(Items::new());
                };
                return comparable(&value, &self.system(&other));
            }
            Function::Abs => abs(value)?,
            Function::Round => {
                let digits = self.argument(call, 0, scope)?;
                round(&value, self.integer(&digits)?.unwrap_or(0))?
            }
            Function::Log | Function::Power => {
                let argument = self.argument(call, 0, scope)?;
                let Some(argument) = single(argument)? else {
                    return Ok(Items::new());
                };
                let argument = self.system(&argument);
                if call.function == Function::Log {
                    log(&value, &argument)?
                } else {
                    power(&value, &argument)?
                }
            }
            function => of_one(function, &value)?,
        };
        Ok(result.into_iter().collect())
    }

    fn boundary(
        &mut self,
        call: &'a Call,
        value: &Value<'a>,
        side: Side,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<Value<'a>>, Stop> {
        let digits = self.argument(call, 0, scope)?;
        let digits = self.integer(&digits)?;
        let of_decimal = |n: Decimal| {
            let digits = u32::try_from(digits.unwrap_or(8)).ok().filter(|d| *d <= DIGITS_MAX)?;
            decimal_boundary(n, digits, side)
        };
        match value {
            Value::Integer(n) => Ok(of_decimal(Decimal::from(*n)).map(Value::Decimal)),
            Value::Decimal(n) => Ok(of_decimal(*n).map(Value::Decimal)),
            Value::Quantity(quantity) => Ok(of_decimal(quantity.value).map(|value| {
                let unit = quantity.unit.clone();
                Value::Quantity(Box::new(Quantity { value, unit }))
            })),
            Value::Moment(moment) => Ok(moment_boundary(moment, digits, side).map(Value::Moment)),
            _ => Err(EvaluationError::WrongType.into()),
        }
    }
}

fn wanted(value: &Value<'_>) -> Result<Decimal, Stop> {
    number(value).ok_or_else(|| EvaluationError::WrongType.into())
}

fn precision<'a>(value: &Value<'_>) -> Result<Option<Value<'a>>, Stop> {
    let digits = match value {
        Value::Integer(_) => 0,
        Value::Decimal(n) => n.scale(),
        Value::Quantity(quantity) => quantity.value.scale(),
        Value::Moment(moment) => moment.digits(),
        _ => return Err(EvaluationError::WrongType.into()),
    };
    Ok(Some(Value::Integer(digits.into())))
}

fn comparable<'a>(left: &Value<'_>, right: &Value<'_>) -> Outcome<'a> {
    let (Value::Quantity(left), Value::Quantity(right)) = (left, right) else {
        return Err(EvaluationError::WrongType.into());
    };
    let same = match (left.unit.canonical(), right.unit.canonical()) {
        (Some(l), Some(r)) => l.bases == r.bases,
        _ => left.unit == right.unit,
    };
    Ok(answer(Some(same)))
}

fn abs<'a>(value: Value<'a>) -> Result<Option<Value<'a>>, Stop> {
    Ok(Some(match value {
        Value::Integer(n) => return Ok(n.checked_abs().map(Value::Integer)),
        Value::Decimal(n) => Value::Decimal(n.abs()),
        Value::Quantity(mut quantity) => {
            quantity.value = quantity.value.abs();
            Value::Quantity(quantity)
        }
        _ => return Err(EvaluationError::WrongType.into()),
    }))
}

/// Rounds halves away from zero.
fn round<'a>(value: &Value<'_>, digits: i64) -> Result<Option<Value<'a>>, Stop> {
    let n = wanted(value)?;
    let Ok(digits) = u32::try_from(digits) else {
        return Err(EvaluationError::WrongType.into());
    };
    let rounded = n.round_dp_with_strategy(digits.min(DIGITS_MAX), RoundingStrategy::MidpointAwayFromZero);
    Ok(Some(Value::Decimal(rounded)))
}

fn of_one<'a>(function: Function, value: &Value<'_>) -> Result<Option<Value<'a>>, Stop> {
    let n = wanted(value)?;
    let integer = |n: Decimal| n.to_i32().map(|n| Value::Integer(n.into()));
    Ok(match function {
        Function::Ceiling => integer(n.ceil()),
        Function::Floor => integer(n.floor()),
        Function::Truncate => integer(n.trunc()),
        Function::Sqrt => n.sqrt().map(Value::Decimal),
        Function::Exp => float(n).map(f64::exp).and_then(from_float),
        Function::Ln => float(n).map(f64::ln).and_then(from_float),
        _ => return Err(EvaluationError::WrongType.into()),
    })
}

fn float(n: Decimal) -> Option<f64> {
    n.to_f64()
}

/// What is not a number, infinite or too large is empty.
fn from_float<'a>(n: f64) -> Option<Value<'a>> {
    Decimal::from_f64(n).map(Value::Decimal)
}

fn log<'a>(value: &Value<'_>, base: &Value<'_>) -> Result<Option<Value<'a>>, Stop> {
    let (Some(n), Some(base)) = (float(wanted(value)?), float(wanted(base)?)) else {
        return Ok(None);
    };
    Ok(from_float(n.ln() / base.ln()))
}

fn power<'a>(value: &Value<'_>, exponent: &Value<'_>) -> Result<Option<Value<'a>>, Stop> {
    let (n, exponent_of) = (wanted(value)?, wanted(exponent)?);
    if let (Value::Integer(n), Value::Integer(exponent)) = (value, exponent)
        && let Ok(exponent) = u32::try_from(*exponent)
    {
        let power = n.checked_pow(exponent).filter(|n| i32::try_from(*n).is_ok());
        return Ok(power.map(Value::Integer));
    }
    if let Value::Integer(exponent) = exponent {
        return Ok(n.checked_powi(*exponent).map(Value::Decimal));
    }
    let (Some(n), Some(exponent)) = (float(n), float(exponent_of)) else {
        return Ok(None);
    };
    Ok(from_float(n.powf(exponent)))
}
