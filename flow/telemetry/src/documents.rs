use std::io::{self, BufRead};

/// Cuts a text of JSON objects that are not one per line: indented ones behind one another, or the items of an array.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// The object found last, at most so many bytes of it as the limit says.
    pub bytes: Vec<u8>,
    /// Bytes of the source that were passed over before it, and that it has itself.
    pub skipped: u64,
    pub length: u64,
}

/// What [`Documents::read`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// An object, or the beginning of one that the source ends within.
    Object,
    /// An object that is longer than the limit.
    TooLong,
    /// A line that begins where an object should.
    Other,
    End,
}

impl Documents {
    /// Returns whether a text that begins so is of this kind.
    pub fn is(beginning: &[u8]) -> bool {
        let text = beginning
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(beginning)
            .trim_ascii_start();
        match text {
            [b'[', rest @ ..] => rest.trim_ascii_start().starts_with(b"{"),
            [b'{', rest @ ..] => {
                let first = rest.split(|b| *b == b'\n').next().unwrap_or(&[]);
                first.len() < rest.len() && first.trim_ascii().is_empty()
            }
            _ => false,
        }
    }

    /// Finds the next object.
    ///
    /// # Errors
    /// When the source stops being readable.
    pub fn read(&mut self, source: &mut dyn BufRead, bytes_max: usize) -> io::Result<Found> {
        self.bytes.clear();
        (self.skipped, self.length) = (0, 0);
        let mut scan = Scan::default();
        loop {
            let available = source.fill_buf()?;
            if available.is_empty() {
                return Ok(if self.length == 0 {
                    Found::End
                } else {
                    scan.found(self.bytes.len() > bytes_max)
                });
            }
            let mut used = 0;
            let mut is_done = false;
            for byte in available {
                if self.length == 0 && matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' | 0xef | 0xbb | 0xbf) {
                    (self.skipped, used) = (self.skipped + 1, used + 1);
                    continue;
                }
                // A long object that does not end may have swallowed others: one at the beginning of a line is looked at.
                if self.bytes.len() > bytes_max && scan.is_line_begun && *byte == b'{' {
                    is_done = true;
                    break;
                }
                (self.length, used) = (self.length + 1, used + 1);
                if self.bytes.len() <= bytes_max {
                    self.bytes.push(*byte);
                }
                if scan.take(*byte, self.length == 1) {
                    is_done = true;
                    break;
                }
            }
            source.consume(used);
            if is_done {
                let is_too_long = self.bytes.len() > bytes_max;
                self.bytes.truncate(bytes_max);
                return Ok(scan.found(is_too_long));
            }
        }
    }
}

#[derive(Debug, Default)]
struct Scan {
    depth: u64,
    is_object: bool,
    is_in_text: bool,
    is_escaped: bool,
    is_line_begun: bool,
}

impl Scan {
    /// Looks at a byte; returns whether the piece ends with it.
    fn take(&mut self, byte: u8, is_first: bool) -> bool {
        if is_first {
            self.is_object = byte == b'{';
        }
        self.is_line_begun = byte == b'\n';
        if !self.is_object {
            return byte == b'\n';
        }
        if self.is_in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_text = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.is_in_text = true,
            b'{' => self.depth += 1,
            b'}' => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }

    fn found(&self, is_too_long: bool) -> Found {
        match (self.is_object, is_too_long) {
            (false, _) => Found::Other,
            (true, true) => Found::TooLong,
            (true, false) => Found::Object,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, bytes_max: usize) -> Vec<(Found, String, u64)> {
        let (mut documents, mut source, mut at, mut all) = (Documents::default(), text.as_bytes(), 0, Vec::new());
        loop {
            match documents.read(&mut source, bytes_max).unwrap() {
                Found::End => return all,
                found => {
                    let text = String::from_utf8(documents.bytes.clone()).unwrap();
                    all.push((found, text, at + documents.skipped));
                    at += documents.skipped + documents.length;
                }
            }
        }
    }

    #[test]
    fn texts_of_objects_are_known_from_lines() {
        for (text, is) in [
            ("{\n  \"a\": 1\n}", true),
            ("\u{feff}{\r\n", true),
            ("[ {\"a\":1},", true),
            ("{\"a\":1}\n{", false),
            ("{", false),
            ("[2023-04-25] error", false),
            ("[]", false),
        ] {
            assert_eq!(Documents::is(text.as_bytes()), is, "{text:?}");
        }
    }

    #[test]
    fn objects_are_cut_where_their_braces_close() {
        let text = "[{\"a\":\"}\\\"{\"},\n {\"b\":{\"c\":1}}\n]\nnoise\n{\n}{\"cut\":";
        let found = found(text, 100);
        let shown: Vec<_> = found.iter().map(|(found, text, _)| (*found, text.as_str())).collect();
        assert_eq!(
            shown,
            [
                (Found::Object, "{\"a\":\"}\\\"{\"}"),
                (Found::Object, "{\"b\":{\"c\":1}}"),
                (Found::Other, "noise\n"),
                (Found::Object, "{\n}"),
                (Found::Object, "{\"cut\":"),
            ]
        );
        for (_, piece, at) in found {
            assert!(text[at as usize..].starts_with(&piece));
        }
    }

    #[test]
    fn an_object_that_does_not_end_swallows_no_more_than_the_limit_and_its_line() {
        let text = format!("{{\"a\":\"{}\n{{\"b\":1}}", "x".repeat(60));
        let found = found(&text, 20);
        assert_eq!((found[0].0, found[0].1.len()), (Found::TooLong, 20));
        assert_eq!((found[1].0, found[1].1.as_str()), (Found::Object, "{\"b\":1}"));
    }
}
