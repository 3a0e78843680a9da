//! Tests of the analysis on recorded and generated incidents.

mod apt29;
mod estates;
mod reach;
