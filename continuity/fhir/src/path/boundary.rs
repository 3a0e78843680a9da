use rust_decimal::{Decimal, RoundingStrategy};

use super::moment::{Moment, MomentKind, Precision, days_of_month};

/// Which end of the range that a value of limited precision stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The lowest value.
    Low,
    /// The highest value.
    High,
}

/// Returns the end of the range of a decimal, with so many digits behind the point: half a unit of its last digit away.
///
/// Towards zero, digits are cut off; away from it, they are rounded, as HL7's test cases have it.
pub(super) fn decimal_boundary(value: Decimal, digits: u32, side: Side) -> Option<Decimal> {
    let half = Decimal::try_new(5, value.scale() + 1).ok()?;
    let negative = value.is_sign_negative();
    let outward = (side == Side::High) != negative;
    let magnitude = if outward {
        value.abs().checked_add(half)?
    } else {
        value.abs().checked_sub(half)?
    };
    let strategy = if outward {
        RoundingStrategy::MidpointAwayFromZero
    } else {
        RoundingStrategy::ToZero
    };
    let mut cut = magnitude.round_dp_with_strategy(digits, strategy);
    cut.rescale(digits);
    if cut.scale() != digits {
        return None;
    }
    cut.set_sign_negative(negative);
    Some(cut)
}

/// Returns the first or last moment that a date or time stands for, with so many digits (FHIRPath counts `yyyyMMddHHmmssfff`).
pub(super) fn moment_boundary(moment: &Moment, digits: Option<i64>, side: Side) -> Option<Moment> {
    let of_time = moment.kind == MomentKind::Time;
    let digits = digits.unwrap_or(match moment.kind {
        MomentKind::Date => 8,
        MomentKind::DateTime => 17,
        MomentKind::Time => 9,
    });
    let precision = match digits + if of_time { 8 } else { 0 } {
        4 => Precision::Year,
        6 => Precision::Month,
        8 => Precision::Day,
        10 => Precision::Hour,
        12 => Precision::Minute,
        14 | 17 => Precision::Second,
        _ => return None,
    };
    if (of_time && precision < Precision::Hour) || (moment.kind == MomentKind::Date && precision > Precision::Day) {
        return None;
    }
    let mut end = *moment;
    if side == Side::High {
        if moment.precision < Precision::Month {
            end.month = 12;
        }
        if moment.precision < Precision::Day {
            end.day = days_of_month(end.year, end.month);
        }
        if moment.precision < Precision::Hour {
            end.hour = 23;
        }
        if moment.precision < Precision::Minute {
            end.minute = 59;
        }
        if moment.precision < Precision::Second {
            end.second = 59;
        }
        if moment.precision < Precision::Second || moment.fraction_digits == 0 {
            end.nanosecond = 999_000_000;
        }
    }
    end.precision = precision;
    end.fraction_digits = if matches!(digits, 9 | 17) { 3 } else { 0 };
    if precision < Precision::Hour {
        end.offset_minutes = None;
    } else if moment.kind == MomentKind::DateTime && end.offset_minutes.is_none() {
        end.offset_minutes = Some(if side == Side::Low { 14 * 60 } else { -12 * 60 });
    }
    Some(end)
}
