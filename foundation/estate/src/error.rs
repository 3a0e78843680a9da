use std::fmt;
use std::path::PathBuf;

/// One mistake in an estate's files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct EstateError {
    /// File, relative to the estate's directory with `/` between the parts.
    pub file: String,
    /// Line, from 1; 0 if the whole file or directory is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 with line 0.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do, e.g. ``did you mean `directory`?``.
    pub remedy: Option<String>,
}

impl fmt::Display for EstateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message)?,
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message)?,
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

/// Every mistake found in an estate's directory, in order of file and line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EstateErrors {
    /// The directory.
    pub dir: PathBuf,
    /// The mistakes, at most [`crate::ERRORS_MAX`].
    pub errors: Vec<EstateError>,
    /// Mistakes beyond that.
    pub left_out: usize,
}

impl EstateErrors {
    /// Returns how many mistakes there are.
    pub fn count(&self) -> usize {
        self.errors.len() + self.left_out
    }
}

impl fmt::Display for EstateErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.count() == 1 { "" } else { "s" };
        write!(
            f,
            "the estate in `{}` has {} mistake{plural}",
            self.dir.display(),
            self.count()
        )?;
        for error in &self.errors {
            write!(f, "\n{}{error}", self.dir.join("").display())?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for EstateErrors {}
