use std::fs;
use std::io::{Read, Take};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;

/// Largest packed package read, in bytes.
pub const ARCHIVE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most bytes one package may unpack to.
pub const UNPACKED_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Largest file in a package that is read, in bytes.
pub const ENTRY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most files in a package.
pub const ENTRIES_MAX: usize = 50_000;

/// Why a package cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The file or folder cannot be read.
    #[error("cannot read {path:?}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Larger than a limit.
    #[error("{path:?} is over the limit of {limit} {unit}")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit.
        limit: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A configuration that does not say what it must.
    #[error("{path:?}: {detail}")]
    Configuration {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        detail: String,
    },
}

/// Folders of a package that hold no definitions.
const FOLDERS_SKIPPED: [&str; 6] = ["example", "examples", "testing", "other", "xml", "openapi"];
/// Files that hold definitions of single elements, about 20 MB of them, which no profile refers to.
const FILES_SKIPPED: [&str; 2] = ["dataelements.json", "fhir.schema.json"];

/// Hands every JSON file of a packed (`.tgz`) or unpacked package (a folder) that may hold definitions to `take`, with its
/// path inside. Nothing is ever written; names that lead out of the package are passed over. O(bytes).
pub(super) fn read(path: &Path, take: &mut dyn FnMut(&str, Vec<u8>)) -> Result<(), PackageError> {
    if path.is_dir() {
        let mut files_left = ENTRIES_MAX;
        read_folder(path, "", &mut files_left, take)
    } else {
        read_archive(path, take)
    }
}

fn read_archive(path: &Path, take: &mut dyn FnMut(&str, Vec<u8>)) -> Result<(), PackageError> {
    let unreadable = |source| PackageError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let too_large = |limit, unit| PackageError::TooLarge {
        path: path.to_owned(),
        limit,
        unit,
    };
    let packed = fs::File::open(path).map_err(unreadable)?;
    if packed.metadata().map_err(unreadable)?.len() > ARCHIVE_BYTES_MAX {
        return Err(too_large(ARCHIVE_BYTES_MAX, "bytes"));
    }
    let unpacked: Take<GzDecoder<std::io::BufReader<fs::File>>> =
        GzDecoder::new(std::io::BufReader::with_capacity(1 << 16, packed)).take(UNPACKED_BYTES_MAX);
    let mut archive = tar::Archive::new(unpacked);
    for (count, entry) in archive.entries().map_err(unreadable)?.enumerate() {
        if count == ENTRIES_MAX {
            return Err(too_large(ENTRIES_MAX as u64, "files"));
        }
        let entry = entry.map_err(unreadable)?;
        let Ok(inside) = entry.path().map(|p| p.into_owned()) else {
            continue;
        };
        let Some(name) = wanted(&inside) else { continue };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        if entry.size() > ENTRY_BYTES_MAX {
            return Err(too_large(ENTRY_BYTES_MAX, "bytes in one file"));
        }
        let mut text = Vec::with_capacity(entry.size() as usize);
        entry.take(ENTRY_BYTES_MAX).read_to_end(&mut text).map_err(unreadable)?;
        take(&name, text);
    }
    Ok(())
}

fn read_folder(
    folder: &Path,
    inside: &str,
    files_left: &mut usize,
    take: &mut dyn FnMut(&str, Vec<u8>),
) -> Result<(), PackageError> {
    let unreadable = |source| PackageError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(unreadable)?;
    paths.sort();
    for path in paths {
        let Some(file) = path.file_name().and_then(|f| f.to_str()) else {
            continue;
        };
        let name = if inside.is_empty() {
            file.to_owned()
        } else {
            format!("{inside}/{file}")
        };
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            if inside.matches('/').count() < 8 && !FOLDERS_SKIPPED.contains(&file) {
                read_folder(&path, &name, files_left, take)?;
            }
        } else if wanted(Path::new(&name)).is_some() {
            let limit = |limit, unit| PackageError::TooLarge {
                path: path.clone(),
                limit,
                unit,
            };
            *files_left = files_left.checked_sub(1).ok_or_else(|| limit(ENTRIES_MAX as u64, "files"))?;
            let size = fs::metadata(&path).map_err(unreadable)?.len();
            if size > ENTRY_BYTES_MAX {
                return Err(limit(ENTRY_BYTES_MAX, "bytes in one file"));
            }
            take(&name, fs::read(&path).map_err(unreadable)?);
        }
    }
    Ok(())
}

/// The path as text, if it stays inside and may hold definitions.
fn wanted(inside: &Path) -> Option<String> {
    if !inside
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
    {
        return None;
    }
    let name = inside.to_str()?;
    let file = inside.file_name()?.to_str()?;
    let skipped =
        name.split('/').any(|part| FOLDERS_SKIPPED.contains(&part)) || FILES_SKIPPED.contains(&file) || file.starts_with('.');
    (file.ends_with(".json") && !skipped).then(|| name.to_owned())
}
