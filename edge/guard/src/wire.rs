//! Envelopes and replies as OpenC2 messages over HTTPS (Transfer of OpenC2 Messages via HTTPS 1.1).
//!
//! ```text
//!   {"headers": {"request_id": …, "created": …, "from": …, "to": […], "x-leckwehr": {plan, steps, approvals, seal}},
//!    "body": {"openc2": {"request": {action, target, args}}}}
//!   {"headers": {"request_id": …}, "body": {"openc2": {"response": {status, status_text, results}}}}
//! ```
//!
//! In memory an argument of ours is `x-leckwehr:name`, and results of ours lie beside the language's own; on the wire all of them
//! are under `x-leckwehr`, as the language wants it of extensions.

use leckwehr_incident::PlanRecord;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::guard::COMPARTMENTS;
use crate::openc2::{OpenC2Fault, Profiles, check_command, check_response, check_result, strict_json};
use crate::order::{Approval, Envelope, Order, Reply, STEPS_PER_ORDER_MAX};
use crate::seal::Seal;
use crate::server::CONTROL_ROOM;

/// The path that the transfer specification fixes (§ 3.2).
pub(crate) const OPENC2_PATH: &str = "/.well-known/openc2";
/// Its media type.
pub(crate) const MEDIA_TYPE: &str = "application/openc2+json;version=1.0";

/// Arguments of an order for several compartments, in bytes.
const ARGS_BYTES_MAX: usize = 4_096;
/// Our own profile.
const OURS: &str = "x-leckwehr";
/// Results that the language knows.
const RESULTS: [&str; 5] = ["versions", "profiles", "pairs", "rate_limit", "slpf"];

/// What warrants an order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Warranting {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<PlanRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    approvals: Vec<Approval>,
    #[serde(default)]
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<Seal>,
}

/// Writes a command of the language.
pub(crate) fn command_of(order: &Order) -> Value {
    let mut command = json!({"action": order.action, "target": order.target});
    let (mut args, mut ours) = (Map::new(), Map::new());
    for (name, value) in &order.args {
        match name.strip_prefix("x-leckwehr:") {
            Some(own) => ours.insert(own.to_owned(), value.clone()),
            None => args.insert(name.clone(), value.clone()),
        };
    }
    if !ours.is_empty() {
        args.insert(OURS.to_owned(), Value::Object(ours));
    }
    if !args.is_empty() {
        command["args"] = Value::Object(args);
    }
    command
}

/// Writes an envelope as a message to an executor.
pub(crate) fn request_bytes(envelope: &Envelope, to: &str) -> serde_json::Result<Vec<u8>> {
    let warranting = Warranting {
        plan: envelope.plan.as_ref().map(|(plan, _)| plan.clone()),
        steps: envelope.plan.iter().flat_map(|(_, steps)| steps.clone()).collect(),
        approvals: envelope.approvals.clone(),
        epoch: envelope.epoch,
        seal: envelope.seal.clone(),
    };
    let mut headers = json!({"request_id": envelope.request_id, "from": CONTROL_ROOM, "to": [to], OURS: warranting});
    if let Some(seal) = &envelope.seal {
        headers["created"] = json!(seal.issued_at.0 / 1_000_000);
    }
    let request = command_of(&envelope.order);
    serde_json::to_vec(&json!({"headers": headers, "body": {"openc2": {"request": request}}}))
}

/// Reads a message as an envelope: strictly, and only what the guard's profiles have.
pub(crate) fn read_request(bytes: &[u8]) -> Result<Envelope, OpenC2Fault> {
    let message = strict_json(bytes)?;
    let command = inner(&message, "request")?;
    let checked = check_command(command, &Profiles::guard())?;
    let mut order = Order::new(checked.action, &checked.target.0, checked.target.1);
    for (name, value) in command.get("args").and_then(Value::as_object).into_iter().flatten() {
        match value.as_object() {
            Some(ours) if name == OURS => {
                order
                    .args
                    .extend(ours.iter().map(|(name, value)| (format!("{OURS}:{name}"), value.clone())));
            }
            _ => drop(order.args.insert(name.clone(), value.clone())),
        }
    }
    check_size(&order)?;
    let headers = message.get("headers").cloned().unwrap_or_default();
    let warranting = headers.get(OURS).cloned().unwrap_or_else(|| json!({}));
    let place = "/headers/x-leckwehr";
    let warranting: Warranting =
        serde_json::from_value(warranting).map_err(|error| OpenC2Fault::new(place, error.to_string()))?;
    if warranting.steps.len() > STEPS_PER_ORDER_MAX {
        return Err(OpenC2Fault::new(
            place,
            format!("more than {STEPS_PER_ORDER_MAX} steps in one order"),
        ));
    }
    let plan = match (warranting.plan, warranting.steps) {
        (Some(plan), steps) if !steps.is_empty() => Some((plan, steps)),
        (None, steps) if steps.is_empty() => None,
        _ => return Err(OpenC2Fault::new(place, "a plan has steps, and steps a plan")),
    };
    Ok(Envelope {
        request_id: headers
            .get("request_id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        order,
        plan,
        approvals: warranting.approvals,
        epoch: warranting.epoch,
        seal: warranting.seal,
    })
}

/// An order for several compartments is split into one for each: few, and each small.
fn check_size(order: &Order) -> Result<(), OpenC2Fault> {
    let Some(Value::Array(names)) = order.target.get(COMPARTMENTS) else {
        return Ok(());
    };
    let bytes = |value: &Value| value.to_string().len();
    let is_small = names.len() <= STEPS_PER_ORDER_MAX && order.args.values().map(bytes).sum::<usize>() <= ARGS_BYTES_MAX;
    if is_small {
        return Ok(());
    }
    let reason = format!("at most {STEPS_PER_ORDER_MAX} compartments and {ARGS_BYTES_MAX} bytes of arguments");
    Err(OpenC2Fault::new("/body/openc2/request", reason))
}

/// Writes an answer.
pub(crate) fn response_bytes(request_id: &str, from: &str, reply: &Reply) -> serde_json::Result<Vec<u8>> {
    let (mut results, mut ours) = (Map::new(), Map::new());
    match &reply.results {
        Value::Null => {}
        Value::Object(all) => {
            for (name, value) in all {
                // An agent's own result may have a name of the language, but not its form.
                if RESULTS.contains(&name.as_str()) && check_result(name, value, &Profiles::guard()).is_ok() {
                    results.insert(name.clone(), value.clone());
                } else {
                    ours.insert(name.clone(), value.clone());
                }
            }
        }
        other => drop(ours.insert("value".to_owned(), other.clone())),
    }
    if !ours.is_empty() {
        results.insert(OURS.to_owned(), Value::Object(ours));
    }
    let mut response = json!({"status": reply.status});
    if !reply.status_text.is_empty() {
        response["status_text"] = json!(reply.status_text);
    }
    if !results.is_empty() {
        response["results"] = Value::Object(results);
    }
    let headers = json!({"request_id": request_id, "from": from, "to": [CONTROL_ROOM]});
    serde_json::to_vec(&json!({"headers": headers, "body": {"openc2": {"response": response}}}))
}

/// Reads an answer.
pub(crate) fn read_response(bytes: &[u8]) -> Result<Reply, OpenC2Fault> {
    let message = strict_json(bytes)?;
    let response = check_response(inner(&message, "response")?, &Profiles::guard())?;
    let mut results = response.results;
    let ours = match results.remove(OURS) {
        Some(Value::Object(ours)) => ours,
        _ => Map::new(),
    };
    results.extend(ours);
    let results = match (results.len(), results.get("value")) {
        (0, _) => Value::Null,
        (1, Some(value)) => value.clone(),
        _ => Value::Object(results),
    };
    Ok(Reply {
        status: response.status,
        status_text: response.status_text.unwrap_or_default(),
        results,
    })
}

/// The one thing in a message's body.
fn inner<'a>(message: &'a Value, kind: &str) -> Result<&'a Value, OpenC2Fault> {
    let place = format!("/body/openc2/{kind}");
    message
        .pointer(&place)
        .ok_or_else(|| OpenC2Fault::new(&place, "is not there"))
}
