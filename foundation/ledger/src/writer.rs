use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::error::LedgerError;
use crate::ledger::{Ledger, check_batch};
use crate::limit::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};

/// A handle that many threads append with: appends that arrive while another is being written share one transaction
/// and one fsync (group commit).
///
/// ```text
///   callers   a b c d e f         each waits until its entries are on disk
///   commits   [a][b c d ][e f]    whoever gets the ledger next writes for everybody who waits
/// ```
///
/// A caller holds at most one append, so what waits is bounded by the number of threads.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

struct Shared {
    waiting: Mutex<VecDeque<Waiting>>,
    ledger: Mutex<Ledger>,
}

struct Waiting {
    entries: Vec<Vec<u8>>,
    answer: Arc<Answer>,
}

type Answer = Mutex<Option<Result<Range<u64>, Arc<LedgerError>>>>;

impl Writer {
    /// Takes a ledger; it is closed when the last handle is dropped.
    pub fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Shared {
            waiting: Mutex::default(),
            ledger: Mutex::new(ledger),
        }))
    }

    /// Appends entries as [`Ledger::append`] does: they stand side by side, and are on disk when this returns.
    pub fn append(&self, entries: Vec<Vec<u8>>) -> Result<Range<u64>, LedgerError> {
        check_batch(&entries)?;
        let answer = Arc::new(Answer::default());
        lock(&self.0.waiting)?.push_back(Waiting {
            entries,
            answer: Arc::clone(&answer),
        });
        let mut ledger = lock(&self.0.ledger)?;
        loop {
            if let Some(result) = lock(&answer)?.take() {
                return result.map_err(LedgerError::Group);
            }
            self.commit_group(&mut ledger)?;
        }
    }

    /// Calls `work` with the ledger between two commits, for instance to read entries or to take a checkpoint.
    pub fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> Result<T, LedgerError> {
        Ok(work(&mut *lock(&self.0.ledger)?))
    }

    /// Writes those who wait, first come first served, up to the limits of a batch.
    fn commit_group(&self, ledger: &mut Ledger) -> Result<(), LedgerError> {
        let (mut batch, mut members, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut waiting = lock(&self.0.waiting)?;
        while let Some(next) = waiting.front() {
            bytes += next.entries.iter().map(Vec::len).sum::<usize>();
            if !members.is_empty() && (batch.len() + next.entries.len() > BATCH_ENTRIES_MAX || bytes > BATCH_BYTES_MAX) {
                break;
            }
            let Some(next) = waiting.pop_front() else { break };
            members.push((next.entries.len() as u64, next.answer));
            batch.extend(next.entries);
        }
        drop(waiting);

        let written = ledger.append(&batch).map_err(Arc::new);
        let mut first = written.as_ref().map_or(0, |range| range.start);
        for (count, answer) in members {
            let result = written.as_ref().map(|_| first..first + count).map_err(Arc::clone);
            *lock(&answer)? = Some(result);
            first += count;
        }
        Ok(())
    }
}

/// A lock is poisoned when a thread panicked while holding it; then nobody knows what the ledger holds.
fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, LedgerError> {
    mutex.lock().map_err(|_| LedgerError::Unusable)
}
