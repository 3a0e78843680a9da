use std::sync::OnceLock;

use memchr::memmem;
use rsigma_parser::{SigmaString, SpecialChar, StringPart};

use crate::sigma::lower::lowered;

/// Where in the value the pattern must lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Anchor {
    Whole,
    Start,
    End,
    Anywhere,
}

impl Anchor {
    fn at_start(self) -> bool {
        matches!(self, Self::Whole | Self::Start)
    }

    fn at_end(self) -> bool {
        matches!(self, Self::Whole | Self::End)
    }
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// These bytes, in lower case unless the pattern is cased.
    Literal(Box<[u8]>),
    /// `?`: one character.
    One,
    /// `*`: any number of characters, line ends too.
    Many,
    /// Any of the five dashes of `windash`.
    Dash,
}

/// What `windash` takes for a dash: `-`, `/`, en dash, em dash, horizontal bar (Sigma modifiers appendix).
const DASHES: [&[u8]; 5] = [b"-", b"/", "–".as_bytes(), "—".as_bytes(), "―".as_bytes()];

/// A Sigma string with its wildcards and where it must lie.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    pub(crate) anchor: Anchor,
    pub(crate) cased: bool,
    pub(crate) tokens: Box<[Token]>,
}

impl Pattern {
    /// Builds the pattern of a string whose wildcards count.
    pub(crate) fn new(text: &SigmaString, anchor: Anchor, cased: bool, windash: bool) -> Self {
        let mut tokens = Vec::new();
        for part in &text.parts {
            match part {
                StringPart::Special(SpecialChar::WildcardMulti) => tokens.push(Token::Many),
                StringPart::Special(SpecialChar::WildcardSingle) => tokens.push(Token::One),
                StringPart::Plain(plain) if windash => push_dashed(plain, cased, &mut tokens),
                StringPart::Plain(plain) => push_literal(plain, cased, &mut tokens),
            }
        }
        Self::from_tokens(tokens, anchor, cased)
    }

    /// Builds the pattern of a text without wildcards.
    pub(crate) fn plain(text: &str, anchor: Anchor, cased: bool) -> Self {
        let mut tokens = Vec::new();
        push_literal(text, cased, &mut tokens);
        Self::from_tokens(tokens, anchor, cased)
    }

    /// Wildcards at the ends are anchors that do not hold.
    fn from_tokens(mut tokens: Vec<Token>, anchor: Anchor, cased: bool) -> Self {
        let (mut start, mut end) = (anchor.at_start(), anchor.at_end());
        while tokens.first() == Some(&Token::Many) {
            tokens.remove(0);
            start = false;
        }
        while tokens.last() == Some(&Token::Many) {
            tokens.pop();
            end = false;
        }
        let anchor = match (start, end) {
            (true, true) => Anchor::Whole,
            (true, false) => Anchor::Start,
            (false, true) => Anchor::End,
            (false, false) => Anchor::Anywhere,
        };
        Self {
            anchor,
            cased,
            tokens: tokens.into(),
        }
    }

    /// Returns the text if there are no wildcards and dashes in it.
    pub(crate) fn literal(&self) -> Option<&[u8]> {
        match &*self.tokens {
            [] => Some(&[]),
            [Token::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Returns all runs of plain text, with whether each must lie at the start and at the end of the value.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&[u8], Anchor)> {
        let last = self.tokens.len().saturating_sub(1);
        self.tokens.iter().enumerate().filter_map(move |(i, token)| {
            let Token::Literal(text) = token else { return None };
            let start = i == 0 && self.anchor.at_start();
            let end = i == last && self.anchor.at_end();
            let anchor = match (start, end) {
                (true, true) => Anchor::Whole,
                (true, false) => Anchor::Start,
                (false, true) => Anchor::End,
                (false, false) => Anchor::Anywhere,
            };
            Some((&**text, anchor))
        })
    }
}

fn push_literal(text: &str, cased: bool, tokens: &mut Vec<Token>) {
    let bytes = if cased { text.as_bytes().into() } else { lowered(text) };
    if bytes.is_empty() {
        return;
    }
    // Two literals in a row come from a dash between them that is none.
    if let Some(Token::Literal(before)) = tokens.last_mut() {
        *before = [&**before, &*bytes].concat().into();
    } else {
        tokens.push(Token::Literal(bytes));
    }
}

/// Every `-` is a dash, and `/` where it begins a flag: not behind, but before a word character.
fn push_dashed(text: &str, cased: bool, tokens: &mut Vec<Token>) {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let slash = c == '/' && !word(text[..at].chars().next_back()) && word(text[at + 1..].chars().next());
        if c == '-' || slash {
            push_literal(&text[from..at], cased, tokens);
            tokens.push(Token::Dash);
            from = at + 1;
        }
    }
    push_literal(&text[from..], cased, tokens);
}

/// A pattern with wildcards, ready to be looked for.
#[derive(Debug)]
pub(crate) struct Glob {
    anchor: Anchor,
    segments: Box<[Segment]>,
}

/// The tokens between two `*`.
#[derive(Debug)]
struct Segment {
    tokens: Box<[Token]>,
    finder: OnceLock<memmem::Finder<'static>>,
}

impl Glob {
    pub(crate) fn new(pattern: &Pattern) -> Self {
        let segments = pattern.tokens.split(|t| *t == Token::Many);
        let segments = segments.filter(|s| !s.is_empty()).map(|tokens| Segment {
            tokens: tokens.into(),
            finder: OnceLock::new(),
        });
        Self {
            anchor: pattern.anchor,
            segments: segments.collect(),
        }
    }

    /// Returns whether the value fits. O(value × longest segment) at worst: each `*` takes the first fit.
    pub(crate) fn fits(&self, value: &[u8]) -> bool {
        let mut at = 0;
        let last = self.segments.len().saturating_sub(1);
        for (i, segment) in self.segments.iter().enumerate() {
            let found = match (i == 0 && self.anchor.at_start(), i == last && self.anchor.at_end()) {
                (true, true) => segment.at(value, 0).filter(|end| *end == value.len()),
                (true, false) => segment.at(value, 0),
                (false, true) => segment.at_end(value, at),
                (false, false) => segment.find(value, at),
            };
            match found {
                Some(end) => at = end,
                None => return false,
            }
        }
        !self.segments.is_empty() || self.anchor != Anchor::Whole || value.is_empty()
    }
}

impl Segment {
    /// Returns the end of the segment if it lies at `at`.
    fn at(&self, value: &[u8], mut at: usize) -> Option<usize> {
        for token in &self.tokens {
            let rest = value.get(at..)?;
            at += match token {
                Token::Literal(text) => rest.starts_with(text).then_some(text.len())?,
                Token::One => character_bytes(rest)?,
                Token::Dash => DASHES.iter().find(|d| rest.starts_with(d))?.len(),
                Token::Many => 0,
            };
        }
        Some(at)
    }

    /// Returns the end of the first fit from `from` on.
    fn find(&self, value: &[u8], from: usize) -> Option<usize> {
        let Some(Token::Literal(first)) = self.tokens.first() else {
            return (from..=value.len())
                .filter(|at| is_boundary(value, *at))
                .find_map(|at| self.at(value, at));
        };
        let finder = self.finder.get_or_init(|| memmem::Finder::new(first).into_owned());
        let mut at = from;
        loop {
            at += finder.find(value.get(at..)?)?;
            if let Some(end) = self.at(value, at) {
                return Some(end);
            }
            at += 1;
        }
    }

    fn at_end(&self, value: &[u8], from: usize) -> Option<usize> {
        // The segment's bytes: at least one per character, at most four where it is not literal.
        let bytes = |one: usize, dash: usize| -> usize {
            let each = self.tokens.iter().map(|token| match token {
                Token::Literal(text) => text.len(),
                Token::One => one,
                Token::Dash => dash,
                Token::Many => 0,
            });
            each.sum()
        };
        let first = value.len().saturating_sub(bytes(4, 3)).max(from);
        let last = value.len().checked_sub(bytes(1, 1))?;
        (first..=last)
            .filter(|at| is_boundary(value, *at))
            .find_map(|at| self.at(value, at).filter(|end| *end == value.len()))
    }
}

/// Returns the length of the first character of UTF-8 text.
fn character_bytes(text: &[u8]) -> Option<usize> {
    text.first()?;
    Some(text.iter().skip(1).take_while(|b| **b & 0xc0 == 0x80).count() + 1)
}

fn is_boundary(value: &[u8], at: usize) -> bool {
    value.get(at).is_none_or(|b| b & 0xc0 != 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigma::lower::lowered;

    fn fits(text: &str, anchor: Anchor, value: &str) -> bool {
        let pattern = Pattern::new(&SigmaString::new(text), anchor, false, false);
        Glob::new(&pattern).fits(&lowered(value))
    }

    #[test]
    fn anchors_and_wildcards() {
        assert!(fits(r"\C$", Anchor::End, r"\\NASHUA\c$"));
        assert!(!fits(r"\C$", Anchor::End, r"\\NASHUA\IPC$"));
        assert!(fits("delete*shadows", Anchor::Anywhere, "vssadmin.exe Delete  Shadows /all"));
        assert!(fits("a?c", Anchor::Start, "abcdef"));
        assert!(!fits("a?c", Anchor::Whole, "abcdef"));
        assert!(fits("*b*b", Anchor::Whole, "abxbxb"));
        assert!(fits("", Anchor::Whole, "") && !fits("", Anchor::Whole, "x"));
        assert!(fits("*", Anchor::Whole, "") && fits("*", Anchor::Whole, "x"));
        assert!(!fits("?", Anchor::Whole, "") && fits("?", Anchor::Whole, "Ä"));
        assert!(fits("a*b", Anchor::Whole, "a\nb"));
        assert!(fits("?ß", Anchor::End, "xÖß") && !fits("??ß", Anchor::Whole, "xÖxß"));
        assert!(!fits("ab*ba", Anchor::Whole, "aba"), "both ends must not share a character");
    }

    #[test]
    fn escapes_are_literal() {
        assert!(fits(r"a\*b", Anchor::Whole, "a*b") && !fits(r"a\*b", Anchor::Whole, "axb"));
        assert!(fits(r"a\\*b", Anchor::Whole, r"a\xxb"));
        assert!(fits(r"c:\temp", Anchor::Whole, r"C:\Temp"));
    }

    #[test]
    fn dashes_stand_for_each_other() {
        let pattern = |text| Pattern::new(&SigmaString::new(text), Anchor::Anywhere, false, true);
        let fits = |text, value| Glob::new(&pattern(text)).fits(&lowered(value));
        for value in ["x -Enc y", "x /enc y", "x –enc y", "x —enc y", "x ―enc y"] {
            assert!(fits(" -enc ", value) && fits(" /enc ", value), "{value}");
        }
        assert!(!fits(" -enc ", "x enc y") && !fits("a/b", "a-b"));
    }
}
