use leckwehr_incident::Timestamp;
use serde_json::{Value, json};

use crate::block::{Block, Direction, Fate, Traffic};
use crate::book::BookedBlock;
use crate::firewall::Firewall;
use crate::flows::Ending;
use crate::guard::{GuardExecutor, RULE_NUMBER, failed, left_ms, not_seen, with_flows};
use crate::order::{Action, Order, Reply};
use crate::warrant::Refusal;

/// How far the start of a block may lie in the future, in milliseconds: clocks differ.
const START_MS_MAX: i64 = 30_000;

/// Blocks in force at a time.
const BLOCKS_MAX: usize = 16_384;

/// A block as it was ordered.
pub(crate) struct Blocking {
    pub(crate) block: Block,
    pub(crate) lease_ms: Option<u64>,
}

/// Returns whether a target is traffic.
pub(crate) fn is_traffic(kind: &str) -> bool {
    matches!(kind, "ipv4_net" | "ipv6_net" | "ipv4_connection" | "ipv6_connection")
}

/// What an order to allow or deny traffic asks for.
pub(crate) fn blocking(order: &Order, now: Timestamp) -> Result<Blocking, Refusal> {
    let invalid = |reason: &str| Refusal::NotOpenC2 {
        reason: reason.to_owned(),
    };
    let unsupported = |reason: &str| Refusal::NotSupported {
        reason: reason.to_owned(),
    };
    let kind = order.target_type();
    let specifier = order.target.values().next().cloned().unwrap_or_default();
    let traffic = Block::traffic(kind, &specifier).ok_or_else(|| invalid("/target: no valid network or connection"))?;
    if let Traffic::Connection {
        protocol: None,
        source_port,
        destination_port,
        ..
    } = traffic
        && (source_port.is_some() || destination_port.is_some())
    {
        return Err(unsupported("a port without its protocol: name tcp, udp or sctp"));
    }
    let slpf = order.args.get("slpf");
    let text = |name: &str| slpf.and_then(|args| args.get(name)).and_then(Value::as_str);
    let fate = match (order.action, text("drop_process")) {
        (Action::Allow, _) => Fate::Allow,
        (_, Some("reject")) => Fate::Reject,
        (_, Some("false_ack")) => return Err(unsupported("false_ack: this guard does not lie to senders")),
        _ => Fate::Drop,
    };
    let direction = match text("direction") {
        Some("ingress") => Direction::Ingress,
        Some("egress") => Direction::Egress,
        _ => Direction::Both,
    };
    if slpf.is_some_and(|args| args.get("insert_rule").is_some()) {
        return Err(unsupported(
            "insert_rule: blocks have no order here, and numbers are given by the guard",
        ));
    }
    Ok(Blocking {
        block: Block {
            fate,
            traffic,
            direction,
        },
        lease_ms: lease_ms(order, now)?,
    })
}

/// The time for which a block is to hold: `duration`, or until `stop_time`; both count from now.
fn lease_ms(order: &Order, now: Timestamp) -> Result<Option<u64>, Refusal> {
    let number = |name: &str| order.args.get(name).and_then(Value::as_u64);
    let now_ms = now.0 / 1_000_000;
    let from_now = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX).saturating_sub(now_ms);
    if number("start_time").is_some_and(|start| from_now(start) > START_MS_MAX) {
        return Err(Refusal::NotSupported {
            reason: "start_time: this guard begins at once; send the order when it is time".to_owned(),
        });
    }
    let until_stop = match number("stop_time").map(from_now) {
        Some(ms @ ..=0) => {
            return Err(Refusal::NotSupported {
                reason: format!("stop_time: over since {} ms", -ms),
            });
        }
        other => other.and_then(|ms| u64::try_from(ms).ok()),
    };
    let leases = [number("duration"), until_stop, number("x-leckwehr:lease_ms")];
    Ok(leases.into_iter().flatten().min())
}

/// What the steps of a plan call the targets of an order, one for each.
pub(crate) fn subjects(order: &Order) -> Vec<String> {
    order.singles().iter().map(subject).collect()
}

/// What a step of a plan calls the one target of an order: its text, or the traffic in words.
fn subject(order: &Order) -> String {
    let kind = order.target_type();
    if is_traffic(kind) {
        let doing = if order.is_undo() { order.action.inverse() } else { None };
        let order = Order {
            action: doing.unwrap_or(order.action),
            ..order.clone()
        };
        return blocking(&order, Timestamp(0)).map_or_else(|_| String::new(), |wanted| wanted.block.to_string());
    }
    match order.target.values().next() {
        Some(Value::Number(number)) => number.to_string(),
        _ => order.target_text().to_owned(),
    }
}

impl<F: Firewall> GuardExecutor<F> {
    pub(crate) fn block(&mut self, order: &Order) -> Result<Reply, Refusal> {
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

    pub(crate) fn unblock(&mut self, number: u64) -> Result<Reply, Refusal> {
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

    /// Blocks with their numbers, ends and counts.
    pub(crate) fn blocks(&mut self) -> Result<Value, Refusal> {
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

    pub(crate) fn undo_block(&mut self, order: &Order, before: &Value) -> Result<Reply, Refusal> {
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

pub(crate) fn rule_number(order: &Order) -> Result<u64, Refusal> {
    let number = order.target.values().next().and_then(Value::as_u64);
    number.ok_or_else(|| Refusal::NotOpenC2 {
        reason: "/target/slpf:rule_number: must be a whole number".to_owned(),
    })
}
