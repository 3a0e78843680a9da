//! Tests of the verbs `hunt`, `watch`, `events` and `rules` as their user meets them: findings, exports, resuming, hostile input.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail and say why")]

mod events;
mod findings;
mod hostile;
mod place;
mod recorded;
mod resume;
mod rules;
mod watch;
