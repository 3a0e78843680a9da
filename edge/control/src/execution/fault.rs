use std::io;

use leckwehr_ledger::Step;

/// A moment of an execution at which the process may die or the disk may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Facts are about to be appended.
    BeforeRecord,
    /// Within the append.
    Ledger(Step),
    /// The facts are durable.
    AfterRecord,
    /// A target is about to be read.
    BeforeRead,
    /// It was read.
    AfterRead,
    /// An order is about to leave.
    BeforeAct,
    /// Its answer is there.
    AfterAct,
    /// A step is about to be verified.
    BeforeVerify,
    /// It was verified.
    AfterVerify,
    /// Life-lines are about to be probed.
    BeforeProbe,
    /// They were.
    AfterProbe,
    /// The undoing order is about to leave.
    BeforeUndo,
    /// Its answer is there.
    AfterUndo,
    /// Leases are about to be renewed.
    BeforeRenew,
    /// They were.
    AfterRenew,
    /// An approval is about to be taken.
    BeforeApproval,
    /// It was.
    AfterApproval,
    /// Within an effect that has several parts.
    Within(&'static str),
}

/// What may happen at a [`Point`]. Crash tests kill the process or let the disk fail; nothing else does.
pub trait Faults: Send + Sync {
    /// Comes by a point. An error at [`Point::BeforeRecord`] is one of the disk: the plan stops there. Within the ledger's own
    /// steps errors are ignored.
    fn at(&self, point: Point) -> io::Result<()>;
}

/// Nothing happens: the handle of every real run.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn at(&self, _point: Point) -> io::Result<()> {
        Ok(())
    }
}
