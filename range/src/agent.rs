use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::{Arc, PoisonError};

use leckwehr_crypt::{from_hex, hex};
use leckwehr_guard::{Action, Executor, Order, Refusal, Reply};
use leckwehr_restore::looks_encrypted;
use serde_json::json;

use crate::host::Host;
use crate::shell::Accounts;

/// The agent of a host: what the control room may have it do over the management cable.
pub struct HostAgent {
    /// The host.
    pub host: Arc<Host>,
}

impl Executor for HostAgent {
    async fn execute(&mut self, order: &Order) -> Result<Reply, Refusal> {
        let kind = order.target.keys().next().map(String::as_str).unwrap_or_default();
        match (order.action, kind) {
            (Action::Query, "features") => Ok(Reply::done(json!({"sequence": self.host.sensor.last_sequence()}))),
            (Action::Query, "x-leckwehr:files") => self.files(),
            (Action::Query, "x-leckwehr:versions") => Ok(self.versions(order.target_text())),
            (Action::Query, "x-leckwehr:numbers") => Ok(self.numbers()),
            (Action::Query, "x-leckwehr:version") => self.version(order.target_text()),
            (Action::Scan, _) => self.scan(order.target_text()).await,
            (Action::Set, _) => self.rotate(order),
            (Action::Investigate, _) => self.sweep(),
            (Action::Restore, _) => self.restore(order),
            _ => Err(Refusal::NotImplemented),
        }
    }
}

impl HostAgent {
    fn files(&self) -> Result<Reply, Refusal> {
        let files = &self.host.files;
        let mut found = Vec::new();
        for folder in ["docs", "snapshots"] {
            for path in files.list(folder).map_err(failed)? {
                let content = files.read(&path).map_err(failed)?;
                let digest = hex(&leckwehr_crypt::sha256(&content));
                found.push(json!({"path": path, "digest": digest, "encrypted": looks_encrypted(&content)}));
            }
        }
        Ok(Reply::done(json!({"files": found})))
    }

    /// Versions that the vault holds for a system, oldest first, with what a clean-point decision needs.
    fn versions(&self, system: &str) -> Reply {
        let versions = self.host.vault.lock().unwrap_or_else(PoisonError::into_inner);
        let of_system = versions.iter().filter(|v| v.system == system);
        let rows = of_system.map(|v| {
            json!({"number": v.number, "path": v.path, "at": v.at, "author": v.author, "digest": v.digest,
                   "bytes": v.content.len(), "encrypted": looks_encrypted(&v.content)})
        });
        Reply::done(json!({"versions": rows.collect::<Vec<_>>()}))
    }

    /// Numbers of all versions that the vault holds, for every system: it counts them, and takes none back.
    fn numbers(&self) -> Reply {
        let versions = self.host.vault.lock().unwrap_or_else(PoisonError::into_inner);
        Reply::done(json!({"numbers": versions.iter().map(|v| v.number).collect::<Vec<_>>()}))
    }

    /// Removes what an attacker leaves, and compares the rest with how the host was installed.
    fn sweep(&self) -> Result<Reply, Refusal> {
        self.host.sweep().map_err(failed)?;
        Ok(Reply::done(json!({"differences": self.host.differences().map_err(failed)?})))
    }

    fn version(&self, number: &str) -> Result<Reply, Refusal> {
        let versions = self.host.vault.lock().unwrap_or_else(PoisonError::into_inner);
        let found = versions.iter().find(|v| v.number.to_string() == number);
        let version = found.ok_or_else(|| Refusal::UnknownTarget {
            target: number.to_owned(),
        })?;
        Ok(Reply::done(json!({"content": hex(&version.content)})))
    }

    async fn scan(&self, target: &str) -> Result<Reply, Refusal> {
        let to: SocketAddrV4 = target.parse().map_err(|_| Refusal::UnknownTarget {
            target: target.to_owned(),
        })?;
        let reachable = self.host.net.connect(to).await.is_ok();
        Ok(Reply::done(json!({"reachable": reachable})))
    }

    fn rotate(&self, order: &Order) -> Result<Reply, Refusal> {
        let secret = order.args.get("x-leckwehr:secret").and_then(serde_json::Value::as_str);
        let secret = secret.ok_or_else(|| Refusal::Failed {
            reason: "no secret".into(),
        })?;
        let secrets = Accounts::from([(order.target_text().to_owned(), secret.to_owned())]);
        Ok(Reply::done(json!({"changed": self.host.rotate(&secrets)})))
    }

    fn restore(&self, order: &Order) -> Result<Reply, Refusal> {
        let argument = |name: &str| order.args.get(name).cloned().unwrap_or_default();
        let files: BTreeMap<String, String> = serde_json::from_value(argument("x-leckwehr:files")).map_err(failed)?;
        let remove: Vec<String> = serde_json::from_value(argument("x-leckwehr:remove")).map_err(failed)?;
        for (path, content) in &files {
            let content = from_hex(content).ok_or_else(|| Refusal::Failed {
                reason: format!("{path}: not hex"),
            })?;
            self.host.files.write(path, &content).map_err(failed)?;
        }
        for path in &remove {
            match self.host.files.delete(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(Reply::done(json!({"restored": files.len(), "removed": remove.len()})))
    }
}

fn failed(error: impl ToString) -> Refusal {
    Refusal::Failed {
        reason: error.to_string(),
    }
}
