//! Tests of the estate room.

mod dependency;
mod examples;
mod graph;
mod lint;
mod load;
