/// Largest entry: entry bundles of tlog-tiles write the length in 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Most entries in one append.
pub const BATCH_ENTRIES_MAX: usize = 65_536;

/// Most bytes in one append.
pub const BATCH_BYTES_MAX: usize = 64 << 20;

/// Most entries in one ledger.
pub const ENTRIES_MAX: u64 = 1 << 40;

/// Most bytes that one call of `entries` returns.
pub const READ_BYTES_MAX: usize = 1 << 30;

/// Most places that a verification names; the rest is counted.
pub const DAMAGE_NAMED_MAX: usize = 100;

/// Largest text file read (checkpoints and keys).
pub(crate) const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Largest file of an exported ledger: 256 entries of the largest size with their lengths.
pub(crate) const TILE_FILE_BYTES_MAX: u64 = 256 * (2 + ENTRY_BYTES_MAX as u64);
