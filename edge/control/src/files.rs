use std::collections::{BTreeMap, BTreeSet};

use leckwehr_guard::{Action, Order};
use leckwehr_incident::{PlanStep, StepOutcome, Tier, Timestamp, What};
use leckwehr_restore::{Version, clean_version};
use serde::Deserialize;
use serde_json::json;

use crate::config::Wires;
use crate::errand::{Errand, Warranted, question};
use crate::error::ControlError;
use crate::room::Room;
use crate::takedown::agent;

/// Bytes of file content in one order; more goes in several.
const ORDER_CONTENT_BYTES_MAX: usize = 8 << 20;

/// A version as the vault's agent describes it.
#[derive(Debug, Deserialize)]
struct VaultVersion {
    number: u64,
    path: String,
    at: Timestamp,
    author: String,
    digest: String,
    bytes: u64,
    encrypted: bool,
}

/// A file as a host's agent describes it.
#[derive(Debug, Deserialize)]
struct PresentFile {
    path: String,
    digest: String,
}

impl<W: Wires> Room<W> {
    /// Puts back every file whose newest clean version is not what lies there, and removes what the attacker left.
    pub(crate) async fn restore_files(&mut self, warrant: &Warranted, step: &PlanStep) -> Result<(), ControlError> {
        self.intend(warrant, step)?;
        let outcome = match self.try_restore_files(warrant, step).await {
            Ok((restored, lost)) => {
                let counted = What::FilesRestored {
                    system: step.target.clone(),
                    restored,
                    lost,
                };
                self.record("restore", vec![counted])?;
                StepOutcome::Verified {
                    evidence: format!("{restored} files put back and read again, {lost} without a clean version"),
                }
            }
            Err(reason) => StepOutcome::Doubtful { reason },
        };
        self.end(warrant, step, outcome)
    }

    async fn try_restore_files(&self, warrant: &Warranted, step: &PlanStep) -> Result<(u64, u64), String> {
        let present = self.present_files(&step.executor).await?;
        let Some(vault) = self.config.vault.as_deref().map(agent) else {
            return Ok((0, 0));
        };
        let versions: Vec<VaultVersion> = self.ask(&vault, "x-leckwehr:versions", &step.target, "versions").await?;
        let compromised = self.situation.impact.credentials.iter().filter(|c| c.tier != Tier::Excluded);
        let compromised: BTreeSet<String> = compromised.map(|c| c.account.clone()).collect();
        let first = self.situation.impact.hosts.iter().filter_map(|h| h.since).min();
        let mut by_path: BTreeMap<&str, Vec<&VaultVersion>> = BTreeMap::new();
        for version in &versions {
            by_path.entry(&version.path).or_default().push(version);
        }
        let mut wanted: BTreeMap<String, &VaultVersion> = BTreeMap::new();
        let mut lost = 0;
        for (path, versions) in &by_path {
            let judged: Vec<Version> = versions
                .iter()
                .map(|v| Version {
                    at: v.at,
                    author: v.author.clone(),
                    looks_encrypted: v.encrypted,
                    len: v.bytes,
                })
                .collect();
            let chosen = clean_version(&judged, &compromised, first).and_then(|index| versions.get(index));
            let there = present.iter().find(|f| f.path == *path);
            match chosen {
                Some(version) if there.is_none_or(|f| f.digest != version.digest) => {
                    wanted.insert((*path).to_owned(), version);
                }
                Some(_) => {}
                // Never clean in the backup: what the attacker brought, not what somebody lost.
                None if versions.iter().all(|v| compromised.contains(&v.author)) => {}
                None => lost += 1,
            }
        }
        let brought = |path: &str| {
            let of_path = by_path.get(path);
            of_path.is_some_and(|versions| {
                versions
                    .iter()
                    .all(|v| compromised.contains(&v.author) && first.is_some_and(|t| v.at >= t))
            })
        };
        let remove: Vec<String> = present.iter().filter(|f| brought(&f.path)).map(|f| f.path.clone()).collect();
        self.put_back(warrant, step, &vault, &wanted, remove).await?;
        let after = self.present_files(&step.executor).await?;
        let right =
            |(path, version): (&String, &&VaultVersion)| after.iter().any(|f| f.path == *path && f.digest == version.digest);
        let restored = wanted.iter().filter(|entry| right((entry.0, entry.1))).count();
        if restored < wanted.len() {
            return Err(format!(
                "{} of {} files read back wrong",
                wanted.len() - restored,
                wanted.len()
            ));
        }
        Ok((restored as u64, lost))
    }

    /// Fetches content from the vault and hands it to the host's agent, in orders of bounded size.
    async fn put_back(
        &self,
        warrant: &Warranted,
        step: &PlanStep,
        vault: &str,
        wanted: &BTreeMap<String, &VaultVersion>,
        remove: Vec<String>,
    ) -> Result<(), String> {
        let mut batch: BTreeMap<String, String> = BTreeMap::new();
        let mut bytes = 0;
        let mut remove = Some(remove);
        let mut waiting = wanted.iter().peekable();
        loop {
            if let Some((path, version)) = waiting.next() {
                let content: String = self
                    .ask(vault, "x-leckwehr:version", &version.number.to_string(), "content")
                    .await?;
                bytes += content.len();
                batch.insert(path.clone(), content);
            }
            if bytes > ORDER_CONTENT_BYTES_MAX || waiting.peek().is_none() {
                let order = Order::new(Action::Restore, "x-leckwehr:system", step.target.clone())
                    .with("x-leckwehr:files", json!(std::mem::take(&mut batch)))
                    .with("x-leckwehr:remove", json!(remove.take().unwrap_or_default()));
                let errand = Errand {
                    executor: step.executor.clone(),
                    order,
                    step: Some(step.number),
                };
                let answer = self.run_errands(vec![errand], Some(warrant)).await.pop();
                match answer {
                    Some(Ok(_)) => bytes = 0,
                    Some(Err(outcome)) => return Err(format!("{} did not put files back: {outcome:?}", step.executor)),
                    None => return Err("no answer".into()),
                }
            }
            if waiting.peek().is_none() && batch.is_empty() {
                return Ok(());
            }
        }
    }

    async fn present_files(&self, executor: &str) -> Result<Vec<PresentFile>, String> {
        self.ask(executor, "x-leckwehr:files", "", "files").await
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        executor: &str,
        target: &str,
        specifier: &str,
        field: &str,
    ) -> Result<T, String> {
        let answer = self
            .run_errands(vec![question(executor, target, specifier)], None)
            .await
            .pop();
        match answer {
            Some(Ok(reply)) => {
                let value = reply.results.get(field).cloned().unwrap_or_default();
                serde_json::from_value(value).map_err(|error| format!("{executor} answers {target} unreadably: {error}"))
            }
            Some(Err(outcome)) => Err(format!("{executor} does not answer {target}: {outcome:?}")),
            None => Err(format!("{executor} does not answer {target}")),
        }
    }
}
