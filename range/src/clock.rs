use std::time::{SystemTime, UNIX_EPOCH};

use leckwehr_incident::Timestamp;

/// Returns the machine's time. All nodes of a drill run on one machine, so their clocks agree.
#[expect(clippy::disallowed_methods, reason = "the range is the world: it has a clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
