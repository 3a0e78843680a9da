use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use leckwehr_crypt::{hex, random_bytes};
use leckwehr_guard::{Action, Order};
use leckwehr_incident::{Claim, ClaimTopic, Confidence, Phase, PlanStep, ServiceLevel, StepOutcome, Tier, Timestamp, What};
use leckwehr_restore::{RestoreConfig, RestorePlan, StepKind, Version, clean_version, plan_restore};
use serde::Deserialize;
use serde_json::json;

use crate::config::{Output, Wires};
use crate::errand::{Errand, Warranted, probe, question};
use crate::error::ControlError;
use crate::room::Room;
use crate::takedown::{LOGON_PORT, agent};

/// Bytes of file content in one order; more goes in several.
const ORDER_CONTENT_BYTES_MAX: usize = 8 << 20;
/// Hours until a claim of this room must be looked at again.
const REVIEW_MS: i64 = 6 * 3_600_000;

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
    /// Plans the return, gets it approved, and brings everything back wave by wave.
    pub(crate) async fn restore(&mut self) -> Result<(), ControlError> {
        let generation = self.next_generation();
        let config = RestoreConfig {
            generation,
            minute_ms: self.config.minute_ms,
            ..RestoreConfig::default()
        };
        let plan = plan_restore(&self.situation, &self.config.estate, &config);
        let open = plan
            .open_decisions
            .iter()
            .chain(&plan.warnings)
            .map(|what| What::DecisionOpen {
                room: "restore".into(),
                what: what.clone(),
            });
        let open = open.collect();
        self.record("restore", open)?;
        let warrant = self.approvals(&plan.to_record()).await?;
        self.enter(Phase::Restoring, "the restoration plan is approved")?;
        self.publish().await?;
        let waves: BTreeSet<u32> = plan.steps.iter().map(|s| s.wave).collect();
        for wave in waves {
            self.run_wave(&plan, wave, &warrant).await?;
            self.take_waiting()?;
        }
        self.record_levels("restored, under observation")?;
        self.claim_restoration()?;
        self.enter(Phase::Recovered, "every step of the restoration plan ended")?;
        self.publish().await
    }

    async fn run_wave(&mut self, plan: &RestorePlan, wave: u32, warrant: &Warranted) -> Result<(), ControlError> {
        let kinds = [
            StepKind::RotateCredentials,
            StepKind::Sweep,
            StepKind::RestoreFiles,
            StepKind::Probe,
            StepKind::Reconnect,
        ];
        for kind in kinds {
            let numbers: BTreeSet<u32> = plan
                .steps
                .iter()
                .filter(|s| s.wave == wave && s.kind == kind)
                .map(|s| s.number)
                .collect();
            let steps: Vec<PlanStep> = warrant
                .plan
                .steps
                .iter()
                .filter(|s| numbers.contains(&s.number))
                .cloned()
                .collect();
            if steps.is_empty() {
                continue;
            }
            match kind {
                StepKind::RotateCredentials => self.rotate(warrant, &steps).await?,
                StepKind::Sweep => {
                    let sweep = |step: &PlanStep| Order::new(Action::Investigate, "x-leckwehr:system", step.target.clone());
                    self.execute_steps(warrant, &steps, sweep).await?;
                }
                StepKind::RestoreFiles => {
                    for step in &steps {
                        self.restore_files(warrant, step).await?;
                    }
                }
                StepKind::Probe => self.probe_steps(warrant, &steps).await?,
                StepKind::Reconnect => self.reconnect(warrant, &steps).await?,
            }
        }
        Ok(())
    }

    /// Gives each stolen account a new secret on every system it is valid on, under the step's warrant.
    async fn rotate(&mut self, warrant: &Warranted, steps: &[PlanStep]) -> Result<(), ControlError> {
        for step in steps {
            self.intend(warrant, step)?;
            let secret = hex(&random_bytes::<16>().map_err(|error| ControlError::Keys(Box::new(error)))?);
            let valid_on = self.config.estate.accounts.get(&step.target).map(|a| a.logs_on_to.clone());
            let executors: Vec<String> = match valid_on {
                Some(systems) => systems
                    .iter()
                    .map(|s| agent(s))
                    .filter(|e| self.config.executors.contains_key(e))
                    .collect(),
                None => self
                    .config
                    .executors
                    .keys()
                    .filter(|e| e.starts_with("agent:"))
                    .cloned()
                    .collect(),
            };
            let order =
                Order::new(Action::Set, "x-leckwehr:account", step.target.clone()).with("x-leckwehr:secret", secret.clone());
            let errands = executors.iter().map(|e| Errand {
                executor: e.clone(),
                order: order.clone(),
                step: Some(step.number),
            });
            let answers = self.run_errands(errands.collect(), Some(warrant)).await;
            let failed = executors.iter().zip(&answers).find(|(_, answer)| answer.is_err());
            let outcome = match failed {
                None => StepOutcome::Verified {
                    evidence: format!("changed by {} agents", executors.len()),
                },
                Some((executor, _)) => StepOutcome::Doubtful {
                    reason: format!("{executor} did not confirm the change"),
                },
            };
            self.end(warrant, step, outcome)?;
            self.say(Output::Secret {
                account: step.target.clone(),
                secret,
            });
        }
        Ok(())
    }

    /// Puts back every file whose newest clean version is not what lies there, and removes what the attacker left.
    async fn restore_files(&mut self, warrant: &Warranted, step: &PlanStep) -> Result<(), ControlError> {
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

    /// Lets each host try its own service.
    async fn probe_steps(&mut self, warrant: &Warranted, steps: &[PlanStep]) -> Result<(), ControlError> {
        for step in steps {
            self.intend(warrant, step)?;
        }
        let address = |step: &PlanStep| self.config.estate.systems.get(&step.target).and_then(|s| s.address);
        let (with_address, without): (Vec<&PlanStep>, Vec<_>) = steps.iter().partition(|s| address(s).is_some());
        let errands = with_address
            .iter()
            .filter_map(|s| Some(probe(&s.executor, SocketAddrV4::new(address(s)?, LOGON_PORT))))
            .collect();
        let answers = self.run_errands(errands, None).await;
        let seen = answers
            .into_iter()
            .map(|answer| answer.ok()?.results.get("reachable")?.as_bool());
        let seen: Vec<Option<bool>> = seen.chain(without.iter().map(|_| None)).collect();
        for (step, reachable) in with_address.into_iter().chain(without).zip(seen) {
            let outcome = match reachable {
                Some(true) => StepOutcome::Verified {
                    evidence: "it answers".into(),
                },
                _ => StepOutcome::Doubtful {
                    reason: "it does not answer".into(),
                },
            };
            self.end(warrant, step, outcome)?;
        }
        Ok(())
    }

    async fn reconnect(&mut self, warrant: &Warranted, steps: &[PlanStep]) -> Result<(), ControlError> {
        let allow = |step: &PlanStep| Order::new(Action::Allow, "x-leckwehr:compartment", step.target.clone());
        let done = self.execute_steps(warrant, steps, allow).await?;
        for (step, done) in steps.iter().zip(done) {
            let target = step.target.clone();
            match done {
                true if self.config.estate.connections.contains_key(&target) => {
                    self.record(
                        &step.executor,
                        vec![What::ConnectionCut {
                            connection: target,
                            cut: false,
                        }],
                    )?;
                }
                true => self.record(
                    &step.executor,
                    vec![What::HostIsolated {
                        system: target,
                        isolated: false,
                    }],
                )?,
                false => {}
            }
        }
        self.record_levels("restored, under observation")
    }

    fn intend(&mut self, warrant: &Warranted, step: &PlanStep) -> Result<(), ControlError> {
        self.record(
            "control-room",
            vec![What::StepIntended {
                plan: warrant.plan.hash.clone(),
                step: step.number,
            }],
        )
    }

    fn end(&mut self, warrant: &Warranted, step: &PlanStep, outcome: StepOutcome) -> Result<(), ControlError> {
        self.say(Output::Step {
            text: format!("{} {}", step.action, step.target),
        });
        self.record(
            "control-room",
            vec![What::StepEnded {
                plan: warrant.plan.hash.clone(),
                step: step.number,
                outcome,
            }],
        )
    }

    /// Says which services are back. Only what was verified is said.
    fn claim_restoration(&mut self) -> Result<(), ControlError> {
        let review_by = self.wires.now().plus_ms(REVIEW_MS);
        let back = self
            .situation
            .services
            .iter()
            .filter(|(_, s)| s.level == ServiceLevel::Provisional);
        let claims = back.map(|(id, _)| {
            let name = self.config.estate.services.get(id).map_or(id.as_str(), |s| s.name.as_str());
            let claim = Claim {
                id: format!("claim-restored-{id}"),
                topic: ClaimTopic::ServiceRestored { service: id.clone() },
                text: BTreeMap::from([
                    ("de".to_owned(), format!("{name}: läuft wieder, unter Beobachtung.")),
                    ("en".to_owned(), format!("{name}: works again, under observation.")),
                ]),
                confidence: Confidence::Likely,
                evidence: vec!["the steps of the restoration plan in the ledger".into()],
                coverage: "every system it needs is back on the grid and answers its own probe".into(),
                not_seen: "use by customers since then".into(),
                review_by,
            };
            What::Claimed { claim }
        });
        let claims = claims.collect();
        self.record("restore", claims)
    }
}
