use serde::{Deserialize, Serialize};

use super::Context;
use super::fresh::{First, Fresh};
use super::keyed::Keyed;
use super::look::{Found, Look, Side, Sign};

/// A host that keeps calling one address outside that was not there before, or holds one connection for minutes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ChannelWatch {
    connections: Keyed<(u64, u64, u16), Connections>,
    known: Keyed<u64, ()>,
    counts: Fresh,
    durations_ms: Fresh,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Connections {
    first: First,
    count: u64,
    told: bool,
}

impl ChannelWatch {
    pub(crate) fn observe(&mut self, look: &Look<'_>, context: &Context, found: &mut Found) {
        let to = look.destination;
        if to.side != Side::Outside || !look.host.is_inside() {
            return;
        }
        let port = look.event.port();
        let connections = self.connections.entry((look.host.key, to.key, port));
        connections.first.see(look.at);
        connections.count += 1;
        let (first, count) = (connections.first, connections.count);
        let held_ms = look.event.duration_ns().unwrap_or(0).max(0) / 1_000_000;
        if context.learning {
            self.counts.learn(look.host.key, first, look.at, count);
            self.durations_ms.learn(look.host.key, first, look.at, held_ms.unsigned_abs());
            self.known.entry(to.key);
            return;
        }
        let t = &context.thresholds;
        let usual_ms = i64::try_from(self.durations_ms.most(look.host.key)).unwrap_or(i64::MAX);
        let long = held_ms >= t.channel_duration_ms_min.max(usual_ms.saturating_mul(2));
        let many = count >= t.channel_connections_min.max(2 * self.counts.most(look.host.key));
        if self.known.contains(to.key) || first.is_known(look.at) || !(long || many && !connections.told) {
            return;
        }
        connections.told |= many;
        let detail = if long {
            format!("one connection to {}:{port} held for {} s", to.text, held_ms / 1_000)
        } else {
            format!("{count} connections to {}:{port}", to.text)
        };
        found.push(look.finding(Sign {
            title: "Channel to outside",
            techniques: "T1071",
            weight: 20,
            origin: Some(to.text),
            detail,
        }));
    }
}
