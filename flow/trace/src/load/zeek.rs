use std::path::Path;

use leckwehr_incident::Timestamp;

use super::account::Refusal;
use super::csv::each_line;
use super::error::LoadError;
use super::gather::{Gather, Given, Node};

/// Reads a log in Zeek's own format (tab-separated, with `#fields`); connections are contacts, other streams are not.
///
/// A connection that nobody answered touches nobody. The header may come again, as in logs that were put together.
pub(super) fn read_file(gather: &mut Gather<'_>, path: &Path) -> Result<(), LoadError> {
    gather.begin(&path.display().to_string());
    let mut header = Header::default();
    each_line(path, &mut |number, line| {
        let text = line.and_then(|line| std::str::from_utf8(line).map_err(|_| Refusal::Encoding));
        match text {
            Err(reason) => gather.refuse(reason, number, 1),
            Ok(text) if text.trim().is_empty() => gather.beside(1),
            Ok(text) if text.starts_with('#') => {
                header.read(text);
                gather.beside(1);
            }
            Ok(_) if header.is_other => gather.beside(1),
            Ok(text) => match header.given(text.trim_end_matches('\r')) {
                None => gather.refuse(Refusal::Fields, number, 1),
                Some((_, true)) => gather.beside(1),
                Some((given, false)) => gather.take(number, &given),
            },
        }
        Ok(())
    })
}

#[derive(Default)]
struct Header {
    all: usize,
    ts: Option<usize>,
    from: Option<usize>,
    to: Option<usize>,
    duration: Option<usize>,
    answer: Option<usize>,
    /// The stream is not `conn`.
    is_other: bool,
}

impl Header {
    fn read(&mut self, line: &str) {
        let mut words = line.split('\t');
        match words.next() {
            Some("#path") => self.is_other = words.next() != Some("conn"),
            Some("#fields") => {
                let names: Vec<&str> = words.collect();
                let find = |name: &str| names.iter().position(|n| *n == name);
                *self = Self {
                    all: names.len(),
                    ts: find("ts"),
                    from: find("id.orig_h"),
                    to: find("id.resp_h"),
                    duration: find("duration"),
                    answer: find("resp_bytes"),
                    is_other: self.is_other,
                };
            }
            _ => {}
        }
    }

    /// Returns the contact, and whether nobody answered.
    fn given<'l>(&self, line: &'l str) -> Option<(Given<'l>, bool)> {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() != self.all {
            return None;
        }
        let get = |column: Option<usize>| column.and_then(|c| fields.get(c)).copied().filter(|f| *f != "-");
        let (from, to) = (self.from?, self.to?);
        let given = Given {
            at: get(self.ts).and_then(time),
            from: Node::Text(get(Some(from)).unwrap_or("")),
            to: Node::Text(get(Some(to)).unwrap_or("")),
            account: "",
            by: "",
            took_ns: if get(self.duration).is_some_and(|d| d.starts_with('-')) {
                -1
            } else {
                0
            },
        };
        Some((given, get(self.answer) == Some("0")))
    }
}

/// Reads `ts`: seconds since 1970 with a fraction.
fn time(text: &str) -> Option<i64> {
    let seconds: f64 = text.parse().ok()?;
    (seconds.is_finite() && seconds.abs() < 9.2e9).then(|| Timestamp::from_unix_seconds(seconds).0)
}
