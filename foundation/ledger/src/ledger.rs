use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

use leckwehr_crypt::SigningKey;

use crate::database::{Batch, Database};
use crate::edge::Edge;
use crate::error::LedgerError;
use crate::export;
use crate::folder::{self, SIGNER_KEY, VERIFIER_KEY};
use crate::hash::{Hash, leaf_hash};
use crate::limit::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX, ENTRIES_MAX, ENTRY_BYTES_MAX};
use crate::note::{Checkpoint, SignerKey, VerifierKey};
use crate::rebuild;
use crate::report::{Damage, Pages};
use crate::source::Tree;
use crate::sum;
use crate::wal;

/// A ledger open for appending. There is one per folder at a time.
///
/// Dropping it closes it; [`Self::close`] does the same and tells how it went.
pub struct Ledger {
    dir: PathBuf,
    database: Database,
    signer: SignerKey,
    edge: Edge,
    checkpoint: String,
    sum_is_current: bool,
    commit_failed: bool,
    on_step: Box<dyn FnMut(Step) + Send>,
    /// Released last.
    _lock: File,
}

/// A moment of an append or of closing, in this order: crash tests stop the process at each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The page sums were removed (first append after opening).
    SumRemoved,
    /// The transaction began.
    Begun,
    /// The entries are in the transaction.
    EntriesWritten,
    /// So are their hashes.
    TilesWritten,
    /// So is the checkpoint.
    CheckpointWritten,
    /// The transaction is on disk; the caller has not been told.
    Committed,
    /// Closing: the write-ahead log was emptied.
    LogEmptied,
    /// Closing: the page sums were written.
    SumWritten,
}

impl Ledger {
    /// Makes a new ledger in `dir`, which must be absent or empty, and keeps the private key there (mode 0600).
    ///
    /// `origin` names the ledger in every checkpoint; by custom a URL without scheme.
    pub fn create(dir: &Path, origin: &str, key: SigningKey) -> Result<Self, LedgerError> {
        let signer = make(dir, origin, key, |new, signer| {
            folder::write_new(&new.join(SIGNER_KEY), format!("{}\n", signer.to_line()).as_bytes(), 0o600)
        })?;
        Self::open_signed_by(dir, signer)
    }

    /// Makes a new ledger whose private key its owner keeps elsewhere.
    pub fn create_without_key(dir: &Path, origin: &str, key: SigningKey) -> Result<Self, LedgerError> {
        let signer = make(dir, origin, key, |_, _| Ok(()))?;
        Self::open_signed_by(dir, signer)
    }

    /// Opens a ledger that keeps its private key in the folder.
    ///
    /// A cleanly closed ledger is checked by its page sums, any other by recomputing everything: O(entries) both.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        Self::open_signed_by(dir, folder::signer_key(dir)?)
    }

    /// Opens a ledger whose private key is kept elsewhere.
    pub fn open_with_key(dir: &Path, key: SigningKey) -> Result<Self, LedgerError> {
        let name = folder::verifier_key(dir)?.name().to_owned();
        let signer = SignerKey::new(&name, key).map_err(|source| LedgerError::Note {
            file: VERIFIER_KEY,
            source,
        })?;
        Self::open_signed_by(dir, signer)
    }

    fn open_signed_by(dir: &Path, signer: SignerKey) -> Result<Self, LedgerError> {
        let lock = folder::lock(dir)?;
        if folder::verifier_key(dir)? != *signer.verifier_key() {
            return Err(LedgerError::WrongKey);
        }
        let (pages, damage) = sum::check(dir)?;
        refuse(damage)?;
        refuse(wal::check(dir)?.0)?;
        let database = Database::open_for_append(dir)?;
        let text = database.checkpoint()?;
        let checkpoint = Checkpoint::open_own(&text, signer.verifier_key()).map_err(|source| LedgerError::Note {
            file: "the checkpoint in ledger.db",
            source,
        })?;
        if pages == Pages::NoSums {
            refuse(rebuild::damage_of(&database, &checkpoint))?;
        }
        let tree = Tree {
            source: &database,
            size: checkpoint.size,
        };
        let edge = tree.edge()?;
        if edge.root() != checkpoint.root {
            refuse(rebuild::damage_of(&database, &checkpoint))?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            database,
            signer,
            edge,
            checkpoint: text,
            sum_is_current: pages != Pages::NoSums,
            commit_failed: false,
            on_step: Box::new(|_| ()),
            _lock: lock,
        })
    }

    /// Appends a batch in one transaction and returns the indices of its entries. When this returns, entries, hashes
    /// and the checkpoint that covers them are on disk. An empty batch writes nothing.
    pub fn append(&mut self, entries: &[Vec<u8>]) -> Result<Range<u64>, LedgerError> {
        check_batch(entries)?;
        let first = self.size();
        let end = first.saturating_add(entries.len() as u64);
        if self.commit_failed {
            return Err(LedgerError::Unusable);
        }
        if end > ENTRIES_MAX {
            return Err(LedgerError::Full);
        }
        if entries.is_empty() {
            return Ok(first..first);
        }
        self.discard_sum()?;

        let (mut edge, mut tiles) = (self.edge.clone(), Vec::new());
        for entry in entries {
            edge.push(leaf_hash(entry), &mut tiles);
        }
        tiles.extend(edge.partial().map(|(tile, hashes)| (tile, hashes.clone())));
        let checkpoint = Checkpoint::sign(end, &edge.root(), &self.signer);
        let batch = Batch {
            first,
            entries,
            tiles: &tiles,
            old_checkpoint: &self.checkpoint,
            checkpoint: &checkpoint,
        };
        let written = self.database.append(&batch, &mut self.on_step);
        self.commit_failed = matches!(written, Err(LedgerError::Commit(_)));
        written?;
        debug_assert_eq!(edge.size(), end);
        self.edge = edge;
        self.checkpoint = checkpoint;
        Ok(first..end)
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Returns the root over all entries.
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Returns the signed checkpoint over all entries.
    pub fn checkpoint(&self) -> String {
        self.checkpoint.clone()
    }

    /// Returns who signs.
    pub fn verifier_key(&self) -> &VerifierKey {
        self.signer.verifier_key()
    }

    /// Reads entries.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, LedgerError> {
        self.tree().entries(range)
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
        export::write(&self.tree(), &self.checkpoint, self.verifier_key(), out)
    }

    /// Closes the ledger: empties the write-ahead log and writes the page sums.
    pub fn close(mut self) -> Result<(), LedgerError> {
        self.finish()
    }

    /// Calls `observer` at every [`Step`] from now on: the fault points of crash tests.
    pub fn on_step(&mut self, observer: impl FnMut(Step) + Send + 'static) {
        self.on_step = Box::new(observer);
    }

    fn tree(&self) -> Tree<'_> {
        Tree {
            source: &self.database,
            size: self.size(),
        }
    }

    fn discard_sum(&mut self) -> Result<(), LedgerError> {
        if self.sum_is_current {
            sum::discard(&self.dir)?;
            self.sum_is_current = false;
            (self.on_step)(Step::SumRemoved);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), LedgerError> {
        if self.sum_is_current || self.commit_failed {
            return Ok(());
        }
        if !self.database.empty_log()? {
            return Err(LedgerError::StillRead);
        }
        (self.on_step)(Step::LogEmptied);
        sum::write(&self.dir)?;
        self.sum_is_current = true;
        (self.on_step)(Step::SumWritten);
        Ok(())
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Without the sums the next opening recomputes everything: nothing is lost.
        let _ = self.finish();
    }
}

/// Refuses a batch that cannot be written.
pub(crate) fn check_batch(entries: &[Vec<u8>]) -> Result<(), LedgerError> {
    let mut total = 0;
    for entry in entries {
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(LedgerError::EntryTooLarge { bytes: entry.len() });
        }
        total += entry.len();
    }
    if entries.len() > BATCH_ENTRIES_MAX || total > BATCH_BYTES_MAX {
        return Err(LedgerError::BatchTooLarge {
            entries: entries.len(),
            bytes: total,
        });
    }
    Ok(())
}

/// Makes the folder beside its place and moves it there, so that a crash leaves all of it or nothing.
fn make(
    dir: &Path,
    origin: &str,
    key: SigningKey,
    keep: impl FnOnce(&Path, &SignerKey) -> Result<(), LedgerError>,
) -> Result<SignerKey, LedgerError> {
    let signer = SignerKey::new(origin, key).map_err(|source| LedgerError::Note {
        file: "the ledger's name",
        source,
    })?;
    if folder::is_occupied(dir)? {
        return Err(LedgerError::Occupied(dir.to_owned()));
    }
    let new = staging(dir)?;
    if new.exists() {
        fs::remove_dir_all(&new).map_err(LedgerError::file(&new))?;
    }
    fs::create_dir_all(&new).map_err(LedgerError::file(&new))?;
    keep(&new, &signer)?;
    let line = format!("{}\n", signer.verifier_key().to_line());
    folder::write_new(&new.join(VERIFIER_KEY), line.as_bytes(), 0o644)?;
    let empty = Edge::default();
    Database::create(&new, &Checkpoint::sign(empty.size(), &empty.root(), &signer))?;
    sum::write(&new)?;
    fs::rename(&new, dir).map_err(LedgerError::file(dir))?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder::sync(parent)?;
    }
    Ok(signer)
}

/// Returns the folder beside `dir` in which it is made.
fn staging(dir: &Path) -> Result<PathBuf, LedgerError> {
    let Some(name) = dir.file_name() else {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "a folder with a name is needed");
        return Err(LedgerError::file(dir)(error));
    };
    Ok(dir.with_file_name(format!(".{}.ledger-in-the-making", name.to_string_lossy())))
}

fn refuse(damage: impl IntoIterator<Item = Damage>) -> Result<(), LedgerError> {
    let mut damage = damage.into_iter();
    match damage.next() {
        Some(first) => Err(LedgerError::Damaged {
            first: Box::new(first),
            count: 1 + damage.count(),
        }),
        None => Ok(()),
    }
}
