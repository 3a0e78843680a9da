//! Keeps accepting eAU: durable sealed spool, receipts and replay.
