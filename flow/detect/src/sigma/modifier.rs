use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::RegexBuilder;
use rsigma_parser::{DetectionItem, Modifier, SigmaString, SigmaValue, StringPart};

use crate::sigma::condition::{Expr, Fault};
use crate::sigma::item::{Comparison, Expression, Item, Network, Number, Part, Placeholders, Test, TimePart};
use crate::sigma::pattern::{Anchor, Pattern};

/// Bytes of a compiled regular expression; a larger one is refused.
pub const REGEX_BYTES_MAX: usize = 8 << 20;

/// What the modifiers behind a field's name say together.
#[derive(Debug, Default)]
struct Modifiers {
    anchor: Option<Anchor>,
    how: Option<Modifier>,
    encodings: Vec<Modifier>,
    flags: Vec<Modifier>,
    all: bool,
    cased: bool,
    expand: bool,
    negated: bool,
}

/// Compiles one field with its modifiers and values.
pub(crate) fn compile(item: &DetectionItem, placeholders: &Placeholders) -> Result<Expr, Fault> {
    let modifiers = Modifiers::read(&item.field.modifiers)?;
    let field = item.field.name.as_deref().map(unbracketed);
    if item.values.is_empty() {
        return Err(Fault::new("the list of values is empty", "give at least one value"));
    }
    if modifiers.how == Some(Modifier::Exists) {
        return exists(field, &item.values);
    }
    let mut parts = Vec::new();
    for value in &item.values {
        structured(value)?;
        parts.push(modifiers.value(value, field.is_none(), placeholders)?);
    }
    let items = |tests: Vec<Test>| {
        let each = tests.into_iter().map(|test| {
            let field = field.clone();
            Expr::Item(Item { field, test }.into())
        });
        Expr::any(each.collect())
    };
    let expr = if modifiers.all {
        Expr::all(parts.into_iter().map(|tests| items(merged(tests))).collect())
    } else {
        items(merged(parts.into_iter().flatten().collect()))
    };
    if !modifiers.negated {
        return Ok(expr);
    }
    let there = Test::Exists(true);
    Ok(Expr::all(vec![
        Expr::Item(Item { field, test: there }.into()),
        Expr::Not(expr.into()),
    ]))
}

/// Compiles a keyword: a text anywhere in the record.
pub(crate) fn keyword(value: &SigmaValue) -> Result<Expr, Fault> {
    structured(value)?;
    let text = text_of(value).ok_or_else(|| Fault::new("a keyword says nothing", "give a text or a number"))?;
    let test = Test::Text(vec![Pattern::new(&text, Anchor::Anywhere, false, false)]);
    Ok(Expr::Item(Item { field: None, test }.into()))
}

/// Compiles several keywords of which one is enough.
pub(crate) fn keywords(values: &[SigmaValue]) -> Result<Expr, Fault> {
    let mut patterns = Vec::new();
    for value in values {
        if let Expr::Item(item) = keyword(value)?
            && let Test::Text(more) = &item.test
        {
            patterns.extend(more.iter().cloned());
        }
    }
    if patterns.is_empty() {
        return Err(Fault::new("the list of keywords is empty", "give at least one keyword"));
    }
    let test = Test::Text(patterns);
    Ok(Expr::Item(Item { field: None, test }.into()))
}

impl Modifiers {
    fn read(list: &[Modifier]) -> Result<Self, Fault> {
        let mut read = Self::default();
        for modifier in list {
            match modifier {
                Modifier::Contains => read.set_anchor(Anchor::Anywhere)?,
                Modifier::StartsWith => read.set_anchor(Anchor::Start)?,
                Modifier::EndsWith => read.set_anchor(Anchor::End)?,
                Modifier::All => read.all = true,
                Modifier::Cased => read.cased = true,
                Modifier::Expand => read.expand = true,
                Modifier::Neq => read.negated = true,
                Modifier::IgnoreCase | Modifier::Multiline | Modifier::DotAll => read.flags.push(*modifier),
                Modifier::Base64
                | Modifier::Base64Offset
                | Modifier::Wide
                | Modifier::Utf16
                | Modifier::Utf16be
                | Modifier::WindAsh => read.encodings.push(*modifier),
                // `hour` and its like may be compared: `Time|hour|gte: 22`.
                comparison if comparison_of(*comparison).is_some() && read.time_part().is_some() => {
                    read.flags.push(*comparison);
                }
                other => read.set_how(*other)?,
            }
        }
        read.check()?;
        Ok(read)
    }

    fn set_anchor(&mut self, anchor: Anchor) -> Result<(), Fault> {
        if self.anchor.is_some_and(|a| a != anchor) {
            return Err(conflict("contains, startswith and endswith exclude each other"));
        }
        self.anchor = Some(anchor);
        Ok(())
    }

    fn set_how(&mut self, modifier: Modifier) -> Result<(), Fault> {
        if self.how.is_some_and(|h| h != modifier) {
            return Err(conflict("two modifiers that compare in different ways"));
        }
        self.how = Some(modifier);
        Ok(())
    }

    fn time_part(&self) -> Option<TimePart> {
        match self.how? {
            Modifier::Minute => Some(TimePart::Minute),
            Modifier::Hour => Some(TimePart::Hour),
            Modifier::Day => Some(TimePart::Day),
            Modifier::Week => Some(TimePart::Week),
            Modifier::Month => Some(TimePart::Month),
            Modifier::Year => Some(TimePart::Year),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let no_text = self.how.is_some_and(|how| how != Modifier::FieldRef);
        if no_text && (self.anchor.is_some() || !self.encodings.is_empty() || self.expand) {
            return Err(conflict("a modifier for texts with one that compares in another way"));
        }
        if self.how == Some(Modifier::FieldRef) && (!self.encodings.is_empty() || self.expand) {
            return Err(conflict("fieldref compares two fields of the record; nothing can be encoded"));
        }
        if self.how != Some(Modifier::Re) && self.time_part().is_none() && !self.flags.is_empty() {
            return Err(conflict("i, m and s are flags of re"));
        }
        let count = |wanted: &[Modifier]| self.encodings.iter().filter(|m| wanted.contains(m)).count();
        if count(&[Modifier::Wide, Modifier::Utf16, Modifier::Utf16be]) > 1
            || count(&[Modifier::Base64, Modifier::Base64Offset]) > 1
        {
            return Err(conflict("two encodings that exclude each other"));
        }
        if self.encodings.contains(&Modifier::WindAsh) && self.encodings.len() > 1 {
            return Err(conflict("windash with an encoding"));
        }
        Ok(())
    }

    /// Returns the tests of one value, of which one is enough.
    fn value(&self, value: &SigmaValue, keyword: bool, placeholders: &Placeholders) -> Result<Vec<Test>, Fault> {
        if self.expand {
            let texts = match expanded(value, placeholders)? {
                Expanded::Texts(texts) => texts,
                Expanded::Unfilled(name) => return Ok(vec![Test::Unfilled(name)]),
            };
            let each = texts.iter().map(|text| self.string(text, keyword));
            return Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect());
        }
        if let Some(part) = self.time_part() {
            let wanted = number_of(value)?;
            let comparison = self
                .flags
                .first()
                .copied()
                .and_then(comparison_of)
                .unwrap_or(Comparison::Equal);
            return Ok(vec![time_test(part, comparison, wanted)?]);
        }
        match self.how {
            Some(Modifier::Re) => return self.regex(value).map(|test| vec![test]),
            Some(Modifier::Cidr) => return network(value).map(|test| vec![test]),
            Some(Modifier::FieldRef) => return self.field(value).map(|test| vec![test]),
            Some(how) => {
                let comparison = comparison_of(how).unwrap_or(Comparison::Equal);
                return Ok(vec![Test::Number(vec![(comparison, Number::new(number_of(value)?))])]);
            }
            None => {}
        }
        let plain = self.anchor.is_none() && self.encodings.is_empty() && !keyword;
        Ok(match value {
            SigmaValue::Null if keyword || self.anchor.is_some() => {
                return Err(Fault::new("no text to compare with", "give a text"));
            }
            SigmaValue::Null => vec![Test::Null],
            SigmaValue::Bool(wanted) if plain => vec![Test::Bool(*wanted)],
            SigmaValue::Integer(n) if plain => vec![Test::Number(vec![(Comparison::Equal, Number::new(*n as f64))])],
            SigmaValue::Float(n) if plain => vec![Test::Number(vec![(Comparison::Equal, Number::new(*n))])],
            other => match text_of(other) {
                Some(text) => self.string(&text, keyword)?,
                None => Vec::new(),
            },
        })
    }

    fn string(&self, text: &SigmaString, keyword: bool) -> Result<Vec<Test>, Fault> {
        let whole = if keyword { Anchor::Anywhere } else { Anchor::Whole };
        let anchor = self.anchor.unwrap_or(whole);
        let has = |m| self.encodings.contains(&m);
        let wide = [Modifier::Wide, Modifier::Utf16, Modifier::Utf16be]
            .into_iter()
            .find(|m| has(*m));
        if !has(Modifier::Base64) && !has(Modifier::Base64Offset) {
            let text = &wide.map_or_else(|| Ok(text.clone()), |encoding| widened(text, encoding))?;
            let pattern = Pattern::new(text, anchor, self.cased, has(Modifier::WindAsh));
            return Ok(vec![Test::Text(vec![pattern])]);
        }
        let Some(plain) = text.as_plain() else {
            return Err(Fault::new(
                "wildcards cannot be encoded",
                "leave them out or escape them with a backslash",
            ));
        };
        let bytes = wide.map_or_else(|| plain.as_bytes().to_vec(), |encoding| utf16(&plain, encoding));
        if has(Modifier::Base64) {
            let pattern = Pattern::plain(&STANDARD.encode(&bytes), anchor, self.cased);
            return Ok(vec![Test::Text(vec![pattern])]);
        }
        let shifted = (0..3).filter_map(|shift| base64_shifted(&bytes, shift));
        let patterns: Vec<_> = shifted.map(|t| Pattern::plain(&t, Anchor::Anywhere, self.cased)).collect();
        if patterns.is_empty() {
            return Err(Fault::new("too short for base64offset", "give at least two bytes"));
        }
        Ok(vec![Test::Text(patterns)])
    }

    fn regex(&self, value: &SigmaValue) -> Result<Test, Fault> {
        let text = match value {
            SigmaValue::String(text) => text.original.clone(),
            other => other.to_string(),
        };
        let has = |m| self.flags.contains(&m);
        let built = RegexBuilder::new(&text)
            .case_insensitive(has(Modifier::IgnoreCase))
            .multi_line(has(Modifier::Multiline))
            .dot_matches_new_line(has(Modifier::DotAll))
            .size_limit(REGEX_BYTES_MAX)
            .build();
        let regex = built.map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
            let remedy = if reason.contains("look-around") || reason.contains("backreference") {
                "express it with a second selection and `not`: expressions must take time linear in the text"
            } else {
                "mend the expression; the syntax is that of the Rust crate regex"
            };
            Fault::new(format!("not a regular expression that can be used: {reason}"), remedy)
        })?;
        // The flags belong to the identity, which is the text.
        let flags: String = self.flags.iter().filter_map(|f| flag_letter(*f)).collect();
        let text = if flags.is_empty() {
            text
        } else {
            format!("(?{flags}:{text})")
        };
        let regex = if flags.is_empty() {
            regex
        } else {
            RegexBuilder::new(&text).size_limit(REGEX_BYTES_MAX).build().unwrap_or(regex)
        };
        Ok(Test::Regex(vec![Expression(regex)]))
    }

    fn field(&self, value: &SigmaValue) -> Result<Test, Fault> {
        let name = text_of(value).and_then(|t| t.as_plain()).filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(Fault::new(
                "fieldref needs the name of a field",
                "give a name without wildcards",
            ));
        };
        let part = match self.anchor {
            None | Some(Anchor::Whole) => Part::Whole,
            Some(Anchor::Start) => Part::Start,
            Some(Anchor::End) => Part::End,
            Some(Anchor::Anywhere) => Part::Inside,
        };
        let (field, cased) = (name.into(), self.cased);
        Ok(Test::Field { field, part, cased })
    }
}

fn conflict(what: &str) -> Fault {
    Fault::new(
        format!("modifiers that cannot stand together: {what}"),
        "leave one of them out",
    )
}

fn comparison_of(modifier: Modifier) -> Option<Comparison> {
    Some(match modifier {
        Modifier::Gt => Comparison::Greater,
        Modifier::Gte => Comparison::GreaterOrEqual,
        Modifier::Lt => Comparison::Less,
        Modifier::Lte => Comparison::LessOrEqual,
        _ => return None,
    })
}

fn flag_letter(modifier: Modifier) -> Option<char> {
    match modifier {
        Modifier::IgnoreCase => Some('i'),
        Modifier::Multiline => Some('m'),
        Modifier::DotAll => Some('s'),
        _ => None,
    }
}

/// Joins tests of the same kind, so that one look at a value answers all.
fn merged(tests: Vec<Test>) -> Vec<Test> {
    let mut out: Vec<Test> = Vec::new();
    for test in tests {
        let cased = |p: &[Pattern]| p.first().is_some_and(|p| p.cased);
        let same = out
            .iter_mut()
            .find(|t| std::mem::discriminant(*t) == std::mem::discriminant(&test));
        match (same, test) {
            (Some(Test::Text(into)), Test::Text(more)) if cased(into) == cased(&more) => into.extend(more),
            (Some(Test::Regex(into)), Test::Regex(more)) => into.extend(more),
            (Some(Test::Number(into)), Test::Number(more)) => into.extend(more),
            (Some(Test::Network(into)), Test::Network(more)) => into.extend(more),
            (_, test) => out.push(test),
        }
    }
    out
}

fn exists(field: Option<Box<str>>, values: &[SigmaValue]) -> Result<Expr, Fault> {
    let wrong = || Fault::new("exists needs true or false", "write true or false without quotes");
    let wanted = match values {
        [SigmaValue::Bool(wanted)] => *wanted,
        [SigmaValue::String(text)] => match text.original.to_ascii_lowercase().as_str() {
            "true" | "yes" => true,
            "false" | "no" => false,
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    if field.is_none() {
        return Err(Fault::new("exists without a field", "name the field before the modifier"));
    }
    let test = Test::Exists(wanted);
    Ok(Expr::Item(Item { field, test }.into()))
}

fn network(value: &SigmaValue) -> Result<Test, Fault> {
    let text = value.to_string();
    let parsed = Network::parse(text.trim());
    let network = parsed.ok_or_else(|| Fault::new(format!("{text:?} is no network"), "write it as 10.0.0.0/8 or fe80::/10"))?;
    Ok(Test::Network(vec![network]))
}

fn number_of(value: &SigmaValue) -> Result<f64, Fault> {
    let number = match value {
        SigmaValue::Integer(n) => Some(*n as f64),
        SigmaValue::Float(n) => Some(*n),
        SigmaValue::String(text) => text.as_plain().and_then(|t| t.trim().parse().ok()),
        _ => None,
    };
    let number = number.filter(|n: &f64| n.is_finite());
    number.ok_or_else(|| Fault::new(format!("{value} is no number"), "give a number"))
}

/// A part of a time takes whole numbers in a small range, so a comparison is a list of them.
fn time_test(part: TimePart, comparison: Comparison, wanted: f64) -> Result<Test, Fault> {
    if comparison == Comparison::Equal {
        return Ok(Test::Time(part, vec![Number::new(wanted)]));
    }
    let range = match part {
        TimePart::Minute => 0..=59,
        TimePart::Hour => 0..=23,
        TimePart::Day => 1..=31,
        TimePart::Week => 1..=53,
        TimePart::Month => 1..=12,
        TimePart::Year => 1970..=2200,
    };
    let numbers = range.map(f64::from).filter(|n| comparison.holds(*n, wanted));
    let numbers: Vec<_> = numbers.map(Number::new).collect();
    if numbers.is_empty() {
        return Err(Fault::new(
            "no time can fulfil the comparison",
            "compare with a number that occurs",
        ));
    }
    Ok(Test::Time(part, numbers))
}

/// The parser turns what is no value into its own debug text; such a rule is broken.
fn structured(value: &SigmaValue) -> Result<(), Fault> {
    let SigmaValue::String(text) = value else { return Ok(()) };
    let nested = ["Mapping {", "Sequence [", "Mapping(", "Sequence(", "TaggedValue"];
    if nested.iter().any(|start| text.original.starts_with(start)) {
        return Err(Fault::new(
            "a list or map stands where a value is needed",
            "give a text, a number, true, false or null",
        ));
    }
    Ok(())
}

fn text_of(value: &SigmaValue) -> Option<SigmaString> {
    match value {
        SigmaValue::Null => None,
        SigmaValue::String(text) => Some(text.clone()),
        other => Some(SigmaString::from_raw(&other.to_string())),
    }
}

/// Puts the values of placeholders (`%name%`) into a text, each combination a text of its own.
fn expanded(value: &SigmaValue, placeholders: &Placeholders) -> Result<Expanded, Fault> {
    let text = text_of(value).unwrap_or_else(|| SigmaString::from_raw(""));
    let mut texts = vec![Vec::<StringPart>::new()];
    for part in &text.parts {
        let StringPart::Plain(plain) = part else {
            texts.iter_mut().for_each(|t| t.push(part.clone()));
            continue;
        };
        let mut pieces = plain.split('%').peekable();
        let mut inside = false;
        while let Some(piece) = pieces.next() {
            let closed = pieces.peek().is_some();
            if !inside || !closed {
                let literal = if inside { format!("%{piece}") } else { piece.to_owned() };
                texts.iter_mut().for_each(|t| t.push(StringPart::Plain(literal.clone())));
                inside = !inside;
                continue;
            }
            let Some(values) = placeholders.get(piece).filter(|v| !v.is_empty()) else {
                return Ok(Expanded::Unfilled(piece.into()));
            };
            if texts.len().saturating_mul(values.len()) > EXPANSIONS_MAX {
                return Err(Fault::new(
                    format!("more than {EXPANSIONS_MAX} combinations of placeholder values"),
                    "shorten the table of placeholders",
                ));
            }
            let with = |t: &Vec<StringPart>, v: &String| {
                let value = SigmaString::new(v).parts;
                t.iter().cloned().chain(value).collect::<Vec<_>>()
            };
            texts = texts.iter().flat_map(|t| values.iter().map(move |v| with(t, v))).collect();
            inside = false;
        }
    }
    let original = text.original;
    let whole = |parts| SigmaString {
        parts,
        original: original.clone(),
    };
    Ok(Expanded::Texts(texts.into_iter().map(whole).collect()))
}

/// What became of the placeholders of a value.
enum Expanded {
    Texts(Vec<SigmaString>),
    /// This one has no values.
    Unfilled(Box<str>),
}

/// Texts that the placeholders of one value may expand to.
pub const EXPANSIONS_MAX: usize = 10_000;

/// Returns a name whose brackets the parser has escaped as it stands in the record.
fn unbracketed(name: &str) -> Box<str> {
    name.replace("\\[", "[").replace("\\]", "]").into()
}

fn utf16(text: &str, encoding: Modifier) -> Vec<u8> {
    let mark = (encoding == Modifier::Utf16).then_some(0xfeff);
    let units = mark.into_iter().chain(text.encode_utf16());
    let big_endian = encoding == Modifier::Utf16be;
    let bytes = units.map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() });
    bytes.flatten().collect()
}

/// Encodes a text that is looked for as it stands, in a field that holds UTF-16 read as text.
fn widened(text: &SigmaString, encoding: Modifier) -> Result<SigmaString, Fault> {
    let mut wide = text.clone();
    for part in &mut wide.parts {
        if let StringPart::Plain(plain) = part {
            *plain = String::from_utf8(utf16(plain, encoding)).map_err(|_| {
                Fault::new(
                    "no text can hold these UTF-16 bytes",
                    "add base64 or base64offset, or use ASCII with `wide`",
                )
            })?;
        }
    }
    Ok(wide)
}

/// Returns what base64 makes of the bytes wherever they begin `shift` bytes into a group of three, without the
/// characters that depend on their neighbours.
fn base64_shifted(bytes: &[u8], shift: usize) -> Option<String> {
    let padded = [&[0; 3][..shift], bytes].concat();
    let encoded = STANDARD.encode(&padded);
    let start = [0, 2, 3].get(shift)?;
    // The last character of an unfinished group depends on what follows, and so does the padding.
    let end = encoded.len() - [0, 3, 2].get(padded.len() % 3)?;
    encoded.get(*start..end).filter(|t| !t.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_offsets_are_in_every_encoding_of_a_longer_text() {
        for word in ["foobar", "IEX", "Get-Item", "ab"] {
            for before in ["", "x", "xy", "xyz"] {
                for after in ["", "1", "12", "123"] {
                    let encoded = STANDARD.encode(format!("{before}{word}{after}"));
                    let any = (0..3).filter_map(|shift| base64_shifted(word.as_bytes(), shift));
                    assert!(any.into_iter().any(|t| encoded.contains(&t)), "{word} in {encoded}");
                }
            }
        }
    }

    #[test]
    fn utf16_has_its_byte_orders() {
        assert_eq!(utf16("aä", Modifier::Wide), [0x61, 0, 0xe4, 0]);
        assert_eq!(utf16("a", Modifier::Utf16be), [0, 0x61]);
        assert_eq!(utf16("a", Modifier::Utf16), [0xff, 0xfe, 0x61, 0]);
    }
}
