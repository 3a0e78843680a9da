//! Carries out an approved plan so that a kill between any two bytes loses nothing and does nothing twice.
//!
//! ```text
//!   plan, approved ─► stage: read ─► intent ─► act ─► verify ─► outcome ─► is a life-line lost? ─► next stage
//!                              durable ┘                  durable ┘                └─ yes: undo, in reverse order
//! ```
//!
//! There is one way through: a plan that is resumed runs the same code as one that begins. What is open follows from the facts
//! ([`open_steps`]), what was really done from reading the world ([`Actuator::read`]). A step that was intended and is found
//! done is verified, not done again; one that is found not done is done.
//!
//! How to carry a kind of plan out: implement [`Actuator`], open a [`Journal`], hand both to an [`Execution`].

mod actuator;
mod fault;
mod journal;
mod lease;
mod life_line;
mod open;
mod run;
mod undo;

pub use actuator::{Actuator, Reading};
pub use fault::{Faults, NoFaults, Point};
pub use journal::{Clock, Journal};
pub use lease::Renewal;
pub use open::{by_action, open_steps, refused_steps, undo_steps};
pub use run::{Ended, Execution};
