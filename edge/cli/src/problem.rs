use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

/// What went wrong, as the operator needs it: a code to look up, what, why, and what to do now.
#[derive(Debug)]
pub struct Problem {
    /// Stable code, listed in `docs/errors.md`.
    pub code: &'static str,
    /// One line.
    pub summary: String,
    /// The chain of causes.
    pub detail: Vec<String>,
    /// What can be done; each hint can be acted on.
    pub hints: Vec<String>,
}

impl Problem {
    /// Builds a problem; the error's chain of sources becomes the detail.
    pub fn new(code: &'static str, summary: impl Into<String>, error: &dyn Error) -> Self {
        let mut detail = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            detail.push(cause.to_string());
            source = cause.source();
        }
        Self {
            code,
            summary: summary.into(),
            detail,
            hints: Vec::new(),
        }
    }

    /// Builds a problem that has no underlying error.
    pub fn plain(code: &'static str, summary: impl Into<String>) -> Self {
        Self {
            code,
            summary: summary.into(),
            detail: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Prints the problem to stderr.
    #[expect(clippy::print_stderr, reason = "the command line talks to people on stderr")]
    pub fn print(&self) {
        let mut text = format!("error[{}]: {}\n", self.code, self.summary);
        for line in &self.detail {
            let _ = writeln!(text, "  because: {line}");
        }
        for hint in &self.hints {
            let _ = writeln!(text, "  try: {hint}");
        }
        eprint!("{text}");
    }

    /// Returns exit code 2: the work could not be done. (1 means: done, and the answer is no.)
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(2)
    }
}
