use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::{
    Alarm, AlarmLevel, Cause, Claim, ClaimTopic, Confidence, Coverage, CredentialAssessment, Delegation, Fact, Finding, Gate,
    GateCheck, Hop, HostAssessment, Impact, OutsideEndpoint, OutsideRole, PaymentStage, Phase, PlanKind, PlanRecord, PlanStep,
    ProbeResult, ServiceLevel, SignedWord, StepOutcome, StepPlace, Suppression, Tier, Timestamp, Verdict, What, WordAbout,
    WordView,
};

/// Every fact that a ledger can hold, fully filled in, so that no field can be renamed unseen.
pub fn one_of_each() -> Vec<What> {
    let text = |text: &str| text.to_owned();
    let outcomes = [
        StepOutcome::Verified { evidence: text("seen") },
        StepOutcome::NotApplied { reason: text("refused") },
        StepOutcome::Doubtful { reason: text("broke") },
    ];
    let topics = [
        ClaimTopic::BytesOut { bytes: 7 },
        ClaimTopic::Compromised {
            hosts: vec![text("fs-1")],
        },
        ClaimTopic::NotReached {
            scope: text("ePA"),
            hosts: vec![text("epa-1")],
        },
        ClaimTopic::CutHolds {
            hosts: vec![text("fs-1")],
        },
        ClaimTopic::ServiceRestored { service: text("eau") },
        ClaimTopic::MessagesKept { accepted: 9 },
    ];
    let levels = [AlarmLevel::Notice, AlarmLevel::Warning, AlarmLevel::Critical];
    let services = [
        ServiceLevel::Off,
        ServiceLevel::Rebuilding,
        ServiceLevel::CleanRoom,
        ServiceLevel::Limited,
        ServiceLevel::Provisional,
        ServiceLevel::Full,
    ];
    let stages = [
        PaymentStage::Built,
        PaymentStage::Approved,
        PaymentStage::Releasing,
        PaymentStage::Released,
        PaymentStage::Cancelled,
    ];
    let mut all = vec![
        What::WatchStarted {
            estate: text("Essen"),
            services: vec![text("eau")],
        },
        What::Found { finding: finding() },
        What::AlarmClosed {
            alarm: text("alarm-1"),
            as_what: text("closed as a drill"),
            verdict: None,
            reason: String::new(),
        },
        What::AlarmClosed {
            alarm: text("alarm-1"),
            as_what: text("closed as contained"),
            verdict: Some(Verdict::Contained),
            reason: text("the host was rebuilt"),
        },
        What::Suppressed {
            suppression: suppression(),
        },
        What::SuppressionEnded {
            suppression: text("suppression-1"),
            findings: 3,
            reason: text("expired"),
        },
        What::Found {
            finding: Finding {
                indicators: vec![text("198.51.100.7")],
                ..finding()
            },
        },
        What::Alarmed {
            alarm: Alarm {
                causes: vec![cause()],
                reopened: Some(text("closed as contained; now: Backups deleted")),
                ..alarm(AlarmLevel::Critical, 90.0)
            },
        },
        What::SourceAccount {
            source: text("sensor-fs-1"),
            records: 10,
            missing: 2,
            damaged: 1,
        },
        What::PlanProposed {
            plan: plan(PlanKind::Takedown),
        },
        What::PlanProposed {
            plan: plan(PlanKind::Restore),
        },
        What::PlanContinued {
            hash: text("ab"),
            steps: plan(PlanKind::Restore).steps,
        },
        What::PlanApproved {
            hash: text("ab"),
            approver: text("anna"),
            signature: text("cd"),
            valid_until: None,
            on_behalf_of: None,
        },
        What::StepIntended {
            plan: text("ab"),
            step: 1,
        },
        What::PlanApproved {
            hash: text("ab"),
            approver: text("anna"),
            signature: text("cd"),
            valid_until: Some(Timestamp(9)),
            on_behalf_of: Some(text("bert")),
        },
        What::ApprovalAsked {
            hash: text("ab"),
            requester: text("cem"),
            needed: 2,
            valid_until: Timestamp(9),
        },
        What::ApprovalRefused {
            hash: text("ab"),
            approver: text("bert"),
            reason: text("not at night"),
        },
        What::ApprovalExpired {
            hash: text("ab"),
            approver: text("anna"),
        },
        What::ApprovalDelegated {
            delegation: Delegation {
                from: text("bert"),
                to: text("dora"),
                since: Timestamp(8),
                until: Timestamp(9),
                signature: text("ef"),
            },
        },
        What::AbsenceNoted {
            person: text("bert"),
            since: Timestamp(8),
            until: Timestamp(9),
        },
        What::WordRejected {
            hash: text("ab"),
            by: text("mallory"),
            reason: text("no key of that name"),
        },
        What::OrderRefused {
            executor: text("guard-a"),
            reason: text("the signature does not fit"),
        },
        What::ControlStarted { epoch: 3 },
        What::PlanRehearsed {
            plan: text("ab"),
            problems: vec![text("guard-a does not answer")],
        },
        What::LifeLinesSeen {
            plan: text("ab"),
            alive: vec![text("fs-1 to 10.0.0.1:22")],
            silent: vec![text("fs-2 to 10.0.0.1:22")],
        },
        What::StepSeen {
            plan: text("ab"),
            step: 1,
            state: text("h1"),
        },
        What::LeaseGiven {
            plan: text("ab"),
            step: 1,
            until: Timestamp(9),
        },
        What::UndoOrdered {
            plan: text("ab"),
            reason: text("a life-line is lost"),
            words: Vec::new(),
        },
        What::UndoOrdered {
            plan: text("ab"),
            reason: text("false alarm"),
            words: vec![WordView {
                approver: text("anna"),
                on_behalf_of: None,
                given: Timestamp(8),
                valid_until: Timestamp(9),
                signature: text("cd"),
            }],
        },
        What::UndoIntended {
            plan: text("ab"),
            step: 1,
        },
        What::UndoEnded {
            plan: text("ab"),
            step: 1,
            outcome: StepOutcome::Verified { evidence: text("seen") },
        },
        What::PlanOrdered {
            plan: text("ab"),
            begins: true,
            steps: vec![StepPlace {
                number: 2,
                after: vec![1],
                start_ms: 5,
            }],
            reason: text("step 1 failed"),
        },
        What::StepReopened {
            plan: text("ab"),
            step: 1,
            reason: text("the backup server is back"),
        },
        What::WorkGiven {
            plan: text("ab"),
            step: 1,
            owner: text("desk"),
            due: Timestamp(9),
            what: text("plug in the cable"),
        },
        What::GateChecked {
            system: text("fs-1"),
            check: GateCheck::BackupVerified,
            passed: true,
            evidence: text("7 of 7 packs"),
        },
        What::SystemChanged {
            system: text("fs-1"),
            level: ServiceLevel::Rebuilding,
            reason: text("its restoration began"),
        },
        What::Forecasted {
            service: text("eau"),
            p50: Timestamp(8),
            p90: Timestamp(9),
        },
        What::Probed {
            probe: ProbeResult {
                from: text("a"),
                to: text("b"),
                expected_reachable: false,
                reachable: true,
            },
        },
        What::HostIsolated {
            system: text("fs-1"),
            isolated: true,
        },
        What::ConnectionCut {
            connection: text("vendor"),
            cut: true,
        },
        What::Assessed { impact: impact() },
        What::FilesRestored {
            system: text("fs-1"),
            restored: 3,
            lost: 1,
        },
        What::SitePublished {
            seq: 1,
            manifest: text("ef"),
            mirrors_ok: 1,
            mirrors: 2,
        },
        What::DecisionOpen {
            room: text("contain"),
            what: text("pump-1 has no guard: cut it by hand"),
        },
        What::NotKnown {
            room: text("probe"),
            what: text("no answer from fs-2"),
        },
        What::NotBuilt {
            room: text("restore"),
            what: text("forecast"),
        },
    ];
    let words = [
        WordAbout::Override {
            system: text("fs-1"),
            gate: Gate::Clean,
        },
        WordAbout::Lost {
            system: text("fs-1"),
            until: Timestamp(7),
        },
        WordAbout::Done {
            plan: text("ab"),
            step: 1,
        },
        WordAbout::Observed { system: text("fs-1") },
    ];
    all.extend(words.map(|word| What::WordGiven {
        word: SignedWord {
            person: text("anna"),
            word,
            reason: text("why"),
            at: Timestamp(8),
            signature: text("ef"),
        },
    }));
    all.extend(GateCheck::ALL.map(|check| What::GateChecked {
        system: text("fs-2"),
        check,
        passed: false,
        evidence: text("missing"),
    }));
    all.extend(levels.map(|level| What::Alarmed {
        alarm: alarm(level, 12.5),
    }));
    all.extend(Phase::ALL.map(|phase| What::PhaseEntered {
        phase,
        reason: text("why"),
    }));
    all.extend(outcomes.map(|outcome| What::StepEnded {
        plan: text("ab"),
        step: 1,
        outcome,
    }));
    all.extend(stages.map(|stage| What::PaymentRun {
        run: text("2026-11-26-1"),
        file: text("ab"),
        stage,
        payments: 12,
        cents: 34_567,
        held: 1,
    }));
    all.extend(topics.map(|topic| What::Claimed { claim: claim(topic) }));
    all.extend(services.map(|level| What::ServiceChanged {
        service: text("eau"),
        level,
        reason: text("why"),
    }));
    all
}

pub fn finding() -> Finding {
    Finding {
        at: Timestamp(1),
        rule: "detector:backup-destruction".into(),
        title: "Backups deleted".into(),
        author: "Leckwehr".into(),
        techniques: vec!["T1490".into()],
        host: "backup-1".into(),
        account: Some("svc".into()),
        origin: None,
        weight: 90,
        evidence: vec!["sensor-backup-1#4".into()],
        detail: "4 of 4 snapshots".into(),
        indicators: Vec::new(),
    }
}

fn suppression() -> Suppression {
    Suppression {
        id: "suppression-1".into(),
        entity: "host:scan-*".into(),
        rule: "*port*".into(),
        until: Timestamp(9),
        author: "anna".into(),
        reason: "quarterly scan".into(),
    }
}

fn cause() -> Cause {
    let finding = finding();
    Cause {
        rule: finding.rule,
        title: finding.title,
        author: finding.author,
        techniques: finding.techniques,
        count: 4,
        share: 0.75,
        first: Timestamp(1),
        last: Timestamp(2),
        evidence: finding.evidence,
    }
}

pub fn alarm(level: AlarmLevel, risk: f64) -> Alarm {
    Alarm {
        id: "alarm-1".into(),
        at: Timestamp(-1),
        entity: "host:backup-1".into(),
        level,
        risk,
        reasons: vec!["Backups deleted (4)".into()],
        causes: Vec::new(),
        reopened: None,
    }
}

pub fn plan(kind: PlanKind) -> PlanRecord {
    let step = PlanStep {
        number: 1,
        executor: "guard-a".into(),
        action: "isolate-host".into(),
        target: "fs-1".into(),
        reason: "the attacker acted here".into(),
        planned_ms: 50,
        clause: String::new(),
    };
    PlanRecord {
        kind,
        generation: 1,
        hash: String::new(),
        summary: "Cut".into(),
        harm_eur_per_hour: 5,
        steps: vec![step],
    }
    .sealed()
}

pub fn claim(topic: ClaimTopic) -> Claim {
    Claim {
        id: "claim-1".into(),
        topic,
        text: BTreeMap::from([("de".to_owned(), "Satz".to_owned()), ("en".to_owned(), "Sentence".to_owned())]),
        confidence: Confidence::Likely,
        evidence: vec!["sensor-a#1".into()],
        coverage: "all exits".into(),
        not_seen: "memory".into(),
        review_by: Timestamp(9),
    }
}

pub fn impact() -> Impact {
    let tiers = [Tier::Proven, Tier::Probable, Tier::Possible, Tier::Excluded, Tier::Unknown];
    let roles = [
        OutsideRole::Command,
        OutsideRole::Exfiltration,
        OutsideRole::CommandAndExfiltration,
        OutsideRole::Entry,
        OutsideRole::Unknown,
    ];
    let host = |tier| HostAssessment {
        system: format!("{tier:?}"),
        tier,
        since: Some(Timestamp(2)),
        via: None,
        reasons: vec!["why".into()],
    };
    let outside = |role| OutsideEndpoint {
        address: "198.51.100.7".into(),
        role,
        tier: Tier::Probable,
        bytes_out_max: 11,
        seen: Some((Timestamp(1), Timestamp(2))),
        evidence: vec!["flow".into()],
    };
    Impact {
        window: Some((Timestamp(0), Timestamp(3))),
        hosts: tiers.map(host).into(),
        credentials: vec![CredentialAssessment {
            account: "svc".into(),
            tier: Tier::Proven,
            used_on: vec!["fs-1".into()],
        }],
        hops: vec![Hop {
            from: "198.51.100.7".into(),
            to: "fs-1".into(),
            at: Timestamp(2),
            account: None,
            tier: Tier::Proven,
            means: "remote logon".into(),
            evidence: vec!["logon".into()],
        }],
        outside: roles.map(outside).into(),
        bytes_out_max: 11,
        exits_unobserved: vec!["the phone line".into()],
        coverage: vec![Coverage {
            asset: "fs-1".into(),
            class: "logon".into(),
            seen: 0.75,
            missing: "1 of 4".into(),
        }],
        unknowns: vec!["what was read".into()],
    }
}

/// The tag of a fact; a new variant does not compile until it stands here, in [`one_of_each`] and in the snapshot.
fn tag(what: &What) -> &'static str {
    match what {
        What::WatchStarted { .. } => "watch-started",
        What::Found { .. } => "found",
        What::Alarmed { .. } => "alarmed",
        What::AlarmClosed { .. } => "alarm-closed",
        What::Suppressed { .. } => "suppressed",
        What::SuppressionEnded { .. } => "suppression-ended",
        What::SourceAccount { .. } => "source-account",
        What::PhaseEntered { .. } => "phase-entered",
        What::PlanProposed { .. } => "plan-proposed",
        What::PlanContinued { .. } => "plan-continued",
        What::PlanApproved { .. } => "plan-approved",
        What::StepIntended { .. } => "step-intended",
        What::ApprovalAsked { .. } => "approval-asked",
        What::ApprovalRefused { .. } => "approval-refused",
        What::ApprovalExpired { .. } => "approval-expired",
        What::ApprovalDelegated { .. } => "approval-delegated",
        What::AbsenceNoted { .. } => "absence-noted",
        What::WordRejected { .. } => "word-rejected",
        What::OrderRefused { .. } => "order-refused",
        What::ControlStarted { .. } => "control-started",
        What::PlanRehearsed { .. } => "plan-rehearsed",
        What::LifeLinesSeen { .. } => "life-lines-seen",
        What::StepSeen { .. } => "step-seen",
        What::LeaseGiven { .. } => "lease-given",
        What::UndoOrdered { .. } => "undo-ordered",
        What::UndoIntended { .. } => "undo-intended",
        What::UndoEnded { .. } => "undo-ended",
        What::PlanOrdered { .. } => "plan-ordered",
        What::StepReopened { .. } => "step-reopened",
        What::WorkGiven { .. } => "work-given",
        What::WordGiven { .. } => "word-given",
        What::GateChecked { .. } => "gate-checked",
        What::SystemChanged { .. } => "system-changed",
        What::Forecasted { .. } => "forecasted",
        What::StepEnded { .. } => "step-ended",
        What::Probed { .. } => "probed",
        What::HostIsolated { .. } => "host-isolated",
        What::ConnectionCut { .. } => "connection-cut",
        What::Assessed { .. } => "assessed",
        What::Claimed { .. } => "claimed",
        What::ServiceChanged { .. } => "service-changed",
        What::FilesRestored { .. } => "files-restored",
        What::PaymentRun { .. } => "payment-run",
        What::SitePublished { .. } => "site-published",
        What::DecisionOpen { .. } => "decision-open",
        What::NotKnown { .. } => "not-known",
        What::NotBuilt { .. } => "not-built",
    }
}

/// Number of variants of [`What`], which is the number of arms of [`tag`].
const VARIANTS: usize = 47;

#[test]
fn the_vocabulary_does_not_change_silently() {
    let facts: Vec<Fact> = one_of_each()
        .into_iter()
        .map(|what| Fact::new(Timestamp(1_700_000_000), "test", what))
        .collect();
    let tags: BTreeSet<&str> = facts.iter().map(|fact| tag(&fact.what)).collect();
    assert_eq!(tags.len(), VARIANTS, "{tags:?}");
    let mut lines = String::new();
    for fact in &facts {
        let bytes = fact.to_bytes();
        assert_eq!(&Fact::from_bytes(0, &bytes).unwrap(), fact);
        let line = String::from_utf8(bytes).unwrap();
        assert!(line.contains(&format!("\"fact\":\"{}\"", tag(&fact.what))), "{line}");
        lines.push_str(&line);
        lines.push('\n');
    }
    insta::assert_snapshot!(lines);
}

/// What older ledgers hold stays readable: the snapshot's own lines are read, not the ones just written.
#[test]
fn the_recorded_lines_are_still_readable() {
    let snapshot = include_str!("snapshots/incident__vocabulary__the_vocabulary_does_not_change_silently.snap");
    let lines: Vec<&str> = snapshot.lines().filter(|line| line.starts_with("{\"v\"")).collect();
    assert!(lines.len() >= VARIANTS);
    for (index, line) in lines.iter().enumerate() {
        let fact = Fact::from_bytes(index as u64, line.as_bytes()).unwrap();
        assert_eq!(fact.to_bytes(), line.as_bytes());
    }
}
