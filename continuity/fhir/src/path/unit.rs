use rust_decimal::Decimal;

use super::ucum::{self, Canonical};

/// What a quantity is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A word of FHIRPath for a span of the calendar: `year`, `days`.
    Calendar(Calendar),
    /// A code of UCUM; `1` for a plain number.
    Ucum(Box<str>),
    /// A unit of another system, or none. Comparable with itself only.
    Other {
        /// The system, or nothing.
        system: Box<str>,
        /// Code or word.
        code: Box<str>,
    },
}

/// A span of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Calendar {
    /// `year`
    Year,
    /// `month`
    Month,
    /// `week`
    Week,
    /// `day`
    Day,
    /// `hour`
    Hour,
    /// `minute`
    Minute,
    /// `second`
    Second,
    /// `millisecond`
    Millisecond,
}

const WORDS: [(&str, Calendar); 8] = [
    ("year", Calendar::Year),
    ("month", Calendar::Month),
    ("week", Calendar::Week),
    ("day", Calendar::Day),
    ("hour", Calendar::Hour),
    ("minute", Calendar::Minute),
    ("second", Calendar::Second),
    ("millisecond", Calendar::Millisecond),
];

impl Calendar {
    /// Reads the word, singular or plural.
    pub fn of_word(word: &str) -> Option<Self> {
        let singular = word.strip_suffix('s').unwrap_or(word);
        WORDS.iter().find(|(w, _)| *w == singular).map(|(_, unit)| *unit)
    }

    /// Returns the word in the singular.
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(_, unit)| *unit == self).map_or("", |(word, _)| word)
    }

    /// Returns the code of UCUM: of equal length from the week down, of mean length above.
    pub fn ucum(self) -> &'static str {
        match self {
            Self::Year => "a",
            Self::Month => "mo",
            Self::Week => "wk",
            Self::Day => "d",
            Self::Hour => "h",
            Self::Minute => "min",
            Self::Second => "s",
            Self::Millisecond => "ms",
        }
    }

    /// Returns the span that a code of UCUM adds to a date. Years and months of UCUM have a mean length and add nothing.
    pub fn of_ucum(code: &str) -> Option<Self> {
        let known = WORDS.iter().map(|(_, unit)| *unit).find(|unit| unit.ucum() == code);
        known.filter(|unit| *unit > Self::Month).or_else(|| Self::of_word(code))
    }
}

impl Unit {
    /// The unit of plain numbers.
    pub fn one() -> Self {
        Self::Ucum("1".into())
    }

    /// Returns the span of the calendar that this adds to a date or time.
    pub fn span(&self) -> Option<Calendar> {
        match self {
            Self::Calendar(unit) => Some(*unit),
            Self::Ucum(code) => Calendar::of_ucum(code),
            Self::Other { .. } => None,
        }
    }

    /// Returns what it is in base units; nothing for units that are not known. O(length).
    ///
    /// A year and a month of the calendar are of no fixed length: they compare with each other and not with UCUM's.
    pub fn canonical(&self) -> Option<Canonical> {
        match self {
            Self::Calendar(Calendar::Year) => Some(Canonical::own("calendar month", Decimal::from(12))),
            Self::Calendar(Calendar::Month) => Some(Canonical::own("calendar month", Decimal::ONE)),
            Self::Calendar(unit) => ucum::parse(unit.ucum()),
            Self::Ucum(code) => ucum::parse(code),
            Self::Other { .. } => None,
        }
    }

    /// Returns the same, with years and months of the calendar taken as UCUM's: good enough for equivalence.
    pub fn loosely_canonical(&self) -> Option<Canonical> {
        match self {
            Self::Calendar(unit) => ucum::parse(unit.ucum()),
            _ => self.canonical(),
        }
    }

    /// Returns it as FHIRPath writes it behind a number.
    pub fn literal(&self, one: bool) -> String {
        match self {
            Self::Calendar(unit) if one => unit.word().to_owned(),
            Self::Calendar(unit) => format!("{}s", unit.word()),
            Self::Ucum(code) | Self::Other { code, .. } => format!("'{code}'"),
        }
    }
}
