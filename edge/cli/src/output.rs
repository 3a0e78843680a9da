//! What verbs print: data on stdout, talk on stderr, tables for people, JSON lines for programs.

use std::io::{BufWriter, ErrorKind, IsTerminal as _, StdoutLock, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use leckwehr_publish::Language;

use crate::problem::Problem;

/// Characters of one cell of a table; what is longer is cut.
const CELL_CHARS_MAX: usize = 80;

/// Language of what is said to people.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub enum Tongue {
    /// German.
    De,
    /// English.
    #[default]
    En,
}

impl Tongue {
    /// Returns the language.
    pub fn language(self) -> Language {
        match self {
            Self::De => Language::De,
            Self::En => Language::En,
        }
    }
}

/// Standard output, buffered. A reader that has seen enough (`| head`) is no error.
pub struct Out {
    out: BufWriter<StdoutLock<'static>>,
    gone: bool,
}

impl Out {
    /// Takes standard output.
    pub fn new() -> Self {
        Self {
            out: BufWriter::with_capacity(1 << 16, std::io::stdout().lock()),
            gone: false,
        }
    }

    /// Writes text as it is, without what a terminal would obey: telemetry may carry control characters.
    pub fn text(&mut self, text: &str) -> Result<(), Problem> {
        let plain: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
        self.bytes(plain.as_bytes())
    }

    /// Writes bytes as they are, to be read by programs; on a terminal without what it would obey.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if std::io::stdout().is_terminal() {
            return self.text(&(String::from_utf8_lossy(bytes).into_owned() + "\n"));
        }
        self.bytes(bytes)?;
        self.bytes(b"\n")
    }

    /// Writes one JSON line.
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Problem> {
        let mut line = serde_json::to_vec(value).map_err(|e| Problem::new("LW-CLI-001", "the answer cannot be written", &e))?;
        line.push(b'\n');
        self.bytes(&line)
    }

    /// Hands on what is buffered.
    pub fn flush(&mut self) -> Result<(), Problem> {
        let outcome = self.out.flush();
        self.judge(outcome)
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if self.gone {
            return Ok(());
        }
        let outcome = self.out.write_all(bytes);
        self.judge(outcome)
    }

    fn judge(&mut self, outcome: std::io::Result<()>) -> Result<(), Problem> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.gone = true,
            Err(error) => return Err(Problem::new("LW-CLI-001", "cannot write to stdout", &error)),
            Ok(()) => {}
        }
        Ok(())
    }
}

/// Says something to people, on stderr.
#[expect(clippy::print_stderr, reason = "the command line talks to people on stderr")]
pub fn say(text: &str) {
    let plain: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    eprintln!("{plain}");
}

/// Draws a table: the first row is its head; columns are as wide as their widest cell, the last one as it is.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cut = |cell: &String| -> String {
        let plain: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match plain.char_indices().nth(CELL_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &plain[..end]),
            None => plain,
        }
    };
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(cut).collect()).collect();
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Numbers stand at the right of their column.
            let is_number = !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '%' | ' '));
            let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
            line.push_str("  ");
            line.push_str(&if is_number { fill + cell } else { cell.clone() + &fill });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A bar on a terminal, nothing elsewhere.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
