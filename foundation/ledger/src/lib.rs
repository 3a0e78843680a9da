//! The tamper-evident log that every fact is appended to.
