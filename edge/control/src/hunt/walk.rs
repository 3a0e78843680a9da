use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use crate::hunt::HuntError;

/// Files of one hunt.
pub const HUNT_FILES_MAX: usize = 500_000;
/// Folders below one another that are walked.
const FOLDERS_DEEP_MAX: usize = 64;

/// A file to be read.
#[derive(Debug, Clone)]
pub(crate) struct InputFile {
    pub path: PathBuf,
    pub bytes: u64,
}

/// What was found below the paths.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub files: Vec<InputFile>,
    /// What could not be looked at, with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// What lies below paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TelemetryFiles {
    /// Every file once, in the order of the paths and then of names.
    pub files: Vec<PathBuf>,
    /// What could not be looked at, with the reason.
    pub unreadable: Vec<(String, String)>,
}

impl TelemetryFiles {
    /// Finds every file below the paths.
    ///
    /// # Errors
    /// When a path is not there, there is no file, or there are more than [`HUNT_FILES_MAX`].
    pub fn find(paths: &[PathBuf]) -> Result<Self, HuntError> {
        let Files { files, unreadable } = files(paths)?;
        Ok(Self {
            files: files.into_iter().map(|file| file.path).collect(),
            unreadable,
        })
    }
}

/// Finds every file below the paths, in the order of the paths and then of names; each once. Links to folders are not followed.
pub(crate) fn files(paths: &[PathBuf]) -> Result<Files, HuntError> {
    let mut found = Files::default();
    let mut known = BTreeSet::new();
    for path in paths {
        let named = |source| HuntError::Path {
            path: path.clone(),
            source,
        };
        std::fs::metadata(path).map_err(named)?;
        walk(path, 0, &mut known, &mut found)?;
    }
    match found.files.is_empty() && found.unreadable.is_empty() {
        true => Err(HuntError::NoFile),
        false => Ok(found),
    }
}

fn walk(path: &Path, deep: usize, known: &mut BTreeSet<PathBuf>, found: &mut Files) -> Result<(), HuntError> {
    if let Err(error) = look(path, deep, known, found) {
        match error {
            Looked::Io(error) => found.unreadable.push((path.display().to_string(), error.to_string())),
            Looked::Stop(error) => return Err(error),
        }
    }
    Ok(())
}

enum Looked {
    Io(io::Error),
    Stop(HuntError),
}

impl From<io::Error> for Looked {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn look(path: &Path, deep: usize, known: &mut BTreeSet<PathBuf>, found: &mut Files) -> Result<(), Looked> {
    let meta = std::fs::metadata(path)?;
    if meta.is_dir() {
        if deep > FOLDERS_DEEP_MAX {
            return Err(io::Error::other(format!("folders nested more than {FOLDERS_DEEP_MAX} deep")).into());
        }
        if deep > 0 && path.is_symlink() {
            return Ok(());
        }
        let entries: Result<BTreeSet<PathBuf>, io::Error> = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect();
        for entry in entries? {
            walk(&entry, deep + 1, known, found).map_err(Looked::Stop)?;
        }
        return Ok(());
    }
    // A pipe has no end that can be told beforehand and no other name; it is read once.
    if meta.is_file() && !known.insert(path.canonicalize()?) {
        return Ok(());
    }
    if found.files.len() >= HUNT_FILES_MAX {
        return Err(Looked::Stop(HuntError::TooManyFiles));
    }
    found.files.push(InputFile {
        path: path.to_owned(),
        bytes: if meta.is_file() { meta.len() } else { 0 },
    });
    Ok(())
}
