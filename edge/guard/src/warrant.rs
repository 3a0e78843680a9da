use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use leckwehr_crypt::{VerifyingKey, hex};
use leckwehr_incident::{PlanRecord, PlanStep, Timestamp};
use serde_json::{Value, json};

use crate::blocking::subjects;
use crate::fence::Fence;
use crate::guard::{COMPARTMENT, COMPARTMENTS, RULE_NUMBER};
use crate::journal::Journal;
use crate::order::{Action, Envelope, Order, Reply, STEPS_PER_ORDER_MAX, Status};
use crate::seal::SealFault;

/// People who must have approved a plan.
const APPROVERS_MIN: usize = 2;

/// The executor's clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why an order was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not the control room's own order, or not of now.
    #[error(transparent)]
    Seal(#[from] SealFault),
    /// The order changes something but names no plan.
    #[error("the order changes something but names no plan")]
    NoPlan,
    /// The plan was changed after it was hashed.
    #[error("the plan does not fit its hash")]
    PlanChanged,
    /// Fewer than two different people approved.
    #[error("{found} of {APPROVERS_MIN} different known people approved the plan")]
    TooFewApprovals {
        /// Valid approvals found.
        found: usize,
    },
    /// Enough people approved once, but the time of too many words is over.
    #[error("only {found} of {APPROVERS_MIN} words for the plan are still in time")]
    ApprovalsExpired {
        /// Words still in time.
        found: usize,
    },
    /// The plan has no such step for this executor.
    #[error("step {step} of the plan is not for {executor}")]
    NotMyStep {
        /// Step number.
        step: u32,
        /// This executor.
        executor: String,
    },
    /// More steps in one order than are done together.
    #[error("{found} steps in one order; it takes {STEPS_PER_ORDER_MAX}, each once")]
    TooManySteps {
        /// Steps found.
        found: usize,
    },
    /// The order is not what the step says.
    #[error("the order is not what step {step} of the plan says")]
    NotTheStep {
        /// Step number.
        step: u32,
    },
    /// A step is to be taken back that did nothing here, or was taken back already.
    #[error("step {step} of that plan is not in force here: there is nothing to take back")]
    NothingToUndo {
        /// Step number.
        step: u32,
    },
    /// A newer plan is in force.
    #[error("generation {found} is older than {newest}, which is in force")]
    Stale {
        /// Generation of the order.
        found: u64,
        /// Newest seen.
        newest: u64,
    },
    /// A control room that started later is in charge.
    #[error("this control room started before the one that is in charge (epoch {found}, newest {newest})")]
    StaleController {
        /// Epoch of the order.
        found: u64,
        /// Newest seen.
        newest: u64,
    },
    /// The fence could not be written.
    #[error("the fence could not be written, so nothing was begun")]
    Fence(#[source] io::Error),
    /// The journal could not be written.
    #[error("the journal could not be written, so nothing was begun: {0}")]
    Journal(#[source] io::Error),
    /// The target is not known here.
    #[error("{target:?} is not known here")]
    UnknownTarget {
        /// The target.
        target: String,
    },
    /// The order would cut the way over which it came.
    #[error("{what} is the management path of this executor: it is never cut")]
    ManagementPath {
        /// Interface or address.
        what: String,
    },
    /// The order is no valid OpenC2 command.
    #[error("not a valid OpenC2 command: {reason}")]
    NotOpenC2 {
        /// What is wrong, and where.
        reason: String,
    },
    /// Not an action of this executor.
    #[error("this executor does not do that")]
    NotImplemented,
    /// Valid, but not done by this executor.
    #[error("not supported: {reason}")]
    NotSupported {
        /// What, and what to do instead.
        reason: String,
    },
    /// Tried and failed.
    #[error("failed: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

impl Refusal {
    /// Returns the OpenC2 status for it.
    pub fn status(&self) -> Status {
        match self {
            Self::Seal(_) => Status::UNAUTHORIZED,
            Self::UnknownTarget { .. } | Self::NothingToUndo { .. } => Status::NOT_FOUND,
            Self::NotOpenC2 { .. } => Status::BAD_REQUEST,
            Self::NotImplemented | Self::NotSupported { .. } => Status::NOT_IMPLEMENTED,
            Self::Failed { .. } => Status::INTERNAL_ERROR,
            Self::Fence(_) | Self::Journal(_) => Status::UNAVAILABLE,
            _ => Status::FORBIDDEN,
        }
    }

    /// Returns the answer for it.
    pub fn to_reply(&self) -> Reply {
        let begun = matches!(self, Self::Failed { .. });
        Reply {
            status: self.status(),
            status_text: self.to_string(),
            results: if begun { Value::Null } else { json!({"applied": false}) },
        }
    }
}

/// Checks that an order may be done: the control room sealed it, the plan fits its hash, two known people approved it, the step
/// is this executor's, and no newer plan is in force.
pub struct Warrant {
    /// Name of this executor, as plans have it.
    pub executor: String,
    /// Executor of the directory that this system is a member of: a change of secrets ordered there is carried out here too.
    pub directory: Option<String>,
    /// The key with which the control room signs orders ([`crate::order_key`]).
    pub controller: VerifyingKey,
    /// Public keys of the people who may approve.
    pub approvers: BTreeMap<String, VerifyingKey>,
    /// The fence.
    pub fence: Fence,
    /// The journal.
    pub journal: Journal,
    /// The clock.
    pub clock: Clock,
}

/// What an order that passed asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Warranted<'a> {
    /// Nothing that changes anything.
    Question,
    /// Do or take back steps, all together.
    Steps {
        /// The steps; at least one.
        steps: Vec<&'a PlanStep>,
        /// Digest of the seal, hex: names this one order.
        seal: String,
        /// What to do.
        task: Task,
    },
}

/// What to do about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Do it.
    Do,
    /// Take it back.
    Undo,
    /// The same order was done already: answer, do nothing.
    Nothing,
}

impl Warrant {
    /// Checks an envelope.
    pub fn check<'a>(&mut self, envelope: &'a Envelope) -> Result<Warranted<'a>, Refusal> {
        let order = &envelope.order;
        if !order.action.needs_warrant() {
            // Its first question fences the control room that died off: what that one sent is refused when it arrives late.
            if envelope.check_seal(&self.executor, &self.controller, (self.clock)()).is_ok() {
                self.fence.pass_epoch(envelope.epoch)?;
            }
            return Ok(Warranted::Question);
        }
        let planned = envelope.plan.as_ref().filter(|(_, numbers)| !numbers.is_empty());
        let (plan, numbers) = planned.ok_or(Refusal::NoPlan)?;
        if !plan.is_sealed() {
            return Err(Refusal::PlanChanged);
        }
        let now = (self.clock)();
        self.check_approvals(plan, envelope, now)?;
        let steps = self.steps(plan, numbers, order)?;
        let seal = hex(&envelope.check_seal(&self.executor, &self.controller, now)?);
        if self.journal.is_done(&seal) {
            let task = Task::Nothing;
            return Ok(Warranted::Steps { steps, seal, task });
        }
        let in_force = self.journal.in_force();
        if let Some((_, step)) = envelope.steps().find(|s| order.is_undo() && !in_force.contains_key(s)) {
            return Err(Refusal::NothingToUndo { step });
        }
        let stands = self.journal.stand(envelope.steps(), &subjects(order));
        self.fence.pass_epoch(envelope.epoch)?;
        // What an older plan did, and no other has touched since, is still its own to prolong and to take back.
        if !stands {
            self.fence.pass(plan.generation)?;
        }
        let task = if order.is_undo() { Task::Undo } else { Task::Do };
        Ok(Warranted::Steps { steps, seal, task })
    }

    /// Two different people gave their word; for what is begun anew it must have an end and still be in time.
    fn check_approvals(&self, plan: &PlanRecord, envelope: &Envelope, now: Timestamp) -> Result<(), Refusal> {
        let known = envelope.approvals.iter().filter(|word| {
            let key = self.approvers.get(&word.approver);
            key.is_some_and(|key| word.is_of(key, &plan.hash))
        });
        // Steps that stand may be taken back or given more time on the words on which they were begun.
        let stands = envelope.steps().all(|step| self.journal.in_force().contains_key(&step));
        let (mut all, mut in_time) = (BTreeSet::new(), BTreeSet::new());
        for word in known {
            all.insert(word.approver.as_str());
            if stands || envelope.order.is_undo() || word.valid_until.is_some_and(|end| now <= end) {
                in_time.insert(word.approver.as_str());
            }
        }
        if all.len() < APPROVERS_MIN {
            return Err(Refusal::TooFewApprovals { found: all.len() });
        }
        if in_time.len() < APPROVERS_MIN {
            return Err(Refusal::ApprovalsExpired { found: in_time.len() });
        }
        Ok(())
    }

    /// The steps that the order is for, as many as it has targets and each what its target says.
    fn steps<'a>(&self, plan: &'a PlanRecord, numbers: &[u32], order: &Order) -> Result<Vec<&'a PlanStep>, Refusal> {
        let (distinct, found) = (numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
        if found > STEPS_PER_ORDER_MAX || distinct != found {
            return Err(Refusal::TooManySteps { found });
        }
        let is_mine = |s: &PlanStep| {
            s.executor == self.executor || s.action == "rotate-credentials" && Some(&s.executor) == self.directory.as_ref()
        };
        let of_number = |number: &u32| {
            let mine = plan.steps.iter().find(|s| s.number == *number && is_mine(s));
            mine.ok_or_else(|| Refusal::NotMyStep {
                step: *number,
                executor: self.executor.clone(),
            })
        };
        let steps: Vec<&PlanStep> = numbers.iter().map(of_number).collect::<Result<_, _>>()?;
        let subjects = subjects(order);
        // OpenC2 knows one target; a second one could be the one that somebody acts on.
        if order.target.len() != 1 || subjects.len() != steps.len() {
            return Err(Refusal::NotTheStep {
                step: numbers.first().copied().unwrap_or_default(),
            });
        }
        let is_the_step = |step: &PlanStep, subject: &str| {
            let action = action_of(&step.action);
            let wanted = if order.is_undo() {
                action.and_then(Action::inverse)
            } else {
                action
            };
            wanted == Some(order.action) && target_types(&step.action).contains(&order.target_type()) && step.target == subject
        };
        match steps
            .iter()
            .zip(&subjects)
            .find(|(step, subject)| !is_the_step(step, subject))
        {
            Some((other, _)) => Err(Refusal::NotTheStep { step: other.number }),
            None => Ok(steps),
        }
    }
}

/// The OpenC2 action that carries out a step.
pub(crate) fn action_of(step_action: &str) -> Option<Action> {
    Some(match step_action {
        "isolate-host" | "cut-connection" | "block" => Action::Deny,
        "reconnect" | "permit" => Action::Allow,
        "delete-rule" => Action::Delete,
        "rotate-credentials" => Action::Set,
        "sweep" => Action::Investigate,
        "restore-files" => Action::Restore,
        "probe" => Action::Scan,
        _ => return None,
    })
}

/// The types of target that a step may have. The step's own target is the specifier, or the traffic in words ([`crate::Block`]).
fn target_types(step_action: &str) -> &'static [&'static str] {
    match step_action {
        "isolate-host" | "cut-connection" | "reconnect" => &[COMPARTMENT, COMPARTMENTS],
        "block" | "permit" => &["ipv4_net", "ipv6_net", "ipv4_connection", "ipv6_connection"],
        "delete-rule" => &[RULE_NUMBER],
        "rotate-credentials" => &["x-leckwehr:account"],
        "sweep" | "restore-files" => &["x-leckwehr:system"],
        _ => &[],
    }
}
