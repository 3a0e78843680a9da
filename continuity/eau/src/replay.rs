use serde::{Deserialize, Serialize};

use crate::record::SealedRecord;
use crate::spool::{Spool, SpoolError};

/// Most bytes of sealed records in one batch of a replay; one record more than that still goes alone.
pub const REPLAY_BATCH_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Records for a receiver, in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The spool they come from.
    pub spool: [u8; 16],
    /// The position this batch goes on from.
    pub after: u64,
    /// The position a receiver has after it took the batch.
    pub through: u64,
    /// The records.
    pub records: Vec<SealedRecord>,
    /// Numbers of records that can no longer be read; they must be asked for again from their senders.
    pub damaged: Vec<u64>,
}

impl Spool {
    /// Returns what a receiver that stands at `position` gets next: at most `records_max` records. The batch is empty
    /// when nothing waits.
    ///
    /// The receiver's own report is the only cursor: one that was restored from an older backup reports an older
    /// position and gets everything again; its [`crate::Inbox`] leaves out what it has.
    pub fn next_batch(&self, position: u64, records_max: usize) -> Result<Batch, SpoolError> {
        if position > self.last_seq() {
            return Err(SpoolError::ReceiverAhead {
                position,
                last: self.last_seq(),
            });
        }
        let mut batch = Batch {
            spool: self.id(),
            after: position,
            through: position,
            records: Vec::new(),
            damaged: Vec::new(),
        };
        let mut bytes = 0;
        for place in self.places_after(position).iter().take(records_max) {
            bytes += u64::from(place.length);
            if bytes > REPLAY_BATCH_BYTES_MAX && batch.through > position {
                break;
            }
            match self.read(place) {
                Ok(record) => batch.records.push(record),
                Err(SpoolError::Damaged { seq }) => batch.damaged.push(seq),
                Err(error) => return Err(error),
            }
            batch.through = place.record.seq;
        }
        Ok(batch)
    }
}
