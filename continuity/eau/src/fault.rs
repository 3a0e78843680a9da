use std::fmt;
use std::io;
use std::sync::Arc;

/// A place in the life of a batch where a test can stop the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// Nothing is written yet.
    BeforeWrite,
    /// Half of the batch's bytes are written.
    HalfWritten,
    /// Everything is written, nothing is synced.
    Written,
    /// Everything is synced, no receipt is given.
    Synced,
    /// A new segment file exists, its folder is not synced.
    SegmentCreated,
}

/// A hook called at every [`FaultPoint`]. It may end the process or return an error, which then counts as the disk's.
/// The default does nothing.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Hook>>);

type Hook = dyn Fn(FaultPoint) -> io::Result<()> + Send + Sync;

impl Faults {
    /// Takes a hook.
    pub fn new(hook: impl Fn(FaultPoint) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn at(&self, point: FaultPoint) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(point))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(hook)" } else { "Faults(none)" })
    }
}
