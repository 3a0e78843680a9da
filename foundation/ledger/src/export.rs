use std::fs;
use std::path::{Path, PathBuf};

use crate::error::LedgerError;
use crate::folder::{self, CHECKPOINT, VERIFIER_KEY};
use crate::hash::Hash;
use crate::limit::TILE_FILE_BYTES_MAX;
use crate::note::VerifierKey;
use crate::report::{Damage, Place};
use crate::source::{Fault, Source, Tree};
use crate::tile::{TILE_WIDTH, Tile, bundle_path, decode_bundle, decode_tile, encode_bundle};

/// Writes a folder as [tlog-tiles](https://c2sp.org/tlog-tiles) has it. The checkpoint comes last: a folder without one
/// is an export that did not finish.
pub(crate) fn write(tree: &Tree<'_>, checkpoint: &str, key: &VerifierKey, out: &Path) -> Result<(), LedgerError> {
    if folder::is_occupied(out)? {
        return Err(LedgerError::Occupied(out.to_owned()));
    }
    for tile in Tile::all(tree.size) {
        if tile.level == 0 {
            let bundle = encode_bundle(&tree.source.bundle(tile.n, tile.width)?);
            put(&out.join(bundle_path(tile.n, tile.width)), &bundle)?;
        }
        put(&out.join(tile.path()), tree.source.tile(tile)?.as_flattened())?;
    }
    put(&out.join(VERIFIER_KEY), format!("{}\n", key.to_line()).as_bytes())?;
    put(&out.join(CHECKPOINT), checkpoint.as_bytes())
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(LedgerError::file(parent))?;
    }
    fs::write(path, bytes).map_err(LedgerError::file(path))
}

/// An exported folder, ours or that of any other tlog-tiles log.
pub(crate) struct Export(PathBuf);

impl Export {
    /// Reads from `dir`.
    pub fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// Returns the checkpoint.
    pub fn checkpoint(&self) -> Result<String, LedgerError> {
        folder::read_text(&self.0.join(CHECKPOINT))
    }

    /// Returns the names of files that belong to no ledger of `size`, relative to the folder.
    pub fn strays(&self, size: u64) -> Vec<String> {
        let mut known: Vec<String> = Tile::all(size).map(Tile::path).collect();
        known.extend(
            Tile::all(size)
                .take_while(|tile| tile.level == 0)
                .map(|tile| bundle_path(tile.n, tile.width)),
        );
        known.extend([CHECKPOINT, VERIFIER_KEY].map(str::to_owned));
        known.sort_unstable();
        let (mut folders, mut strays) = (vec![self.0.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    folders.push(path);
                } else if let Ok(name) = path.strip_prefix(&self.0) {
                    strays.push(name.to_string_lossy().into_owned());
                }
            }
        }
        strays.retain(|name| known.binary_search(name).is_err());
        strays.sort_unstable();
        strays
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Fault> {
        folder::read(&self.0.join(path), TILE_FILE_BYTES_MAX).map_err(|error| {
            let what = if error.is_not_found() {
                "is missing".to_owned()
            } else {
                error.to_string()
            };
            Fault(Damage::new(path, Place::File, what))
        })
    }
}

impl Source for Export {
    fn bundle(&self, n: u64, width: u16) -> Result<Vec<Vec<u8>>, Fault> {
        let path = bundle_path(n, width);
        decode_bundle(&self.read(&path)?, width).map_err(|position| {
            if position == width {
                Fault(Damage::new(path, Place::File, "goes on after its last entry"))
            } else {
                let place = Place::Entry(n * TILE_WIDTH + u64::from(position));
                Fault(Damage::new(
                    path,
                    place,
                    "its length runs past the end: this length or one before it was changed",
                ))
            }
        })
    }

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, Fault> {
        let path = tile.path();
        let bytes = self.read(&path)?;
        decode_tile(&bytes, tile.width).ok_or_else(|| {
            let what = format!("has {} bytes, {} hashes are needed", bytes.len(), tile.width);
            Fault(Damage::new(path, Place::File, what))
        })
    }

    fn checkpoint_file(&self) -> &'static str {
        CHECKPOINT
    }

    fn bundle_file(&self, n: u64, width: u16) -> String {
        bundle_path(n, width)
    }

    fn tile_file(&self, tile: Tile) -> String {
        tile.path()
    }
}
