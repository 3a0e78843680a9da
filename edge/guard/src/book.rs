use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use leckwehr_incident::Timestamp;
use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::fence::replace_file;

/// First number of a rule: below are those that people use by hand.
const RULE_NUMBER_MIN: u64 = 1_000;
/// Largest book that is read, in bytes.
const BOOK_BYTES_MAX: u64 = 64 << 20;

/// A block with its number and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedBlock {
    /// The block.
    pub block: Block,
    /// When it ends.
    pub until: Option<Timestamp>,
}

/// What a guard means to be in force, in a file that is replaced as a whole before every change: a restart of the guard or of its
/// machine brings back what the kernel has forgotten.
#[derive(Debug, Default)]
pub struct Book {
    path: Option<PathBuf>,
    pages: Pages,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pages {
    /// Interface → end of its lease.
    cuts: BTreeMap<String, Option<Timestamp>>,
    /// Rule number → block.
    blocks: BTreeMap<u64, BookedBlock>,
    /// The next rule's number.
    next: u64,
}

impl Book {
    /// Opens the book, or begins one.
    ///
    /// # Errors
    /// The disk's, or a file that is no book; the text names it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let pages = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Pages::default(),
            Err(error) => return Err(named(&error)),
            Ok(about) if about.len() > BOOK_BYTES_MAX => return Err(named(&"too long for a book")),
            Ok(_) => {
                let text = fs::read(path).map_err(|error| named(&error))?;
                serde_json::from_slice(&text).map_err(|error| named(&format!("not a guard's book: {error}")))?
            }
        };
        Ok(Self {
            path: Some(path.to_owned()),
            pages,
        })
    }

    /// Interfaces that are cut, with the end of their lease.
    pub fn cuts(&self) -> &BTreeMap<String, Option<Timestamp>> {
        &self.pages.cuts
    }

    /// Blocks by rule number.
    pub fn blocks(&self) -> &BTreeMap<u64, BookedBlock> {
        &self.pages.blocks
    }

    /// The number of a block that is in force.
    pub fn number_of(&self, block: &Block) -> Option<u64> {
        let found = self.pages.blocks.iter().find(|(_, booked)| booked.block == *block);
        found.map(|(number, _)| *number)
    }

    /// Books cuts; durable when this returns, or nothing is changed.
    pub fn cut(&mut self, interfaces: &[String], until: Option<Timestamp>) -> io::Result<()> {
        self.change(|pages| pages.cuts.extend(interfaces.iter().map(|i| (i.clone(), until))))
    }

    /// Takes cuts out.
    pub fn release(&mut self, interfaces: &[String]) -> io::Result<()> {
        self.change(|pages| pages.cuts.retain(|i, _| !interfaces.contains(i)))
    }

    /// Books a block and returns its number; one that is there keeps its number.
    pub fn block(&mut self, booked: BookedBlock) -> io::Result<u64> {
        let there = self.number_of(&booked.block);
        let number = there.unwrap_or(self.pages.next.max(RULE_NUMBER_MIN));
        self.change(|pages| {
            pages.blocks.insert(number, booked);
            pages.next = pages.next.max(number + 1);
        })?;
        Ok(number)
    }

    /// Takes a block out by its number.
    pub fn unblock(&mut self, number: u64) -> io::Result<()> {
        self.change(|pages| pages.blocks.retain(|n, _| *n != number))
    }

    /// Takes out what has ended.
    pub fn expire(&mut self, now: Timestamp) -> io::Result<()> {
        let lives = |until: &Option<Timestamp>| until.is_none_or(|until| now < until);
        self.change(|pages| {
            pages.cuts.retain(|_, until| lives(until));
            pages.blocks.retain(|_, booked| lives(&booked.until));
        })
    }

    fn change(&mut self, change: impl FnOnce(&mut Pages)) -> io::Result<()> {
        let mut fresh = self.pages.clone();
        change(&mut fresh);
        if fresh == self.pages {
            return Ok(());
        }
        if let Some(path) = &self.path {
            let text = serde_json::to_vec(&fresh).map_err(io::Error::other)?;
            replace_file(path, &text)?;
        }
        self.pages = fresh;
        Ok(())
    }
}
