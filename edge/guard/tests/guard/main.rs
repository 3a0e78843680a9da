//! The guard against the real kernel, in network namespaces of its own.

mod kernel;
