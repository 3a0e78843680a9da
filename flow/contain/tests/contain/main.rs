//! Takedowns of arbitrary small estates against brute force, and of the example of the real case's size.

#[cfg(test)]
mod approval;
#[cfg(test)]
mod attestation;
#[cfg(test)]
mod cacao;
#[cfg(test)]
mod cut;
#[cfg(test)]
mod essen;
#[cfg(test)]
mod harm;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod separation;
