use std::collections::BTreeMap;

use leckwehr_incident::Timestamp;
use serde_json::{Value, json};

use crate::executor::Executor;
use crate::firewall::Firewall;
use crate::flows::Ending;
use crate::guard::{COMPARTMENT, GuardExecutor, failed, left_ms, not_seen, with_flows};
use crate::order::{Action, Order, Reply, Status};
use crate::switch::{Position, Switch, SwitchError};
use crate::warrant::Refusal;

/// Argument that makes a cut undo itself, in milliseconds.
const LEASE_MS: &str = "x-leckwehr:lease_ms";

/// How a compartment is cut.
pub enum Cutting {
    /// At the firewall, by the interfaces behind which it lies.
    Interfaces(Vec<String>),
    /// By a switch of another kind.
    Switch(Box<dyn Switch>),
}

/// Compartments of one order: what the firewall cuts in one transaction, and what other switches turn one by one afterwards.
struct Parts {
    interfaces: Vec<String>,
    by_switch: Vec<Order>,
}

impl<F: Firewall> GuardExecutor<F> {
    fn cutting(&mut self, order: &Order) -> Result<&mut Cutting, Refusal> {
        let target = order.target_text();
        self.compartments.get_mut(target).ok_or_else(|| Refusal::UnknownTarget {
            target: target.to_owned(),
        })
    }

    fn switch(&mut self, order: &Order) -> Result<&mut dyn Switch, Refusal> {
        match self.cutting(order)? {
            Cutting::Switch(switch) => Ok(switch.as_mut()),
            Cutting::Interfaces(_) => Err(Refusal::NotImplemented),
        }
    }

    /// The interfaces of one compartment, if the firewall cuts it. Never those of the management path.
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

    /// Everything that is wrong with one of the compartments is found before anything is done.
    fn parts(&mut self, order: &Order) -> Result<Parts, Refusal> {
        let (mut interfaces, mut by_switch) = (Vec::new(), Vec::new());
        for single in order.singles() {
            match self.interfaces(&single)? {
                Some(names) => interfaces.extend(names),
                None => by_switch.push(single),
            }
        }
        interfaces.sort_unstable();
        interfaces.dedup();
        Ok(Parts { interfaces, by_switch })
    }

    /// Says what a compartment has that can be cut and what of it is cut: interfaces by the kernel's state, a switch by its own.
    pub(crate) async fn compartment(&mut self, order: &Order) -> Result<Reply, Refusal> {
        let target = order.target_text().to_owned();
        let (all, cut) = match self.cutting(order)? {
            Cutting::Interfaces(interfaces) => {
                let all = interfaces.clone();
                let state = self.firewall.state().map_err(failed)?.cut;
                let cut = all.iter().filter(|i| state.contains_key(*i)).cloned().collect();
                (all, cut)
            }
            Cutting::Switch(switch) => {
                let position = switch.read().await.map_err(not_turned)?;
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

    /// Cuts or releases the order's compartments: those at the firewall in one transaction, then each other switch.
    pub(crate) async fn turn(&mut self, order: &Order) -> Result<Reply, Refusal> {
        let Parts { interfaces, by_switch } = self.parts(order)?;
        let mut ended = Value::Null;
        if !interfaces.is_empty() && order.action == Action::Deny {
            let lease_ms = order.args.get(LEASE_MS).and_then(Value::as_u64);
            self.cut(&interfaces, lease_ms)?;
            ended = self.end_flows(&Ending::Interfaces(interfaces));
        } else if !interfaces.is_empty() {
            self.release(&interfaces)?;
        }
        let reply = self.turn_switches(order, &by_switch).await?;
        Ok(with_flows(reply, ended))
    }

    /// Turns switches one by one. One switch alone answers for itself; if somebody has to act, the order is not done yet.
    async fn turn_switches(&mut self, order: &Order, singles: &[Order]) -> Result<Reply, Refusal> {
        let mut positions = Vec::new();
        for single in singles {
            let switch = self.switch(single)?;
            let turned = match single.action {
                Action::Deny => switch.cut(single).await,
                _ => switch.restore(single).await,
            };
            positions.push(turned.map_err(not_turned)?);
        }
        if let (COMPARTMENT, [position]) = (order.target_type(), positions.as_slice()) {
            return Ok(position.to_reply());
        }
        let mut reply = self.look().await?;
        let asked = positions.iter().map(Position::to_reply).filter(|r| r.status != Status::OK);
        let asked: Vec<String> = asked.map(|r| r.status_text).collect();
        if !asked.is_empty() {
            (reply.status, reply.status_text) = (Status::PROCESSING, asked.join("; "));
        }
        Ok(reply)
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

    /// The interfaces of a compartment that are cut already, with their leases; or the position of its switch.
    pub(crate) async fn before_cut(&mut self, order: &Order) -> Result<Value, Refusal> {
        let Some(interfaces) = self.interfaces(order)? else {
            let position = self.switch(order)?.read().await.map_err(not_turned)?;
            return Ok(json!({ "position": position }));
        };
        let cut = self.firewall.state().map_err(failed)?.cut;
        let already = interfaces.into_iter().filter(|i| cut.contains_key(i));
        let already: BTreeMap<String, Option<Timestamp>> = already
            .map(|i| (i.clone(), self.book.cuts().get(&i).copied().flatten()))
            .collect();
        Ok(json!({ "cut": already }))
    }

    /// Brings compartments back to what they were: all that becomes free in one transaction.
    pub(crate) async fn undo_cut(&mut self, order: &Order, before: &[Value]) -> Result<Reply, Refusal> {
        let (mut by_switch, mut free, mut stay) = (Vec::new(), Vec::new(), BTreeMap::new());
        let now = (self.clock)();
        for (single, before) in order.singles().into_iter().zip(before) {
            let Some(interfaces) = self.interfaces(&single)? else {
                let was: Position = serde_json::from_value(before["position"].clone()).unwrap_or(Position::Open);
                // Restored only if this step cut it.
                if (single.action == Action::Allow) != (was == Position::Cut) {
                    by_switch.push(single);
                }
                continue;
            };
            let was: BTreeMap<String, Option<Timestamp>> = serde_json::from_value(before["cut"].clone()).unwrap_or_default();
            for interface in interfaces {
                match was.get(&interface) {
                    Some(until) if until.is_none_or(|until| now < until) => drop(stay.insert(interface, *until)),
                    _ => free.push(interface),
                }
            }
        }
        // What another step of the order found cut was cut before the order.
        free.retain(|interface| !stay.contains_key(interface));
        if !free.is_empty() {
            self.release(&free)?;
        }
        for (interface, until) in stay {
            self.cut(&[interface], left_ms(until, now))?;
        }
        self.turn_switches(order, &by_switch).await
    }
}

fn not_turned(error: SwitchError) -> Refusal {
    Refusal::Failed {
        reason: error.to_string(),
    }
}
