//! Who could have touched whom: exact closures over contacts that never go back in time.
//!
//! | question | function | cost |
//! |---|---|---|
//! | who could have been reached from here? | [`forward`], [`Closure`] for contacts that stream | O(contacts), one pass |
//! | from where, and until when? | [`backward`] | the same pass from the end |
//! | the same for 512 starts, or for 512 plans of cuts | [`forward_many`], [`what_if`] | one pass, masks of 512 bits |
//! | how far does each node reach? | [`blast_radius`] | one pass per 4,096 nodes |
//! | … if nobody waits longer than *w* anywhere? | [`forward_restless`] | O(contacts) |
//! | … if clocks are wrong by up to *e*? | [`forward_skewed`] | O(contacts × log nodes) |
//! | … and now, without a pass? | [`Live`] | O(nodes) per contact, a look-up per question |
//!
//! Sources: Wu et al., "Path problems in temporal graphs", VLDB 2014 (one pass in order of time); Bentert et al.,
//! "Efficient computation of optimal temporal walks under waiting-time constraints", 2020 (restless walks). Logs have
//! clocks of one second, so contacts with equal times are taken as a fix-point: chains inside a second are not lost, and
//! the order of records decides nothing.

mod closure;
mod contacts;
mod live;
mod many;
mod restless;
mod skew;
mod synthetic;

pub use closure::{Closure, NotSorted, Reach, backward, forward};
pub use contacts::{Columns, Contact, Contacts};
pub use live::{LIVE_NODES_MAX, Live, LiveError};
pub use many::{Cut, CutPlan, LANES, Lanes, blast_radius, forward_many, what_if};
pub use restless::forward_restless;
pub use skew::{Certainty, forward_skewed};
pub use synthetic::SyntheticLog;
