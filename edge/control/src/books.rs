use std::path::Path;

use leckwehr_crypt::SigningKey;
use leckwehr_incident::{Fact, Situation, Timestamp, What};
use leckwehr_ledger::Ledger;

use crate::error::ControlError;
use crate::fit::fit_fact;
use crate::replay::{ReplayError, ReplaySettings};

/// Facts written to the ledger at once.
const BATCH_FACTS_MAX: usize = 512;

/// The ledger and what follows from it.
pub(crate) struct Books {
    ledger: Ledger,
    pub situation: Situation,
    waiting: Vec<Vec<u8>>,
    at: Timestamp,
}

impl Books {
    /// Begins with the first record. Which services ran is not known from telemetry, so none is said to.
    pub fn open(settings: &ReplaySettings, at: Timestamp) -> Result<Self, ReplayError> {
        let key = |error| ControlError::Keys(Box::new(error));
        let ledger_key = SigningKey::from_seed(settings.ledger_key.seed()).map_err(key)?;
        let folder = settings.out.join("ledger");
        let ledger = Ledger::create_without_key(&folder, "leckwehr/replay", ledger_key).map_err(ControlError::from)?;
        let mut books = Self {
            ledger,
            situation: Situation::default(),
            waiting: Vec::new(),
            at,
        };
        let estate = settings.estate.name.clone();
        books.record(
            "estate",
            vec![What::WatchStarted {
                estate,
                services: Vec::new(),
            }],
        )?;
        Ok(books)
    }

    /// Records facts at a time of the recording; time never runs back.
    pub fn record_at(&mut self, at: Timestamp, by: &str, whats: Vec<What>) -> Result<(), ControlError> {
        self.at = self.at.max(at);
        self.record(by, whats)
    }

    pub fn record(&mut self, by: &str, whats: Vec<What>) -> Result<(), ControlError> {
        for what in whats {
            let fact = fit_fact(Fact::new(self.at, by, what));
            self.situation.apply(&fact)?;
            self.waiting.push(fact.to_bytes());
        }
        if self.waiting.len() >= BATCH_FACTS_MAX {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ControlError> {
        for batch in std::mem::take(&mut self.waiting).chunks(BATCH_FACTS_MAX) {
            self.ledger.append(batch)?;
        }
        Ok(())
    }

    /// Closes and exports the ledger; returns its size, the hash line of its checkpoint, and the situation.
    pub fn close(mut self, out: &Path) -> Result<(u64, String, Situation), ControlError> {
        self.flush()?;
        self.ledger.export(&out.join("ledger-export"))?;
        let size = self.ledger.size();
        let hash = self.ledger.checkpoint().lines().nth(2).unwrap_or_default().to_owned();
        self.ledger.close()?;
        Ok((size, hash, self.situation))
    }
}
