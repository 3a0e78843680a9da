use jiff::civil::Date;
use jiff::{Span, ToSpan as _};
use leckwehr_crypt::Redacted;
use serde::{Deserialize, Serialize};

use crate::account::{Bic, Iban};
use crate::amount::parse_cents;
use crate::calendar::Shift;
use crate::fault::{Defect, Fault, Field};
use crate::text::{NAME_CHARS_MAX, REMITTANCE_CHARS_MAX, is_id, transliterate};

/// Most orders of one input.
pub const ORDERS_MAX: usize = 1_000_000;
/// Years of due days that are believed.
const YEARS: std::ops::RangeInclusive<i16> = 1990..=2200;

/// How often an order is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Every {
    /// Once.
    #[default]
    Once,
    /// On the same day of each week.
    Weekly,
    /// On the same day of each month, or its last one.
    Monthly,
    /// Of each third month.
    Quarterly,
    /// Of each year.
    Yearly,
}

impl Every {
    /// Reads the word.
    ///
    /// # Errors
    /// Another word.
    pub fn parse(word: &str) -> Result<Self, Defect> {
        match word {
            "once" => Ok(Self::Once),
            "weekly" => Ok(Self::Weekly),
            "monthly" => Ok(Self::Monthly),
            "quarterly" => Ok(Self::Quarterly),
            "yearly" => Ok(Self::Yearly),
            _ => Err(Defect::NotWord),
        }
    }

    fn months(self) -> i32 {
        match self {
            Self::Once | Self::Weekly => 0,
            Self::Monthly => 1,
            Self::Quarterly => 3,
            Self::Yearly => 12,
        }
    }
}

/// Who pays.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Debtor {
    /// Name, in characters that every bank takes.
    pub name: Redacted<String>,
    /// Account.
    pub iban: Iban,
    /// Bank.
    pub bic: Option<Bic>,
    /// Town and country, if known.
    pub address: Option<Redacted<(String, String)>>,
}

/// Who is paid.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Creditor {
    /// Name, in characters that every bank takes.
    pub name: Redacted<String>,
    /// Account.
    pub iban: Iban,
    /// Bank.
    pub bic: Option<Bic>,
}

/// A payment that is due once or again and again: the last known good instruction.
#[derive(Clone)]
pub struct Order {
    /// Index of its input.
    pub input: usize,
    /// Line, from 1, at which it begins there.
    pub line: u64,
    /// Who pays.
    pub debtor: Debtor,
    /// Who is paid.
    pub creditor: Creditor,
    /// Euro cents.
    pub cents: u64,
    /// ISO 20022 purpose code.
    pub purpose: Option<String>,
    /// The payee's reference, for payments that are due once.
    pub end_to_end: Option<Redacted<String>>,
    remittance: Redacted<String>,
    has_placeholders: bool,
    every: Every,
    first: Date,
    last: Option<Date>,
    pub(crate) shift: Shift,
}

impl Order {
    /// Returns the due days from `from` to `to`, both included, in order. O(number of them).
    pub fn due_days(&self, from: Date, to: Date) -> Vec<Date> {
        let to = self.last.map_or(to, |last| last.min(to));
        let from = from.max(self.first);
        let mut days = Vec::new();
        let mut n = self.steps_before(from);
        while let Ok(day) = self.first.checked_add(self.step(n)) {
            if day > to || (self.every == Every::Once && n > 0) {
                break;
            }
            if day >= from {
                days.push(day);
            }
            n += 1;
        }
        days
    }

    /// How many intervals from the first day lead certainly not past `from`.
    fn steps_before(&self, from: Date) -> i32 {
        let months = |day: Date| i32::from(day.year()) * 12 + i32::from(day.month());
        let days = self.first.until(from).map_or(0, |span| span.get_days());
        match self.every {
            Every::Once => 0,
            Every::Weekly => (days / 7 - 1).max(0),
            Every::Monthly | Every::Quarterly | Every::Yearly => {
                ((months(from) - months(self.first)) / self.every.months() - 1).max(0)
            }
        }
    }

    fn step(&self, n: i32) -> Span {
        match self.every {
            Every::Once | Every::Weekly => i64::from(n).weeks(),
            every => i64::from(n * every.months()).months(),
        }
    }

    /// Returns the text for the payee of the payment that is due on a day.
    pub fn remittance(&self, due: Date) -> Redacted<String> {
        let text = self.remittance.reveal();
        if !self.has_placeholders {
            return Redacted::new(transliterate(text));
        }
        let filled = text
            .replace("{year}", &format!("{:04}", due.year()))
            .replace("{month}", &format!("{:02}", due.month()))
            .replace("{day}", &format!("{:02}", due.day()));
        Redacted::new(transliterate(&filled))
    }

    pub(crate) fn from_row(row: &Row, input: usize, file: &str) -> Result<Self, Vec<Fault>> {
        let mut check = Check {
            row,
            file,
            faults: Vec::new(),
        };
        for (field, defect) in &row.defects {
            check.fault(*field, *defect);
        }
        let order = check.order(input);
        match order {
            Some(order) if check.faults.is_empty() => Ok(order),
            _ => Err(check.faults),
        }
    }
}

/// An order as it was read, not yet checked.
#[derive(Default)]
pub(crate) struct Row {
    pub line: u64,
    /// Braces are ordinary characters.
    pub literal: bool,
    pub values: Vec<(Field, String)>,
    /// What the reader found wrong already.
    pub defects: Vec<(Field, Defect)>,
}

impl Row {
    pub fn get(&self, field: Field) -> Option<&str> {
        let value = self.values.iter().find(|(at, _)| *at == field)?;
        Some(value.1.trim()).filter(|text| !text.is_empty())
    }
}

struct Check<'r> {
    row: &'r Row,
    file: &'r str,
    faults: Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, field: Field, defect: Defect) {
        self.faults.push(Fault {
            file: self.file.to_owned(),
            line: self.row.line,
            field,
            defect,
        });
    }

    fn optional<T>(&mut self, field: Field, parse: impl FnOnce(&str) -> Result<T, Defect>) -> Option<T> {
        match parse(self.row.get(field)?) {
            Ok(value) => Some(value),
            Err(defect) => {
                self.fault(field, defect);
                None
            }
        }
    }

    fn required<T>(&mut self, field: Field, parse: impl FnOnce(&str) -> Result<T, Defect>) -> Option<T> {
        if self.row.get(field).is_none() {
            self.fault(field, Defect::Missing);
        }
        self.optional(field, parse)
    }

    fn order(&mut self, input: usize) -> Option<Order> {
        // Every field is looked at before the first `?`, so that all mistakes are named at once.
        let debtor = self.debtor();
        let creditor = self.creditor();
        let cents = self.required(Field::Amount, parse_cents);
        self.optional(
            Field::Currency,
            |word| if word == "EUR" { Ok(()) } else { Err(Defect::NotEuro) },
        );
        let purpose = self.optional(Field::Purpose, purpose);
        let end_to_end = self.optional(Field::EndToEnd, |text| {
            is_id(text).then(|| Redacted::new(text.to_owned())).ok_or(Defect::NotId)
        });
        let literal = self.row.literal;
        let remittance = self.optional(Field::Remittance, |text| remittance(text, literal));
        let every = self.optional(Field::Every, Every::parse).unwrap_or_default();
        let first = self.required(Field::FirstDue, date);
        let last = self.optional(Field::LastDue, date);
        let shift = self.optional(Field::Shift, shift).unwrap_or_default();
        if last.zip(first).is_some_and(|(last, first)| last < first) {
            self.fault(Field::LastDue, Defect::LastBeforeFirst);
        }
        let (debtor, creditor) = (debtor?, creditor?);
        if creditor.iban.is_outside_eea() {
            if debtor.address.is_none() {
                self.fault(Field::DebtorTown, Defect::OutsideEea);
            }
            if creditor.bic.is_none() {
                self.fault(Field::CreditorBic, Defect::OutsideEea);
            }
        }
        let remittance = remittance.unwrap_or_else(|| Redacted::new(String::new()));
        Some(Order {
            input,
            line: self.row.line,
            debtor,
            creditor,
            cents: cents?,
            purpose,
            end_to_end: end_to_end.filter(|id| every == Every::Once && id.reveal() != NOT_PROVIDED),
            has_placeholders: !literal && remittance.reveal().contains('{'),
            remittance,
            every,
            first: first?,
            last,
            shift,
        })
    }

    fn debtor(&mut self) -> Option<Debtor> {
        let name = self.required(Field::DebtorName, name);
        let iban = self.required(Field::DebtorIban, Iban::parse);
        let bic = self.optional(Field::DebtorBic, Bic::parse);
        let town = self.optional(Field::DebtorTown, town);
        let country = self.optional(Field::DebtorCountry, country);
        Some(Debtor {
            name: name?,
            iban: iban?,
            bic,
            address: town.zip(country).map(Redacted::new),
        })
    }

    fn creditor(&mut self) -> Option<Creditor> {
        let name = self.required(Field::CreditorName, name);
        let iban = self.required(Field::CreditorIban, Iban::parse);
        let bic = self.optional(Field::CreditorBic, Bic::parse);
        Some(Creditor {
            name: name?,
            iban: iban?,
            bic,
        })
    }
}

/// What stands where there is no reference (ISO 20022 usage rule).
pub(crate) const NOT_PROVIDED: &str = "NOTPROVIDED";

fn name(text: &str) -> Result<Redacted<String>, Defect> {
    let mut name = transliterate(text);
    // One byte per character from here on. A name may be shortened: the account number decides.
    name.truncate(NAME_CHARS_MAX);
    if !name.bytes().any(|b| b.is_ascii_alphanumeric()) {
        return Err(Defect::NoText);
    }
    Ok(Redacted::new(name.trim_end().to_owned()))
}

fn town(text: &str) -> Result<String, Defect> {
    let town = transliterate(text);
    // Max35Text of pain.001.001.09.
    if town.len() > 35 { Err(Defect::TooLong) } else { Ok(town) }
}

fn country(text: &str) -> Result<String, Defect> {
    let fits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    fits.then(|| text.to_owned()).ok_or(Defect::NotWord)
}

fn purpose(text: &str) -> Result<String, Defect> {
    let fits = text.len() == 4 && text.bytes().all(|b| b.is_ascii_uppercase());
    fits.then(|| text.to_owned()).ok_or(Defect::NotPurpose)
}

fn shift(word: &str) -> Result<Shift, Defect> {
    match word {
        "next" => Ok(Shift::Next),
        "previous" => Ok(Shift::Previous),
        _ => Err(Defect::NotWord),
    }
}

/// Checks the text in its longest form; a cut reference would pay the wrong thing.
fn remittance(text: &str, literal: bool) -> Result<Redacted<String>, Defect> {
    let mut filled = text.to_owned();
    if !literal {
        filled = filled
            .replace("{year}", "2026")
            .replace("{month}", "11")
            .replace("{day}", "30");
        if filled.contains(['{', '}']) {
            return Err(Defect::Placeholder);
        }
    }
    if transliterate(&filled).len() > REMITTANCE_CHARS_MAX {
        return Err(Defect::TooLong);
    }
    Ok(Redacted::new(text.to_owned()))
}

/// Reads `2026-11-30` or `30.11.2026`.
pub(crate) fn date(text: &str) -> Result<Date, Defect> {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| part.parse::<i16>().map_err(|_| Defect::NotDate);
    let separator = if text.contains('-') { '-' } else { '.' };
    let parts: Vec<&str> = text.split(separator).collect();
    let [a, b, c] = parts.as_slice() else {
        return Err(Defect::NotDate);
    };
    let (year, month, day) = if separator == '-' { (a, b, c) } else { (c, b, a) };
    if ![year, month, day].into_iter().all(|part| digits(part)) || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return Err(Defect::NotDate);
    }
    let (month, day) = (number(month)? as i8, number(day)? as i8);
    let date = Date::new(number(year)?, month, day).map_err(|_| Defect::NotDate)?;
    if YEARS.contains(&date.year()) {
        Ok(date)
    } else {
        Err(Defect::NotDate)
    }
}
