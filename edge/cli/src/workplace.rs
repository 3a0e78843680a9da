//! The folder of a drill: kept where somebody asked for it, otherwise temporary and removed, after a crash by the next drill.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::problem::Problem;

const PREFIX: &str = "leckwehr-drill-";
const LOCK: &str = "lock";

/// A folder that is locked for as long as this lives, and removed then unless it is kept.
pub struct Workplace {
    folder: PathBuf,
    kept: bool,
    _lock: Option<File>,
}

impl Workplace {
    /// Opens the folder to keep, or makes a temporary one.
    pub fn open(keep: Option<&Path>) -> Result<Self, Problem> {
        let bad = |error: &dyn std::error::Error, path: &Path| {
            Problem::new(
                "LW-RANGE-006",
                format!("the drill's folder {} cannot be used", path.display()),
                error,
            )
        };
        if let Some(folder) = keep {
            fs::create_dir_all(folder).map_err(|e| bad(&e, folder))?;
            let folder = folder.canonicalize().map_err(|e| bad(&e, folder))?;
            if fs::read_dir(&folder).map_err(|e| bad(&e, &folder))?.next().is_some() {
                let summary = format!("the drill's folder {} is not empty", folder.display());
                return Err(Problem::plain("LW-RANGE-006", summary).hint("name a folder that does not exist yet"));
            }
            return Ok(Self {
                folder,
                kept: true,
                _lock: None,
            });
        }
        let folder = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|e| bad(&e, &folder))?;
        let lock = File::create(folder.join(LOCK)).map_err(|e| bad(&e, &folder))?;
        lock.lock().map_err(|e| bad(&e, &folder))?;
        Ok(Self {
            folder,
            kept: false,
            _lock: Some(lock),
        })
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if !self.kept {
            leckwehr_range::clean_up(&self.folder);
        }
    }
}

/// Removes temporary folders of drills that were killed: their process is gone and nobody holds their lock.
pub fn remove_stale() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for folder in entries.flatten().map(|entry| entry.path()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(process) = name.strip_prefix(PREFIX).and_then(|p| p.parse::<u32>().ok()) else {
            continue;
        };
        let held = File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
        if !held && !Path::new(&format!("/proc/{process}")).exists() {
            leckwehr_range::clean_up(&folder);
        }
    }
}
