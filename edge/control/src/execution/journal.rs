use std::path::Path;
use std::sync::Arc;

use leckwehr_crypt::SigningKey;
use leckwehr_incident::{Fact, PlanView, Situation, Timestamp, What};
use leckwehr_ledger::Ledger;

use crate::error::ControlError;
use crate::execution::fault::{Faults, Point};
use crate::fit::fit_fact;

/// Entries read at once when an existing ledger is replayed.
const REPLAY_ENTRIES_MAX: u64 = 256;
/// Nanoseconds in a millisecond.
const MS_NS: u64 = 1_000_000;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The ledger with the situation that follows from it: every fact is durable before anything is done on the strength of it.
pub struct Journal {
    ledger: Ledger,
    situation: Situation,
    clock: Clock,
    faults: Arc<dyn Faults>,
    is_new: bool,
    /// What is held may be ahead of the disk: only opening the ledger again can tell.
    broken: bool,
}

impl Journal {
    /// Opens the ledger in `folder`, or begins it where there is none, and says that a control room started: the number of this
    /// start ([`Self::epoch`]) is greater than any before.
    ///
    /// # Errors
    /// The ledger is damaged, open elsewhere, of another key, or cannot be written.
    pub fn open(
        folder: &Path,
        origin: &str,
        key: SigningKey,
        clock: Clock,
        faults: Arc<dyn Faults>,
    ) -> Result<Self, ControlError> {
        Self::open_telling(folder, origin, key, clock, faults, &mut |_| ())
    }

    /// Opens the ledger as [`Self::open`] does and tells of every fact that it holds.
    pub fn open_telling(
        folder: &Path,
        origin: &str,
        key: SigningKey,
        clock: Clock,
        faults: Arc<dyn Faults>,
        each: &mut dyn FnMut(&Fact),
    ) -> Result<Self, ControlError> {
        let is_new = !folder.exists();
        let mut ledger = if is_new {
            Ledger::create_without_key(folder, origin, key)?
        } else {
            Ledger::open_with_key(folder, key)?
        };
        let mut situation = Situation::default();
        let mut first = 0;
        while first < ledger.size() {
            let end = ledger.size().min(first + REPLAY_ENTRIES_MAX);
            for (index, bytes) in (first..end).zip(ledger.entries(first..end)?) {
                let fact = Fact::from_bytes(index, &bytes).map_err(leckwehr_incident::SituationError::from)?;
                situation.apply(&fact)?;
                each(&fact);
            }
            first = end;
        }
        let observer = Arc::clone(&faults);
        // What goes wrong within the ledger is the ledger's to say.
        ledger.on_step(move |step| drop(observer.at(Point::Ledger(step))));
        let mut journal = Self {
            ledger,
            situation,
            clock,
            faults,
            is_new,
            broken: false,
        };
        let epoch = (journal.now().0.max(0).unsigned_abs() / MS_NS).max(journal.situation.epoch + 1);
        journal.record("control-room", vec![What::ControlStarted { epoch }])?;
        Ok(journal)
    }

    /// Records facts: durable when this returns, all of them or none.
    ///
    /// # Errors
    /// After a failed append nothing is recorded any more: whether it is on the disk shows when the ledger is opened again.
    pub fn record(&mut self, by: &str, whats: Vec<What>) -> Result<(), ControlError> {
        if whats.is_empty() {
            return Ok(());
        }
        if self.broken {
            return Err(ControlError::Ledger(leckwehr_ledger::LedgerError::Unusable));
        }
        self.pass(Point::BeforeRecord)?;
        let at = self.now();
        let mut entries = Vec::with_capacity(whats.len());
        self.broken = true;
        for what in whats {
            let fact = fit_fact(Fact::new(at, by, what));
            self.situation.apply(&fact)?;
            entries.push(fact.to_bytes());
        }
        self.ledger.append(&entries)?;
        self.broken = false;
        self.pass(Point::AfterRecord)
    }

    /// Returns the situation as it follows from the facts.
    pub fn situation(&self) -> &Situation {
        &self.situation
    }

    /// Returns a plan and how far it is.
    ///
    /// # Errors
    /// It was never proposed here.
    pub fn plan(&self, hash: &str) -> Result<&PlanView, ControlError> {
        let view = self.situation.plans.get(hash);
        view.ok_or_else(|| ControlError::PlanNotRecorded { hash: hash.to_owned() })
    }

    /// Returns the number of this start of the control room.
    pub fn epoch(&self) -> u64 {
        self.situation.epoch
    }

    /// Returns whether the ledger was begun by this start.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns the time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Returns the ledger: to be exported, or asked for its size and checkpoint.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Closes the ledger and returns the situation.
    pub fn close(self) -> Result<Situation, ControlError> {
        self.ledger.close()?;
        Ok(self.situation)
    }

    /// Comes by a fault point.
    pub(crate) fn pass(&self, point: Point) -> Result<(), ControlError> {
        self.faults.at(point).map_err(|source| ControlError::Io {
            what: "the disk failed while facts were recorded".to_owned(),
            source,
        })
    }
}
