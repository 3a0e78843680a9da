//! Patient records under per-patient keys, with an audit trail.
