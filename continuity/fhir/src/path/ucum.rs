//! Units of measure: the part of UCUM (version 2.1) that clinical documents use.
//!
//! Temperatures with an offset (`Cel`, `[degF]`) compare with themselves only. Amount of substance is a base unit here, so that
//! `mol` is no number.

use rust_decimal::{Decimal, MathematicalOps};

/// A unit as a product of base units.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    /// How many of the product so many units are as the divisor says. Two numbers, so that a sixtieth stays exact.
    pub factor: Decimal,
    /// See `factor`.
    pub divisor: Decimal,
    /// Base units and their exponents, sorted, none with exponent 0.
    pub bases: Vec<(Box<str>, i32)>,
}

/// Longest code read, in bytes.
const CODE_BYTES_MAX: usize = 128;
/// Deepest nesting of brackets.
const DEPTH_MAX: usize = 8;
/// Greatest exponent.
const EXPONENT_MAX: i32 = 24;

const PREFIXES: [(&str, i32); 20] = [
    ("da", 1),
    ("Y", 24),
    ("Z", 21),
    ("E", 18),
    ("P", 15),
    ("T", 12),
    ("G", 9),
    ("M", 6),
    ("k", 3),
    ("h", 2),
    ("d", -1),
    ("c", -2),
    ("m", -3),
    ("u", -6),
    ("n", -9),
    ("p", -12),
    ("f", -15),
    ("a", -18),
    ("z", -21),
    ("y", -24),
];

/// Units that take prefixes: code, factor, of what.
const METRIC: [(&str, &str, &str); 45] = [
    ("m", "1", "m"),
    ("s", "1", "s"),
    ("g", "1", "g"),
    ("K", "1", "K"),
    ("C", "1", "C"),
    ("cd", "1", "cd"),
    ("mol", "1", "mol"),
    ("rad", "1", "rad"),
    ("bit", "1", "bit"),
    ("sr", "1", "rad2"),
    ("Hz", "1", "s-1"),
    ("N", "1000", "g.m.s-2"),
    ("Pa", "1000", "g.m-1.s-2"),
    ("J", "1000", "g.m2.s-2"),
    ("W", "1000", "g.m2.s-3"),
    ("A", "1", "C.s-1"),
    ("V", "1000", "g.m2.s-2.C-1"),
    ("F", "0.001", "C2.g-1.m-2.s2"),
    ("Ohm", "1000", "g.m2.s-1.C-2"),
    ("S", "0.001", "g-1.m-2.s.C2"),
    ("Wb", "1000", "g.m2.s-1.C-1"),
    ("T", "1000", "g.s-1.C-1"),
    ("H", "1000", "g.m2.C-2"),
    ("lm", "1", "cd.rad2"),
    ("lx", "1", "cd.rad2.m-2"),
    ("Bq", "1", "s-1"),
    ("Gy", "1", "m2.s-2"),
    ("Sv", "1", "m2.s-2"),
    ("l", "0.001", "m3"),
    ("L", "0.001", "m3"),
    ("ar", "100", "m2"),
    ("t", "1000000", "g"),
    ("bar", "100000000", "g.m-1.s-2"),
    ("u", "0.0000000000000000000000016605402", "g"),
    ("cal", "4184", "g.m2.s-2"),
    ("eq", "1", "mol"),
    ("osm", "1", "mol"),
    ("kat", "1", "mol.s-1"),
    ("U", "0.0000000166666666666666666667", "mol.s-1"),
    ("By", "8", "bit"),
    ("Bd", "1", "s-1"),
    ("m[Hg]", "133322000", "g.m-1.s-2"),
    ("m[H2O]", "9806650", "g.m-1.s-2"),
    ("[iU]", "1", "[iU]"),
    ("[IU]", "1", "[iU]"),
];

/// Units without prefixes.
const PLAIN: [(&str, &str, &str); 46] = [
    ("%", "0.01", ""),
    ("[ppth]", "0.001", ""),
    ("[ppm]", "0.000001", ""),
    ("[ppb]", "0.000000001", ""),
    ("10*", "10", ""),
    ("10^", "10", ""),
    ("[pi]", "3.1415926535897932384626433833", ""),
    ("min", "60", "s"),
    ("h", "3600", "s"),
    ("d", "86400", "s"),
    ("wk", "604800", "s"),
    ("mo", "2629800", "s"),
    ("mo_j", "2629800", "s"),
    ("a", "31557600", "s"),
    ("a_j", "31557600", "s"),
    ("deg", "0.0174532925199432957692369077", "rad"),
    ("'", "0.0002908882086657215961539485", "rad"),
    ("''", "0.0000048481368110953599358991", "rad"),
    ("[in_i]", "0.0254", "m"),
    ("[ft_i]", "0.3048", "m"),
    ("[yd_i]", "0.9144", "m"),
    ("[mi_i]", "1609.344", "m"),
    ("[nmi_i]", "1852", "m"),
    ("[lb_av]", "453.59237", "g"),
    ("[oz_av]", "28.349523125", "g"),
    ("[gr]", "0.06479891", "g"),
    ("[dr_av]", "1.7718451953125", "g"),
    ("[stone_av]", "6350.29318", "g"),
    ("[gal_us]", "0.003785411784", "m3"),
    ("[qt_us]", "0.000946352946", "m3"),
    ("[pt_us]", "0.000473176473", "m3"),
    ("[cup_us]", "0.0002365882365", "m3"),
    ("[foz_us]", "0.0000295735295625", "m3"),
    ("[tbs_us]", "0.00001478676478125", "m3"),
    ("[tsp_us]", "0.00000492892159375", "m3"),
    ("[drp]", "0.00000005", "m3"),
    ("[in_i'Hg]", "3386378.8", "g.m-1.s-2"),
    ("[psi]", "6894757.293168", "g.m-1.s-2"),
    ("[Cal]", "4184000", "g.m2.s-2"),
    ("atm", "101325000", "g.m-1.s-2"),
    ("[g]", "9.80665", "m.s-2"),
    ("[arb'U]", "1", "[arb'U]"),
    ("[anti'Xa'U]", "1", "[anti'Xa'U]"),
    ("Cel", "1", "Cel"),
    ("[degF]", "1", "[degF]"),
    ("[pH]", "1", "[pH]"),
];

impl Canonical {
    /// Returns a unit of no other kind than its own.
    pub fn own(base: &str, factor: Decimal) -> Self {
        Self {
            factor,
            divisor: Decimal::ONE,
            bases: vec![(base.into(), 1)],
        }
    }

    fn one() -> Self {
        Self {
            factor: Decimal::ONE,
            divisor: Decimal::ONE,
            bases: Vec::new(),
        }
    }

    /// Returns the product with a power of another unit.
    pub fn times(mut self, other: &Self, exponent: i32) -> Option<Self> {
        if exponent.abs() > EXPONENT_MAX {
            return None;
        }
        for _ in 0..exponent.abs() {
            let (up, down) = if exponent > 0 {
                (other.factor, other.divisor)
            } else {
                (other.divisor, other.factor)
            };
            self.factor = self.factor.checked_mul(up)?;
            self.divisor = self.divisor.checked_mul(down)?;
        }
        for (base, power) in &other.bases {
            let power = power.checked_mul(exponent)?;
            match self.bases.binary_search_by(|(b, _)| b.cmp(base)) {
                Ok(at) => {
                    self.bases[at].1 = self.bases[at].1.checked_add(power)?;
                    if self.bases[at].1 == 0 {
                        self.bases.remove(at);
                    }
                }
                Err(at) => self.bases.insert(at, (base.clone(), power)),
            }
        }
        Some(self)
    }

    /// Returns a number of this unit in base units; it may be rounded.
    pub fn in_base_units(&self, number: Decimal) -> Option<Decimal> {
        number.checked_mul(self.factor)?.checked_div(self.divisor)
    }

    /// Returns numbers of two units of one kind so that they compare exactly, in some unit of that kind; nothing if the units are
    /// of different kinds, or the numbers out of range.
    pub fn in_one_unit(&self, number: Decimal, other: &Self, of_other: Decimal) -> Option<(Decimal, Decimal)> {
        if self.bases != other.bases {
            return None;
        }
        let left = number.checked_mul(self.factor)?.checked_mul(other.divisor)?;
        let right = of_other.checked_mul(other.factor)?.checked_mul(self.divisor)?;
        Some((left, right))
    }

    /// Writes the product of base units as a code, without the factor.
    pub fn code(&self) -> Box<str> {
        if self.bases.is_empty() {
            return "1".into();
        }
        let power = |(base, power): &(Box<str>, i32)| {
            if *power == 1 {
                base.to_string()
            } else {
                format!("{base}{power}")
            }
        };
        self.bases.iter().map(power).collect::<Vec<_>>().join(".").into()
    }
}

/// Reads a code; nothing if it is none of UCUM, or has a unit that is not in the tables.
pub fn parse(code: &str) -> Option<Canonical> {
    if code.is_empty() || code.len() > CODE_BYTES_MAX {
        return None;
    }
    let (unit, rest) = term(code, 0)?;
    rest.is_empty().then_some(unit)
}

fn term(text: &str, depth: usize) -> Option<(Canonical, &str)> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (mut sign, mut rest) = match text.strip_prefix('/') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut product = Canonical::one();
    loop {
        let (unit, after) = component(rest, depth)?;
        product = product.times(&unit, sign)?;
        match after.chars().next() {
            Some('.') => (sign, rest) = (1, &after[1..]),
            Some('/') => (sign, rest) = (-1, &after[1..]),
            _ => return Some((product, after)),
        }
    }
}

fn component(text: &str, depth: usize) -> Option<(Canonical, &str)> {
    if let Some(rest) = text.strip_prefix('(') {
        let (unit, rest) = term(rest, depth + 1)?;
        return Some((unit, rest.strip_prefix(')')?));
    }
    if text.starts_with('{') {
        return Some((Canonical::one(), annotation(text)?));
    }
    let symbol = symbol_length(text);
    if symbol == 0 {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let factor = text[..digits].parse().ok()?;
        let number = Canonical {
            factor,
            divisor: Decimal::ONE,
            bases: Vec::new(),
        };
        return Some((number, annotation(&text[digits..])?));
    }
    let unit = atom(&text[..symbol])?;
    let rest = &text[symbol..];
    let signed = usize::from(rest.starts_with(['+', '-']));
    let digits = rest[signed..].bytes().take_while(u8::is_ascii_digit).count();
    let (exponent, rest) = match digits {
        0 if signed == 1 => return None,
        0 => (1, rest),
        _ => (rest[..signed + digits].parse().ok()?, &rest[signed + digits..]),
    };
    Some((Canonical::one().times(&unit, exponent)?, annotation(rest)?))
}

/// Returns how long the symbol at the beginning is: up to a digit, sign or operator outside of square brackets.
fn symbol_length(text: &str) -> usize {
    if text.starts_with("10*") || text.starts_with("10^") {
        return 3;
    }
    let mut within = false;
    for (at, c) in text.char_indices() {
        match c {
            '[' => within = true,
            ']' => within = false,
            _ if within => {}
            '0'..='9' | '+' | '-' | '.' | '/' | '(' | ')' | '{' | '}' => return at,
            _ => {}
        }
    }
    text.len()
}

/// Skips an annotation (`{tot}`), which means nothing.
fn annotation(text: &str) -> Option<&str> {
    let Some(rest) = text.strip_prefix('{') else {
        return Some(text);
    };
    rest.find('}').map(|end| &rest[end + 1..])
}

fn atom(symbol: &str) -> Option<Canonical> {
    let found = |table: &[(&str, &str, &str)], code: &str| {
        let (_, factor, of) = table.iter().find(|(c, _, _)| *c == code)?;
        Some(Canonical {
            factor: factor.parse().ok()?,
            divisor: Decimal::ONE,
            bases: bases(of),
        })
    };
    if let Some(unit) = found(&METRIC, symbol).or_else(|| found(&PLAIN, symbol)) {
        return Some(unit);
    }
    let prefixed = |(prefix, power): &(&str, i32)| {
        let mut unit = found(&METRIC, symbol.strip_prefix(prefix)?)?;
        let ten = Decimal::TEN.checked_powi(power.unsigned_abs().into())?;
        let scaled = if *power > 0 { &mut unit.factor } else { &mut unit.divisor };
        *scaled = scaled.checked_mul(ten)?;
        Some(unit)
    };
    PREFIXES.iter().find_map(prefixed)
}

/// Reads a product of base units as the tables write it.
fn bases(product: &str) -> Vec<(Box<str>, i32)> {
    let mut bases: Vec<(Box<str>, i32)> = Vec::new();
    for part in product.split('.').filter(|part| !part.is_empty()) {
        let end = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').len();
        bases.push((part[..end].into(), part[end..].parse().unwrap_or(1)));
    }
    bases.sort();
    bases
}
