//! What a ledger promises, tried out on real folders.

mod smoke;
