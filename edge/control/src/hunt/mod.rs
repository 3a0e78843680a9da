//! Rules and detectors over files: all cores, bounded memory, to be interrupted and resumed.
//!
//! ```text
//!   folders ─► files ─► pieces ─┬─► worker: read, match ──┐  bounded queues
//!                               ├─► worker: read, match ──┼─► merged in the order of the pieces ─► findings, tally, accounts
//!                               └─► …                     ┘            └─► state on disk: where to go on
//! ```
//!
//! The order of findings does not depend on the number of threads: by piece, then by record.

mod finding;
mod merge;
mod piece;
mod report;
mod state;
mod walk;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use leckwehr_detect::Engine;
use leckwehr_estate::Estate;
use leckwehr_incident::{Finding, Timestamp};

pub use piece::PIECE_BYTES_MAX;
pub use report::{CutOff, HuntReport, SourceLoss};
pub use state::HuntState;
pub use walk::{HUNT_FILES_MAX, TelemetryFiles};

/// Threads of one hunt.
pub const HUNT_THREADS_MAX: usize = 256;

/// What is hunted for, and where.
pub struct HuntSettings {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// The rules.
    pub engine: Arc<Engine>,
    /// The estate, if known: its names stand in the findings.
    pub estate: Estate,
    /// Least weight of a finding ([`leckwehr_detect::Rule::weight`]).
    pub weight_min: u8,
    /// Records before this are passed over.
    pub from: Option<Timestamp>,
    /// Records after this are passed over.
    pub to: Option<Timestamp>,
    /// Threads that read and match.
    pub threads: usize,
    /// Whether the behaviour detectors look at the records as well.
    pub behaviour: Option<Behaviour>,
}

/// How the behaviour detectors take part.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    /// What was recorded until then is normal; without it nothing is learned, and everything may be the attack.
    pub learn_until: Option<Timestamp>,
}

/// How far it is.
#[derive(Debug)]
pub enum HuntNews<'a> {
    /// So much is to be read.
    Begun {
        /// Files.
        files: usize,
        /// Bytes on disk.
        bytes: u64,
    },
    /// Something was found.
    Found(&'a Finding),
    /// So much has been read.
    Read {
        /// Bytes on disk since the last time.
        bytes: u64,
        /// Records so far.
        records: u64,
        /// Findings so far.
        findings: u64,
    },
}

/// Why a listener cannot take what it is told.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// A hunt that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum HuntError {
    /// Nothing to be read.
    #[error("there is no file to be read")]
    NoFile,
    /// A path that was named is not there.
    #[error("{} cannot be read", .path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// More files than one hunt takes.
    #[error("more than {HUNT_FILES_MAX} files")]
    TooManyFiles,
    /// Who listens to findings cannot take them.
    #[error("a finding could not be handed on")]
    Sink(#[source] Refusal),
    /// The folder of the state cannot be used.
    #[error("the state in {} cannot be used", .folder.display())]
    State {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The state is of another hunt.
    #[error("the state in {} is of another hunt: {what} differ", .folder.display())]
    OtherHunt {
        /// The folder.
        folder: PathBuf,
        /// What is different.
        what: String,
    },
    /// The detectors' state cannot be kept or taken back.
    #[error("the detectors' state cannot be used")]
    Detectors(#[from] leckwehr_detect::SnapshotError),
}

/// Hunts until everything is read or `stop` is set. What was found is handed to `news`, in order; with a state, it is also in
/// the state's folder, and an interrupted hunt goes on where it stopped.
///
/// A file that cannot be opened or read to its end is named in the report, and the rest goes on.
///
/// # Errors
/// When nothing can be read, the state cannot be kept, or the listener refuses a finding.
pub fn hunt(
    settings: &HuntSettings,
    state: Option<HuntState>,
    stop: &AtomicBool,
    news: &mut dyn FnMut(HuntNews<'_>) -> Result<(), Refusal>,
) -> Result<HuntReport, HuntError> {
    let files = walk::files(&settings.paths)?;
    let split = settings.engine.correlations().is_empty();
    let pieces = piece::pieces(&files.files, split);
    let mut merger = merge::Merger::new(settings, files, &pieces, state, news)?;
    let first = merger.first_piece();
    let next = AtomicUsize::new(first);
    let threads = settings.threads.clamp(1, HUNT_THREADS_MAX).min(pieces.len().max(1));
    let (give, take) = sync_channel(threads);
    let halted = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (give, next, pieces, halted) = (give.clone(), &next, &pieces, &halted);
            scope.spawn(move || {
                let mut worker = work::Worker::new(settings, halted);
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = pieces.get(number) else { return };
                    let (batches, queue) = sync_channel(work::QUEUE_BATCHES_MAX);
                    if give.send((number, queue)).is_err() || worker.read(piece, &batches).is_err() {
                        return;
                    }
                }
            });
        }
        drop(give);
        let outcome = merger.merge(&take, stop);
        // Whoever still reads sees it at its next batch; whoever waits for room finds nobody listening.
        halted.store(true, Ordering::Relaxed);
        drop(take);
        merger.finish(outcome)
    })
}
