use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::Arc;

use leckwehr_incident::{PlanStep, Timestamp};
use serde_json::{Value, json};

use crate::block::Block;
use crate::blocking::{blocking, is_traffic};
use crate::book::{Book, BookedBlock};
use crate::executor::Executor;
use crate::firewall::{Firewall, FirewallError};
use crate::flows::{Ending, Flows};
use crate::management::Management;
use crate::openc2::features;
use crate::order::{Action, Order, Reply};
use crate::switch::{Position, Switch};
use crate::warrant::{Clock, Refusal};

/// Target of cuts and of questions about them: a system or connection by its id.
pub const COMPARTMENT: &str = "x-leckwehr:compartment";
/// Target of the profile for packet filters.
pub(crate) const RULE_NUMBER: &str = "slpf:rule_number";
/// Argument that makes a cut undo itself, in milliseconds.
const LEASE_MS: &str = "x-leckwehr:lease_ms";

/// Blocks in force at a time.
const BLOCKS_MAX: usize = 16_384;

/// How a compartment is cut.
pub enum Cutting {
    /// At the firewall, by the interfaces behind which it lies.
    Interfaces(Vec<String>),
    /// By a switch of another kind.
    Switch(Box<dyn Switch>),
}

/// The guard: a firewall, other switches, and the book of what is to be in force.
pub struct GuardExecutor<F> {
    /// The firewall.
    pub firewall: F,
    compartments: BTreeMap<String, Cutting>,
    book: Book,
    flows: Option<Flows>,
    management: Management,
    clock: Clock,
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

    fn cutting(&mut self, order: &Order) -> Result<&mut Cutting, Refusal> {
        let target = order.target_text();
        self.compartments.get_mut(target).ok_or_else(|| Refusal::UnknownTarget {
            target: target.to_owned(),
        })
    }

    fn interfaces(&mut self, order: &Order) -> Result<Option<Vec<String>>, Refusal> {
        let Cutting::Interfaces(interfaces) = self.cutting(order)? else {
            return Ok(None);
        };
        let interfaces = interfaces.clone();
        if let Some(ours) = interfaces.iter().find(|i| self.management.interfaces.contains(i)) {
            return Err(Refusal::ManagementPath { what: ours.clone() });
        }
        Ok(Some(interfaces))
    }

    /// Says what a compartment has that can be cut and what of it is cut: interfaces by the kernel's state, a switch by its own.
    async fn compartment(&mut self, order: &Order) -> Result<Reply, Refusal> {
        let target = order.target_text().to_owned();
        let (all, cut) = match self.cutting(order)? {
            Cutting::Interfaces(interfaces) => {
                let all = interfaces.clone();
                let state = self.firewall.state().map_err(failed)?.cut;
                let cut = all.iter().filter(|i| state.contains_key(*i)).cloned().collect();
                (all, cut)
            }
            Cutting::Switch(switch) => {
                let position = switch.read().await.map_err(|error| Refusal::Failed {
                    reason: error.to_string(),
                })?;
                let cut = if position == Position::Cut {
                    vec![target.clone()]
                } else {
                    Vec::new()
                };
                (vec![target], cut)
            }
        };
        Ok(Reply::done(json!({ "interfaces": all, "cut": cut })))
    }

    async fn turn(&mut self, order: &Order) -> Result<Reply, Refusal> {
        let Some(interfaces) = self.interfaces(order)? else {
            return self.turn_switch(order).await;
        };
        match order.action {
            Action::Deny => {
                let lease_ms = order.args.get(LEASE_MS).and_then(Value::as_u64);
                self.cut(&interfaces, lease_ms)?;
                let ended = self.end_flows(&Ending::Interfaces(interfaces));
                Ok(with_flows(self.look().await?, ended))
            }
            _ => {
                self.release(&interfaces)?;
                self.look().await
            }
        }
    }

    async fn turn_switch(&mut self, order: &Order) -> Result<Reply, Refusal> {
        let Cutting::Switch(switch) = self.cutting(order)? else {
            return Err(Refusal::NotImplemented);
        };
        let turned = match order.action {
            Action::Deny => switch.cut(order).await,
            _ => switch.restore(order).await,
        };
        let position = turned.map_err(|error| Refusal::Failed {
            reason: error.to_string(),
        })?;
        Ok(position.to_reply())
    }

    fn cut(&mut self, interfaces: &[String], lease_ms: Option<u64>) -> Result<(), Refusal> {
        let until = lease_ms.map(|ms| (self.clock)().plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)));
        self.book.cut(interfaces, until).map_err(Refusal::Journal)?;
        self.firewall.cut(interfaces, lease_ms).map_err(failed)?;
        self.see(interfaces, |is_cut| is_cut)
    }

    fn release(&mut self, interfaces: &[String]) -> Result<(), Refusal> {
        self.book.release(interfaces).map_err(Refusal::Journal)?;
        self.firewall.release(interfaces).map_err(failed)?;
        self.see(interfaces, |is_cut| !is_cut)
    }

    /// Believes the kernel's state, not its answer.
    fn see(&mut self, interfaces: &[String], as_wanted: impl Fn(bool) -> bool) -> Result<(), Refusal> {
        let cut = self.firewall.state().map_err(failed)?.cut;
        if interfaces.iter().all(|i| as_wanted(cut.contains_key(i))) {
            return Ok(());
        }
        Err(not_seen())
    }

    fn block(&mut self, order: &Order) -> Result<Reply, Refusal> {
        let now = (self.clock)();
        let wanted = blocking(order, now)?;
        let until = wanted.lease_ms.map(|ms| now.plus_ms(i64::try_from(ms).unwrap_or(i64::MAX)));
        let booked = BookedBlock {
            block: wanted.block,
            until,
        };
        if self.book.blocks().len() >= BLOCKS_MAX {
            let reason = format!("more than {BLOCKS_MAX} blocks: cut the interface instead");
            return Err(Refusal::NotSupported { reason });
        }
        let number = self.book.block(booked).map_err(Refusal::Journal)?;
        self.firewall.block(&[(wanted.block, wanted.lease_ms)]).map_err(failed)?;
        if self.firewall.blocked(&[wanted.block]).map_err(failed)? == [None] {
            return Err(not_seen());
        }
        let ended = self.end_flows(&Ending::Traffic(vec![wanted.block.traffic]));
        let reply = Reply::done(json!({"slpf": {"rule_number": number}}));
        Ok(with_flows(reply, ended))
    }

    fn unblock(&mut self, number: u64) -> Result<Reply, Refusal> {
        let booked = self
            .book
            .blocks()
            .get(&number)
            .copied()
            .ok_or_else(|| Refusal::UnknownTarget {
                target: format!("rule {number}"),
            })?;
        self.firewall.unblock(&[booked.block]).map_err(failed)?;
        self.book.unblock(number).map_err(Refusal::Journal)?;
        if self.firewall.blocked(&[booked.block]).map_err(failed)? != [None] {
            return Err(not_seen());
        }
        Ok(Reply::done(json!({"slpf": {"rule_number": number}})))
    }

    fn end_flows(&mut self, ending: &Ending) -> Value {
        let Some(flows) = &mut self.flows else { return Value::Null };
        match flows.end(ending, &self.management) {
            Ok(ended) => json!(ended),
            // Every packet is stopped already; only entries and sockets are left.
            Err(error) => json!({ "error": error.to_string() }),
        }
    }

    /// Blocks with their numbers, ends and counts.
    fn blocks(&mut self) -> Result<Value, Refusal> {
        let booked: Vec<(u64, BookedBlock)> = self.book.blocks().iter().map(|(n, b)| (*n, *b)).collect();
        if booked.is_empty() {
            return Ok(json!([]));
        }
        let blocks: Vec<Block> = booked.iter().map(|(_, b)| b.block).collect();
        let counts = self.firewall.blocked(&blocks).map_err(failed)?;
        let rows = booked.iter().zip(counts).map(|((number, booked), count)| {
            json!({"rule_number": number, "block": booked.block.to_string(), "until": booked.until, "stopped": count})
        });
        Ok(rows.collect())
    }
}

impl<F: Firewall> Executor for GuardExecutor<F> {
    async fn execute(&mut self, order: &Order, _step: Option<&PlanStep>) -> Result<Reply, Refusal> {
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
            (Action::Deny | Action::Allow, COMPARTMENT) => self.turn(order).await,
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
        let Some(interfaces) = self.interfaces(order)? else {
            let Cutting::Switch(switch) = self.cutting(order)? else {
                return Err(Refusal::NotImplemented);
            };
            let position = switch.read().await.map_err(|error| Refusal::Failed {
                reason: error.to_string(),
            })?;
            return Ok(json!({ "position": position }));
        };
        let cut = self.firewall.state().map_err(failed)?.cut;
        let already = interfaces.into_iter().filter(|i| cut.contains_key(i));
        let already: BTreeMap<String, Option<Timestamp>> = already
            .map(|i| (i.clone(), self.book.cuts().get(&i).copied().flatten()))
            .collect();
        Ok(json!({ "cut": already }))
    }

    async fn undo(&mut self, order: &Order, before: &Value) -> Result<Reply, Refusal> {
        let kind = order.target_type();
        if is_traffic(kind) || kind == RULE_NUMBER {
            return self.undo_block(order, before);
        }
        let Some(interfaces) = self.interfaces(order)? else {
            let was: Position = serde_json::from_value(before["position"].clone()).unwrap_or(Position::Open);
            let now_cut = order.action == Action::Allow;
            // Restored only if this step cut it.
            if now_cut == (was == Position::Cut) {
                return self.look().await;
            }
            return self.turn_switch(order).await;
        };
        let was: BTreeMap<String, Option<Timestamp>> = serde_json::from_value(before["cut"].clone()).unwrap_or_default();
        let now = (self.clock)();
        let ended = |until: &Option<Timestamp>| until.is_some_and(|until| until <= now);
        let (stay, free): (Vec<String>, Vec<String>) = interfaces
            .into_iter()
            .partition(|i| was.get(i).is_some_and(|until| !ended(until)));
        self.release(&free)?;
        for interface in stay {
            let until = was.get(&interface).copied().flatten();
            self.cut(&[interface], left_ms(until, now))?;
        }
        self.look().await
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

impl<F: Firewall> GuardExecutor<F> {
    fn undo_block(&mut self, order: &Order, before: &Value) -> Result<Reply, Refusal> {
        let now = (self.clock)();
        let was: Option<BookedBlock> = serde_json::from_value(before["block"].clone()).unwrap_or_default();
        let was = was.filter(|booked| booked.until.is_none_or(|until| now < until));
        if let Some(booked) = was {
            let number = self.book.block(booked).map_err(Refusal::Journal)?;
            self.firewall
                .block(&[(booked.block, left_ms(booked.until, now))])
                .map_err(failed)?;
            return Ok(Reply::done(json!({"slpf": {"rule_number": number}})));
        }
        if order.target_type() == RULE_NUMBER {
            return Err(Refusal::NotImplemented);
        }
        let doing = Order {
            action: order.action.inverse().unwrap_or(order.action),
            ..order.clone()
        };
        let block = blocking(&doing, now)?.block;
        match self.book.number_of(&block) {
            Some(number) => self.unblock(number),
            // Its lease was over before.
            None => Ok(Reply::done(json!({}))),
        }
    }
}

fn rule_number(order: &Order) -> Result<u64, Refusal> {
    let number = order.target.values().next().and_then(Value::as_u64);
    number.ok_or_else(|| Refusal::NotOpenC2 {
        reason: "/target/slpf:rule_number: must be a whole number".to_owned(),
    })
}

/// Milliseconds until the end of a lease; at least one.
fn left_ms(until: Option<Timestamp>, now: Timestamp) -> Option<u64> {
    until.map(|until| u64::try_from((until.0 - now.0) / 1_000_000).unwrap_or_default().max(1))
}

fn with_flows(mut reply: Reply, ended: Value) -> Reply {
    if let (Some(results), false) = (reply.results.as_object_mut(), ended.is_null()) {
        results.insert("flows".to_owned(), ended);
    }
    reply
}

fn not_seen() -> Refusal {
    Refusal::Failed {
        reason: "the kernel accepted the order but its state does not show it".into(),
    }
}

fn failed(error: FirewallError) -> Refusal {
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
