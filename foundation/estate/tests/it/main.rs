//! Tests of the estate room.

mod dependency;
mod examples;
mod load;
