//! Tests of the estate room.

mod dependency;
mod load;
