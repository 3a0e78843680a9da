use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::EstateError;

/// Largest file in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;
/// Most files of one estate.
pub const FILES_MAX: usize = 1_000;
/// Most folders below each other.
pub const DEPTH_FOLDERS_MAX: usize = 8;

/// One file of an estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path relative to the estate's directory, with `/` between the parts.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Where the lines of a file begin.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(source: &Source) -> Self {
        let breaks = source.text.match_indices('\n').map(|(n, _)| n + 1);
        Self(std::iter::once(0).chain(breaks).collect())
    }

    /// Returns line and column (characters) of a byte offset, both from 1.
    pub(crate) fn position(&self, source: &Source, offset: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|n| self.0.get(n)).copied().unwrap_or(0);
        let before = source.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

/// Reads every `*.toml` below `dir`, sorted by name. Links to folders are not followed.
pub(crate) fn read(dir: &Path) -> (Vec<Source>, Vec<EstateError>) {
    let mut files = Vec::new();
    let mut errors = Vec::new();
    list(dir, "", 0, &mut files, &mut errors);
    files.sort();
    if files.len() > FILES_MAX {
        errors.push(problem("", format!("{} files; at most {FILES_MAX} are read", files.len())));
        files.truncate(FILES_MAX);
    }
    if files.is_empty() && errors.is_empty() {
        errors.push(problem("", "no *.toml file here".to_owned()));
    }
    let mut sources = Vec::new();
    for name in files {
        match read_file(&dir.join(&name)) {
            Ok(text) => sources.push(Source { name, text }),
            Err(why) => errors.push(problem(&name, format!("cannot be read: {why}"))),
        }
    }
    (sources, errors)
}

fn list(dir: &Path, below: &str, depth: usize, files: &mut Vec<String>, errors: &mut Vec<EstateError>) {
    let entries = match fs::read_dir(dir.join(below)) {
        Ok(entries) => entries,
        Err(why) => return errors.push(problem(below, format!("cannot be opened: {why}"))),
    };
    if depth > DEPTH_FOLDERS_MAX {
        return errors.push(problem(below, format!("more than {DEPTH_FOLDERS_MAX} folders deep")));
    }
    for entry in entries.filter_map(Result::ok) {
        let Ok(file_name) = entry.file_name().into_string() else {
            continue;
        };
        let name = if below.is_empty() {
            file_name
        } else {
            format!("{below}/{file_name}")
        };
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            list(dir, &name, depth + 1, files, errors);
        } else if name.ends_with(".toml") && files.len() <= FILES_MAX {
            files.push(name);
        }
    }
}

fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!(
            "larger than {FILE_BYTES_MAX} bytes: split it by topic"
        )));
    }
    Ok(text)
}

fn problem(file: &str, message: String) -> EstateError {
    EstateError {
        file: file.to_owned(),
        line: 0,
        column: 0,
        message,
        remedy: None,
    }
}
