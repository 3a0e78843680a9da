//! A takedown by the protocol, and the return of a partner: guards with real kernels, programs, and people who sign.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leckwehr_control::{
    Confirmer, Courier, CutActuator, Ended, Execution, Journal, NoFaults, Runbook, Takedown, TakedownActuator, TakedownEnd,
    Warranted, propose, take_signed_word,
};
use leckwehr_crypt::hex;
use leckwehr_incident::{PlanKind, PlanRecord, PlanStep, SignedWord, Situation, StepOutcome, Timestamp, WordAbout};

use crate::crash::attacks::{block_on, reasons, room};
use crate::crash::child::Tcp;
use crate::crash::place::{Place, now, person, prepare, words_for};
use crate::namespace::in_namespace;

const HOUR_MS: u64 = 3_600_000;

fn plan_of(kind: PlanKind, steps: &[(&str, &str, &str, u64)]) -> PlanRecord {
    let step = |(index, (action, executor, target, planned_ms)): (usize, &(&str, &str, &str, u64))| PlanStep {
        number: index as u32 + 1,
        executor: (*executor).into(),
        action: (*action).into(),
        target: (*target).into(),
        reason: "the attacker acted here".into(),
        planned_ms: *planned_ms,
        clause: "1".into(),
    };
    PlanRecord {
        kind,
        generation: 1,
        hash: String::new(),
        summary: "By the protocol".into(),
        harm_eur_per_hour: 5,
        steps: steps.iter().enumerate().map(step).collect(),
    }
    .sealed()
}

/// What carries a plan out.
struct Hands<'a> {
    courier: &'a Courier<Tcp>,
    warrant: &'a Warranted,
    runbook: &'a Runbook,
    folder: PathBuf,
}

impl<'a> Hands<'a> {
    fn new(place: &Place, courier: &'a Courier<Tcp>, warrant: &'a Warranted, runbook: &'a Runbook) -> Self {
        Self {
            courier,
            warrant,
            runbook,
            folder: place.config.folder.join("work"),
        }
    }

    fn actuator(&self, situation: &Situation) -> TakedownActuator<'_, Tcp> {
        let cuts = CutActuator {
            courier: self.courier,
            warrant: self.warrant,
            life_lines: &[],
            lease_ms: HOUR_MS,
        };
        TakedownActuator::new(cuts, self.runbook, situation, &self.folder, Arc::new(NoFaults))
    }
}

/// A room at work on one plan.
struct Work<'a> {
    place: &'a Place,
    journal: Journal,
    courier: Courier<Tcp>,
    plan: PlanRecord,
    runbook: Runbook,
}

impl<'a> Work<'a> {
    fn begin(place: &'a Place, folder: &Path, plan: PlanRecord, runbook: Runbook) -> Self {
        let (mut journal, courier) = room(place, &folder.join("ledger"));
        propose(&mut journal, &plan).unwrap();
        Self {
            place,
            journal,
            courier,
            plan,
            runbook,
        }
    }

    fn go_on(&mut self) -> TakedownEnd {
        let warrant = self.warrant();
        let hands = Hands::new(self.place, &self.courier, &warrant, &self.runbook);
        let config = &self.place.config;
        let takedown = Takedown::new(&self.plan, &config.estate, config.minute_ms);
        let takedown = takedown.again(&mut self.journal).unwrap();
        block_on(takedown.run(&mut self.journal, |situation| hands.actuator(situation))).unwrap()
    }

    fn undo(&mut self) -> Ended {
        let warrant = self.warrant();
        let hands = Hands::new(self.place, &self.courier, &warrant, &self.runbook);
        let actuator = hands.actuator(self.journal.situation());
        let execution = Execution::new(&self.plan, &actuator);
        block_on(execution.undo(&mut self.journal, "anna", "a false alarm")).unwrap()
    }

    fn warrant(&self) -> Warranted {
        Warranted {
            plan: self.plan.clone(),
            approvals: words_for(&self.plan),
        }
    }

    /// Somebody says that a step is done; why it does not count, if so.
    fn confirm(&mut self, name: &str, step: u32) -> Option<String> {
        let mut word = SignedWord {
            person: name.into(),
            word: WordAbout::Done {
                plan: self.plan.hash.clone(),
                step,
            },
            reason: "saw it".into(),
            at: now(),
            signature: String::new(),
        };
        word.signature = hex(&person(name).sign(&word.bytes()));
        let config = &self.place.config;
        take_signed_word(&config.approvers, &config.confirmers, &mut self.journal, &word).unwrap()
    }

    fn ended(&self, step: u32) -> Option<&(Timestamp, StepOutcome)> {
        let view = self.journal.plan(&self.plan.hash).unwrap();
        view.steps.get(&step)?.ended.as_ref()
    }

    fn is_verified(&self, step: u32) -> bool {
        matches!(self.ended(step), Some((_, StepOutcome::Verified { .. })))
    }
}

fn waits_for(end: TakedownEnd) -> Vec<(u32, String)> {
    assert!(matches!(end, TakedownEnd::Waits { .. }), "{end:?}");
    match end {
        TakedownEnd::Waits { work, .. } => work,
        TakedownEnd::Ended(_) => Vec::new(),
    }
}

fn confirmer(name: &str, executor: &str) -> Confirmer {
    Confirmer {
        name: name.into(),
        key: *person(name).verifying_key().as_bytes(),
        executors: BTreeSet::from([executor.to_owned()]),
    }
}

/// Programs that keep one line per deed in files beside each other.
fn runbook(folder: &Path, steps: &[(&str, &str)]) -> Runbook {
    let step = |(action, target): &(&str, &str)| {
        let file = folder.join(format!("{action}-{target}"));
        format!(
            "[[step]]\naction = {action:?}\ntarget = {target:?}\n\
             command.check = [\"/usr/bin/test\", \"-e\", {file:?}]\n\
             command.act = [\"/usr/bin/touch\", {file:?}]\ncommand.undo = [\"/usr/bin/rm\", {file:?}]\n"
        )
    };
    Runbook::parse("runbook.toml", &steps.iter().map(step).collect::<String>()).unwrap()
}

/// Red if `turn` lets a power-off pass whose evidence was not kept, or a cut before the time of its notice is over; if stages are not
/// waited for; if work by hand counts without a word.
#[test]
fn the_protocols_order_is_kept_by_guards_programs_and_people() {
    if !in_namespace("crash::measures::the_protocols_order_is_kept_by_guards_programs_and_people") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    place.config.confirmers = vec![confirmer("carla", "crew:hall")];
    let programs = runbook(&folder, &[("drain", "a1"), ("power-off", "a1"), ("power-off", "a2")]);
    let hour = HOUR_MS;
    let plan = plan_of(
        PlanKind::Takedown,
        &[
            ("isolate-host", "guard-b", "b1", 50),
            ("notify", "crew:hall", "vendor", hour),
            ("await-notice", "crew:hall", "vendor", 0),
            ("drain", "crew:hall", "a1", hour),
            // Whoever should write it out is not to be reached: its time is over at once.
            ("flush", "crew:nobody", "a1", 0),
            ("cut-connection", "guard-a", "vendor", 50),
            ("isolate-host", "guard-a", "a1", 50),
            ("isolate-host", "guard-a", "a2", 50),
            ("capture-memory", "crew:hall", "a1", hour),
            ("capture-disk", "crew:nobody", "a2", 0),
            ("power-off", "crew:hall", "a1", hour),
            ("power-off", "crew:hall", "a2", hour),
        ],
    );
    let plan = programs.bind(plan);
    let mut work = Work::begin(&place, &folder, plan, programs);

    // The attacker's host is off at once; the vendor is cut after notice only.
    assert_eq!(waits_for(work.go_on()), [(2, "crew:hall".to_owned())]);
    assert!(work.is_verified(1) && place.cut() == BTreeSet::from(["guard-b h1".to_owned()]));
    assert_eq!(
        waits_for(work.go_on()),
        [(2, "crew:hall".to_owned())],
        "nothing happens by asking again"
    );
    for stranger in ["mallory", "nobody"] {
        assert!(work.confirm(stranger, 2).is_some(), "{stranger} may not say that");
    }
    assert_eq!(work.confirm("carla", 2), None);
    assert!(work.confirm("carla", 9).is_some(), "nobody has that work yet");

    // Then everything goes on to the evidence of the first host; the flush that nobody confirmed is left out.
    assert_eq!(waits_for(work.go_on()), [(9, "crew:hall".to_owned())]);
    assert!((3..=4).chain(6..=8).all(|step| work.is_verified(step)));
    assert!(folder.join("drain-a1").exists() && !folder.join("power-off-a1").exists());
    assert!(matches!(work.ended(5), Some((_, StepOutcome::NotApplied { .. }))));
    assert_eq!(place.cut().len(), 4);

    assert_eq!(work.confirm("carla", 9), None);
    assert_eq!(work.go_on(), TakedownEnd::Ended(Ended::Complete));
    assert!(work.is_verified(11) && folder.join("power-off-a1").exists());
    // The evidence of the second was not kept, so it runs on, cut off.
    assert!(!folder.join("power-off-a2").exists());
    let text = &reasons(&work.journal, &work.plan)[11];
    assert!(text.contains("step 10, capture-disk a2, is not done"), "{text}");
    assert_eq!(work.journal.situation().hosts.values().filter(|h| h.isolated).count(), 3);

    // Programs and guards take theirs back; what people did stays theirs.
    assert!(matches!(work.undo(), Ended::Undone { .. }));
    assert!(place.cut().is_empty());
    assert!(!folder.join("drain-a1").exists() && !folder.join("power-off-a1").exists());
    let view = work.journal.plan(&work.plan.hash).unwrap();
    let is_undone = |step: u32| matches!(view.undone[&step].ended, Some((_, StepOutcome::Verified { .. })));
    assert!(
        [1, 4, 6, 7, 8, 11].into_iter().all(is_undone) && !is_undone(9),
        "{:?}",
        view.undone
    );
}

/// Red if the time of a notice holds anything else back, if a cut that was left out is not opened again, or if work counts only
/// while it is not late.
#[test]
fn a_notice_holds_its_own_connection_back_and_late_work_counts() {
    if !in_namespace("crash::measures::a_notice_holds_its_own_connection_back_and_late_work_counts") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    place.config.confirmers = vec![confirmer("carla", "crew:hall")];
    let plan = plan_of(
        PlanKind::Takedown,
        &[
            // Nobody tells the vendor in time, and the time of the notice is an hour.
            ("notify", "crew:hall", "vendor", 0),
            ("await-notice", "crew:hall", "vendor", HOUR_MS),
            ("cut-connection", "guard-a", "vendor", 50),
            ("isolate-host", "guard-a", "a1", 50),
            ("isolate-host", "guard-b", "b1", 50),
        ],
    );
    let mut work = Work::begin(&place, &folder, plan, Runbook::default());
    assert_eq!(work.go_on(), TakedownEnd::Ended(Ended::Complete));
    assert!(work.is_verified(4) && work.is_verified(5) && !work.is_verified(3));
    assert_eq!(place.cut().len(), 2, "a cut that was left out keeps no other back");
    // Told at last: the hour runs from now, and the connection is the only thing that waits.
    assert_eq!(work.confirm("carla", 1), None);
    assert_eq!(
        waits_for(work.go_on()),
        [(2, "crew:hall".to_owned()), (3, "guard-a".to_owned())]
    );
    assert!(work.is_verified(1) && place.cut().len() == 2);
    let TakedownEnd::Waits { until: Some(until), .. } = work.go_on() else {
        unreachable!("it waits");
    };
    assert!(until > now().plus_ms(3_500_000), "{until}");
}

/// Red if an approver's word is taken for a partner's, or the connection is opened before both gave theirs.
#[test]
fn a_partner_comes_back_after_both_sides_gave_their_word() {
    if !in_namespace("crash::measures::a_partner_comes_back_after_both_sides_gave_their_word") {
        return;
    }
    let folder = prepare();
    let mut place = Place::build(&folder);
    place.config.confirmers = vec![confirmer("carla", "crew:wan"), confirmer("paul", "party:vendor")];
    let cut = plan_of(
        PlanKind::Takedown,
        &[
            ("cut-connection", "guard-a", "vendor", 50),
            ("isolate-host", "guard-a", "a1", 50),
        ],
    );
    let mut work = Work::begin(&place, &folder, cut, Runbook::default());
    assert_eq!(work.go_on(), TakedownEnd::Ended(Ended::Complete));
    work.plan = plan_of(
        PlanKind::Restore,
        &[
            ("attest", "crew:wan", "vendor", HOUR_MS),
            ("accept", "party:vendor", "vendor", HOUR_MS),
            ("reconnect", "guard-a", "vendor", 50),
            // Another partner, who does not answer, holds nobody up.
            ("attest", "crew:other", "a1", HOUR_MS),
            ("accept", "party:other", "a1", HOUR_MS),
            ("reconnect", "guard-a", "a1", 50),
        ],
    );
    work.plan.generation = 2;
    work.plan = work.plan.clone().sealed();
    propose(&mut work.journal, &work.plan).unwrap();
    assert_eq!(waits_for(work.go_on()).len(), 6);
    assert!(work.confirm("paul", 1).is_some(), "the partner does not speak for us");
    assert_eq!(work.confirm("carla", 1), None);
    assert_eq!(waits_for(work.go_on()).len(), 5);
    for ours in ["anna", "bert", "carla"] {
        assert!(work.confirm(ours, 2).is_some(), "{ours} speaks for the partner");
    }
    assert_eq!(waits_for(work.go_on()).len(), 5);
    assert_eq!(place.cut().len(), 2);
    assert_eq!(work.confirm("paul", 2), None);
    assert_eq!(waits_for(work.go_on()).len(), 3);
    assert!(work.is_verified(3));
    assert_eq!(place.cut(), BTreeSet::from(["guard-a h1".to_owned()]));
    assert!(work.journal.situation().connections_cut.is_empty());
    // Taken back: the connection is cut again, as it was found.
    assert!(matches!(work.undo(), Ended::Undone { .. }));
    assert_eq!(place.cut().len(), 2);
    assert_eq!(work.journal.situation().connections_cut, ["vendor"]);
}
