use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use crate::error::LedgerError;
use crate::ledger::{Ledger, check_batch};
use crate::limit::{BATCH_BYTES_MAX, BATCH_ENTRIES_MAX};

/// A handle that many threads append with: appends that arrive while another is being written share one transaction
/// and one fsync (group commit).
///
/// ```text
///   callers   a b c d e f         each waits until its entries are on disk
///   commits   [a][b c d ][e f]    one of those who wait writes for all of them
/// ```
///
/// A caller holds at most one append, so what waits is bounded by the number of threads.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Told whenever a commit ended.
    committed: Condvar,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    is_committing: bool,
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
            queue: Mutex::default(),
            committed: Condvar::new(),
            ledger: Mutex::new(ledger),
        }))
    }

    /// Appends entries as [`Ledger::append`] does: they stand side by side, and are on disk when this returns.
    pub fn append(&self, entries: Vec<Vec<u8>>) -> Result<Range<u64>, LedgerError> {
        check_batch(&entries)?;
        let answer = Arc::new(Answer::default());
        let mut queue = lock(&self.0.queue)?;
        queue.waiting.push_back(Waiting {
            entries,
            answer: Arc::clone(&answer),
        });
        loop {
            if let Some(result) = lock(&answer)?.take() {
                return result.map_err(LedgerError::Group);
            }
            if queue.is_committing {
                queue = self.0.committed.wait(queue).map_err(|_| LedgerError::Died)?;
            } else {
                queue.is_committing = true;
                drop(queue);
                let turn = Turn(&self.0);
                self.commit_group()?;
                drop(turn);
                queue = lock(&self.0.queue)?;
            }
        }
    }

    /// Returns how many appends wait for the next commit.
    pub fn waiting(&self) -> usize {
        lock(&self.0.queue).map_or(0, |queue| queue.waiting.len())
    }

    /// Calls `work` with the ledger between two commits, for instance to read entries or to take a checkpoint.
    ///
    /// `work` must not append with a [`Writer`] of the same ledger: it would wait for itself.
    pub fn with<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> Result<T, LedgerError> {
        Ok(work(&mut *lock(&self.0.ledger)?))
    }

    /// Writes those who wait, first come first served, up to the limits of a batch.
    fn commit_group(&self) -> Result<(), LedgerError> {
        let mut ledger = lock(&self.0.ledger)?;
        let (mut batch, mut members, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut queue = lock(&self.0.queue)?;
        while let Some(next) = queue.waiting.front() {
            bytes += next.entries.iter().map(Vec::len).sum::<usize>();
            if !members.is_empty() && (batch.len() + next.entries.len() > BATCH_ENTRIES_MAX || bytes > BATCH_BYTES_MAX) {
                break;
            }
            let Some(next) = queue.waiting.pop_front() else { break };
            members.push((next.entries.len() as u64, next.answer));
            batch.extend(next.entries);
        }
        drop(queue);

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

/// The turn of one caller to commit for all; it ends in any case, so that nobody waits for ever.
struct Turn<'a>(&'a Shared);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Ok(mut queue) = self.0.queue.lock() {
            queue.is_committing = false;
        }
        self.0.committed.notify_all();
    }
}

/// A lock is poisoned when a thread panicked while holding it; then nobody knows what the ledger holds.
fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, LedgerError> {
    mutex.lock().map_err(|_| LedgerError::Died)
}
