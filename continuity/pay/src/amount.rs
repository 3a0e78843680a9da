use crate::fault::Defect;

/// Largest amount of one SEPA credit transfer in euro cents: 999,999,999.99 euros (EPC115-06).
pub const AMOUNT_CENTS_MAX: u64 = 99_999_999_999;

/// Reads an amount in euros as cents: digits, and after a dot or comma at most two more. Signs and separators of thousands are
/// refused, since `1.234` may mean two things.
///
/// # Errors
/// Another form, zero, or more than [`AMOUNT_CENTS_MAX`].
pub fn parse_cents(text: &str) -> Result<u64, Defect> {
    let cents = parse_sum(text)?;
    match cents {
        0 => Err(Defect::AmountZero),
        _ if cents > u128::from(AMOUNT_CENTS_MAX) => Err(Defect::AmountTooLarge),
        _ => u64::try_from(cents).map_err(|_| Defect::AmountTooLarge),
    }
}

/// Reads a control sum, which may be zero and larger than one amount.
pub(crate) fn parse_sum(text: &str) -> Result<u128, Defect> {
    let text = text.trim();
    let (euros, cents) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if euros.is_empty() || euros.len() > 18 || cents.len() > 2 || !digits(euros) || !digits(cents) {
        return Err(Defect::NotAmount);
    }
    let number = |part: &str| part.parse::<u128>().map_err(|_| Defect::NotAmount);
    let cents = match cents.len() {
        0 => 0,
        1 => number(cents)? * 10,
        _ => number(cents)?,
    };
    Ok(number(euros)? * 100 + cents)
}

/// Writes cents as euros with a dot and two digits.
pub fn euros(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_both_spellings_and_nothing_is_guessed() {
        assert_eq!(parse_cents("1234.56"), Ok(123_456));
        assert_eq!(parse_cents("1234,5"), Ok(123_450));
        assert_eq!(parse_cents("7"), Ok(700));
        assert_eq!(parse_cents("999999999.99"), Ok(AMOUNT_CENTS_MAX));
        assert_eq!(parse_cents("1000000000.00"), Err(Defect::AmountTooLarge));
        assert_eq!(parse_cents("0,00"), Err(Defect::AmountZero));
        for bad in [
            "1.234,56",
            "1,234.56",
            "1.234",
            "-1",
            "+1",
            "1e3",
            "",
            ".5",
            "١",
            "9999999999999999999",
        ] {
            assert_eq!(parse_cents(bad), Err(Defect::NotAmount), "{bad}");
        }
        assert_eq!(euros(123_405), "1234.05");
    }
}
