use std::net::SocketAddrV4;

use leckwehr_incident::{PlanStep, StepOutcome};
use leckwehr_restore::{RestorePlan, StepKind, held_back};

use crate::config::Wires;
use crate::errand::{Warranted, probe};
use crate::error::ControlError;
use crate::room::Room;
use crate::takedown::LOGON_PORT;

impl<W: Wires> Room<W> {
    /// Lets each host try its own service.
    pub(crate) async fn probe_steps(&mut self, warrant: &Warranted, steps: &[PlanStep]) -> Result<(), ControlError> {
        for step in steps {
            self.intend(warrant, step)?;
        }
        let places: Vec<Result<(SocketAddrV4, String), String>> = steps.iter().map(|s| self.probe_of(&s.target)).collect();
        let known = steps.iter().zip(&places);
        let errands = known.filter_map(|(step, place)| Some(probe(&step.executor, place.as_ref().ok()?.0)));
        let mut answers = self.run_errands(errands.collect(), None).await.into_iter();
        for (step, place) in steps.iter().zip(places) {
            let outcome = match place {
                Ok((_, words)) => {
                    let reply = answers.next().and_then(Result::ok);
                    match reply.and_then(|reply| reply.results.get("reachable")?.as_bool()) {
                        Some(true) => StepOutcome::Verified {
                            evidence: format!("answers the system itself: {words}"),
                        },
                        Some(false) => StepOutcome::Doubtful {
                            reason: format!("does not answer the system itself: {words}"),
                        },
                        None => StepOutcome::Doubtful {
                            reason: format!("{} does not say whether it answers: {words}", step.executor),
                        },
                    }
                }
                Err(reason) => StepOutcome::Doubtful { reason },
            };
            self.end(warrant, step, outcome)?;
        }
        Ok(())
    }

    /// The place that shows that a system works, and what it is in words. A system that carries a vital service needs a port of
    /// that service: a logon service that answers shows nothing of it.
    fn probe_of(&self, system: &str) -> Result<(SocketAddrV4, String), String> {
        let estate = &self.config.estate;
        let known = estate.systems.get(system);
        let address = known
            .and_then(|s| s.address)
            .ok_or_else(|| format!("no probe known: the estate has no address of {system}"))?;
        let mut vital = estate.services.iter().filter(|(_, s)| s.vital).map(|(id, _)| id);
        match known.and_then(|s| s.probe_port) {
            Some(port) => Ok((SocketAddrV4::new(address, port), format!("port {port}"))),
            None => match vital.find(|id| estate.needs_of_service(id).contains(system)) {
                Some(service) => Err(format!(
                    "no probe known: {system} carries {service}, which is vital, and the estate has no probe_port of it"
                )),
                None => {
                    let words = format!("log-on port {LOGON_PORT}; the estate has no probe_port of it");
                    Ok((SocketAddrV4::new(address, LOGON_PORT), words))
                }
            },
        }
    }

    /// Ends the steps whose target did not pass its gates, puts them to people, and returns the others.
    pub(crate) fn hold_back(
        &mut self,
        plan: &RestorePlan,
        warrant: &Warranted,
        steps: Vec<PlanStep>,
    ) -> Result<Vec<PlanStep>, ControlError> {
        let mut passed = Vec::new();
        for step in steps {
            let planned = plan.steps.iter().find(|s| s.number == step.number);
            let why = planned.map_or_else(
                || vec!["the plan has no such step".to_owned()],
                |s| held_back(plan, s, self.journal.situation(), &self.config.estate),
            );
            if why.is_empty() {
                passed.push(step);
                continue;
            }
            let (target, why) = (&step.target, why.join("; "));
            let decision = format!(
                "{target} is held back: {why}. Look there, then let {} reconnect it or keep it cut",
                step.executor
            );
            self.ask_people("restore", vec![decision])?;
            self.intend(warrant, &step)?;
            let reason = format!("held back: {why}");
            self.end(warrant, &step, StepOutcome::NotApplied { reason })?;
        }
        Ok(passed)
    }

    /// Says how many steps are verified, and what stays cut because a gate was not passed.
    pub(crate) fn how_it_ended(&self, warrant: &Warranted) -> String {
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
}
