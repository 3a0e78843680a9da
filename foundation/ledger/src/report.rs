use std::fmt;

use crate::note::Checkpoint;
use crate::tile::Tile;

/// What a verification is made against, besides the ledger itself.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// A checkpoint that was kept elsewhere: the ledger must still begin with what it covers.
    pub against: Option<String>,
    /// The verifier key line, from a place that an attacker of the ledger does not hold. Without it, the one in the folder is
    /// believed.
    pub verifier_key: Option<String>,
}

/// What a verification found.
#[derive(Debug, Clone)]
pub struct Report {
    /// Store or export.
    pub form: Form,
    /// What the ledger's checkpoint says; `None` if it cannot be read.
    pub checkpoint: Option<Checkpoint>,
    /// Where the verifier key came from.
    pub key: KeyFrom,
    /// What was done about the bytes of the database file that carry no entry.
    pub pages: Pages,
    /// Size of the older checkpoint that the ledger was found to begin with.
    pub against: Option<u64>,
    /// Every place that is not as it was written, at most [`crate::DAMAGE_NAMED_MAX`].
    pub damage: Vec<Damage>,
    /// What the reader should know although it is no damage.
    pub notes: Vec<String>,
}

impl Report {
    /// Tells whether nothing was found.
    pub fn is_ok(&self) -> bool {
        self.damage.is_empty()
    }
}

/// What kind of folder was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A store folder with `ledger.db`.
    Store,
    /// An exported folder with `checkpoint` and tiles.
    Export,
}

/// Where the verifier key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFrom {
    /// Handed in: who rewrites the folder cannot also replace the key.
    OutOfBand,
    /// From the folder itself.
    Folder,
}

/// What is known about the pages of the database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// This many were compared with their sums: every bit of the file is covered.
    Checked(usize),
    /// There are no current sums: the ledger is open, or was not closed cleanly. Entries, tiles and checkpoint are covered,
    /// unused bytes of the file are not.
    NoSums,
    /// An exported folder has none; every bit of its files is covered.
    NotAStore,
}

/// One place that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file, relative to the folder.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong.
    pub what: String,
}

/// A place in a file, as exactly as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A database page of 4,096 bytes, counted from 1.
    Page(u32),
    /// An entry.
    Entry(u64),
    /// A tile of hashes, and the hash in it where that is known.
    Tile {
        /// Level: hashes of subtrees of 256^level entries.
        level: u8,
        /// Number of the tile on its level.
        n: u64,
        /// Position of the hash in the tile.
        hash: Option<u16>,
    },
    /// The signed checkpoint.
    Checkpoint,
}

impl Place {
    pub(crate) fn tile(tile: Tile) -> Self {
        Self::Tile {
            level: tile.level,
            n: tile.n,
            hash: None,
        }
    }
}

impl Damage {
    pub(crate) fn new(file: impl Into<String>, place: Place, what: impl ToString) -> Self {
        Self {
            file: file.into(),
            place,
            what: what.to_string(),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, what } = self;
        match place {
            Place::File => write!(f, "{file}: {what}"),
            place => write!(f, "{file}, {place}: {what}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => write!(f, "file"),
            Self::Page(page) => write!(f, "page {page}"),
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::Tile { level, n, hash: None } => write!(f, "tile {level}/{n}"),
            Self::Tile {
                level,
                n,
                hash: Some(hash),
            } => write!(f, "tile {level}/{n} hash {hash}"),
            Self::Checkpoint => write!(f, "checkpoint"),
        }
    }
}
