use leckwehr_incident::{PaymentStage, StepOutcome, Suppression, What, WordAbout};

/// Returns a fact in a few words.
pub(crate) fn words(what: &What) -> String {
    match what {
        What::WatchStarted { estate, services } => format!("watch started: {estate}, {} services", services.len()),
        What::Found { finding } => format!("found: {} on {}", finding.title, finding.host),
        What::Alarmed { alarm } => format!("alarm {}: {} at risk {:.0}", alarm.id, alarm.entity, alarm.risk),
        What::AlarmClosed {
            alarm, as_what, reason, ..
        } if reason.is_empty() => format!("alarm {alarm} {as_what}"),
        What::AlarmClosed {
            alarm, as_what, reason, ..
        } => format!("alarm {alarm} {as_what}: {reason}"),
        What::Suppressed { suppression: s } => {
            let Suppression {
                id, entity, rule, until, ..
            } = s;
            format!(
                "{id}: {rule} on {entity} raises no alarm until {until}, by {}: {}",
                s.author, s.reason
            )
        }
        What::SuppressionEnded {
            suppression,
            findings,
            reason,
        } => format!("{suppression} ended: {reason}; {findings} findings raised no alarm"),
        What::SourceAccount {
            source,
            records,
            missing,
            damaged,
        } => format!("source {source}: {records} records, {missing} missing, {damaged} damaged"),
        What::PhaseEntered { phase, reason } => format!("phase {phase}: {reason}"),
        What::PlanProposed { plan } => format!("plan {} proposed: {}", short(&plan.hash), plan.summary),
        What::PlanContinued { hash, steps } => format!("plan {}: {} further steps", short(hash), steps.len()),
        What::PlanApproved { hash, approver, .. } => format!("plan {} approved by {approver}", short(hash)),
        What::StepIntended { plan, step } => format!("plan {} step {step} begins", short(plan)),
        What::StepEnded { plan, step, outcome } => format!("plan {} step {step} {}", short(plan), ended(outcome)),
        What::ApprovalAsked {
            hash,
            requester,
            needed,
            valid_until,
        } => {
            format!(
                "plan {}: {requester} asks {needed} people to approve it until {valid_until}",
                short(hash)
            )
        }
        What::ApprovalRefused { hash, approver, reason } => format!("plan {} refused by {approver}: {reason}", short(hash)),
        What::ApprovalExpired { hash, approver } => format!("plan {}: the approval of {approver} expired", short(hash)),
        What::ApprovalDelegated { delegation } => {
            format!(
                "{} may approve for {} until {}",
                delegation.to, delegation.from, delegation.until
            )
        }
        What::AbsenceNoted { person, since, until } => format!("{person} is away from {since} until {until}"),
        What::WordRejected { hash, by, reason } => {
            format!("plan {}: a word in the name of {by} does not count: {reason}", short(hash))
        }
        What::OrderRefused { executor, reason } => format!("{executor} refused an order: {reason}"),
        What::ControlStarted { epoch } => format!("control room started, epoch {epoch}"),
        What::PlanRehearsed { plan, problems } => match problems.as_slice() {
            [] => format!("plan {} rehearsed: nothing in its way", short(plan)),
            problems => format!("plan {} rehearsed: {}", short(plan), problems.join("; ")),
        },
        What::LifeLinesSeen { plan, alive, silent } => {
            format!(
                "plan {}: {} life-lines answer, {} did not before it",
                short(plan),
                alive.len(),
                silent.len()
            )
        }
        What::StepSeen { plan, step, state } => format!("plan {} step {step} found: {state}", short(plan)),
        What::LeaseGiven { plan, step, until } => format!("plan {} step {step} holds until {until}", short(plan)),
        What::UndoOrdered { plan, reason, .. } => format!("plan {} is to be undone: {reason}", short(plan)),
        What::UndoIntended { plan, step } => format!("plan {} step {step} is being undone", short(plan)),
        What::PlanOrdered {
            plan,
            begins,
            steps,
            reason,
            ..
        } => {
            let how = if *begins { "a new order of" } else { "further" };
            format!("plan {}: {how} {} steps: {reason}", short(plan), steps.len())
        }
        What::StepReopened { plan, step, reason } => format!("plan {} step {step} is tried again: {reason}", short(plan)),
        What::WorkGiven {
            plan,
            step,
            owner,
            due,
            what,
        } => format!("plan {} step {step} is for {owner} until {due}: {what}", short(plan)),
        What::WordGiven { word } => format!("{}: {}: {}", word.person, about(&word.word), word.reason),
        What::GateChecked {
            system,
            check,
            passed,
            evidence,
        } => {
            let how = if *passed { "passed" } else { "not passed" };
            format!("{system}: {} {how}: {evidence}", check.word())
        }
        What::SystemChanged { system, level, reason } => format!("{system} is now {level:?}: {reason}"),
        What::Forecasted { service, p50, p90 } => format!("{service} is expected back at {p50}, by {p90} in nine of ten cases"),
        What::UndoEnded { plan, step, outcome } => format!("plan {} undo of step {step} {}", short(plan), ended(outcome)),
        What::Probed { probe } => {
            let seen = if probe.reachable { "reachable" } else { "not reachable" };
            format!("probe {} → {}: {seen}", probe.from, probe.to)
        }
        What::HostIsolated { system, isolated } => {
            format!(
                "{system} {}",
                if *isolated { "is off the grid" } else { "is back on the grid" }
            )
        }
        What::ConnectionCut { connection, cut } => {
            format!("connection {connection} {}", if *cut { "cut" } else { "restored" })
        }
        What::Assessed { impact } => format!("assessed: {} hosts, {} steps", impact.hosts.len(), impact.hops.len()),
        What::Claimed { claim } => format!("claim {}", claim.id),
        What::ServiceChanged { service, level, reason } => format!("service {service} {level:?}: {reason}"),
        What::FilesRestored { system, restored, lost } => format!("{system}: {restored} files restored, {lost} lost"),
        What::PaymentRun {
            run,
            file,
            stage,
            payments,
            held,
            ..
        } => format!(
            "payment run {run}: file {} {}, {payments} payments, {held} held in the run",
            short(file),
            done(*stage)
        ),
        What::SitePublished {
            seq,
            mirrors_ok,
            mirrors,
            ..
        } => format!("site {seq} published, {mirrors_ok} of {mirrors} mirrors read back"),
        What::DecisionOpen { room, what } => format!("{room}: {what} (to be decided)"),
        What::NotKnown { room, what } => format!("{room}: {what} (not known)"),
        What::NotBuilt { room, what } => format!("{room}: {what} (not built yet)"),
    }
}

fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

fn done(stage: PaymentStage) -> &'static str {
    match stage {
        PaymentStage::Built => "built",
        PaymentStage::Approved => "approved",
        PaymentStage::Releasing => "about to be released",
        PaymentStage::Released => "released",
        PaymentStage::Cancelled => "cancelled",
    }
}

fn ended(outcome: &StepOutcome) -> String {
    match outcome {
        StepOutcome::Verified { evidence } => format!("verified: {evidence}"),
        StepOutcome::NotApplied { reason } => format!("not applied: {reason}"),
        StepOutcome::Doubtful { reason } => format!("doubtful: {reason}"),
    }
}

fn about(word: &WordAbout) -> String {
    match word {
        WordAbout::Override { system, gate } => format!("gate {} of {system} counts as passed", gate.word()),
        WordAbout::Lost { system, until } => format!("what was written on {system} until {until} may be lost"),
        WordAbout::Done { plan, step } => format!("plan {} step {step} was done by hand", short(plan)),
        WordAbout::Observed { system } => format!("{system} runs in full"),
    }
}
