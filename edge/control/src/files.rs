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
    encrypted: bool,
}

/// What is to be done with the files of one system.
struct Task<'v> {
    put_back: BTreeMap<String, &'v VaultVersion>,
    remove: Vec<String>,
    /// Files without a clean version, and files that look encrypted and of which the vault has no version at all.
    lost: u64,
}

impl<W: Wires> Room<W> {
    /// Puts back every file whose newest clean version is not what lies there, and removes what the attacker left.
    pub(crate) async fn restore_files(&mut self, warrant: &Warranted, step: &PlanStep) -> Result<(), ControlError> {
        self.intend(warrant, step)?;
        let done = match self.config.vault.as_deref().map(agent) {
            Some(vault) => self.put_files_back(warrant, step, &vault).await,
            None => self.look_at_files(step).await,
        };
        let outcome = match done {
            Ok((counted, evidence)) => {
                self.record("restore", counted.into_iter().collect())?;
                StepOutcome::Verified { evidence }
            }
            Err(reason) => StepOutcome::Doubtful { reason },
        };
        self.end(warrant, step, outcome)
    }

    /// Without a vault nothing can be put back: only where nothing needs to be is the gate passed.
    async fn look_at_files(&self, step: &PlanStep) -> Result<(Option<What>, String), String> {
        if let Some(set) = self.config.estate.systems.get(&step.target).and_then(|s| s.backup.as_ref()) {
            return Err(format!(
                "{set} cannot be read, because this control room has no vault: restore by hand"
            ));
        }
        let present = self.present_files(&step.executor).await?;
        match present.iter().filter(|f| f.encrypted).count() {
            0 => Ok((
                None,
                format!(
                    "nothing was put back: the estate names no backup of it, and of {} files none looks encrypted to its agent",
                    present.len()
                ),
            )),
            n => Err(format!(
                "{n} of {} files look encrypted, and there is no vault to restore them from",
                present.len()
            )),
        }
    }

    async fn put_files_back(&self, warrant: &Warranted, step: &PlanStep, vault: &str) -> Result<(Option<What>, String), String> {
        let present = self.present_files(&step.executor).await?;
        let versions: Vec<VaultVersion> = self.ask(vault, "x-leckwehr:versions", &step.target, "versions").await?;
        let compromised = self
            .journal
            .situation()
            .impact
            .credentials
            .iter()
            .filter(|c| c.tier != Tier::Excluded);
        let compromised = compromised.map(|c| c.account.clone()).collect();
        let first = self.journal.situation().impact.hosts.iter().filter_map(|h| h.since).min();
        let task = task(&present, &versions, &compromised, first);
        self.put_back(warrant, step, vault, &task.put_back, task.remove.clone())
            .await?;
        let after = self.present_files(&step.executor).await?;
        let right = |path: &str, digest: &str| after.iter().any(|f| f.path == path && f.digest == digest);
        let wrong = task.put_back.iter().filter(|(path, v)| !right(path, &v.digest)).count();
        let (restored, lost) = (task.put_back.len(), task.lost);
        if wrong > 0 {
            return Err(format!("{wrong} of {restored} files read back wrong"));
        }
        let stayed = task
            .remove
            .iter()
            .filter(|path| after.iter().any(|f| f.path == **path))
            .count();
        if stayed > 0 {
            return Err(format!(
                "{stayed} of {} files that should be gone are still there",
                task.remove.len()
            ));
        }
        let counted = What::FilesRestored {
            system: step.target.clone(),
            restored: restored as u64,
            lost,
        };
        let removed = task.remove.len();
        let evidence = format!("{restored} files put back and read again, {removed} removed, {lost} without a clean version");
        Ok((Some(counted), evidence))
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
                    steps: vec![step.number],
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

fn task<'v>(
    present: &[PresentFile],
    versions: &'v [VaultVersion],
    compromised: &BTreeSet<String>,
    first: Option<Timestamp>,
) -> Task<'v> {
    let mut by_path: BTreeMap<&str, Vec<&VaultVersion>> = BTreeMap::new();
    for version in versions {
        by_path.entry(&version.path).or_default().push(version);
    }
    let without_version = present
        .iter()
        .filter(|f| f.encrypted && !by_path.contains_key(f.path.as_str()));
    let mut task = Task {
        put_back: BTreeMap::new(),
        remove: Vec::new(),
        lost: without_version.count() as u64,
    };
    for (path, versions) in by_path {
        let there = present.iter().find(|f| f.path == path);
        let is_his = |v: &&VaultVersion| compromised.contains(&v.author);
        if there.is_some() && versions.iter().all(|v| is_his(v) && first.is_some_and(|t| v.at >= t)) {
            task.remove.push(path.to_owned());
        }
        let judged: Vec<Version> = versions.iter().map(|v| judged(v)).collect();
        match clean_version(&judged, compromised, first).and_then(|index| versions.get(index)) {
            Some(version) if there.is_none_or(|f| f.digest != version.digest) => {
                task.put_back.insert(path.to_owned(), version);
            }
            Some(_) => {}
            // Never clean in the backup: what the attacker brought, not what somebody lost.
            None if versions.iter().all(is_his) => {}
            None => task.lost += 1,
        }
    }
    task
}

fn judged(version: &VaultVersion) -> Version {
    Version {
        at: version.at,
        author: version.author.clone(),
        looks_encrypted: version.encrypted,
        len: version.bytes,
    }
}
