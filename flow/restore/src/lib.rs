//! What comes back in which order, and through which gates.

mod content;
mod version;

pub use content::{JUDGED_BYTES_MIN, WINDOW_BYTES, evenness, looks_encrypted};
pub use version::{Version, clean_version};
