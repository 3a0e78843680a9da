use super::expression::{PathError, PathErrorKind};

/// A piece of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'t> {
    /// A name, keywords included.
    Name(&'t str),
    /// A name between backticks.
    Quoted(String),
    /// A string.
    Text(String),
    /// A number as written.
    Number(&'t str),
    /// What stands behind `@`.
    Moment(&'t str),
    /// What stands behind `%`.
    Variable(String),
    /// What stands behind `$`.
    Special(&'t str),
    /// An operator or bracket.
    Symbol(&'static str),
    /// The end of the expression.
    End,
}

/// Longest symbols first.
const SYMBOLS: [&str; 25] = [
    "<=", ">=", "!=", "!~", "=", "~", "<", ">", "+", "-", "*", "/", "|", "&", ".", ",", "(", ")", "[", "]", "{", "}", "!", ":",
    ";",
];

/// Splits an expression into tokens and their places in bytes. O(bytes).
pub(super) fn tokens(text: &str) -> Result<Vec<(Token<'_>, usize)>, PathError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip()?;
        let at = lexer.at;
        let token = lexer.token()?;
        let ended = token == Token::End;
        tokens.push((token, at));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn fail(&self, kind: PathErrorKind) -> PathError {
        PathError { kind, at: self.at }
    }

    /// Skips white space and comments.
    fn skip(&mut self) -> Result<(), PathError> {
        loop {
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start().len();
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let end = rest.find("*/").ok_or_else(|| self.fail(PathErrorKind::Unfinished))?;
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token<'t>, PathError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        match first {
            'a'..='z' | 'A'..='Z' | '_' => Ok(Token::Name(self.take(is_name))),
            '0'..='9' => Ok(Token::Number(self.number())),
            '`' => self.quoted('`').map(Token::Quoted),
            '\'' | '"' => self.quoted(first).map(Token::Text),
            '@' => {
                self.at += 1;
                Ok(Token::Moment(self.moment()))
            }
            '$' => {
                self.at += 1;
                Ok(Token::Special(self.take(is_name)))
            }
            '%' => {
                self.at += 1;
                match self.rest().chars().next() {
                    Some(quote @ ('`' | '\'' | '"')) => self.quoted(quote).map(Token::Variable),
                    _ => Ok(Token::Variable(self.take(|c| is_name(c) || c == '-').to_owned())),
                }
            }
            _ => {
                let found = SYMBOLS.iter().find(|s| rest.starts_with(**s));
                let symbol = found.ok_or_else(|| self.fail(PathErrorKind::Unexpected))?;
                self.at += symbol.len();
                Ok(Token::Symbol(symbol))
            }
        }
    }

    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    fn number(&mut self) -> &'t str {
        let rest = self.rest();
        let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(0);
        if rest[length..].starts_with('.') && digits(length + 1) > 0 {
            length += 1 + digits(length + 1);
        }
        self.at += length;
        &rest[..length]
    }

    /// Takes a date or time. Its dots and signs belong to it only where digits follow, so that `@2015.is(Date)` is a call.
    fn moment(&mut self) -> &'t str {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let (mut length, mut in_time, mut in_offset) = (0, false, false);
        while let Some(byte) = bytes.get(length) {
            let belongs = match byte {
                b'0'..=b'9' => true,
                b'T' => !in_time,
                b':' => in_time,
                b'.' => in_time && !in_offset && digit(length + 1),
                b'-' if !in_time => digit(length + 1),
                b'+' | b'-' => in_time && !in_offset && offset_follows(&bytes[length + 1..]),
                b'Z' => in_time && !in_offset && length > 0 && bytes[0] != b'T',
                _ => false,
            };
            if !belongs {
                break;
            }
            in_time |= *byte == b'T';
            in_offset |= in_time && matches!(byte, b'+' | b'-' | b'Z');
            length += 1;
            if *byte == b'Z' {
                break;
            }
        }
        self.at += length;
        &rest[..length]
    }

    fn quoted(&mut self, quote: char) -> Result<String, PathError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.next().ok_or_else(|| self.fail(PathErrorKind::Unfinished))?;
            match c {
                '\\' => text.push(self.escape()?),
                _ if c == quote => return Ok(text),
                _ => text.push(c),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn escape(&mut self) -> Result<char, PathError> {
        let unknown = self.fail(PathErrorKind::Escape);
        match self.next() {
            Some(c @ ('\\' | '/' | '\'' | '"' | '`')) => Ok(c),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => {
                let digits = self.rest().get(..4).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let code = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
                let c = code.and_then(char::from_u32).ok_or(unknown)?;
                self.at += 4;
                Ok(c)
            }
            _ => Err(unknown),
        }
    }
}

/// Whether `hh:mm` comes next.
fn offset_follows(bytes: &[u8]) -> bool {
    matches!(bytes, [a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
