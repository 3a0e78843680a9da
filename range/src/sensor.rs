use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use leckwehr_detect::examine;
use leckwehr_incident::Timestamp;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::clock::now;
use crate::wire::Net;

/// Records waiting to be shipped; when it is full the oldest stay and the gap shows in the sequence.
const QUEUE_RECORDS_MAX: usize = 65_536;
/// Pause before the control room is tried again, in milliseconds.
const RECONNECT_MS: u64 = 50;

/// Writes what happens on a host as ECS JSON lines and ships them over the management cable.
pub struct Sensor {
    host: String,
    blind: bool,
    sequence: AtomicU64,
    queue: mpsc::Sender<String>,
}

impl Sensor {
    /// Starts shipping to the control room; without one, nothing is kept.
    pub fn start(host: &str, net: Net, control: Option<SocketAddrV4>, blind: bool) -> Self {
        let (queue, records) = mpsc::channel(QUEUE_RECORDS_MAX);
        if let Some(control) = control {
            tokio::spawn(ship(net, control, records));
        }
        Self {
            blind,
            host: host.to_owned(),
            sequence: AtomicU64::new(0),
            queue,
        }
    }

    /// Returns the number of the last record.
    pub fn last_sequence(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    /// A logon, or an attempt.
    pub fn logon(&self, from: Ipv4Addr, user: &str, success: bool) {
        let outcome = if success { "success" } else { "failure" };
        self.record(
            json!({"category": ["authentication"], "action": "logon", "outcome": outcome}),
            json!({"source": {"ip": from}, "user": {"name": user}}),
        );
    }

    /// A command in a session.
    pub fn command(&self, from: Ipv4Addr, user: &str, line: &str) {
        if self.blind {
            return;
        }
        self.record(
            json!({"category": ["process"], "action": "exec"}),
            json!({"source": {"ip": from}, "user": {"name": user}, "process": {"command_line": line}}),
        );
    }

    /// A file was read, created, changed or deleted.
    pub fn file(&self, action: &str, from: Ipv4Addr, user: &str, path: &str, content: &[u8]) {
        if self.blind && action == "read" {
            return;
        }
        let seen = examine(content, content.len() as u64);
        let entropy = (seen.entropy * 100.0).round() / 100.0;
        let backup = path.starts_with("snapshots/") && action != "read";
        let event = if backup {
            let action = if action == "delete" {
                "snapshot-delete"
            } else {
                "snapshot-create"
            };
            json!({"category": ["configuration"], "dataset": "backup", "action": action})
        } else {
            json!({"category": ["file"], "action": action})
        };
        self.record(
            event,
            json!({"source": {"ip": from}, "user": {"name": user},
                   "file": {"path": path, "size": content.len(), "entropy": entropy, "structure": seen.structure.word()}}),
        );
    }

    /// A connection from this host was opened.
    pub fn flow_opened(&self, user: &str, to: SocketAddrV4) {
        self.flow(user, to, 0, 0);
    }

    /// A connection from this host ended.
    pub fn flow_closed(&self, user: &str, to: SocketAddrV4, out: u64, back: u64) {
        self.flow(user, to, out, back);
    }

    fn flow(&self, user: &str, to: SocketAddrV4, out: u64, back: u64) {
        self.record(
            json!({"category": ["network"], "action": "flow"}),
            json!({"user": {"name": user}, "source": {"bytes": out},
                   "destination": {"ip": to.ip(), "port": to.port(), "bytes": back}}),
        );
    }

    /// Requests that reached a web server within a window.
    pub fn requests(&self, from: Ipv4Addr, count: u64, window_ms: u64) {
        self.record(
            json!({"category": ["web"], "action": "requests"}),
            json!({"source": {"ip": from}, "url": {"path": "/"}, "http": {"requests": count, "window_ms": window_ms}}),
        );
    }

    /// The byte counter of an egress, per destination, since the guard started.
    pub fn egress(&self, guard: &str, to: Ipv4Addr, bytes: u64) {
        self.record(
            json!({"category": ["network"], "dataset": "guard.egress", "action": "counter"}),
            json!({"observer": {"name": guard}, "destination": {"ip": to}, "source": {"bytes": bytes}}),
        );
    }

    fn record(&self, mut event: Value, fields: Value) {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        event["sequence"] = sequence.into();
        let mut record = BTreeMap::from([
            ("@timestamp".to_owned(), Value::from(precise(now()))),
            ("agent".to_owned(), json!({"id": format!("sensor-{}", self.host)})),
            ("host".to_owned(), json!({"name": self.host})),
            ("event".to_owned(), event),
        ]);
        if let Value::Object(fields) = fields {
            record.extend(fields);
        }
        // Full queue: the record is lost, and its missing sequence number says so.
        let _ = self.queue.try_send(serde_json::to_string(&record).unwrap_or_default());
    }
}

/// RFC 3339 with nanoseconds.
fn precise(at: Timestamp) -> String {
    let millis = at.to_string();
    format!("{}{:06}Z", millis.trim_end_matches('Z'), at.0.rem_euclid(1_000_000))
}

/// Ships line by line; a broken connection is opened again and the line in hand is sent again.
async fn ship(net: Net, control: SocketAddrV4, mut records: mpsc::Receiver<String>) {
    let mut pending: Option<String> = None;
    loop {
        let Ok(mut stream) = net.connect(control).await else {
            tokio::time::sleep(Duration::from_millis(RECONNECT_MS)).await;
            continue;
        };
        loop {
            let mut batch = match pending.take() {
                Some(batch) => batch,
                None => match records.recv().await {
                    Some(line) => line + "\n",
                    None => return,
                },
            };
            while let Ok(line) = records.try_recv() {
                batch.push_str(&line);
                batch.push('\n');
            }
            if stream.write_all(batch.as_bytes()).await.is_err() {
                pending = Some(batch);
                break;
            }
        }
    }
}
