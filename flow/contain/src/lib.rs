//! The takedown: what to cut, in which order, and how to undo it.
