use leckwehr_incident::Finding;
use leckwehr_telemetry::Event;

use crate::Place;
use crate::detector::Context;
use crate::window::Keyed;

/// A host that keeps calling one address outside, or holds one connection for minutes.
#[derive(Debug, Default)]
pub(crate) struct ChannelWatch {
    connections: Keyed<(String, String, u16), u64>,
    known: Keyed<String, bool>,
}

impl ChannelWatch {
    pub(crate) fn observe(&mut self, event: &Event<'_>, context: &Context, found: &mut Vec<Finding>) {
        let to = event.destination();
        if context.book.place(to) != Place::Outside {
            return;
        }
        let (host, _) = context.parties(event);
        if !context.book.place(&host).is_inside() {
            return;
        }
        if context.learning {
            *self.known.entry(to.to_owned()) = true;
            return;
        }
        let t = &context.thresholds;
        let count = self.connections.entry((host.clone(), to.to_owned(), event.port()));
        *count += 1;
        let long = event
            .duration_ns()
            .is_some_and(|ns| ns / 1_000_000 >= t.channel_duration_ms_min);
        if self.known.get(&to.to_owned()).is_some() || !(long || *count == t.channel_connections_min) {
            return;
        }
        let detail = match event.duration_ns() {
            Some(ns) if long => format!("one connection to {to}:{} held for {} s", event.port(), ns / 1_000_000_000),
            _ => format!("{count} connections to {to}:{}", event.port()),
        };
        let origin = Some(to.to_owned());
        found.push(context.finding(event, "Channel to outside", "T1071", 20, host, origin, detail));
    }
}
