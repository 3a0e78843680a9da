use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;

use leckwehr_crypt::{VerifyingKey, from_hex};
use leckwehr_incident::PlanStep;

use crate::firewall::Firewall;
use crate::order::{Action, Envelope, Order, Reply, Status};

/// People who must have approved a plan.
const APPROVERS_MIN: usize = 2;

/// Why an order was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
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
    /// The plan has no such step for this executor.
    #[error("step {step} of the plan is not for {executor}")]
    NotMyStep {
        /// Step number.
        step: u32,
        /// This executor.
        executor: String,
    },
    /// The order is not what the step says.
    #[error("the order is not what step {step} of the plan says")]
    NotTheStep {
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
    /// The fence could not be written.
    #[error("the fence could not be written")]
    Fence(#[source] io::Error),
    /// The target is not known here.
    #[error("{target:?} is not known here")]
    UnknownTarget {
        /// The target.
        target: String,
    },
    /// Not an action of this executor.
    #[error("this executor does not do that")]
    NotImplemented,
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
            Self::UnknownTarget { .. } => Status::NOT_FOUND,
            Self::NotImplemented => Status::NOT_IMPLEMENTED,
            Self::Failed { .. } | Self::Fence(_) => Status::INTERNAL_ERROR,
            _ => Status::FORBIDDEN,
        }
    }
}

/// Refuses orders of plans older than the newest seen; remembers it in a file across restarts.
pub struct Fence {
    file: PathBuf,
    newest: u64,
}

impl Fence {
    /// Reads the fence, or starts one at 0 if the file is not there.
    pub fn open(file: PathBuf) -> io::Result<Self> {
        let newest = match fs::read_to_string(&file) {
            Ok(text) => text
                .trim()
                .parse()
                .map_err(|_| io::Error::other(format!("{} holds no number", file.display())))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self { file, newest })
    }

    /// Lets `generation` pass if it is not stale; a newer one is durable before this returns.
    pub fn pass(&mut self, generation: u64) -> Result<(), Refusal> {
        if generation < self.newest {
            return Err(Refusal::Stale {
                found: generation,
                newest: self.newest,
            });
        }
        if generation > self.newest {
            self.write(generation).map_err(Refusal::Fence)?;
            self.newest = generation;
        }
        Ok(())
    }

    fn write(&self, generation: u64) -> io::Result<()> {
        let fresh = self.file.with_extension("new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "{generation}")?;
        file.sync_all()?;
        fs::rename(&fresh, &self.file)?;
        if let Some(folder) = self.file.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Checks that an order may be done: the plan fits its hash, two known people approved it, the step is this executor's, and
/// no newer plan is in force.
pub struct Warrant {
    /// Name of this executor, as plans have it.
    pub executor: String,
    /// Executor of the directory that this system is a member of: a change of secrets ordered there is carried out here too.
    pub directory: Option<String>,
    /// Public keys of the people who may approve.
    pub approvers: BTreeMap<String, VerifyingKey>,
    /// The fence.
    pub fence: Fence,
}

impl Warrant {
    /// Returns the step to do; `None` if the order changes nothing.
    pub fn check<'a>(&mut self, envelope: &'a Envelope) -> Result<Option<&'a PlanStep>, Refusal> {
        if !envelope.order.action.needs_warrant() {
            return Ok(None);
        }
        let (plan, number) = envelope.plan.as_ref().ok_or(Refusal::NoPlan)?;
        if !plan.is_sealed() {
            return Err(Refusal::PlanChanged);
        }
        let approved = |name: &String, signature: &str| {
            let key = self.approvers.get(name)?;
            key.verify(plan.hash.as_bytes(), &from_hex(signature)?).ok()
        };
        let valid = envelope
            .approvals
            .iter()
            .filter(|a| approved(&a.approver, &a.signature).is_some());
        let found = valid.map(|a| a.approver.as_str()).collect::<BTreeSet<_>>().len();
        if found < APPROVERS_MIN {
            return Err(Refusal::TooFewApprovals { found });
        }
        let is_mine = |s: &PlanStep| {
            s.executor == self.executor || s.action == "rotate-credentials" && Some(&s.executor) == self.directory.as_ref()
        };
        let mine = plan.steps.iter().find(|s| s.number == *number && is_mine(s));
        let step = mine.ok_or_else(|| Refusal::NotMyStep {
            step: *number,
            executor: self.executor.clone(),
        })?;
        let order = &envelope.order;
        // OpenC2 knows one target; a second one could be the one that somebody acts on.
        let is_the_step = action_of(&step.action) == Some(order.action) && order.target.len() == 1;
        if !is_the_step || step.target != order.target_text() {
            return Err(Refusal::NotTheStep { step: *number });
        }
        self.fence.pass(plan.generation)?;
        Ok(Some(step))
    }
}

/// The OpenC2 action that carries out a step.
pub(crate) fn action_of(step_action: &str) -> Option<Action> {
    Some(match step_action {
        "isolate-host" | "cut-connection" => Action::Deny,
        "reconnect" => Action::Allow,
        "rotate-credentials" => Action::Set,
        "sweep" => Action::Investigate,
        "restore-files" => Action::Restore,
        "probe" => Action::Scan,
        _ => return None,
    })
}

/// Carries out orders whose warrant was checked.
pub trait Executor: Send {
    /// Does the order; `step` is absent for orders that change nothing.
    fn execute(&mut self, order: &Order, step: Option<&PlanStep>) -> impl Future<Output = Result<Reply, Refusal>> + Send;
}

/// The guard: a firewall and the interfaces behind which each system and connection lies.
pub struct GuardExecutor<F> {
    /// The firewall.
    pub firewall: F,
    /// System or connection id → interfaces.
    pub compartments: BTreeMap<String, Vec<String>>,
}

impl<F: Firewall> Executor for GuardExecutor<F> {
    async fn execute(&mut self, order: &Order, _step: Option<&PlanStep>) -> Result<Reply, Refusal> {
        let failed = |error: crate::FirewallError| Refusal::Failed {
            reason: describe(&error),
        };
        match order.action {
            Action::Query => {}
            Action::Deny | Action::Allow => {
                let target = order.target_text();
                let interfaces = self.compartments.get(target).ok_or_else(|| Refusal::UnknownTarget {
                    target: target.to_owned(),
                })?;
                if order.action == Action::Deny {
                    let lease_ms = order.args.get("x-leckwehr:lease_ms").and_then(serde_json::Value::as_u64);
                    self.firewall.cut(interfaces, lease_ms).map_err(failed)?;
                } else {
                    self.firewall.release(interfaces).map_err(failed)?;
                }
                let cut = self.firewall.state().map_err(failed)?.cut;
                if interfaces
                    .iter()
                    .any(|i| cut.contains_key(i) != (order.action == Action::Deny))
                {
                    return Err(Refusal::Failed {
                        reason: "the kernel accepted the order but its state does not show it".into(),
                    });
                }
            }
            _ => return Err(Refusal::NotImplemented),
        }
        let state = self.firewall.state().map_err(failed)?;
        let results = serde_json::to_value(&state).map_err(|error| Refusal::Failed {
            reason: error.to_string(),
        })?;
        Ok(Reply::done(results))
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
