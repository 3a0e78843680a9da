use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::{
    AlarmLevel, Claim, ClaimTopic, Confidence, Phase, PlanRecord, PlanStep, PlanView, ServiceLevel, Situation, StepOutcome,
    Timestamp, What,
};
use leckwehr_restore::{RestoreConfig, RestorePlan, StepKind, plan_restore, restorations};

use crate::agents::Agents;
use crate::config::{Config, Output, Wires};
use crate::course::{Course, CourseEnd};
use crate::errand::Warranted;
use crate::error::ControlError;
use crate::room::Room;

/// Hours until a claim of this room must be looked at again.
pub(crate) const REVIEW_MS: i64 = 6 * 3_600_000;
/// Least time between two copies of the status site while services come back, in milliseconds.
const PUBLISH_EVERY_MS: i64 = 600_000;

impl<W: Wires> Room<W> {
    /// Plans the return, gets it approved, and brings everything back, step by step through its gates. A plan that is under way
    /// is carried on as it was approved.
    pub(crate) async fn restore(&mut self) -> Result<(), ControlError> {
        let alarms = self.critical_alarms();
        let mut plan = match self.restoration_under_way() {
            Some(record) => (record, None),
            None => {
                let plan = self
                    .proposed_already()
                    .unwrap_or_else(|| self.plan_return(self.next_generation(), self.wires.now()));
                self.put_to_people(&plan)?;
                (plan.to_record(), Some(plan))
            }
        };
        let warrant = loop {
            let warrant = self.approvals(&plan.0).await?;
            if let Some(plan) = &plan.1 {
                let (config, began) = (self.config.clone(), self.began(&warrant.plan));
                let again = planner(&config, began, self.next_generation());
                Course::new(&warrant.plan, &config.estate).begin(&mut self.journal, plan, again)?;
            }
            if self.journal.situation().phase != Phase::Restoring {
                self.enter(Phase::Restoring, "the restoration plan is approved")?;
            }
            self.publish().await?;
            match self.carry_back(&warrant, plan.1.is_none(), &alarms).await? {
                CourseEnd::Widened { plan: wider, why } => {
                    self.ask_people("restore", vec![format!("a new plan goes further: {}", why.join("; "))])?;
                    self.put_to_people(&wider)?;
                    plan = (wider.to_record(), Some(*wider));
                }
                CourseEnd::Complete => break warrant,
                // The books are closed while people have work: nothing is recovered, and the next start goes on here.
                CourseEnd::WaitsForPeople { .. } => return self.publish().await,
            }
        };
        self.claim_restoration()?;
        self.claim_lifted()?;
        let reason = self.how_it_ended(&warrant);
        self.enter(Phase::Recovered, &reason)?;
        self.publish().await
    }

    fn plan_return(&self, generation: u64, now: Timestamp) -> RestorePlan {
        planner(&self.config, now, generation)(self.journal.situation(), now)
    }

    /// What a plan leaves to people.
    fn put_to_people(&mut self, plan: &RestorePlan) -> Result<(), ControlError> {
        let open = plan.open_decisions.iter().chain(&plan.warnings).cloned();
        self.ask_people("restore", open.collect())
    }

    /// The newest restoration that was begun since this incident was declared. It is carried on even if every step ended: then
    /// the room was killed before it said so.
    fn restoration_under_way(&self) -> Option<PlanRecord> {
        let newest = self
            .restorations()
            .filter(|view| view.ordered.is_some())
            .max_by_key(|view| view.plan.generation);
        newest.map(|view| view.plan.clone())
    }

    /// The plan that people were asked about before this room was killed, if it would still be made so.
    fn proposed_already(&self) -> Option<RestorePlan> {
        let newest = self.restorations().max_by_key(|view| view.plan.generation)?;
        // It was made just before it was proposed; shifts are told by the minute.
        let made = [0, 60_000].map(|ms| newest.proposed.plus_ms(-ms));
        let mut plans = made.into_iter().map(|at| self.plan_return(newest.plan.generation, at));
        plans.find(|plan| plan.hash == newest.plan.hash)
    }

    fn restorations(&self) -> impl Iterator<Item = &PlanView> {
        let situation = self.journal.situation();
        let declared = situation.history.iter().rev().find(|(_, phase, _)| *phase == Phase::Declared);
        let since = declared.map(|(at, _, _)| *at).unwrap_or_default();
        restorations(situation).filter(move |view| view.proposed >= since && view.undo.is_none())
    }

    /// Carries an approved plan out; what comes in meanwhile is looked at between two steps. `known` are
    /// critical alarms that the takedown knew. People who have work are waited for until the books are closed.
    async fn carry_back(
        &mut self,
        warrant: &Warranted,
        was_under_way: bool,
        known: &BTreeMap<String, String>,
    ) -> Result<CourseEnd, ControlError> {
        let (courier, config, outputs) = (self.courier.clone(), self.config.clone(), self.outputs.clone());
        let mut course = Course::new(&warrant.plan, &config.estate);
        let began = self.began(&warrant.plan);
        let again = |generation: u64| planner(&config, began, generation);
        if was_under_way {
            let again = again(self.next_generation());
            if let Some(end) = course.plan_again(&mut self.journal, "the control room was started again", again)? {
                return Ok(end);
            }
        }
        let mut published = self.wires.now();
        let (mut said, mut told) = (self.ended(&warrant.plan), BTreeSet::new());
        loop {
            let again = again(self.next_generation());
            let ways = |situation: &Situation| Agents::new(&courier, warrant, &config, situation, &outputs);
            let end = course.go_on(&mut self.journal, ways, again).await?;
            let ended = self.ended(&warrant.plan);
            for step in ended.iter().filter(|step| !said.contains(step)) {
                self.say(Output::Step {
                    text: format!("{} {}", step.action, step.target),
                });
            }
            said = ended;
            self.renew_due_leases().await?;
            self.take_waiting()?;
            self.ask_about_new_alarms(known)?;
            match end {
                Some(CourseEnd::WaitsForPeople { work }) if !self.finish => {
                    for (step, who) in work.into_iter().filter(|(step, _)| told.insert(*step)) {
                        let text = format!("step {step} waits for {who}");
                        self.say(Output::Step { text });
                    }
                    self.wait_for_people().await?;
                }
                Some(end) => return Ok(end),
                None => {}
            }
            if self.wires.now() >= published.plus_ms(PUBLISH_EVERY_MS) {
                self.publish().await?;
                published = self.wires.now();
            }
        }
    }

    /// Open critical alarms, and about what.
    fn critical_alarms(&self) -> BTreeMap<String, String> {
        let views = self.journal.situation().alarms.iter();
        let open = views.filter(|(_, view)| view.closed_as.is_none() && view.alarm.level == AlarmLevel::Critical);
        open.map(|(id, view)| (id.clone(), view.alarm.entity.clone())).collect()
    }

    /// The room does not cut again by itself while systems return: people hear of what came up since.
    fn ask_about_new_alarms(&mut self, known: &BTreeMap<String, String>) -> Result<(), ControlError> {
        let new = self.critical_alarms().into_iter().filter(|(id, _)| !known.contains_key(id));
        let words = new.map(|(id, entity)| {
            format!("{id} about {entity} is critical and came up while systems return: cut again, or close it")
        });
        let words = words.collect();
        self.ask_people("restore", words)
    }

    /// When people were asked for a plan: crews are on their way since then.
    fn began(&self, plan: &PlanRecord) -> Timestamp {
        let view = self.journal.situation().plans.get(&plan.hash);
        view.map_or(self.wires.now(), |view| view.proposed)
    }

    /// A cut whose lease ends while other systems return would let its system back without its gates.
    pub(crate) async fn renew_due_leases(&mut self) -> Result<(), ControlError> {
        match self.renew_at {
            Some(at) if at <= self.wires.now() => self.renew_leases().await,
            _ => Ok(()),
        }
    }

    /// Steps of a plan that ended.
    fn ended(&self, plan: &PlanRecord) -> Vec<PlanStep> {
        let view = self.journal.situation().plans.get(&plan.hash);
        let ended = |step: &&PlanStep| view.is_some_and(|v| v.steps.get(&step.number).is_some_and(|s| s.ended.is_some()));
        plan.steps.iter().filter(ended).cloned().collect()
    }

    /// Says how many steps are verified, and what stays cut because a gate was not passed.
    fn how_it_ended(&self, warrant: &Warranted) -> String {
        let steps = &warrant.plan.steps;
        let ended = self.journal.situation().plans.get(&warrant.plan.hash).map(|view| &view.steps);
        let is_verified = |step: &&PlanStep| {
            let outcome = ended.and_then(|e| Some(&e.get(&step.number)?.ended.as_ref()?.1));
            matches!(outcome, Some(StepOutcome::Verified { .. }))
        };
        let verified = steps.iter().filter(is_verified).count();
        if verified == steps.len() {
            return "every step of the restoration plan is verified".to_owned();
        }
        let is_held = |step: &&PlanStep| step.action == StepKind::Reconnect.word() && !is_verified(step);
        let held: Vec<&str> = steps.iter().filter(is_held).map(|s| s.target.as_str()).collect();
        let stays = match held.as_slice() {
            [] => String::new(),
            held => format!("; until people decide, these stay cut: {}", held.join(", ")),
        };
        format!(
            "{verified} of {} steps of the restoration plan are verified{stays}",
            steps.len()
        )
    }

    /// Says which services are back. Only what was verified is said.
    fn claim_restoration(&mut self) -> Result<(), ControlError> {
        let review_by = self.wires.now().plus_ms(REVIEW_MS);
        let back = self
            .journal
            .situation()
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

/// Plans a return whose crews were called at a time. Shifts go by planned minutes since then, which a drill makes shorter.
fn planner(config: &Config, called: Timestamp, generation: u64) -> impl Fn(&Situation, Timestamp) -> RestorePlan {
    let minute_ms = config.minute_ms.max(1);
    move |situation, now| {
        let minutes = now.0.abs_diff(called.0) / 1_000_000 / minute_ms;
        let config_of_plan = RestoreConfig {
            generation,
            minute_ms,
            crews_called_minutes_ago: u32::try_from(minutes).unwrap_or(u32::MAX),
            clock: Some(called.plus_ms(i64::try_from(minutes.saturating_mul(60_000)).unwrap_or(i64::MAX))),
            ..RestoreConfig::default()
        };
        plan_restore(situation, &config.estate, &config_of_plan)
    }
}
