use fancy_regex::{Regex, RegexBuilder};

/// How many steps one match may take before it is given up: patterns with look-around and references back can be exponential.
pub const MATCH_STEPS_MAX: usize = 100_000;
/// How much memory a compiled pattern may take, in bytes.
const PATTERN_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A regular expression in the dialect of Java, on which FHIR's published rules were tried: `.` takes line breaks, `\d`, `\w` and
/// `\s` take ASCII only.
#[derive(Clone)]
pub(super) struct Pattern {
    part: Regex,
    full: Regex,
}

impl Pattern {
    /// Compiles a pattern; nothing if it is none.
    pub fn new(pattern: &str) -> Option<Self> {
        let ascii = ascii_classes(pattern);
        let build = |text: &str| {
            RegexBuilder::new(text)
                .dot_matches_new_line(true)
                .backtrack_limit(MATCH_STEPS_MAX)
                .delegate_size_limit(PATTERN_BYTES_MAX)
                .delegate_dfa_size_limit(PATTERN_BYTES_MAX)
                .build()
                .ok()
        };
        Some(Self {
            part: build(&ascii)?,
            full: build(&format!("^(?:{ascii})$"))?,
        })
    }

    /// Returns whether some part of the text matches; nothing if that took too long.
    pub fn is_in(&self, text: &str) -> Option<bool> {
        self.part.is_match(text).ok()
    }

    /// Returns whether the whole text matches; nothing if that took too long.
    pub fn is_all_of(&self, text: &str) -> Option<bool> {
        self.full.is_match(text).ok()
    }

    /// Replaces each part that matches; nothing if that took too long.
    pub fn replace(&self, text: &str, by: &str) -> Option<String> {
        self.part.try_replacen(text, 0, by).ok().map(|replaced| replaced.into_owned())
    }
}

/// Writes out the classes that mean ASCII in Java and all of Unicode here.
fn ascii_classes(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len() + 16);
    let mut depth = 0_usize;
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c != '\\' {
            written.push(c);
            continue;
        }
        let class = match characters.next() {
            Some('d') => "0-9",
            Some('w') => "a-zA-Z_0-9",
            Some('s') => " \\t\\n\\x0B\\f\\r",
            Some('D') => "^0-9",
            Some('W') => "^a-zA-Z_0-9",
            Some('S') => "^ \\t\\n\\x0B\\f\\r",
            Some(other) => {
                written.push('\\');
                written.push(other);
                continue;
            }
            None => {
                written.push('\\');
                continue;
            }
        };
        if depth > 0 && !class.starts_with('^') {
            written.push_str(class);
        } else {
            written.push('[');
            written.push_str(class);
            written.push(']');
        }
    }
    written
}
