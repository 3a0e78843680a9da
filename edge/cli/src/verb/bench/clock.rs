use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Returns the CPU time that this process took so far, in milliseconds.
pub(super) fn cpu_ms() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    usage.map_or(0.0, |u| (u.user_time() + u.system_time()).num_microseconds() as f64 / 1_000.0)
}

/// Returns the most memory that this process ever held, in bytes.
pub(super) fn peak_rss_bytes() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |u| u.max_rss().unsigned_abs() * 1_024)
}
