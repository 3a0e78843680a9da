//! Tests of the live control room in a house in memory, of the replay on the APT29 recording and on damaged input, and of
//! what is made to fit a ledger entry.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail and say why")]

#[cfg(test)]
mod agreed;
#[cfg(test)]
mod approval;
mod apt29;
mod bench;
#[cfg(test)]
mod crash;
mod damaged;
#[cfg(test)]
mod execution;
mod fit;
mod house;
#[cfg(test)]
mod killed_room;
mod live;
#[cfg(test)]
mod namespace;
mod receive;
#[cfg(test)]
mod returning;
mod what_if;
