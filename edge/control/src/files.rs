use std::collections::{BTreeMap, BTreeSet};

use leckwehr_crypt::{from_hex, hex, sha256};
use leckwehr_guard::{Action, Order};
use leckwehr_incident::{GateCheck, PlanStep, Timestamp, What};
use leckwehr_restore::{Version, clean_version};
use serde::Deserialize;
use serde_json::json;

use crate::agents::Agents;
use crate::config::Wires;
use crate::errand::{Errand, question};
use crate::takedown::agent;

/// Bytes of file content in one order; more goes in several.
const ORDER_CONTENT_BYTES_MAX: usize = 8 << 20;

/// A version as the vault's agent describes it.
#[derive(Debug, Clone, Deserialize)]
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
struct Task {
    put_back: BTreeMap<String, VaultVersion>,
    remove: Vec<String>,
    /// Files without a clean version, and files that look encrypted and of which the vault has no version at all.
    lost: u64,
}

/// What restoring the files of one system showed.
pub(crate) struct FilesDone {
    /// In words.
    pub evidence: String,
    /// Facts that go with it.
    pub facts: Vec<What>,
}

impl<W: Wires> Agents<'_, W> {
    /// Puts back every file whose newest clean version is not what lies there, and removes what the attacker left.
    pub(crate) async fn restore_files(&self, step: &PlanStep) -> Result<FilesDone, String> {
        match self.config.vault.as_deref().map(agent) {
            Some(vault) => self.put_files_back(step, &vault).await,
            None => self.look_at_files(step).await,
        }
    }

    /// Without a vault nothing can be put back: only where nothing needs to be is the gate passed.
    async fn look_at_files(&self, step: &PlanStep) -> Result<FilesDone, String> {
        if let Some(set) = self.config.estate.systems.get(&step.target).and_then(|s| s.backup.as_ref()) {
            return Err(format!(
                "{set} cannot be read, because this control room has no vault: restore by hand"
            ));
        }
        let present = self.present_files(&step.executor).await?;
        match present.iter().filter(|f| f.encrypted).count() {
            0 => {
                let evidence = format!(
                    "nothing was put back: the estate names no backup of it, and of {} files none looks encrypted to its agent",
                    present.len()
                );
                let facts = GATES_OF_A_RESTORE.map(|check| checked(step, check, true, &evidence));
                Ok(FilesDone {
                    facts: facts.into(),
                    evidence,
                })
            }
            n => Err(format!(
                "{n} of {} files look encrypted, and there is no vault to restore them from",
                present.len()
            )),
        }
    }

    async fn put_files_back(&self, step: &PlanStep, vault: &str) -> Result<FilesDone, String> {
        let present = self.present_files(&step.executor).await?;
        let versions: Vec<VaultVersion> = self.ask(vault, "x-leckwehr:versions", &step.target, "versions").await?;
        let numbers: Vec<u64> = self.ask(vault, "x-leckwehr:numbers", "", "numbers").await?;
        let task = task(&present, &versions, &self.compromised, self.first_compromise);
        self.put_back(step, vault, &task.put_back, task.remove.clone()).await?;
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
        let facts = std::iter::once(counted).chain(self.gates_of(step, &task, &numbers)).collect();
        Ok(FilesDone { evidence, facts })
    }

    /// What the restore shows about its gates.
    fn gates_of(&self, step: &PlanStep, task: &Task, numbers: &[u64]) -> [What; 4] {
        let restored = task.put_back.len();
        let verified = match restored {
            0 => "no file had to be put back: each is its newest clean version already".to_owned(),
            _ => format!("the content of all {restored} versions has the SHA-256 that the vault wrote down when it took them"),
        };
        let rehearsed = match self.isolated.contains(&step.target) {
            true => Ok(format!(
                "{restored} files put back and read again while the system was off the grid"
            )),
            false => Err(format!("{} was not off the grid: this was no rehearsal", step.target)),
        };
        let old = match self.first_compromise {
            Some(first) => Ok(format!(
                "each version is older than {first} or by an account that was not stolen, and none looks encrypted"
            )),
            None => Err("when the attacker came first is not known".to_owned()),
        };
        let check = |check, found: Result<String, String>| {
            let passed = found.is_ok();
            checked(step, check, passed, &found.unwrap_or_else(|reason| reason))
        };
        [
            check(GateCheck::BackupVerified, Ok(verified)),
            check(GateCheck::SnapshotWitnessed, witnessed(numbers)),
            check(GateCheck::RestoreRehearsed, rehearsed),
            check(GateCheck::BeforeCompromise, old),
        ]
    }

    /// Fetches content from the vault and hands it to the host's agent, in orders of bounded size.
    async fn put_back(
        &self,
        step: &PlanStep,
        vault: &str,
        wanted: &BTreeMap<String, VaultVersion>,
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
                let digest = from_hex(&content).map(|bytes| hex(&sha256(&bytes)));
                if digest.as_ref() != Some(&version.digest) {
                    return Err(format!(
                        "the vault gives {path} damaged: its SHA-256 is not the one that was written down"
                    ));
                }
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
                match self.courier.run_errand(errand, Some(self.warrant)).await {
                    Ok(_) => bytes = 0,
                    Err(outcome) => return Err(format!("{} did not put files back: {outcome:?}", step.executor)),
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
        let asked = question(executor, target, specifier);
        match self.courier.run_errand(asked, None).await {
            Ok(reply) => {
                let value = reply.results.get(field).cloned().unwrap_or_default();
                serde_json::from_value(value).map_err(|error| format!("{executor} answers {target} unreadably: {error}"))
            }
            Err(outcome) => Err(format!("{executor} does not answer {target}: {outcome:?}")),
        }
    }
}

/// What the numbers of all its versions say of a vault that numbers them from 1: that none was taken out in between. Whether the
/// newest are missing cannot be seen from numbers.
fn witnessed(numbers: &[u64]) -> Result<String, String> {
    let numbers: BTreeSet<u64> = numbers.iter().copied().collect();
    let count = numbers.len() as u64;
    match (numbers.first(), numbers.last()) {
        (Some(1), Some(last)) if *last == count => Ok(format!(
            "the vault only appends, and its {count} versions are numbered without a gap"
        )),
        (None, _) | (_, None) => Err("the vault holds no version at all".to_owned()),
        _ => Err("versions are missing in the vault: its numbers have a gap".to_owned()),
    }
}

/// What the gates of a restored system demand of its restore.
const GATES_OF_A_RESTORE: [GateCheck; 4] = [
    GateCheck::BackupVerified,
    GateCheck::SnapshotWitnessed,
    GateCheck::RestoreRehearsed,
    GateCheck::BeforeCompromise,
];

pub(crate) fn checked(step: &PlanStep, check: GateCheck, passed: bool, evidence: &str) -> What {
    What::GateChecked {
        system: step.target.clone(),
        check,
        passed,
        evidence: evidence.to_owned(),
    }
}

fn task(present: &[PresentFile], versions: &[VaultVersion], compromised: &BTreeSet<String>, first: Option<Timestamp>) -> Task {
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
                task.put_back.insert(path.to_owned(), (*version).clone());
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
