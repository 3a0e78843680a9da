use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;

use leckwehr_incident::{Claim, ClaimTopic, Confidence, PlanRecord, ProbeResult, Situation, What};
use serde_json::{Value, json};

use crate::config::{Config, Wires};
use crate::errand::{Courier, probe, question};
use crate::error::ControlError;
use crate::execution::Journal;
use crate::restoration::REVIEW_MS;
use crate::room::Room;
use crate::takedown::{LOGON_PORT, agent};

/// Id of the claim that the cut holds: what is said later corrects it.
const CLAIM: &str = "claim-cut-holds";

/// What probes have shown of a cut.
#[derive(Debug, Default)]
pub struct Proof {
    /// Isolated systems that no probe reached, from neither side.
    pub proven: BTreeSet<String>,
    /// How many isolated systems are not proven to be so.
    pub unproven: usize,
    /// Whether a probe between two systems on the grid got through.
    pub probes_can_pass: bool,
    /// Ways that are still open, in words.
    pub holes: Vec<String>,
}

impl Proof {
    /// Adds what the probes after a further plan have shown.
    pub fn add(&mut self, other: Self) {
        self.proven.extend(other.proven);
        self.unproven += other.unproven;
        self.probes_can_pass |= other.probes_can_pass;
        self.holes.extend(other.holes);
    }
}

/// What the guards count at the cut.
#[derive(Default)]
struct Counted {
    stopped: u64,
    passed: u64,
    silent: usize,
}

/// Returns what is cut now: systems and connections.
pub fn cut_now(situation: &Situation) -> BTreeSet<String> {
    let isolated = situation.hosts.iter().filter(|(_, host)| host.isolated);
    let isolated = isolated.map(|(id, _)| id.clone());
    isolated.chain(situation.connections_cut.iter().cloned()).collect()
}

/// Probes from both sides of every system that a plan isolated, by the agents of the systems, and once between two that must reach
/// each other: a probe that cannot pass proves nothing. What is seen is recorded, and open ways are put to people.
///
/// # Errors
/// The journal cannot be written.
pub async fn prove<W: Wires>(
    courier: &Courier<W>,
    config: &Config,
    journal: &mut Journal,
    plan: &PlanRecord,
) -> Result<Proof, ControlError> {
    let estate = &config.estate;
    let address = |id: &String| Some(SocketAddrV4::new(estate.systems.get(id)?.address?, LOGON_PORT));
    let cut = cut_now(journal.situation());
    let can_be_asked = |id: &&String| address(id).is_some() && config.executors.contains_key(&agent(id));
    let free: Vec<&String> = estate
        .systems
        .keys()
        .filter(|id| !cut.contains(*id))
        .filter(can_be_asked)
        .collect();
    let isolated = plan
        .steps
        .iter()
        .filter(|s| s.action == "isolate-host" && cut.contains(&s.target));
    let isolated: Vec<&String> = isolated.map(|s| &s.target).collect();
    let mut wanted: Vec<(&String, &String, bool)> = Vec::new();
    for (index, host) in isolated.iter().enumerate() {
        if let Some(peer) = free.get(index % free.len().max(1)) {
            wanted.push((host, peer, false));
            wanted.push((peer, host, false));
        }
    }
    if let [a, .., b] = free.as_slice() {
        wanted.push((a, b, true));
    }
    let probes = wanted
        .iter()
        .filter_map(|&(from, to, expected)| Some((from, to, expected, address(to)?)));
    let probes: Vec<_> = probes.collect();
    let errands = probes.iter().map(|(from, _, _, to)| probe(&agent(from), *to));
    let answers = courier.run_errands(errands.collect(), None).await;
    let mut proofs: BTreeMap<&String, usize> = BTreeMap::new();
    let mut passed = false;
    let (mut facts, mut holes) = (Vec::new(), Vec::new());
    for ((from, to, expected_reachable, _), answer) in probes.into_iter().zip(answers) {
        let seen = answer.ok().and_then(|reply| reply.results.get("reachable")?.as_bool());
        let Some(reachable) = seen else {
            facts.push(What::NotKnown {
                room: "contain".into(),
                what: format!("the probe from {from} to {to} got no answer"),
            });
            continue;
        };
        if expected_reachable == reachable {
            passed |= reachable;
            *proofs.entry(if cut.contains(from) { from } else { to }).or_default() += 1;
        } else if reachable {
            holes.push(format!("{from} still reaches {to}: find the way around the guard"));
        }
        facts.push(What::Probed {
            probe: ProbeResult {
                from: from.clone(),
                to: to.clone(),
                expected_reachable,
                reachable,
            },
        });
    }
    let (proven, unproven): (Vec<&String>, Vec<_>) = isolated
        .into_iter()
        .partition(|host| proofs.get(host).is_some_and(|n| *n >= 2));
    let proof = Proof {
        proven: proven.into_iter().cloned().collect(),
        unproven: unproven.len(),
        probes_can_pass: passed,
        holes,
    };
    journal.record("probe", facts)?;
    let asked = &journal.situation().open_decisions;
    let new = proof.holes.iter().filter(|hole| !asked.contains(&format!("contain: {hole}")));
    let new = new.map(|what| What::DecisionOpen {
        room: "contain".into(),
        what: what.clone(),
    });
    let new = new.collect();
    journal.record("contain", new)?;
    Ok(proof)
}

impl<W: Wires> Room<W> {
    pub(crate) async fn prove(&mut self, plan: &PlanRecord) -> Result<Proof, ControlError> {
        let courier = self.courier.clone();
        prove(&courier, &self.config, &mut self.journal, plan).await
    }

    /// Claims that the cut holds, for the systems of which probes from both sides show it, unless a guard counts otherwise.
    pub(crate) async fn claim_cut(&mut self, proof: &Proof) -> Result<(), ControlError> {
        let counted = self.count_at_the_cut().await;
        if counted.passed > 0 {
            let hole = format!(
                "{} packets passed the cut by the guards' own counters: find the hole",
                counted.passed
            );
            return self.ask_people("contain", vec![hole]);
        }
        // A probe that cannot pass proves nothing by not passing.
        if proof.proven.is_empty() || !proof.probes_can_pass {
            return Ok(());
        }
        let n = proof.proven.len();
        let now = self.wires.now();
        let mut evidence = vec![
            format!(
                "{} probes between them and systems on the grid, half from each side, did not get through",
                2 * n
            ),
            "a probe between two systems on the grid got through".to_owned(),
            format!(
                "the guards stopped {} packets at the cut and let 0 pass, as of {now}",
                counted.stopped
            ),
        ];
        if counted.silent > 0 {
            evidence.push(format!(
                "{} guards did not answer when their counters were read",
                counted.silent
            ));
        }
        let claim = Claim {
            id: CLAIM.to_owned(),
            topic: ClaimTopic::CutHolds {
                hosts: proof.proven.iter().cloned().collect(),
            },
            text: BTreeMap::from([
                (
                    "de".to_owned(),
                    format!(
                        "Die Trennung hält: {n} getrennte Systeme waren bei der Prüfung von beiden Seiten aus nicht erreichbar."
                    ),
                ),
                (
                    "en".to_owned(),
                    format!("The cut holds: when it was checked, {n} isolated systems could not be reached from either side."),
                ),
            ]),
            confidence: if counted.silent == 0 {
                Confidence::Likely
            } else {
                Confidence::Assessed
            },
            evidence,
            coverage: "the log-on port of every one of these systems, and the packet counters of the guards".into(),
            not_seen: "other ports, and ways around the guards".into(),
            review_by: now.plus_ms(REVIEW_MS),
        };
        self.record("contain", vec![What::Claimed { claim }])
    }

    /// Corrects the claim that the cut holds once systems are back on the grid.
    pub(crate) fn claim_lifted(&mut self) -> Result<(), ControlError> {
        let Some(view) = self.journal.situation().claims.get(CLAIM) else {
            return Ok(());
        };
        let ClaimTopic::CutHolds { hosts } = &view.claim.topic else {
            return Ok(());
        };
        let is_back = |id: &&String| self.journal.situation().hosts.get(*id).is_some_and(|host| !host.isolated);
        let (n, back) = (hosts.len(), hosts.iter().filter(is_back).count());
        if back == 0 {
            return Ok(());
        }
        let mut claim = view.claim.clone();
        claim.text = BTreeMap::from([
            (
                "de".to_owned(),
                format!("Die Trennung ist für {back} von {n} Systemen aufgehoben; bei der Prüfung davor hielt sie für alle {n}."),
            ),
            (
                "en".to_owned(),
                format!("The cut is lifted for {back} of {n} systems; when it was checked before, it held for all {n}."),
            ),
        ]);
        claim.review_by = self.wires.now().plus_ms(REVIEW_MS);
        self.record("contain", vec![What::Claimed { claim }])
    }

    async fn count_at_the_cut(&self) -> Counted {
        let guards = self.config.executors.keys().filter(|name| !name.starts_with("agent:"));
        let questions = guards.map(|guard| question(guard, "features", json!([])));
        let mut counted = Counted::default();
        for answer in self.run_errands(questions.collect(), None).await {
            match answer {
                Ok(reply) => {
                    counted.stopped += packets(&reply.results, "cut");
                    counted.passed += packets(&reply.results, "passed");
                }
                Err(_) => counted.silent += 1,
            }
        }
        counted
    }
}

fn packets(results: &Value, field: &str) -> u64 {
    let counters = results
        .get(field)
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|c| c.values());
    counters
        .filter_map(|counter| counter.get("packets")?.as_u64())
        .fold(0, u64::saturating_add)
}
