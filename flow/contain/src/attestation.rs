use std::collections::{BTreeMap, BTreeSet};

use leckwehr_crypt::{hex, sha256};
use leckwehr_estate::Estate;
use leckwehr_incident::{Impact, PlanKind, PlanRecord, PlanStep, Situation, StepOutcome, Tier, Timestamp};
use serde::{Deserialize, Serialize};

use crate::plan::{CUT_MS, ContainError};
use crate::protocol::{Measure, Protocol};

/// Sentences of one kind in one attestation.
pub const SENTENCES_MAX: usize = 10_000;

/// A system at the end of a partner's connection, as the analysis has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// System id.
    pub system: String,
    /// How sure it is that the attacker was there; unknown where nothing was observed.
    pub tier: Tier,
    /// Why, as the analysis says it.
    pub reasons: Vec<String>,
}

/// Proof that a cut separated what it was to separate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeparationProof {
    /// Seal of the cut's certificate.
    pub seal: String,
    /// What was protected.
    pub targets: Vec<String>,
}

/// What a partner is told before its connections come back: found, changed, proven, and not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attestation {
    /// Party id.
    pub partner: String,
    /// Its connections.
    pub connections: Vec<String>,
    /// When it was drawn up.
    pub at: Timestamp,
    /// The systems at our ends of these connections.
    pub found: Vec<Found>,
    /// What the attacker did from or to the partner's networks, one sentence each.
    pub contacts: Vec<String>,
    /// What was changed since, one sentence each.
    pub changed: Vec<String>,
    /// Where the evidence is: ledger entries, certificates.
    pub evidence: Vec<String>,
    /// Proof of separation, if there is one.
    pub separation: Option<SeparationProof>,
    /// What cannot be said, one sentence each. Nothing is left out to look better.
    pub not_known: Vec<String>,
    /// SHA-256 over the attestation with an empty seal, hex. Both sides sign this.
    pub seal: String,
}

/// What the author of an attestation adds to the analysis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AttestationGround {
    /// What was changed, one sentence each.
    pub changed: Vec<String>,
    /// Where the evidence is.
    pub evidence: Vec<String>,
    /// Proof of separation.
    pub separation: Option<SeparationProof>,
}

impl AttestationGround {
    /// Adds what the facts say was done at our ends of the partner's connections: every step that was verified and not undone.
    pub fn add(&mut self, situation: &Situation, partner: &str, estate: &Estate) {
        let connections = connections_of(partner, estate);
        let systems = connections.iter().flat_map(|id| our_systems(partner, id, estate));
        let ends: BTreeSet<&str> = systems.chain(connections.iter().map(String::as_str)).collect();
        let mut done = Vec::new();
        for view in situation.plans.values() {
            let at_ends = view.plan.steps.iter().filter(|s| ends.contains(s.target.as_str()));
            for step in at_ends.filter(|s| view.stands(s.number)) {
                if let Some((at, StepOutcome::Verified { evidence })) =
                    view.steps.get(&step.number).and_then(|s| s.ended.as_ref())
                {
                    done.push((*at, format!("{at}: {} {}: {evidence}", step.action, step.target)));
                }
            }
        }
        done.sort();
        self.changed.extend(done.into_iter().map(|(_, sentence)| sentence));
    }
}

impl Attestation {
    /// Draws up what a partner must know. O(hosts + hops + coverage, for each connection).
    pub fn new(partner: &str, impact: &Impact, estate: &Estate, ground: AttestationGround, at: Timestamp) -> Self {
        let connections = connections_of(partner, estate);
        let ends: BTreeSet<&str> = connections.iter().flat_map(|id| our_systems(partner, id, estate)).collect();
        let tier = |system: &str| impact.hosts.iter().find(|h| h.system == system);
        let found = ends.iter().map(|system| Found {
            system: (*system).to_owned(),
            tier: tier(system).map_or(Tier::Unknown, |h| h.tier),
            reasons: tier(system).map(|h| h.reasons.clone()).unwrap_or_default(),
        });
        let is_theirs = |address: &str| {
            let zone = estate.systems.get(address).map(|s| s.zone.as_str());
            let zone = zone.or_else(|| estate.zone_of(address.parse().ok()?));
            zone.and_then(|z| estate.zones.get(z)).is_some_and(|z| z.party == partner)
        };
        let hops = impact.hops.iter().filter(|h| is_theirs(&h.from) || is_theirs(&h.to));
        let contacts = hops.map(|h| format!("{}: {} from {} to {}", h.at, h.means, h.from, h.to));
        let gaps = impact
            .coverage
            .iter()
            .filter(|c| ends.contains(c.asset.as_str()) && (c.seen < 1.0 || !c.missing.is_empty()));
        let gaps = gaps.map(|c| format!("{} of {}: {:.0} % seen; {}", c.class, c.asset, c.seen * 100.0, c.missing));
        let observed: BTreeSet<&str> = impact.coverage.iter().map(|c| c.asset.as_str()).collect();
        let unseen = ends.iter().filter(|id| !observed.contains(**id));
        let unseen = unseen.map(|id| format!("nothing says how well {id} was observed"));
        let unproven = ground
            .separation
            .is_none()
            .then(|| "no certificate of separation was made".to_owned());
        let mut attestation = Self {
            partner: partner.to_owned(),
            at,
            found: found.collect(),
            contacts: contacts.take(SENTENCES_MAX).collect(),
            changed: ground.changed.into_iter().take(SENTENCES_MAX).collect(),
            evidence: ground.evidence.into_iter().take(SENTENCES_MAX).collect(),
            separation: ground.separation,
            not_known: gaps
                .chain(unseen)
                .chain(unproven)
                .chain(impact.unknowns.iter().cloned())
                .take(SENTENCES_MAX)
                .collect(),
            connections,
            seal: String::new(),
        };
        attestation.seal = attestation.digest();
        attestation
    }

    /// Says whether the seal fits the content.
    pub fn is_sealed(&self) -> bool {
        let unsealed = Self {
            seal: String::new(),
            ..self.clone()
        };
        self.seal == unsealed.digest()
    }

    fn digest(&self) -> String {
        hex(&sha256(&serde_json::to_vec(self).unwrap_or_default()))
    }
}

/// Plans the return of partners' connections. Each takes three steps: our crew hands over the attestation, the partner accepts
/// it by its seal, and only then does the guard open the connection; who executes names the side.
///
/// # Errors
/// [`ContainError::NoClause`] where the protocol does not allow it, [`ContainError::Nothing`] without connections.
pub fn reconnect_plan(
    attestations: &[Attestation],
    estate: &Estate,
    protocol: &Protocol,
    generation: u64,
) -> Result<PlanRecord, ContainError> {
    let mut steps: Vec<PlanStep> = Vec::new();
    let mut partners: BTreeMap<&str, usize> = BTreeMap::new();
    for attestation in attestations.iter().filter(|a| a.is_sealed()) {
        for id in &attestation.connections {
            let Some(switch) = estate.connections.get(id).and_then(|c| c.switch.as_ref()) else {
                continue;
            };
            let belongs_to = BTreeSet::from([attestation.partner.clone()]);
            let clause = protocol
                .clause_for(Measure::Reconnect, id, &belongs_to)
                .ok_or_else(|| ContainError::NoClause {
                    action: Measure::Reconnect.name(),
                    target: id.clone(),
                })?;
            let crew = format!("crew:{}", switch.who);
            let minutes = u64::from(clause.1.minutes) * 60_000;
            let by_guard = switch.guard.clone().map(|guard| (guard, CUT_MS));
            let (who, takes_ms) = by_guard.unwrap_or((crew.clone(), minutes));
            let sides = [
                (Measure::Attest, crew, minutes),
                (Measure::Accept, format!("party:{}", attestation.partner), minutes),
                (Measure::Reconnect, who, takes_ms),
            ];
            for (measure, executor, planned_ms) in sides {
                steps.push(PlanStep {
                    number: steps.len() as u32 + 1,
                    executor,
                    action: measure.name().to_owned(),
                    target: id.clone(),
                    reason: format!("attestation {}", attestation.seal),
                    planned_ms,
                    clause: clause.0.to_owned(),
                });
            }
            *partners.entry(&attestation.partner).or_default() += 1;
        }
    }
    if steps.is_empty() {
        return Err(ContainError::Nothing);
    }
    let summary = format!("Reconnect {} connections of {} partners", steps.len() / 3, partners.len());
    Ok(PlanRecord {
        kind: PlanKind::Restore,
        generation,
        hash: String::new(),
        summary,
        harm_eur_per_hour: 0,
        steps,
    }
    .sealed())
}

/// Connections with one end at the partner: the party, its zones, its systems.
fn connections_of(partner: &str, estate: &Estate) -> Vec<String> {
    let all = estate.connections.iter();
    let of_partner = all.filter(|(_, c)| is_partners(partner, &c.from, estate) || is_partners(partner, &c.to, estate));
    of_partner.map(|(id, _)| id.clone()).collect()
}

fn is_partners(partner: &str, end: &str, estate: &Estate) -> bool {
    let zone = estate.systems.get(end).map_or(end, |s| s.zone.as_str());
    end == partner || estate.zones.get(zone).is_some_and(|z| z.party == partner)
}

/// The systems at our end: the end itself, or all of its zone.
fn our_systems<'e>(partner: &str, connection: &str, estate: &'e Estate) -> Vec<&'e str> {
    let Some(connection) = estate.connections.get(connection) else {
        return Vec::new();
    };
    let ours = [&connection.from, &connection.to]
        .into_iter()
        .filter(|end| !is_partners(partner, end, estate));
    let ours: Vec<&String> = ours.collect();
    let at_end = estate
        .systems
        .iter()
        .filter(|(id, s)| ours.contains(id) || ours.contains(&&s.zone));
    at_end.map(|(id, _)| id.as_str()).collect()
}
