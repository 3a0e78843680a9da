use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::Arc;

use leckwehr_incident::Timestamp;
use serde_json::{Value, json};

use crate::block::Block;
use crate::blocking::{blocking, is_traffic, rule_number};
use crate::book::{Book, BookedBlock};
use crate::compartments::Cutting;
use crate::executor::Executor;
use crate::firewall::{Firewall, FirewallError};
use crate::flows::{Ending, Flows};
use crate::management::Management;
use crate::openc2::features;
use crate::order::{Action, Order, Reply};
use crate::switch::Switch;
use crate::warrant::{Clock, Refusal};

/// Target of cuts and of questions about them: a system or connection by its id.
pub const COMPARTMENT: &str = "x-leckwehr:compartment";
/// Target of cuts of several compartments in one transaction: a list of ids.
pub const COMPARTMENTS: &str = "x-leckwehr:compartments";
/// Target of the profile for packet filters.
pub(crate) const RULE_NUMBER: &str = "slpf:rule_number";

/// The guard: a firewall, other switches, and the book of what is to be in force.
pub struct GuardExecutor<F> {
    /// The firewall.
    pub firewall: F,
    pub(crate) compartments: BTreeMap<String, Cutting>,
    pub(crate) book: Book,
    flows: Option<Flows>,
    pub(crate) management: Management,
    pub(crate) clock: Clock,
}

impl<F: Firewall> GuardExecutor<F> {
    /// Builds a guard that cuts compartments, each by its interfaces, and forgets everything at a restart but what the kernel
    /// keeps; see the other methods for more.
    pub fn new(firewall: F, compartments: BTreeMap<String, Vec<String>>) -> Self {
        let interfaces = compartments.into_iter().map(|(id, i)| (id, Cutting::Interfaces(i)));
        Self {
            firewall,
            compartments: interfaces.collect(),
            book: Book::default(),
            flows: None,
            management: Management::default(),
            clock: Arc::new(Timestamp::default),
        }
    }

    /// Remembers what is to be in force in a book, with a clock for its leases.
    #[must_use]
    pub fn with_book(self, book: Book, clock: Clock) -> Self {
        Self { book, clock, ..self }
    }

    /// Ends live flows of what is cut or blocked.
    #[must_use]
    pub fn with_flows(self, flows: Flows) -> Self {
        Self {
            flows: Some(flows),
            ..self
        }
    }

    /// Never cuts the management path. The firewall must have been told too ([`crate::Nft::protect`]).
    #[must_use]
    pub fn with_management(self, management: Management) -> Self {
        Self { management, ..self }
    }

    /// Cuts one more compartment by a switch.
    #[must_use]
    pub fn with_switch(mut self, compartment: &str, switch: Box<dyn Switch>) -> Self {
        self.compartments.insert(compartment.to_owned(), Cutting::Switch(switch));
        self
    }

    /// Brings the kernel to what the book says, after a restart of the guard or of its machine. Returns how many cuts and blocks
    /// the kernel had lost.
    pub fn recover(&mut self) -> Result<usize, Refusal> {
        let now = (self.clock)();
        self.book.expire(now).map_err(Refusal::Journal)?;
        let cut = self.firewall.state().map_err(failed)?.cut;
        let mut by_lease: BTreeMap<Option<Timestamp>, Vec<String>> = BTreeMap::new();
        for (interface, until) in self.book.cuts().iter().filter(|(i, _)| !cut.contains_key(*i)) {
            by_lease.entry(*until).or_default().push(interface.clone());
        }
        let mut lost: usize = by_lease.values().map(Vec::len).sum();
        for (until, interfaces) in by_lease {
            self.firewall.cut(&interfaces, left_ms(until, now)).map_err(failed)?;
        }
        let booked: Vec<BookedBlock> = self.book.blocks().values().copied().collect();
        if booked.is_empty() {
            return Ok(lost);
        }
        let blocks: Vec<Block> = booked.iter().map(|b| b.block).collect();
        let there = self.firewall.blocked(&blocks).map_err(failed)?;
        let gone = booked.iter().zip(there).filter(|(_, there)| there.is_none());
        let gone: Vec<(Block, Option<u64>)> = gone.map(|(b, _)| (b.block, left_ms(b.until, now))).collect();
        lost += gone.len();
        self.firewall.block(&gone).map_err(failed)?;
        Ok(lost)
    }

    /// Takes back every cut and block, whoever ordered it: for the person at the machine. Returns what was taken back.
    pub fn undo_all(&mut self) -> Result<Vec<String>, Refusal> {
        let mut cut: BTreeSet<String> = self.firewall.state().map_err(failed)?.cut.into_keys().collect();
        cut.extend(self.book.cuts().keys().cloned());
        let blocks: Vec<(u64, Block)> = self.book.blocks().iter().map(|(n, b)| (*n, b.block)).collect();
        let interfaces: Vec<String> = cut.iter().cloned().collect();
        self.firewall.release(&interfaces).map_err(failed)?;
        self.book.release(&interfaces).map_err(Refusal::Journal)?;
        if !blocks.is_empty() {
            let all: Vec<Block> = blocks.iter().map(|(_, block)| *block).collect();
            self.firewall.unblock(&all).map_err(failed)?;
        }
        for (number, _) in &blocks {
            self.book.unblock(*number).map_err(Refusal::Journal)?;
        }
        let cuts = cut.into_iter().map(|interface| format!("cut of {interface}"));
        let blocks = blocks.into_iter().map(|(number, block)| format!("rule {number}: {block}"));
        Ok(cuts.chain(blocks).collect())
    }

    pub(crate) fn end_flows(&mut self, ending: &Ending) -> Value {
        let Some(flows) = &mut self.flows else { return Value::Null };
        match flows.end(ending, &self.management) {
            Ok(ended) => json!(ended),
            // Every packet is stopped already; only entries and sockets are left.
            Err(error) => json!({ "error": error.to_string() }),
        }
    }
}

impl<F: Firewall> Executor for GuardExecutor<F> {
    async fn execute(&mut self, order: &Order) -> Result<Reply, Refusal> {
        match (order.action, order.target_type()) {
            (Action::Query, COMPARTMENT) => self.compartment(order).await,
            (Action::Query, kind) => {
                let mut reply = self.look().await?;
                if let (Some(results), "features") = (reply.results.as_object_mut(), kind) {
                    let asked = order.target.values().next().cloned().unwrap_or_default();
                    results.extend(features(&serde_json::from_value::<Vec<String>>(asked).unwrap_or_default()));
                }
                Ok(reply)
            }
            (Action::Deny | Action::Allow, COMPARTMENT | COMPARTMENTS) => self.turn(order).await,
            (Action::Deny | Action::Allow, kind) if is_traffic(kind) => self.block(order),
            (Action::Delete, RULE_NUMBER) => self.unblock(rule_number(order)?),
            _ => Err(Refusal::NotImplemented),
        }
    }

    /// The interfaces of the order that are cut already, with their leases; the position of the switch; the block and its end.
    async fn before(&mut self, order: &Order) -> Result<Value, Refusal> {
        let kind = order.target_type();
        if is_traffic(kind) {
            let block = blocking(order, (self.clock)())?.block;
            let number = self.book.number_of(&block);
            let booked = number.and_then(|number| self.book.blocks().get(&number));
            return Ok(json!({ "block": booked }));
        }
        if kind == RULE_NUMBER {
            return Ok(json!({ "block": self.book.blocks().get(&rule_number(order)?) }));
        }
        self.before_cut(order).await
    }

    async fn undo(&mut self, order: &Order, before: &[Value]) -> Result<Reply, Refusal> {
        let kind = order.target_type();
        if is_traffic(kind) || kind == RULE_NUMBER {
            return self.undo_block(order, before.first().unwrap_or(&Value::Null));
        }
        self.undo_cut(order, before).await
    }

    async fn look(&mut self) -> Result<Reply, Refusal> {
        // What has ended is not shown; a book that cannot be written now is written at the next change.
        let _ = self.book.expire((self.clock)());
        let state = self.firewall.state().map_err(failed)?;
        let mut results = serde_json::to_value(&state).map_err(|error| Refusal::Failed {
            reason: error.to_string(),
        })?;
        results["blocks"] = self.blocks()?;
        Ok(Reply::done(results))
    }
}

/// Milliseconds until the end of a lease; at least one.
pub(crate) fn left_ms(until: Option<Timestamp>, now: Timestamp) -> Option<u64> {
    until.map(|until| u64::try_from((until.0 - now.0) / 1_000_000).unwrap_or_default().max(1))
}

pub(crate) fn with_flows(mut reply: Reply, ended: Value) -> Reply {
    if let (Some(results), false) = (reply.results.as_object_mut(), ended.is_null()) {
        results.insert("flows".to_owned(), ended);
    }
    reply
}

pub(crate) fn not_seen() -> Refusal {
    Refusal::Failed {
        reason: "the kernel accepted the order but its state does not show it".into(),
    }
}

pub(crate) fn failed(error: FirewallError) -> Refusal {
    if let FirewallError::Unsupported = error {
        return Refusal::NotSupported {
            reason: error.to_string(),
        };
    }
    let reason = match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Refusal::Failed { reason }
}
