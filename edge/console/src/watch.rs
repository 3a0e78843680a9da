use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use leckwehr_incident::{Fact, Situation, SituationError};
use leckwehr_ledger::{Hash, LedgerError, Reader};

/// Entries read at a time.
const PAGE_ENTRIES: u64 = 1_024;
/// Entries kept for the tail on the screen.
const TAIL_ENTRIES_MAX: usize = 40;

/// A ledger that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The folder cannot be read.
    #[error("the ledger in {} cannot be read", .dir.display())]
    Ledger {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: LedgerError,
    },
    /// An entry is no fact, or contradicts those before it.
    #[error("the ledger in {} holds something else than the facts of an incident", .dir.display())]
    Facts {
        /// The folder.
        dir: PathBuf,
        /// The cause.
        #[source]
        source: SituationError,
    },
    /// Fewer entries than before, or other ones.
    #[error("the ledger in {} no longer begins with the {seen} entries seen before: it was cut off or rewritten", .dir.display())]
    Rewritten {
        /// The folder.
        dir: PathBuf,
        /// Entries seen before.
        seen: u64,
    },
}

/// One of the last entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Tail {
    /// Ledger index.
    pub index: u64,
    /// The fact.
    pub fact: Fact,
}

/// A ledger folder and the situation folded from it so far.
#[derive(Debug, Clone)]
pub struct Watch {
    dir: PathBuf,
    situation: Situation,
    tail: VecDeque<Tail>,
    size: u64,
    root: Option<Hash>,
    checkpoint: String,
}

impl Watch {
    /// Opens a ledger folder and folds what it holds.
    pub fn open(dir: &Path) -> Result<Self, WatchError> {
        let mut watch = Self {
            dir: dir.to_owned(),
            situation: Situation::default(),
            tail: VecDeque::new(),
            size: 0,
            root: None,
            checkpoint: String::new(),
        };
        watch.refresh()?;
        Ok(watch)
    }

    /// Reads what was appended since. O(new entries); on error the situation stays as it was.
    pub fn refresh(&mut self) -> Result<(), WatchError> {
        let dir = self.dir.clone();
        let ledger = |source| WatchError::Ledger {
            dir: dir.clone(),
            source,
        };
        let reader = Reader::open(&self.dir).map_err(ledger)?;
        let size = reader.size();
        let same_beginning = match self.root {
            None => true,
            Some(root) => size >= self.size && reader.root_at(self.size).map_err(ledger)? == root,
        };
        if !same_beginning {
            return Err(WatchError::Rewritten {
                dir: dir.clone(),
                seen: self.size,
            });
        }
        let mut next = self.clone();
        while next.size < size {
            let end = size.min(next.size + PAGE_ENTRIES);
            for bytes in reader.entries(next.size..end).map_err(ledger)? {
                next.apply(&bytes)?;
            }
        }
        next.root = Some(reader.root());
        reader.checkpoint().clone_into(&mut next.checkpoint);
        *self = next;
        Ok(())
    }

    /// Returns the situation.
    pub fn situation(&self) -> &Situation {
        &self.situation
    }

    /// Returns the last entries, oldest first.
    pub fn tail(&self) -> impl DoubleEndedIterator<Item = &Tail> {
        self.tail.iter()
    }

    /// Returns the number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the hash line of the checkpoint.
    pub fn checkpoint_line(&self) -> &str {
        self.checkpoint.lines().nth(2).unwrap_or_default()
    }

    /// Returns the folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn apply(&mut self, bytes: &[u8]) -> Result<(), WatchError> {
        let index = self.size;
        let facts = |source| WatchError::Facts {
            dir: self.dir.clone(),
            source,
        };
        let fact = Fact::from_bytes(index, bytes).map_err(SituationError::from).map_err(facts)?;
        self.situation.apply(&fact).map_err(facts)?;
        if self.tail.len() == TAIL_ENTRIES_MAX {
            self.tail.pop_front();
        }
        self.tail.push_back(Tail { index, fact });
        self.size += 1;
        Ok(())
    }
}
