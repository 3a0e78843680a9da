use leckwehr_incident::{Fact, Impact, PlanRecord, PlanStep, StepOutcome, Tier, What};
use leckwehr_ledger::ENTRY_BYTES_MAX;

/// Bytes of a ledger entry that are kept for the fact around an impact analysis.
const ENVELOPE_BYTES: usize = 1_024;
/// Characters kept of one sentence where sentences are shortened.
const SENTENCE_CHARS_MAX: usize = 200;
/// Sentences kept in one list where sentences are shortened.
const SENTENCES_MAX: usize = 2;

/// Makes an impact analysis fit a ledger entry; what had to be left out stands in its `unknowns`.
///
/// What matters least goes first: why hosts are only possible or unknown, what covered single assets, the further evidence
/// of everything, the names of hosts that nothing is known of, and at last the least certain of every list. The bound for
/// bytes, the proven hosts and the steps between them go last. An analysis that fits is returned unchanged.
pub fn fit_impact(impact: Impact) -> Impact {
    if fits(&impact) {
        return impact;
    }
    let mut small = impact;
    let mut left_out = Vec::new();
    for shorten in [shorten_reasons, shorten_coverage, shorten_evidence, drop_unknown_hosts] {
        left_out.extend(shorten(&mut small));
        let told = with_note(&small, &left_out);
        if fits(&told) {
            return told;
        }
    }
    halve(small, &left_out)
}

/// Makes a fact fit a ledger entry. One that cannot be shortened without changing what it says is replaced by the fact that
/// it does not fit.
pub fn fit_fact(fact: Fact) -> Fact {
    if fact.to_bytes().len() <= ENTRY_BYTES_MAX {
        return fact;
    }
    let what = match fact.what {
        What::Assessed { impact } => What::Assessed {
            impact: fit_impact(impact),
        },
        What::Found { mut finding } => {
            shorten(&mut finding.detail);
            shorten(&mut finding.host);
            finding.account.iter_mut().chain(&mut finding.origin).for_each(shorten);
            shorten_all(&mut finding.evidence);
            shorten_all(&mut finding.indicators);
            What::Found { finding }
        }
        What::Alarmed { mut alarm } => {
            shorten(&mut alarm.entity);
            shorten_all(&mut alarm.reasons);
            alarm.causes.truncate(SENTENCES_MAX);
            for cause in &mut alarm.causes {
                [&mut cause.rule, &mut cause.title, &mut cause.author]
                    .into_iter()
                    .for_each(shorten);
                shorten_all(&mut cause.techniques);
                shorten_all(&mut cause.evidence);
            }
            alarm.reopened.iter_mut().for_each(shorten);
            What::Alarmed { alarm }
        }
        What::StepEnded { plan, step, mut outcome } => {
            shorten_outcome(&mut outcome);
            What::StepEnded { plan, step, outcome }
        }
        What::UndoEnded { plan, step, mut outcome } => {
            shorten_outcome(&mut outcome);
            What::UndoEnded { plan, step, outcome }
        }
        What::WorkGiven {
            plan,
            step,
            owner,
            due,
            mut what,
        } => {
            shorten(&mut what);
            What::WorkGiven {
                plan,
                step,
                owner,
                due,
                what,
            }
        }
        other => other,
    };
    let fitted = Fact::new(fact.at, fact.by, what);
    let bytes = fitted.to_bytes().len();
    if bytes <= ENTRY_BYTES_MAX {
        return fitted;
    }
    let name = match &fitted.what {
        What::PlanProposed { plan } => format!("plan {} with {} steps", plan.hash, plan.steps.len()),
        What::PlanContinued { hash, .. } => format!("a step of plan {hash}"),
        What::Claimed { claim } => format!("claim {}", claim.id),
        _ => "a fact".to_owned(),
    };
    let what = format!("{name} has {bytes} bytes and a ledger entry holds {ENTRY_BYTES_MAX}: it is not in the ledger");
    Fact::new(
        fitted.at,
        fitted.by,
        What::NotBuilt {
            room: "control".to_owned(),
            what,
        },
    )
}

/// Writes a plan as facts of which each fits a ledger entry: the plan with its first steps, then the rest of them. The hash that
/// people approve covers the whole.
pub fn plan_facts(plan: &PlanRecord) -> Vec<What> {
    let size = |value: &PlanStep| serde_json::to_vec(value).map_or(ENTRY_BYTES_MAX, |bytes| bytes.len() + 1);
    let mut first = plan.clone();
    let steps = std::mem::take(&mut first.steps);
    let mut room = ENTRY_BYTES_MAX.saturating_sub(ENVELOPE_BYTES + first.canonical_bytes().len());
    let mut parts = vec![Vec::new()];
    for step in steps {
        let bytes = size(&step);
        if bytes > room {
            parts.push(Vec::new());
            room = ENTRY_BYTES_MAX - ENVELOPE_BYTES;
        }
        room = room.saturating_sub(bytes);
        parts.last_mut().into_iter().for_each(|part| part.push(step.clone()));
    }
    let mut parts = parts.into_iter();
    first.steps = parts.next().unwrap_or_default();
    let hash = plan.hash.clone();
    let rest = parts.map(|steps| What::PlanContinued {
        hash: hash.clone(),
        steps,
    });
    std::iter::once(What::PlanProposed { plan: first }).chain(rest).collect()
}

fn shorten_outcome(outcome: &mut StepOutcome) {
    let (StepOutcome::Verified { evidence: text }
    | StepOutcome::NotApplied { reason: text }
    | StepOutcome::Doubtful { reason: text }) = outcome;
    shorten(text);
}

fn fits(impact: &Impact) -> bool {
    serde_json::to_vec(impact).is_ok_and(|bytes| bytes.len() + ENVELOPE_BYTES <= ENTRY_BYTES_MAX)
}

fn with_note(impact: &Impact, left_out: &[String]) -> Impact {
    let mut told = impact.clone();
    told.unknowns.push(format!(
        "Left out of this ledger entry, which holds {ENTRY_BYTES_MAX} bytes: {}.",
        left_out.join("; ")
    ));
    told
}

fn is_certain(tier: Tier) -> bool {
    matches!(tier, Tier::Proven | Tier::Probable)
}

fn shorten_reasons(impact: &mut Impact) -> Option<String> {
    let vague = impact
        .hosts
        .iter_mut()
        .filter(|h| !is_certain(h.tier) && !h.reasons.is_empty());
    let count = vague.map(|host| host.reasons.clear()).count();
    (count > 0).then(|| format!("why {count} hosts are no more than possible"))
}

fn shorten_coverage(impact: &mut Impact) -> Option<String> {
    let before = impact.coverage.len();
    // What watched the exits carries the bound for bytes.
    impact.coverage.retain(|c| matches!(c.class.as_str(), "flow" | "egress"));
    let count = before - impact.coverage.len();
    (count > 0).then(|| format!("the coverage of {count} assets"))
}

fn shorten_evidence(impact: &mut Impact) -> Option<String> {
    impact.hosts.iter_mut().for_each(|h| shorten_all(&mut h.reasons));
    impact.hops.iter_mut().for_each(|h| shorten_all(&mut h.evidence));
    impact.outside.iter_mut().for_each(|o| shorten_all(&mut o.evidence));
    shorten_all_to(&mut impact.unknowns, usize::MAX);
    shorten_all_to(&mut impact.exits_unobserved, usize::MAX);
    Some(format!(
        "evidence beyond {SENTENCES_MAX} sentences for each host, step and address"
    ))
}

fn drop_unknown_hosts(impact: &mut Impact) -> Option<String> {
    let before = impact.hosts.len();
    impact.hosts.retain(|h| !matches!(h.tier, Tier::Unknown | Tier::Excluded));
    let count = before - impact.hosts.len();
    (count > 0).then(|| format!("the names of {count} hosts of which nothing is known or that are excluded"))
}

/// Takes the less certain half of the longest list away until the rest fits.
fn halve(mut impact: Impact, left_out: &[String]) -> Impact {
    let whole = Lengths::of(&impact);
    impact.hops.sort_by_key(|h| (h.tier, h.at));
    impact.outside.sort_by_key(|o| (o.tier, o.address.clone()));
    loop {
        let now = Lengths::of(&impact);
        let mut told = with_note(&impact, &[left_out, &whole.missing(&now)].concat());
        if fits(&told) || now.longest() == 0 {
            told.hops.sort_by_key(|h| h.at);
            return told;
        }
        let longest = now.longest();
        let cut = |length: usize| if length == longest { length / 2 } else { length };
        impact.hosts.truncate(cut(now.hosts));
        impact.hops.truncate(cut(now.hops));
        impact.outside.truncate(cut(now.outside));
        impact.credentials.truncate(cut(now.credentials));
        impact.coverage.truncate(cut(now.coverage));
        impact.unknowns.truncate(cut(now.unknowns));
        impact.exits_unobserved.truncate(cut(now.exits));
        for credential in &mut impact.credentials {
            shorten_all(&mut credential.used_on);
        }
    }
}

/// How long each list of an analysis is.
struct Lengths {
    hosts: usize,
    hops: usize,
    outside: usize,
    credentials: usize,
    coverage: usize,
    unknowns: usize,
    exits: usize,
}

impl Lengths {
    fn of(impact: &Impact) -> Self {
        Self {
            hosts: impact.hosts.len(),
            hops: impact.hops.len(),
            outside: impact.outside.len(),
            credentials: impact.credentials.len(),
            coverage: impact.coverage.len(),
            unknowns: impact.unknowns.len(),
            exits: impact.exits_unobserved.len(),
        }
    }

    fn named(&self) -> [(usize, &'static str); 7] {
        [
            (self.hosts, "hosts"),
            (self.hops, "steps"),
            (self.outside, "addresses outside"),
            (self.credentials, "credentials"),
            (self.coverage, "rows of coverage"),
            (self.unknowns, "unknowns"),
            (self.exits, "unobserved exits"),
        ]
    }

    fn longest(&self) -> usize {
        self.named().iter().map(|(length, _)| *length).max().unwrap_or(0)
    }

    fn missing(&self, now: &Self) -> Vec<String> {
        let pairs = self.named().into_iter().zip(now.named());
        let shorter = pairs.filter(|((whole, _), (rest, _))| rest < whole);
        shorter
            .map(|((whole, name), (rest, _))| format!("{} of {whole} {name}", whole - rest))
            .collect()
    }
}

fn shorten_all(sentences: &mut Vec<String>) {
    shorten_all_to(sentences, SENTENCES_MAX);
}

fn shorten_all_to(sentences: &mut Vec<String>, sentences_max: usize) {
    sentences.truncate(sentences_max);
    sentences.iter_mut().for_each(shorten);
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(SENTENCE_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
}
