use std::collections::HashSet;
use std::net::IpAddr;

use leckwehr_telemetry::Value;
use memchr::memmem::Finder;
use regex::Regex;

use crate::sigma::item::{Comparison, Network, Number, Part, Test, TimePart};
use crate::sigma::lower::trimmed;
use crate::sigma::needles::{NEEDLE_BYTES_MIN, Needles};
use crate::sigma::pattern::{Anchor, Glob, Pattern};
use crate::sigma::time;

/// From how many substrings on they are looked for together.
const TOGETHER_MIN: usize = 4;
/// From how many whole values on they are hashed.
const HASHED_MIN: usize = 9;

/// A test made ready; interned by field and test, so that it is answered once per record.
#[derive(Debug)]
pub(crate) struct Predicate {
    /// Number of the field's name, or any field.
    pub(crate) slot: Option<u32>,
    pub(crate) check: Check,
}

/// How a value is looked at.
#[derive(Debug)]
pub(crate) enum Check {
    Text(Box<Texts>),
    Regex(Box<[Regex]>),
    Number(Box<[(Comparison, Number)]>),
    Network(Box<[Network]>),
    Bool(bool),
    Null,
    Exists(bool),
    /// The number of the other field's name.
    Field(u32, Part, Case),
    Time(TimePart, Box<[Number]>),
    Never,
}

/// Whether letters are compared as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Kept,
    Folded,
}

/// Patterns of which one is enough.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) case: Case,
    whole: Vec<Box<[u8]>>,
    hashed: HashSet<Box<[u8]>>,
    starts: Vec<Box<[u8]>>,
    ends: Vec<Box<[u8]>>,
    inside: Vec<Finder<'static>>,
    together: Needles,
    globs: Vec<Glob>,
}

impl Check {
    pub(crate) fn new(test: &Test, slot_of: &mut impl FnMut(&str) -> u32) -> Self {
        match test {
            Test::Text(patterns) => Self::Text(Texts::new(patterns).into()),
            Test::Regex(list) => Self::Regex(list.iter().map(|e| e.0.clone()).collect()),
            Test::Number(list) => Self::Number(list.clone().into()),
            Test::Network(list) => Self::Network(list.clone().into()),
            Test::Bool(wanted) => Self::Bool(*wanted),
            Test::Null => Self::Null,
            Test::Exists(wanted) => Self::Exists(*wanted),
            Test::Field { field, part, cased } => {
                let case = if *cased { Case::Kept } else { Case::Folded };
                Self::Field(slot_of(field), *part, case)
            }
            Test::Time(part, list) => Self::Time(*part, list.clone().into()),
            Test::Unfilled(_) => Self::Never,
        }
    }

    /// Returns roughly how long an answer takes, for the order in which parts of a condition are asked.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Self::Bool(_) | Self::Null | Self::Exists(_) | Self::Never => 1,
            Self::Number(_) => 2,
            Self::Text(texts) => texts.cost(),
            Self::Field(..) | Self::Network(_) | Self::Time(..) => 10,
            Self::Regex(list) => 40 * list.len() as u32,
        }
    }

    /// Returns whether one value that is not null fits; `low` is its text in lower case.
    pub(crate) fn fits(&self, value: Value<'_>, low: &[u8]) -> bool {
        match self {
            Self::Text(texts) if texts.case == Case::Folded => texts.fit(low),
            Self::Text(texts) => texts.fit(value.as_text().as_bytes()),
            Self::Regex(list) => {
                let text = value.as_text();
                let short = text.trim_ascii_end();
                let mut each = list.iter();
                each.any(|re| re.is_match(text) || (short.len() < text.len() && re.is_match(short)))
            }
            Self::Number(list) => number(value).is_some_and(|n| list.iter().any(|(how, wanted)| how.holds(n, wanted.value()))),
            Self::Network(list) => {
                let address = value.as_text().trim().parse::<IpAddr>();
                address.is_ok_and(|address| list.iter().any(|n| n.contains(address)))
            }
            Self::Bool(wanted) => match value {
                Value::Bool(found) => found == *wanted,
                Value::Text(_) => match trimmed(low) {
                    b"true" | b"1" | b"yes" => *wanted,
                    b"false" | b"0" | b"no" => !*wanted,
                    _ => false,
                },
                _ => false,
            },
            Self::Time(part, list) => {
                let found = time::part(value, *part);
                found.is_some_and(|found| list.contains(&Number::new(found)))
            }
            // Asked of the field, not of a value.
            Self::Null | Self::Exists(_) | Self::Field(..) | Self::Never => false,
        }
    }
}

impl Texts {
    fn new(patterns: &[Pattern]) -> Self {
        let cased = patterns.first().is_some_and(|p| p.cased);
        let mut texts = Self {
            case: if cased { Case::Kept } else { Case::Folded },
            whole: Vec::new(),
            hashed: HashSet::new(),
            starts: Vec::new(),
            ends: Vec::new(),
            inside: Vec::new(),
            together: Needles::default(),
            globs: Vec::new(),
        };
        let mut inside: Vec<Box<[u8]>> = Vec::new();
        for pattern in patterns {
            match (pattern.anchor, pattern.literal()) {
                (Anchor::Whole, Some(text)) => texts.whole.push(text.into()),
                (Anchor::Start, Some(text)) => texts.starts.push(text.into()),
                (Anchor::End, Some(text)) => texts.ends.push(text.into()),
                (Anchor::Anywhere, Some(text)) => inside.push(text.into()),
                (_, None) => texts.globs.push(Glob::new(pattern)),
            }
        }
        if texts.whole.len() >= HASHED_MIN {
            texts.hashed = texts.whole.drain(..).collect();
        }
        let (long, short): (Vec<_>, Vec<_>) = inside.into_iter().partition(|t| t.len() >= NEEDLE_BYTES_MIN);
        let (together, alone) = if long.len() >= TOGETHER_MIN {
            (long, short)
        } else {
            (Vec::new(), [long, short].concat())
        };
        texts.together = Needles::new(together);
        texts.inside = alone.iter().map(|t| Finder::new(t).into_owned()).collect();
        texts
    }

    fn cost(&self) -> u32 {
        let inside = self.inside.len() + if self.together.is_empty() { 0 } else { 5 };
        let ends = self.starts.len() + self.ends.len() + self.whole.len();
        (3 + ends + 10 * inside + 20 * self.globs.len()) as u32
    }

    /// Returns whether the value fits as it is, or without blanks at its end.
    fn fit(&self, text: &[u8]) -> bool {
        let short = trimmed(text);
        self.ends_fit(text) || (short.len() < text.len() && self.ends_fit(short)) || self.inside_fits(text)
    }

    fn ends_fit(&self, text: &[u8]) -> bool {
        self.whole.iter().any(|t| **t == *text)
            || (!self.hashed.is_empty() && self.hashed.contains(text))
            || self.ends.iter().any(|t| text.ends_with(t))
            || self.starts.iter().any(|t| text.starts_with(t))
            || self.globs.iter().any(|g| g.fits(text))
    }

    fn inside_fits(&self, text: &[u8]) -> bool {
        self.inside.iter().any(|f| f.find(text).is_some())
            || (!self.together.is_empty() && self.together.find(text, &mut |_| true))
    }

    /// Returns whether the texts may be looked for in all values at once, a NUL between each two.
    pub(crate) fn is_for_arena(&self) -> bool {
        let ends = self.whole.len() + self.hashed.len() + self.starts.len() + self.ends.len() + self.globs.len();
        let nul = self.inside.iter().any(|f| f.needle().contains(&0)) || self.together.has_nul();
        self.case == Case::Folded && ends == 0 && !nul
    }

    /// Looks in all values at once.
    pub(crate) fn are_in(&self, arena: &[u8]) -> bool {
        self.inside_fits(arena)
    }
}

/// Reads a number as Sigma compares it: numbers, and texts that are one.
pub(crate) fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Text(text) | Value::Number(text) => {
            let text = text.trim();
            let digits = text.as_bytes();
            if !digits.is_empty() && digits.len() <= 15 && digits.iter().all(u8::is_ascii_digit) {
                let n = digits.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'));
                return Some(n as f64);
            }
            text.parse().ok()
        }
        Value::Bool(_) | Value::Null => None,
    }
}

/// Returns whether `needle` lies in `text` as `part` says.
pub(crate) fn lies_in(text: &[u8], needle: &[u8], part: Part) -> bool {
    match part {
        Part::Whole => text == needle,
        Part::Start => text.starts_with(needle),
        Part::End => text.ends_with(needle),
        Part::Inside => memchr::memmem::find(text, needle).is_some(),
    }
}
