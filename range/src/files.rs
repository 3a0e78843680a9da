use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use leckwehr_crypt::{hex, sha256};

/// The files of one host: a real folder, nothing outside it reachable.
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// Opens or makes the folder.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        Ok(Self { root: root.to_owned() })
    }

    /// Names in a folder, sorted, as paths from the root; a missing folder is empty.
    pub fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let path = self.resolve(folder)?;
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".new") {
                names.push(format!("{folder}/{name}"));
            }
        }
        names.sort();
        Ok(names)
    }

    /// A file's content.
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.resolve(path)?)
    }

    /// Replaces a file in one step: whoever reads sees the old or the new content.
    pub fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let target = self.resolve(path)?;
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut fresh = target.clone().into_os_string();
        fresh.push(".new");
        let mut file = File::create(&fresh)?;
        file.write_all(content)?;
        drop(file);
        fs::rename(fresh, target)
    }

    /// Deletes a file.
    pub fn delete(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.resolve(path)?)
    }

    /// SHA-256 of a file, hex; `None` if it is not there.
    pub fn digest(&self, path: &str) -> Option<String> {
        self.read(path).ok().map(|content| hex(&sha256(&content)))
    }

    fn resolve(&self, path: &str) -> io::Result<PathBuf> {
        let plain = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
        if plain {
            Ok(self.root.join(path))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "a path inside the host's folder"))
        }
    }
}
