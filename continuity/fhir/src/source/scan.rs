use super::NameId;
use super::document::{Stop, Written};
use super::tree::{Span, Tree, is_forbidden};
use crate::IssueKind;

/// What a JSON value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

impl Kind {
    pub fn written(self) -> Written {
        match self {
            Self::Object | Self::Array => Written::JsonObject,
            Self::String => Written::JsonString,
            Self::Number => Written::JsonNumber,
            Self::Bool => Written::JsonBool,
            Self::Null => Written::JsonNull,
        }
    }
}

/// A JSON value and the key it stands under. Tokens stand in the order of the text.
#[derive(Clone, Copy)]
pub(super) struct Token {
    pub kind: Kind,
    /// The value is in the decoded text.
    pub decoded: bool,
    /// The key began with `_`, which is left out of `key`.
    pub shadow: bool,
    pub key: NameId,
    pub key_at: u32,
    pub at: u32,
    /// Text of a scalar; none for objects, arrays and null.
    pub value: Span,
    /// One past the last token within this one.
    pub end: u32,
}

/// Splits a JSON text (RFC 8259) into tokens with their places. O(bytes), depth and number limited.
pub(super) fn scan(source: &str, tree: &mut Tree) -> Result<Vec<Token>, Stop> {
    let mut scanner = Scanner {
        source,
        bytes: source.as_bytes(),
        at: 0,
        tree,
        tokens: Vec::with_capacity(source.len() / 32),
    };
    if source.starts_with('\u{feff}') {
        scanner.tree.note(IssueKind::ByteOrderMark, 0);
        scanner.at = '\u{feff}'.len_utf8();
    }
    let unnamed = scanner.tree.names.intern("");
    scanner.value((unnamed, false, scanner.at), 0)?;
    scanner.skip_space();
    if scanner.at < scanner.bytes.len() {
        return Err((IssueKind::OutsideRoot, scanner.at));
    }
    Ok(scanner.tokens)
}

struct Scanner<'a, 'b> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    tree: &'b mut Tree,
    tokens: Vec<Token>,
}

/// A key without its `_`, whether it had one, and its place.
type Key = (NameId, bool, usize);

impl Scanner<'_, '_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// What to say where something else was expected.
    fn broken(&self) -> Stop {
        let kind = if self.at >= self.bytes.len() {
            IssueKind::Truncated
        } else {
            IssueKind::NotWellFormed
        };
        (kind, self.at)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        self.skip_space();
        if self.peek() != Some(byte) {
            return Err(self.broken());
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a value. Recursion ends at the limit: every FHIR element is at most one object in one array.
    fn value(&mut self, key: Key, depth: usize) -> Result<(), Stop> {
        self.skip_space();
        if self.tokens.len() >= self.tree.limits.elements_max.saturating_mul(2) {
            return Err((IssueKind::TooManyElements, self.at));
        }
        if depth > 2 * self.tree.limits.depth() {
            return Err((IssueKind::TooDeep, self.at));
        }
        let index = self.tokens.len();
        self.tokens.push(Token {
            kind: Kind::Null,
            decoded: false,
            shadow: key.1,
            key: key.0,
            key_at: key.2 as u32,
            at: self.at as u32,
            value: Span::default(),
            end: 0,
        });
        let (kind, value, decoded) = match self.peek() {
            Some(b'{') => (self.object(depth)?, Span::default(), false),
            Some(b'[') => (self.array(depth)?, Span::default(), false),
            Some(b'"') => {
                let (value, decoded) = self.string()?;
                (Kind::String, value, decoded)
            }
            Some(b't') => (Kind::Bool, self.word("true")?, false),
            Some(b'f') => (Kind::Bool, self.word("false")?, false),
            Some(b'n') => {
                self.word("null")?;
                (Kind::Null, Span::default(), false)
            }
            Some(b'-' | b'0'..=b'9') => (Kind::Number, self.number()?, false),
            _ => return Err(self.broken()),
        };
        let end = self.tokens.len() as u32;
        let token = &mut self.tokens[index];
        (token.kind, token.value, token.decoded, token.end) = (kind, value, decoded, end);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<Kind, Stop> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Kind::Object);
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.broken());
            }
            let key = self.key()?;
            self.expect(b':')?;
            self.value(key, depth + 1)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Kind::Object);
                }
                _ => return Err(self.broken()),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Kind, Stop> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Kind::Array);
        }
        let unnamed = self.tree.names.intern("");
        loop {
            self.value((unnamed, false, self.at), depth + 1)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Kind::Array);
                }
                _ => return Err(self.broken()),
            }
        }
    }

    fn key(&mut self) -> Result<Key, Stop> {
        let at = self.at;
        let (span, decoded) = self.string()?;
        let range = span.start().unwrap_or_default()..span.end();
        let owned;
        let text = if decoded {
            owned = self.tree.decoded.get(range).unwrap_or_default().to_owned();
            &owned
        } else {
            self.source.get(range).unwrap_or_default()
        };
        let name = text.strip_prefix('_').unwrap_or(text);
        Ok((self.tree.names.intern(name), name.len() < text.len(), at))
    }

    /// Reads a string: a range of the source, or of the decoded text if it has escapes.
    fn string(&mut self) -> Result<(Span, bool), Stop> {
        let begin = self.at;
        self.at += 1;
        let start = self.at;
        let mut plain = start;
        let kept = self.tree.decoded.len();
        loop {
            match self.peek() {
                None => return Err((IssueKind::Truncated, self.bytes.len())),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.tree
                        .decoded
                        .push_str(self.source.get(plain..self.at).unwrap_or_default());
                    self.escape()?;
                    plain = self.at;
                }
                Some(0..0x20) => return Err((IssueKind::BadCharacter, self.at)),
                Some(_) => self.at += 1,
            }
        }
        if self.at - start > self.tree.limits.data_bytes_max {
            return Err((IssueKind::DataTooLong, begin));
        }
        let end = self.at;
        self.at += 1;
        if plain == start {
            return Ok((Span::new(start, end - start), false));
        }
        self.tree.decoded.push_str(self.source.get(plain..end).unwrap_or_default());
        Ok((Span::new(kept, self.tree.decoded.len() - kept), true))
    }

    fn escape(&mut self) -> Result<(), Stop> {
        let at = self.at;
        let letter = self.bytes.get(at + 1).copied().ok_or((IssueKind::Truncated, at))?;
        self.at += 2;
        let c = match letter {
            b'"' | b'\\' | b'/' => letter as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode(at)?,
            _ => return Err((IssueKind::NotWellFormed, at)),
        };
        if is_forbidden(c) {
            self.tree.note(IssueKind::BadCharacter, at);
        }
        self.tree.decoded.push(c);
        Ok(())
    }

    /// Reads four hexadecimal digits, and four more if they are the first half of a pair.
    fn unicode(&mut self, at: usize) -> Result<char, Stop> {
        let first = self.hex(at)?;
        let code = if (0xD800..0xDC00).contains(&first) {
            if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                return Err((IssueKind::BadCharacter, at));
            }
            self.at += 2;
            let second = self.hex(at)?;
            if !(0xDC00..0xE000).contains(&second) {
                return Err((IssueKind::BadCharacter, at));
            }
            0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
        } else {
            first
        };
        char::from_u32(code).ok_or((IssueKind::BadCharacter, at))
    }

    fn hex(&mut self, at: usize) -> Result<u32, Stop> {
        let digits = self.source.get(self.at..self.at + 4).ok_or((IssueKind::NotWellFormed, at))?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err((IssueKind::NotWellFormed, at));
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| (IssueKind::NotWellFormed, at))
    }

    fn word(&mut self, word: &str) -> Result<Span, Stop> {
        let start = self.at;
        if !self.bytes[start..].starts_with(word.as_bytes()) {
            let whole = self.bytes[start..].iter().all(u8::is_ascii_alphabetic);
            let kind = if whole {
                IssueKind::Truncated
            } else {
                IssueKind::NotWellFormed
            };
            return Err((kind, start));
        }
        self.at += word.len();
        Ok(Span::new(start, word.len()))
    }

    fn number(&mut self) -> Result<Span, Stop> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Span::new(start, self.at - start))
    }

    fn digits(&mut self) -> Result<(), Stop> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.broken());
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }
}
