use std::path::PathBuf;

use leckwehr_incident::{Fact, What};
use leckwehr_ledger::Ledger;
use leckwehr_pay::Desk;

use crate::problem::Problem;

/// Entries read at a time.
const PAGE_ENTRIES: u64 = 1_024;

/// The ledger.
#[derive(clap::Args)]
pub(super) struct LedgerArgs {
    /// Folder of the incident's ledger: every step goes there as a fact of counts, sums and hashes.
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
}

/// A ledger that is told what a desk did, if there is one.
pub(super) struct Told(Option<Ledger>);

impl LedgerArgs {
    /// Opens the ledger, before anything is done.
    pub(super) fn open(&self) -> Result<Told, Problem> {
        let ledger = self.ledger.as_deref().map(Ledger::open).transpose();
        ledger.map(Told).map_err(|e| {
            bad(&e).hint("stop whoever writes it, or leave --ledger out and tell it later with `payments status --ledger`")
        })
    }
}

impl Told {
    /// Adds the facts that the ledger lacks: those of a desk that was interrupted, too.
    pub(super) fn tell(&mut self, desk: &Desk) -> Result<(), Problem> {
        let Some(ledger) = &mut self.0 else { return Ok(()) };
        let mut missing = desk.facts();
        let size = ledger.size();
        for from in (0..size).step_by(PAGE_ENTRIES as usize) {
            let page = ledger.entries(from..(from + PAGE_ENTRIES).min(size)).map_err(|e| bad(&e))?;
            for (index, bytes) in (from..).zip(page) {
                let fact = Fact::from_bytes(index, &bytes).map_err(|e| bad(&e))?;
                if matches!(fact.what, What::PaymentRun { .. }) {
                    missing.retain(|one| *one != fact);
                }
            }
        }
        let entries: Vec<Vec<u8>> = missing.iter().map(Fact::to_bytes).collect();
        if !entries.is_empty() {
            ledger.append(&entries).map_err(|e| bad(&e))?;
        }
        Ok(())
    }
}

fn bad(error: &dyn std::error::Error) -> Problem {
    Problem::new("LW-PAY-025", "the ledger cannot be told", error)
}
