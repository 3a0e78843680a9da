use rsigma_parser::{SigmaString, SpecialChar, StringPart};

/// A Sigma string with its wildcards; compared without regard to case unless it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    tokens: Vec<Token>,
    cased: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Any,
}

/// Where in the value the pattern must lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Whole,
    Start,
    End,
    Anywhere,
}

impl Pattern {
    pub(crate) fn new(text: &SigmaString, anchor: Anchor, cased: bool) -> Self {
        let mut tokens = Vec::new();
        if matches!(anchor, Anchor::End | Anchor::Anywhere) {
            tokens.push(Token::Any);
        }
        for part in &text.parts {
            match part {
                StringPart::Special(SpecialChar::WildcardMulti) => tokens.push(Token::Any),
                StringPart::Special(SpecialChar::WildcardSingle) => tokens.push(Token::One),
                StringPart::Plain(plain) if cased => tokens.extend(plain.chars().map(Token::Char)),
                StringPart::Plain(plain) => tokens.extend(plain.chars().flat_map(char::to_lowercase).map(Token::Char)),
            }
        }
        if matches!(anchor, Anchor::Start | Anchor::Anywhere) {
            tokens.push(Token::Any);
        }
        Self { tokens, cased }
    }

    /// Returns whether the whole value fits. Blanks at its ends do not count, as real records have them.
    /// O(value × pattern) at worst, linear in practice.
    pub(crate) fn fits(&self, value: &str) -> bool {
        let value = value.trim();
        if self.cased {
            self.fits_chars(&value.chars().collect::<Vec<_>>())
        } else {
            self.fits_chars(&value.chars().flat_map(char::to_lowercase).collect::<Vec<_>>())
        }
    }

    fn fits_chars(&self, value: &[char]) -> bool {
        let (mut v, mut t) = (0, 0);
        // After the last `*`: the token behind it, and where in the value it is tried next.
        let mut retry: Option<(usize, usize)> = None;
        while v < value.len() {
            let matched = match self.tokens.get(t) {
                Some(Token::Any) => {
                    retry = Some((t + 1, v));
                    t += 1;
                    continue;
                }
                Some(Token::One) => true,
                Some(Token::Char(c)) => *c == value[v],
                None => false,
            };
            if matched {
                (v, t) = (v + 1, t + 1);
            } else if let Some((token, at)) = retry {
                retry = Some((token, at + 1));
                (v, t) = (at + 1, token);
            } else {
                return false;
            }
        }
        self.tokens[t..].iter().all(|t| *t == Token::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, anchor: Anchor, value: &str) -> bool {
        Pattern::new(&SigmaString::new(pattern), anchor, false).fits(value)
    }

    #[test]
    fn anchors_and_wildcards() {
        assert!(fits("NtLmSsp", Anchor::Whole, "ntlmssp "));
        assert!(fits(r"\C$", Anchor::End, r"\\NASHUA\c$"));
        assert!(!fits(r"\C$", Anchor::End, r"\\NASHUA\IPC$"));
        assert!(fits("delete*shadows", Anchor::Anywhere, "vssadmin.exe Delete  Shadows /all"));
        assert!(fits("a?c", Anchor::Start, "abcdef"));
        assert!(!fits("a?c", Anchor::Whole, "abcdef"));
        assert!(fits("*b*b", Anchor::Whole, "abxbxb"));
        assert!(fits("", Anchor::Whole, ""));
    }
}
