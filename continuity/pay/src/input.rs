use crate::fault::{Defect, FAULTS_MAX, Fault, Field};
use crate::order::{Every, Order};
use crate::{csv, initiation, orders_toml};

/// Longest input in bytes.
pub const INPUT_BYTES_MAX: usize = 256 << 20;

/// One input of standing orders.
pub struct Input<'b> {
    /// Its name, for messages.
    pub name: &'b str,
    /// Its content.
    pub bytes: &'b [u8],
    /// How often the payments of a payment file recur; files of orders say it themselves.
    pub every: Every,
}

/// The orders of all inputs.
#[derive(Default)]
pub struct Orders {
    /// Names of the inputs.
    pub files: Vec<String>,
    /// Those that are sound, in the order of inputs and lines.
    pub orders: Vec<Order>,
    /// What is wrong with the others, the first [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    /// Orders that have faults.
    pub faulty: u64,
}

impl Orders {
    /// Reads an input: pain.001.001.03 or .09 by its first character, TOML by its name, else CSV with a head line.
    /// An order with faults is counted and named, and the rest goes on. O(bytes).
    ///
    /// # Errors
    /// The input as a whole cannot be trusted: its form, a limit, or a control sum that does not fit. Nothing of it is taken.
    pub fn read(&mut self, input: &Input<'_>) -> Result<(), Fault> {
        let text = text(input.name, input.bytes)?;
        let first = text.trim_start().bytes().next();
        let rows = match first {
            Some(b'<') => initiation::rows(input.name, text, input.every)?,
            _ if input.name.ends_with(".toml") => orders_toml::rows(input.name, text)?,
            _ => csv::rows(input.name, text)?,
        };
        let index = self.files.len();
        self.files.push(input.name.to_owned());
        for row in &rows {
            match Order::from_row(row, index, input.name) {
                Ok(order) => self.orders.push(order),
                Err(faults) => {
                    self.faulty += 1;
                    let room = FAULTS_MAX.saturating_sub(self.faults.len());
                    self.faults.extend(faults.into_iter().take(room));
                }
            }
        }
        Ok(())
    }
}

/// Returns an input as text without its byte order mark.
pub(crate) fn text<'b>(file: &str, bytes: &'b [u8]) -> Result<&'b str, Fault> {
    if bytes.len() > INPUT_BYTES_MAX {
        return Err(whole(file, 0, Defect::FileTooLong));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let sound = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + sound.iter().filter(|b| **b == b'\n').count() as u64;
        whole(file, line, Defect::NotUtf8)
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Where the lines of a text end.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub fn of(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Self(ends.map(|(at, _)| at).collect())
    }

    /// The line that an offset is in, from 1. O(log lines).
    pub fn at(&self, offset: usize) -> u64 {
        1 + self.0.partition_point(|end| *end < offset) as u64
    }
}

/// A fault of the file as a whole.
pub(crate) fn whole(file: &str, line: u64, defect: Defect) -> Fault {
    Fault {
        file: file.to_owned(),
        line,
        field: Field::File,
        defect,
    }
}
