//! Words for a plan under an agreed protocol, in a journal on disk: who may, who stands in, whose counter-signature is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leckwehr_contain::protocol::Measure;
use leckwehr_contain::{Absence, Protocol};
use leckwehr_control::{
    Config, Journal, NoFaults, Statement, absence_bytes, ask_for, faults_of_plan, may_begin, order_undo, propose, refusal_bytes,
    take_statement, take_word, undo_hash,
};
use leckwehr_crypt::{Authority, SigningKey, hex, sha256};
use leckwehr_estate::Estate;
use leckwehr_guard::Approval;
use leckwehr_incident::{Delegation, PlanKind, PlanRecord, PlanStep, Timestamp};

/// A Tuesday noon: no quiet hours.
const NOON: Timestamp = Timestamp(1_777_377_600_000_000_000);
const PEOPLE: [&str; 4] = ["lead-on-call", "security-officer", "operations-head", "union-chair"];

fn key(name: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(name.as_bytes())).unwrap()
}

/// A room under the example protocol, and a plan that cuts the union's connection and some hosts.
struct Place {
    config: Config,
    journal: Journal,
    plan: PlanRecord,
}

impl Place {
    fn open(folder: &Path, hosts: u32) -> Self {
        let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let mut estate = Estate::load(&examples.join("essen")).unwrap();
        let mut link = estate.connections["tunnel-bkk-ahornstahl"].clone();
        link.from = "insurer-net".into();
        estate.connections.insert("union-link".into(), link);
        let text = fs::read_to_string(examples.join("protocol-essen.toml")).unwrap();
        let protocol = Protocol::parse("protocol-essen.toml", &text, &estate).unwrap();
        let step = |number: u32, measure: Measure, target: String, clause: &str| PlanStep {
            number,
            executor: "guard-essen".into(),
            action: measure.name().into(),
            target,
            reason: "the attacker acted here".into(),
            planned_ms: 50,
            clause: clause.into(),
        };
        let union = step(1, Measure::CutConnection, "union-link".into(), "3.5");
        let hosts = (0..hosts).map(|n| step(n + 2, Measure::IsolateHost, format!("host-{n}"), "3.1"));
        let plan = PlanRecord {
            kind: PlanKind::Takedown,
            generation: 1,
            hash: String::new(),
            summary: "Cut".into(),
            harm_eur_per_hour: 0,
            steps: std::iter::once(union).chain(hosts).collect(),
        }
        .sealed();
        let config = Config {
            folder: folder.to_owned(),
            ledger_seed: [7; 32],
            site_seed: [8; 32],
            identity: Authority::generate("approval").unwrap().issue("control-room").unwrap(),
            executors: Default::default(),
            mirrors: Vec::new(),
            vault: None,
            policy: Default::default(),
            approvers: PEOPLE.map(|p| (p.to_owned(), *key(p).verifying_key().as_bytes())).into(),
            approvals_min: 2,
            protocol: Some(protocol),
            confirmers: Vec::new(),
            life_lines: Vec::new(),
            minute_ms: 60_000,
            estate,
        };
        let seed = SigningKey::from_seed(&config.ledger_seed).unwrap();
        let clock = Arc::new(|| NOON);
        let mut journal = Journal::open(&folder.join("ledger"), "test/approval", seed, clock, Arc::new(NoFaults)).unwrap();
        propose(&mut journal, &plan).unwrap();
        ask_for(&config, &mut journal, &plan, "control-room").unwrap();
        Self { config, journal, plan }
    }

    fn word(&mut self, name: &str) -> bool {
        let word = Approval::sign(name, &key(name), &self.plan.hash, Some(NOON.plus_ms(3_600_000)));
        assert_eq!(take_word(&self.config, &mut self.journal, &self.plan, &word).unwrap(), None);
        may_begin(&self.config, &mut self.journal, &self.plan).unwrap()
    }

    fn state(&mut self, statement: &Statement) -> Option<String> {
        take_statement(&self.config, &mut self.journal, statement).unwrap()
    }
}

fn delegation(from: &str, to: &str, hours: i64, signer: &str) -> Statement {
    let mut delegation = Delegation {
        from: from.into(),
        to: to.into(),
        since: NOON,
        until: NOON.plus_ms(hours * 3_600_000),
        signature: String::new(),
    };
    delegation.signature = hex(&key(signer).sign(&delegation.bytes()));
    Statement::Delegation { delegation }
}

fn absence(person: &str, signer: &str) -> Statement {
    let absence = Absence {
        person: person.into(),
        since: NOON,
        until: NOON.plus_ms(3_600_000),
    };
    let signature = hex(&key(signer).sign(&absence_bytes(&absence)));
    Statement::Absence { absence, signature }
}

/// Red if `request_of` leaves the clauses' counter-signers out.
#[test]
fn a_plan_whose_clause_wants_it_waits_for_the_customers_signature() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), 6);
    assert!(
        !place.word("lead-on-call") && !place.word("security-officer"),
        "the union has not signed"
    );
    assert!(place.word("union-chair"));
    // Without the union's connection it is not asked.
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), 6);
    place.plan.steps.remove(0);
    place.plan = place.plan.clone().sealed();
    propose(&mut place.journal, &place.plan).unwrap();
    ask_for(&place.config, &mut place.journal, &place.plan, "control-room").unwrap();
    assert!(!place.word("lead-on-call") && place.word("security-officer"));
}

/// Red if `may_begin` believes the clauses that a plan cites.
#[test]
fn a_plan_that_cites_other_clauses_to_escape_a_signature_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), 6);
    let mut sly = place.plan.clone();
    sly.steps[0].clause = "3.2".into();
    place.plan = sly.sealed();
    propose(&mut place.journal, &place.plan).unwrap();
    ask_for(&place.config, &mut place.journal, &place.plan, "control-room").unwrap();
    assert!(!place.word("lead-on-call") && !place.word("security-officer"));
    let faults = faults_of_plan(&place.config, &place.plan);
    assert_eq!(
        faults,
        ["step 1, cut-connection union-link: it cites clause \"3.2\", and 3.5 is the one for it"]
    );
}

/// Red if who signs for a customer counts as one of us: two stolen keys of which one is a customer's undo nothing.
#[test]
fn a_customers_key_undoes_nothing_and_confirms_no_work_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), 6);
    let hash = place.plan.hash.clone();
    let until = Some(NOON.plus_ms(3_600_000));
    let undo = |name: &str| Approval::sign(name, &key(name), &undo_hash(&hash), until);
    let words = [undo("lead-on-call"), undo("union-chair")];
    let faults = order_undo(&place.config, &mut place.journal, &hash, "stolen", &words).unwrap();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(place.journal.plan(&hash).unwrap().undo.is_none());
    assert!(!place.config.deciders().contains_key("union-chair"));
    // Nor does the customer stand in for the second of us.
    assert!(!place.word("lead-on-call") && !place.word("union-chair"));
}

/// Red if a longer word of the same person is dropped: what waits for people would outlast the words for it.
#[test]
fn a_word_is_renewed_by_a_longer_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), 6);
    let word = |hours: i64, hash: &str| {
        Approval::sign(
            "lead-on-call",
            &key("lead-on-call"),
            hash,
            Some(NOON.plus_ms(hours * 3_600_000)),
        )
    };
    for hours in [1, 8, 2] {
        let word = word(hours, &place.plan.hash);
        assert_eq!(
            take_word(&place.config, &mut place.journal, &place.plan, &word).unwrap(),
            None
        );
    }
    let words = &place.journal.plan(&place.plan.hash).unwrap().words;
    assert_eq!(words.len(), 1);
    assert_eq!(words[0].valid_until, NOON.plus_ms(8 * 3_600_000));
}

/// Red if a delegation counts without the signature of who gives it, or for longer than it may.
#[test]
fn the_right_to_approve_is_handed_on_by_who_has_it_only() {
    let folder = tempfile::tempdir().unwrap();
    // Forty-one hosts are more than the head of operations may order alone.
    let mut place = Place::open(folder.path(), 41);
    place.word("union-chair");
    assert!(!place.word("lead-on-call") && !place.word("operations-head"));
    for forged in [
        delegation("security-officer", "operations-head", 8, "operations-head"),
        delegation("security-officer", "operations-head", 9_999, "security-officer"),
        delegation("security-officer", "operations-head", -1, "security-officer"),
        delegation("security-officer", "mallory", 8, "security-officer"),
        delegation("mallory", "operations-head", 8, "mallory"),
    ] {
        assert!(place.state(&forged).is_some(), "{forged:?}");
    }
    assert_eq!(place.journal.situation().rejected, 5, "what does not count is a fact");
    assert!(!may_begin(&place.config, &mut place.journal, &place.plan).unwrap());
    assert_eq!(
        place.state(&delegation("security-officer", "operations-head", 8, "security-officer")),
        None
    );
    assert!(may_begin(&place.config, &mut place.journal, &place.plan).unwrap());
}

/// Red if somebody can silence another by saying that he is away.
#[test]
fn nobody_says_of_another_that_he_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), 6);
    place.word("union-chair");
    place.word("lead-on-call");
    assert!(place.state(&absence("security-officer", "lead-on-call")).is_some());
    assert_eq!(place.state(&absence("security-officer", "security-officer")), None);
    assert!(!place.word("security-officer"), "who is away approves nothing");
    assert!(place.word("operations-head"), "the deputy does");
}

#[test]
fn a_no_is_a_fact_with_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path(), 6);
    let no = |signer: &str, hash: &str| Statement::Refusal {
        hash: hash.into(),
        approver: "union-chair".into(),
        reason: "our pay run is on".into(),
        signature: hex(&key(signer).sign(&refusal_bytes(hash, "our pay run is on"))),
    };
    let hash = place.plan.hash.clone();
    assert!(place.state(&no("lead-on-call", &hash)).is_some());
    assert!(place.state(&no("union-chair", "no plan")).is_some());
    assert_eq!(place.state(&no("union-chair", &hash)), None);
    let view = place.journal.plan(&hash).unwrap();
    assert_eq!(view.refusals, [("union-chair".to_owned(), "our pay run is on".to_owned())]);
}
