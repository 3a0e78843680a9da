use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use regex::Regex;

use crate::sigma::pattern::Pattern;

/// Values for the placeholders of `expand`, by name without the percent signs.
pub type Placeholders = BTreeMap<String, Vec<String>>;

/// One field with what is asked of it; equal items of all rules are answered once per record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    /// The field, or any of the record for a keyword.
    pub(crate) field: Option<Box<str>>,
    pub(crate) test: Test,
}

/// What is asked of a value; of several answers one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Texts, all cased or all not.
    Text(Vec<Pattern>),
    Regex(Vec<Expression>),
    Number(Vec<(Comparison, Number)>),
    Network(Vec<Network>),
    Bool(bool),
    /// The field is missing or null.
    Null,
    /// The field is there and not null, or the contrary.
    Exists(bool),
    /// Another field has the value, or a part of it.
    Field {
        field: Box<str>,
        part: Part,
        cased: bool,
    },
    Time(TimePart, Vec<Number>),
    /// A placeholder without values, by its name: nothing fits.
    Unfilled(Box<str>),
}

/// How the value of another field must lie in this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Whole,
    Start,
    End,
    Inside,
}

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    pub(crate) fn holds(self, value: f64, wanted: f64) -> bool {
        match self {
            Self::Equal => value == wanted,
            Self::Greater => value > wanted,
            Self::GreaterOrEqual => value >= wanted,
            Self::Less => value < wanted,
            Self::LessOrEqual => value <= wanted,
        }
    }
}

/// A part of a point in time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TimePart {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// A number of a rule; `-0` and `0` are one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Number(f64);

impl Number {
    pub(crate) fn new(value: f64) -> Self {
        Self(if value == 0.0 { 0.0 } else { value })
    }

    pub(crate) fn value(self) -> f64 {
        self.0
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A regular expression that needs time linear in the text.
#[derive(Debug, Clone)]
pub(crate) struct Expression(pub(crate) Regex);

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Expression {}

impl Hash for Expression {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

/// An IPv4 or IPv6 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `address/prefix`, or an address alone.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { address, prefix })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| {
            let mask = u128::MAX.checked_shl(bits - u32::from(self.prefix)).unwrap_or(0);
            a & mask == b & mask
        };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            // An IPv4 address in IPv6 form, as Windows writes it.
            (IpAddr::V4(_), IpAddr::V6(b)) => b.to_ipv4_mapped().is_some_and(|b| self.contains(b.into())),
            (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let contains = |net, address: &str| Network::parse(net).unwrap().contains(address.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("fe80::/10", "febf::1") && !contains("fe80::/10", "fec0::1"));
        assert!(contains("0.0.0.0/0", "1.2.3.4") && contains("127.0.0.1", "127.0.0.1"));
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3") && !contains("::/0", "10.1.2.3"));
        assert!(
            ["10.0.0.0/33", "x/8", "10.0.0/8", "fe80::/129", ""]
                .iter()
                .all(|n| Network::parse(n).is_none())
        );
    }
}
