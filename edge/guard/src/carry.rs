use serde_json::{Value, json};

use crate::blocking::subjects;
use crate::executor::Executor;
use crate::journal::{Event, Journal, Report, shortened};
use crate::openc2::OpenC2Fault;
use crate::order::{Envelope, Order, Reply, STEPS_PER_ORDER_MAX};
use crate::warrant::{Refusal, Task, Warrant, Warranted};

/// Reports in one answer.
const REPORTS_MAX: usize = 512;
/// Target of the question for an executor's own reports: `{"x-leckwehr:reports": N}` asks for those after number N.
pub const REPORTS: &str = "x-leckwehr:reports";

/// Carries out one order: warrant, intent, effect, outcome. Whatever is refused is written down too.
///
/// A journal that cannot be written refuses the order before the effect. Dropped between intent and outcome (a crash, a lost
/// connection), the order is done again when it comes again, or its effect is found when it is taken back.
pub async fn carry_out<E: Executor>(warrant: &mut Warrant, executor: &mut E, envelope: &Envelope) -> Reply {
    match try_carry_out(warrant, executor, envelope).await {
        Ok(reply) => reply,
        Err(refusal) => {
            let event = Event::Refused {
                status: refusal.status(),
                reason: shortened(&refusal.to_string()),
                uncounted: 0,
            };
            // What cannot be written down is refused all the same.
            if envelope.order.action.needs_warrant() && !matches!(refusal, Refusal::Failed { .. }) {
                let _ = note(warrant, envelope, event);
            }
            refusal.to_reply()
        }
    }
}

/// Writes down that somebody with the control room's certificate sent what is no order, and answers.
pub(crate) fn turn_away(warrant: &mut Warrant, fault: &OpenC2Fault) -> Reply {
    let refusal = Refusal::NotOpenC2 {
        reason: fault.to_string(),
    };
    let now = (warrant.clock)();
    let report = Report {
        number: 0,
        at: now,
        request_id: String::new(),
        order: String::new(),
        steps: None,
        targets: Vec::new(),
        event: Event::Refused {
            status: refusal.status(),
            reason: shortened(&refusal.to_string()),
            uncounted: 0,
        },
    };
    let _ = warrant.journal.write(report, now);
    refusal.to_reply()
}

async fn try_carry_out<E: Executor>(warrant: &mut Warrant, executor: &mut E, envelope: &Envelope) -> Result<Reply, Refusal> {
    let order = &envelope.order;
    let (seal, task) = match warrant.check(envelope)? {
        Warranted::Question if order.target_type() == REPORTS => return Ok(reports(&warrant.journal, order)),
        Warranted::Question => return executor.execute(order).await,
        Warranted::Steps { seal, task, .. } => (seal, task),
    };
    let outcome = match task {
        Task::Nothing => {
            note(warrant, envelope, Event::Repeated { seal })?;
            let mut reply = executor.look().await?;
            reply.status_text = "done already; nothing was changed".to_owned();
            return Ok(reply);
        }
        Task::Do => {
            let mut before = Vec::new();
            for single in order.singles() {
                before.push(executor.before(&single).await?);
            }
            intend(warrant, envelope, &seal, before)?;
            executor.execute(order).await
        }
        Task::Undo => {
            let before = before_of(&warrant.journal, envelope);
            intend(warrant, envelope, &seal, Vec::new())?;
            executor.undo(order, &before).await
        }
    };
    let (status, text) = match &outcome {
        Ok(reply) => (reply.status, reply.status_text.clone()),
        Err(refusal) => (refusal.status(), refusal.to_string()),
    };
    let text = shortened(&text);
    // The effect is there; without its outcome in the journal the order is done again when it comes again.
    note(warrant, envelope, Event::Ended { seal, status, text }).map_err(|refusal| Refusal::Failed {
        reason: format!("it was carried out (status {}), but {refusal}", status.0),
    })?;
    outcome
}

fn intend(warrant: &mut Warrant, envelope: &Envelope, seal: &str, before: Vec<Value>) -> Result<(), Refusal> {
    let valid_until = envelope.seal.as_ref().map(|seal| seal.valid_until).unwrap_or_default();
    let event = Event::Intended {
        seal: seal.to_owned(),
        valid_until,
        undo: envelope.order.is_undo(),
        before,
    };
    note(warrant, envelope, event)
}

fn note(warrant: &mut Warrant, envelope: &Envelope, event: Event) -> Result<(), Refusal> {
    let order = &envelope.order;
    let now = (warrant.clock)();
    let targets = match event {
        Event::Intended { .. } => subjects(order),
        _ => Vec::new(),
    };
    let report = Report {
        number: 0,
        at: now,
        request_id: shortened(&envelope.request_id),
        order: shortened(&format!(
            "{} {} {}",
            order.action,
            order.target_type(),
            subjects(order).join(" ")
        )),
        steps: envelope.plan.as_ref().map(|(plan, steps)| {
            let steps = steps.iter().take(STEPS_PER_ORDER_MAX).copied();
            (shortened(&plan.hash), steps.collect())
        }),
        targets,
        event,
    };
    warrant.journal.write(report, now).map_err(Refusal::Journal)
}

fn before_of(journal: &Journal, envelope: &Envelope) -> Vec<Value> {
    let before = |step| journal.in_force().get(&step).map(|in_force| in_force.before.clone());
    let steps = envelope.steps();
    steps.map(|step| before(step).unwrap_or_default()).collect()
}

fn reports(journal: &Journal, order: &Order) -> Reply {
    let after = order.target.values().next().and_then(Value::as_u64).unwrap_or_default();
    let reports = journal.reports(after, REPORTS_MAX);
    Reply::done(json!({ "reports": reports }))
}
