use std::ops::Range;
use std::path::Path;

use crate::database::Database;
use crate::error::LedgerError;
use crate::export::{self, Export};
use crate::folder::{self, CHECKPOINT, DATABASE};
use crate::hash::Hash;
use crate::note::{Checkpoint, VerifierKey};
use crate::report::Form;
use crate::source::{Source, Tree};

/// A ledger open for reading: a store, also one that is being written, as it was when it was opened; or an exported folder.
///
/// No file is changed and no key is needed. Opening checks the checkpoint's signature, not the entries:
/// that is what [`crate::verify`] does.
pub struct Reader {
    source: Box<dyn Source + Send>,
    key: VerifierKey,
    text: String,
    checkpoint: Checkpoint,
}

impl Reader {
    /// Opens a store folder or an exported folder.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let (source, text): (Box<dyn Source + Send>, _) = match Form::of(path)? {
            Form::Store => {
                let database = Database::open_for_reading(path)?;
                let text = database.checkpoint()?;
                (Box::new(database), text)
            }
            Form::Export => {
                let export = Export::new(path);
                let text = export.checkpoint()?;
                (Box::new(export), text)
            }
        };
        let key = folder::verifier_key(path)?;
        let checkpoint = Checkpoint::open(&text, &key).map_err(|source| LedgerError::Note {
            file: "the checkpoint",
            source,
        })?;
        Ok(Self {
            source,
            key,
            text,
            checkpoint,
        })
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Returns the root over all entries.
    pub fn root(&self) -> Hash {
        self.checkpoint.root
    }

    /// Returns the signed checkpoint.
    pub fn checkpoint(&self) -> &str {
        &self.text
    }

    /// Returns who signs.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.key
    }

    /// Reads entries.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.tree().entries(range)
    }

    /// Returns the root at an earlier size.
    pub fn root_at(&self, size: u64) -> Result<Hash, LedgerError> {
        self.tree().root_at(size)
    }

    /// Returns the hashes that prove that entry `index` is in the tree of `size` (RFC 9162, 2.1.3).
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, LedgerError> {
        self.tree().inclusion(index, size)
    }

    /// Returns the hashes that prove that the tree of `old` is the beginning of the tree of `new` (RFC 9162, 2.1.4).
    pub fn consistency_proof(&self, old: u64, new: u64) -> Result<Vec<Hash>, LedgerError> {
        self.tree().consistency(old, new)
    }

    /// Writes the ledger as a folder of static files (tlog-tiles) into `out`, which must be absent or empty.
    pub fn export(&self, out: &Path) -> Result<(), LedgerError> {
        export::write(&self.tree(), &self.text, &self.key, out)
    }

    fn tree(&self) -> Tree<'_> {
        Tree {
            source: self.source.as_ref(),
            size: self.size(),
        }
    }
}

impl Form {
    /// Tells what is in a folder.
    pub(crate) fn of(path: &Path) -> Result<Self, LedgerError> {
        if path.join(DATABASE).exists() {
            Ok(Self::Store)
        } else if path.join(CHECKPOINT).exists() {
            Ok(Self::Export)
        } else {
            Err(LedgerError::NotALedger(path.to_owned()))
        }
    }
}
