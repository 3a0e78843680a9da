//! The control room: joins the rooms into one chain and writes every step into the ledger.
