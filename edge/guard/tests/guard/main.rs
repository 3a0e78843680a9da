//! The guard against the real kernel, in network namespaces of its own, and its warrant against everything that is not one.

#[cfg(test)]
mod kernel;
#[cfg(test)]
mod network;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod warrant;
