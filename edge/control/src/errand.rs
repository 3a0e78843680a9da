use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use leckwehr_crypt::{SigningKey, client_tls};
use leckwehr_guard::{Action, Approval, ClientError, Envelope, Order, Reply, Status, order_key, send_order};
use leckwehr_incident::{PlanRecord, StepOutcome, WordView};
use rustls::ClientConfig;
use serde_json::Value;
use tokio::time::timeout;

use crate::config::{Config, Wires};
use crate::error::ControlError;
use crate::room::Room;

/// Times an order is tried: orders are idempotent, so trying again is safe.
const TRIES_MAX: usize = 3;
/// How long an order may be begun after it was given, in milliseconds: all tries and a slow way.
const SEAL_MS: i64 = 120_000;

/// An approved plan: what warrants an order.
#[derive(Clone)]
pub struct Warranted {
    /// The plan.
    pub plan: PlanRecord,
    /// The words for it.
    pub approvals: Vec<Approval>,
}

impl Warranted {
    /// Puts a plan together with the words for it that a ledger holds.
    pub fn new(plan: PlanRecord, words: &[WordView]) -> Self {
        let approvals = words.iter().map(|word| Approval {
            approver: word.approver.clone(),
            signature: word.signature.clone(),
            valid_until: Some(word.valid_until),
        });
        Self {
            plan,
            approvals: approvals.collect(),
        }
    }
}

/// One order to one executor.
pub struct Errand {
    /// Executor.
    pub executor: String,
    /// The order.
    pub order: Order,
    /// Steps of the plan that the order does, in the order of its targets; none for orders that change nothing.
    pub steps: Vec<u32>,
}

/// Brings orders to executors and their answers back: sealed by this control room, numbered with its start.
#[derive(Clone)]
pub struct Courier<W> {
    wires: W,
    tls: Arc<ClientConfig>,
    order_key: Arc<SigningKey>,
    executors: Arc<BTreeMap<String, SocketAddrV4>>,
    epoch: u64,
}

impl<W: Wires> Courier<W> {
    /// Makes the courier of the control room whose start has the number `epoch`.
    pub fn new(config: &Config, wires: W, epoch: u64) -> Result<Self, ControlError> {
        Ok(Self {
            wires,
            tls: client_tls(&config.identity).map_err(|error| ControlError::Keys(Box::new(error)))?,
            order_key: Arc::new(order_key(&config.ledger_seed).map_err(|error| ControlError::Keys(Box::new(error)))?),
            executors: Arc::new(config.executors.clone()),
            epoch,
        })
    }

    /// Names of the executors that it knows.
    pub fn executors(&self) -> impl Iterator<Item = &str> {
        self.executors.keys().map(String::as_str)
    }

    /// The wires over which it goes.
    pub fn wires(&self) -> &W {
        &self.wires
    }

    /// Sends orders side by side and returns their answers in order.
    pub async fn run_errands(&self, errands: Vec<Errand>, warrant: Option<&Warranted>) -> Vec<Result<Reply, StepOutcome>> {
        join_all(errands.into_iter().map(|errand| self.run_errand(errand, warrant))).await
    }

    /// Sends one order until it is answered, refused, or was tried often enough.
    pub async fn run_errand(&self, errand: Errand, warrant: Option<&Warranted>) -> Result<Reply, StepOutcome> {
        let Some(address) = self.executors.get(&errand.executor) else {
            return Err(StepOutcome::NotApplied {
                reason: format!("no executor {}", errand.executor),
            });
        };
        let plan = warrant.filter(|_| !errand.steps.is_empty());
        let plan = plan.map(|w| (w.plan.clone(), errand.steps.clone()));
        let envelope = Envelope {
            request_id: format!(
                "{}/{}/{}",
                errand.executor,
                warrant.map_or("", |w| w.plan.hash.as_str()),
                errand.steps.first().unwrap_or(&0)
            ),
            order: errand.order,
            plan,
            approvals: warrant.map(|w| w.approvals.clone()).unwrap_or_default(),
            epoch: self.epoch,
            seal: None,
        };
        // One seal for all tries: an order that was done and whose answer was lost is answered then, not done again.
        let now = self.wires.now();
        let envelope = envelope.sealed(&errand.executor, &self.order_key, now, now.plus_ms(SEAL_MS));
        let mut lost_answer = None;
        let mut last = String::from("not tried");
        for _ in 0..TRIES_MAX {
            match self.send(*address, &errand.executor, &envelope).await {
                Ok(reply) if reply.status == Status::OK => return Ok(reply),
                Ok(reply) => {
                    let nothing_done = reply.is_certainly_not_applied();
                    last = reply.status_text;
                    if !nothing_done {
                        lost_answer = Some(last.clone());
                    }
                    break;
                }
                Err(error) => {
                    last = chain(&error);
                    if !error.is_certainly_not_applied() {
                        lost_answer = Some(last.clone());
                    }
                    // Who says nothing for so long is not asked again: the others wait.
                    if matches!(error, ClientError::Late { .. }) {
                        break;
                    }
                }
            }
        }
        // A later refusal says nothing of an earlier try whose answer was lost.
        Err(match lost_answer {
            Some(reason) => StepOutcome::Doubtful { reason },
            None => StepOutcome::NotApplied { reason: last },
        })
    }

    async fn send(&self, address: SocketAddrV4, executor: &str, envelope: &Envelope) -> Result<Reply, ClientError> {
        let stream = self.wires.connect(address).await.map_err(ClientError::Handshake)?;
        let patience_ms = self.wires.order_ms_max();
        let name = server_name(executor);
        let answer = send_order(stream, Arc::clone(&self.tls), &name, envelope);
        let in_time = timeout(Duration::from_millis(patience_ms), answer).await;
        in_time.unwrap_or(Err(ClientError::Late { patience_ms }))
    }
}

impl<W: Wires> Room<W> {
    /// Sends orders side by side and returns their answers in order.
    pub(crate) async fn run_errands(&self, errands: Vec<Errand>, warrant: Option<&Warranted>) -> Vec<Result<Reply, StepOutcome>> {
        self.courier.run_errands(errands, warrant).await
    }
}

/// The DNS name in an executor's certificate: `agent:fs-1` is `fs-1`.
fn server_name(executor: &str) -> String {
    executor.trim_start_matches("agent:").to_owned()
}

fn chain(error: &dyn std::error::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// A question to one executor.
pub fn question(executor: &str, target: &str, specifier: impl Into<Value>) -> Errand {
    Errand {
        executor: executor.to_owned(),
        order: Order::new(Action::Query, target, specifier),
        steps: Vec::new(),
    }
}

/// A probe: does `to` answer when `executor` tries it?
pub fn probe(executor: &str, to: SocketAddrV4) -> Errand {
    let order = Order::new(Action::Scan, "x-leckwehr:address", to.to_string());
    Errand {
        executor: executor.to_owned(),
        order,
        steps: Vec::new(),
    }
}
