use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use leckwehr_crypt::{Hasher, hex};
use leckwehr_incident::Timestamp;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

/// Entries of one tree.
const TREE_ENTRIES_MAX: u64 = 50_000_000;
/// Folders within folders.
const TREE_DEPTH_MAX: usize = 256;
/// Nanoseconds in a second.
const SECOND_NS: i64 = 1_000_000_000;

/// What a tree of files amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    /// SHA-256 over names, kinds, permissions and content, hex.
    pub digest: String,
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Reads a whole tree, and brings every file of it to the disk if told so.
pub(crate) fn tree(root: &Path, durably: Durably) -> io::Result<Tree> {
    let mut walk = Walk {
        hasher: Hasher::default(),
        files: 0,
        bytes: 0,
        entries: 0,
        durably,
    };
    walk.entry(root, Path::new(""), 0)?;
    Ok(Tree {
        digest: hex(&walk.hasher.finish()),
        files: walk.files,
        bytes: walk.bytes,
    })
}

/// Whether what is read must outlive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durably {
    Yes,
    No,
}

struct Walk {
    hasher: Hasher,
    files: u64,
    bytes: u64,
    entries: u64,
    durably: Durably,
}

impl Walk {
    fn entry(&mut self, root: &Path, name: &Path, depth: usize) -> io::Result<()> {
        count(&mut self.entries, depth)?;
        let path = root.join(name);
        let meta = fs::symlink_metadata(&path)?;
        let mode = meta.permissions().mode();
        let head = format!("{}\0{mode:o}\0", name.to_string_lossy());
        self.hasher.update(head.as_bytes());
        if meta.is_dir() {
            for child in children(&path)? {
                self.entry(root, &name.join(child), depth + 1)?;
            }
            if self.durably == Durably::Yes {
                File::open(&path)?.sync_all()?;
            }
        } else if meta.is_symlink() {
            self.hasher.update(fs::read_link(&path)?.to_string_lossy().as_bytes());
        } else if meta.is_file() {
            self.file(&path)?;
        }
        self.hasher.update(b"\n");
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        let (mut file, mut own, mut buffer) = (File::open(path)?, Hasher::default(), vec![0; 128 << 10]);
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            own.update(buffer.get(..count).unwrap_or_default());
            self.bytes += count as u64;
        }
        if self.durably == Durably::Yes {
            file.sync_all()?;
        }
        self.hasher.update(&own.finish());
        self.files += 1;
        Ok(())
    }
}

/// The newest file of a tree and when it was written; `None` if there is no file, or no tree.
pub(crate) fn newest(root: &Path) -> io::Result<Option<(Timestamp, PathBuf)>> {
    let (mut newest, mut entries, mut open) = (None, 0, vec![(root.to_path_buf(), 0)]);
    while let Some((path, depth)) = open.pop() {
        count(&mut entries, depth)?;
        let meta = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && depth == 0 => return Ok(None),
            other => other?,
        };
        if meta.is_dir() {
            let inside = children(&path)?.into_iter();
            open.extend(inside.map(|child| (path.join(child), depth + 1)));
        } else {
            let at = Timestamp(meta.mtime().saturating_mul(SECOND_NS).saturating_add(meta.mtime_nsec()));
            newest = newest.max(Some((at, path)));
        }
    }
    Ok(newest)
}

fn count(entries: &mut u64, depth: usize) -> io::Result<()> {
    *entries += 1;
    match *entries > TREE_ENTRIES_MAX || depth > TREE_DEPTH_MAX {
        true => Err(io::Error::other(format!(
            "more than {TREE_ENTRIES_MAX} entries or {TREE_DEPTH_MAX} folders deep"
        ))),
        false => Ok(()),
    }
}

fn children(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

/// Lets two names of one file system change places in one moment, or puts the first in the empty place of the second, and
/// brings that to the disk.
pub(crate) fn swap(staged: &Path, target: &Path) -> io::Result<()> {
    let flags = match fs::symlink_metadata(target) {
        Ok(_) => RenameFlags::RENAME_EXCHANGE,
        Err(_) => RenameFlags::RENAME_NOREPLACE,
    };
    renameat2(AT_FDCWD, staged, AT_FDCWD, target, flags)?;
    sync_parent(staged)?;
    sync_parent(target)
}

/// Brings the names in the folder of `path` to the disk.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
