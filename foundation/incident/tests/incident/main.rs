//! The vocabulary as it stands in ledgers, and the fold over arbitrary sequences of facts.

mod fold;
mod vocabulary;
