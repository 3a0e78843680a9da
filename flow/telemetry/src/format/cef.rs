//! ArcSight Common Event Format (CEF 0 and 1, revision 26) and IBM's Log Event Extended Format (LEEF 1.0 and 2.0).

/// Pairs read of one extension; a record with more keeps the rest unread in its message.
pub const PAIRS_MAX: usize = 512;

/// The header of a CEF or LEEF record, its texts as they stand: see [`unescape_header`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cef<'a> {
    /// Which of the two.
    pub dialect: Dialect,
    /// Device Vendor.
    pub vendor: &'a str,
    /// Device Product.
    pub product: &'a str,
    /// Device Version.
    pub version: &'a str,
    /// Device Event Class ID, or LEEF's EventID.
    pub class: &'a str,
    /// Name; LEEF has none.
    pub name: &'a str,
    /// Severity, 0 to 10 or a word; LEEF has it among its attributes (`sev`).
    pub severity: &'a str,
    /// The pairs.
    pub extension: &'a str,
}

/// How the pairs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `key=value key=value`, escaped.
    Cef,
    /// Pairs with this character between them.
    Leef(char),
}

/// Why a record that starts as CEF is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CefError {
    /// Fewer than the demanded header fields.
    #[error("the CEF header ends early: 7 fields with | behind each are needed")]
    Header,
}

impl<'a> Cef<'a> {
    /// Returns whether the message is CEF or LEEF.
    pub fn is(message: &str) -> bool {
        prefix(message).is_some()
    }

    /// Reads a record. The header's fields may be empty; the extension is read by [`Cef::pairs`]. O(length).
    pub fn parse(message: &'a str) -> Result<Self, CefError> {
        let (is_cef, rest) = prefix(message).ok_or(CefError::Header)?;
        let (layout, mut rest) = header_field(rest).ok_or(CefError::Header)?;
        let mut fields = [""; 6];
        let wanted = if is_cef { 6 } else { 4 };
        for (i, slot) in fields.iter_mut().take(wanted).enumerate() {
            (*slot, rest) = match header_field(rest) {
                Some(found) => found,
                // Some devices leave the bar behind the severity away when there is no extension.
                None if is_cef && i + 1 == wanted => (rest, ""),
                None => return Err(CefError::Header),
            };
        }
        let [vendor, product, version, class, name, severity] = fields;
        let dialect = if is_cef {
            Dialect::Cef
        } else {
            let (delimiter, behind) = leef_delimiter(layout, rest);
            rest = behind;
            Dialect::Leef(delimiter)
        };
        Ok(Self {
            dialect,
            vendor,
            product,
            version,
            class,
            name,
            severity,
            extension: rest.trim_matches([' ', '\r', '\n', '\t']),
        })
    }

    /// Iterates over the pairs of the extension: key, and value as it stands ([`unescape_value`]).
    pub fn pairs(&self) -> Pairs<'a> {
        Pairs {
            rest: self.extension,
            dialect: self.dialect,
            left: PAIRS_MAX,
        }
    }
}

/// The pairs of an extension.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: &'a str,
    dialect: Dialect,
    left: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match self.dialect {
            Dialect::Cef => self.next_cef(),
            Dialect::Leef(delimiter) => loop {
                let (pair, rest) = self.rest.split_once(delimiter).unwrap_or((self.rest, ""));
                if pair.is_empty() && rest.is_empty() {
                    return None;
                }
                self.rest = rest;
                if let Some((key, value)) = pair.split_once('=') {
                    return Some((key.trim(), value));
                }
            },
        }
    }
}

impl<'a> Pairs<'a> {
    /// A value reaches to the last blank before the next `key=`; an escaped `\=` starts no key, and neither does an equals
    /// sign behind something that cannot be a key.
    fn next_cef(&mut self) -> Option<(&'a str, &'a str)> {
        let start = next_key(self.rest, 0)?;
        let (key, value) = (self.rest.get(start.clone())?, self.rest.get(start.end + 1..)?);
        match next_key(value, 1) {
            Some(next) => {
                self.rest = value.get(next.start..)?;
                Some((key, value.get(..next.start)?.trim_end_matches(' ')))
            }
            None => {
                self.rest = "";
                Some((key, value))
            }
        }
    }
}

/// Finds the next `key` that an unescaped `=` follows; the key starts at `from` 0 or behind a blank. O(distance).
fn next_key(text: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let (mut escaped, mut start) = (false, (from == 0).then_some(0));
    for (i, &b) in bytes.iter().enumerate() {
        match b {
            _ if escaped => (escaped, start) = (false, None),
            b'\\' => (escaped, start) = (true, None),
            b' ' | b'\t' => start = Some(i + 1),
            b'=' => {
                if let Some(key) = start.take().filter(|key| *key < i) {
                    return Some(key..i);
                }
            }
            b if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'[' | b']' | b',' | b':') => {}
            _ => start = None,
        }
    }
    None
}

fn prefix(message: &str) -> Option<(bool, &str)> {
    let rest = message.trim_start();
    let found = |name: &str| rest.strip_prefix(name).map(str::trim_start);
    let starts = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_digit());
    match found("CEF:").filter(starts) {
        Some(rest) => Some((true, rest)),
        None => found("LEEF:").filter(starts).map(|rest| (false, rest)),
    }
}

/// Reads up to the next bar that no backslash escapes.
fn header_field(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.bytes().position(|b| {
        let ends = b == b'|' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// LEEF 2.0 names its delimiter in a fifth field, as itself or as `0x09`, `x09`; LEEF 1.0 uses a tab.
fn leef_delimiter<'a>(layout: &str, rest: &'a str) -> (char, &'a str) {
    let named = layout.starts_with('2').then(|| rest.split_once('|')).flatten();
    let Some((name, behind)) = named.filter(|(name, _)| name.len() <= 8 && !name.contains('=')) else {
        return ('\t', rest);
    };
    let hex = name
        .strip_prefix("0x")
        .or_else(|| name.strip_prefix('x'))
        .filter(|h| !h.is_empty());
    let code = hex.and_then(|h| u32::from_str_radix(h, 16).ok()).and_then(char::from_u32);
    let delimiter = code.or_else(|| name.chars().next()).unwrap_or('\t');
    (delimiter, behind)
}

/// Undoes the header's escapes (`\|`, `\\`) into `into`.
pub fn unescape_header(text: &str, into: &mut String) {
    unescape(text, into, |c| matches!(c, '|' | '\\').then_some(c));
}

/// Undoes the escapes of a value (`\=`, `\\`, `\n`, `\r`, and `\|`, which many devices write) into `into`.
pub fn unescape_value(text: &str, into: &mut String) {
    unescape(text, into, |c| match c {
        '=' | '\\' | '|' => Some(c),
        'n' => Some('\n'),
        'r' => Some('\r'),
        _ => None,
    });
}

/// A backslash before anything else stays: paths of Windows are often written unescaped.
fn unescape(text: &str, into: &mut String, known: impl Fn(char) -> Option<char>) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let plain = if c == '\\' {
            chars.peek().copied().and_then(&known)
        } else {
            None
        };
        into.push(plain.unwrap_or(c));
        if plain.is_some() {
            chars.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(message: &str) -> Vec<(String, String)> {
        let plain = |value: &str| {
            let mut text = String::new();
            unescape_value(value, &mut text);
            text
        };
        let cef = Cef::parse(message).unwrap();
        cef.pairs().map(|(k, v)| (k.to_owned(), plain(v))).collect()
    }

    fn is(message: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(pairs(message), expected, "{message}");
    }

    #[test]
    fn headers_are_split_at_bars_that_are_not_escaped() {
        let cef = Cef::parse(r"CEF:0|a\|b|c\\|1.0|100|name \| x|10|src=10.0.0.1").unwrap();
        let mut vendor = String::new();
        unescape_header(cef.vendor, &mut vendor);
        assert_eq!((vendor.as_str(), cef.product, cef.severity), ("a|b", r"c\\", "10"));
        assert_eq!(Cef::parse("CEF:0|v|p|1|2|n|3").unwrap().severity, "3");
        assert_eq!(Cef::parse("CEF:0|v|p|1|2|n"), Err(CefError::Header));
        assert_eq!(Cef::parse("CEF:0"), Err(CefError::Header));
    }

    #[test]
    fn values_keep_blanks_and_escaped_signs() {
        is(
            r"CEF:0|v|p|1|2|n|3|src=10.0.0.1 act=blocked a \= dst=1.1.1.1 msg=two words  and more",
            &[
                ("src", "10.0.0.1"),
                ("act", "blocked a ="),
                ("dst", "1.1.1.1"),
                ("msg", "two words  and more"),
            ],
        );
        is(
            r"CEF:0|v|p|1|2|n|3|request=http://h/?a=b&c\=d fname=C:\temp\new.txt",
            &[("request", "http://h/?a=b&c=d"), ("fname", "C:\\temp\new.txt")],
        );
        is(
            r"CEF:0|v|p|1|2|n|3|msg=line\nnext cs1Label=Rule Name cs1=",
            &[("msg", "line\nnext"), ("cs1Label", "Rule Name"), ("cs1", "")],
        );
        is("CEF:0|v|p|1|2|n|3|", &[]);
        is("CEF:0|v|p|1|2|n|3|no pairs at all", &[]);
    }

    #[test]
    fn both_versions_of_leef_are_read() {
        is(
            "LEEF:1.0|v|p|1|evt|src=10.0.0.1\tmsg=a = b\t\tdst=x",
            &[("src", "10.0.0.1"), ("msg", "a = b"), ("dst", "x")],
        );
        is("LEEF:2.0|v|p|1|evt|^|src=1^dst=2", &[("src", "1"), ("dst", "2")]);
        is("LEEF:2.0|v|p|1|evt|0x7c|src=1|dst=2", &[("src", "1"), ("dst", "2")]);
        is("LEEF:2.0|v|p|1|evt|src=1\tdst=2", &[("src", "1"), ("dst", "2")]);
    }
}
