//! The guard against the real kernel, in network namespaces of its own, and its warrant against everything that is not one.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod holes;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod network;
#[cfg(test)]
mod service;
#[cfg(test)]
mod switches;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod together;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod warrant;
