use std::path::Path;

use leckwehr_crypt::{hex, sha256};
use leckwehr_incident::{Fact, Situation, SituationError, Timestamp, What};
use leckwehr_ledger::{LedgerError, Reader, Trust, verify};

use crate::director::Played;

/// What a drill's ledger says.
pub struct Books {
    /// Facts, in order.
    pub facts: Vec<Fact>,
    /// Situation.
    pub situation: Situation,
    /// Entries.
    pub entries: u64,
    /// Did store and export verify with the control room's key, and does a replay give the situation that the room held?
    pub verified: bool,
    /// Hash line of the checkpoint.
    pub root: String,
}

/// Books that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// An entry is no fact, or contradicts those before it.
    #[error(transparent)]
    Situation(#[from] SituationError),
}

impl Books {
    /// Reads and verifies the ledger in a control room's folder, store and export both, with the key that the cast gave to the
    /// room: one that lies in the folder proves nothing.
    pub fn open(control: &Path, played: &Played) -> Result<Self, BooksError> {
        let trust = Trust {
            verifier_key: Some(played.ledger_key.clone()),
            ..Trust::default()
        };
        let store = control.join("ledger");
        let mut verified = true;
        for folder in [&store, &control.join("ledger-export")] {
            verified &= verify(folder, &trust)?.is_ok();
        }
        let reader = Reader::open(&store)?;
        let entries = reader.entries(0..reader.size())?;
        let mut books = Self::read(&entries, verified, &played.situation)?;
        books.root = reader.checkpoint().lines().nth(2).unwrap_or_default().to_owned();
        Ok(books)
    }

    /// Folds ledger entries; `held` is the SHA-256, hex, of the situation that the control room held when it closed the books.
    pub fn read(entries: &[Vec<u8>], verified: bool, held: &str) -> Result<Self, SituationError> {
        let facts = entries
            .iter()
            .enumerate()
            .map(|(i, bytes)| Fact::from_bytes(i as u64, bytes))
            .collect::<Result<Vec<_>, _>>()?;
        let situation = Situation::replay(entries.iter().map(Vec::as_slice))?;
        let same = hex(&sha256(situation.to_json().as_bytes())) == held;
        Ok(Self {
            facts,
            situation,
            entries: entries.len() as u64,
            verified: verified && same,
            root: String::new(),
        })
    }

    /// Returns when the status site was published.
    pub fn published(&self) -> Vec<Timestamp> {
        let published = self.facts.iter().filter(|f| matches!(f.what, What::SitePublished { .. }));
        published.map(|f| f.at).collect()
    }

    /// Returns sequence number and manifest hash of the status site that was published last.
    pub fn last_site(&self) -> Option<(u64, &str)> {
        self.facts.iter().rev().find_map(|f| match &f.what {
            What::SitePublished { seq, manifest, .. } => Some((*seq, manifest.as_str())),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use leckwehr_crypt::SigningKey;
    use leckwehr_ledger::{Ledger, VerifierKey};

    use super::*;

    #[test]
    fn a_ledger_of_another_key_does_not_verify_nor_one_that_tells_another_situation() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let line = |key: &SigningKey| VerifierKey::new("origin", key.verifying_key()).unwrap().to_line();
        let watch = What::WatchStarted {
            estate: "essen".into(),
            services: Vec::new(),
        };
        let entry = Fact::new(Timestamp(1), "test", watch).to_bytes();
        let situation = Situation::replay([entry.as_slice()]).unwrap();
        let mut played = Played {
            ledger_key: line(&key),
            situation: hex(&sha256(situation.to_json().as_bytes())),
            ..Played::default()
        };
        let (right, wrong) = (played.ledger_key.clone(), line(&other));
        let mut ledger = Ledger::create_without_key(&folder.path().join("ledger"), "origin", key).unwrap();
        ledger.append(&[entry]).unwrap();
        ledger.export(&folder.path().join("ledger-export")).unwrap();
        ledger.close().unwrap();
        assert!(Books::open(folder.path(), &played).unwrap().verified);
        played.ledger_key = wrong;
        assert!(!Books::open(folder.path(), &played).unwrap().verified);
        played.ledger_key = right;
        played.situation = hex(&sha256(b"another"));
        assert!(!Books::open(folder.path(), &played).unwrap().verified);
    }
}
