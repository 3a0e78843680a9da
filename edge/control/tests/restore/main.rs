//! Restorations by real programs. A binary of its own: a process that is just being started holds every lock of this one for a
//! moment, and the other tests open ledgers all the time.

#[cfg(test)]
mod actuator;
#[cfg(test)]
mod restoration;
#[cfg(test)]
mod scene;
