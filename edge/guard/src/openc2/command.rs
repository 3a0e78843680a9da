use serde_json::{Map, Value};

use crate::block::Direction;
use crate::openc2::profile::Profiles;
use crate::openc2::value::{command_id, host_name, object, one_of, target, text, whole_number};
use crate::openc2::{OpenC2Fault, strict_json};
use crate::order::Action;

/// A valid command.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What to do.
    pub action: Action,
    /// To what: type and specifier.
    pub target: (String, Value),
    /// How.
    pub args: Arguments,
    /// Who should do it: profile and specifiers.
    pub actuator: Option<(String, Value)>,
    /// The sender's own name for it.
    pub command_id: Option<String>,
}

/// What the sender wants to hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseRequested {
    /// Nothing.
    None,
    /// That it arrived.
    Ack,
    /// How it goes.
    Status,
    /// When it is done.
    #[default]
    Complete,
}

/// What the sender of denied traffic hears (SLPF § 2.1.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DropProcess {
    /// Nothing.
    #[default]
    None,
    /// That the host cannot be reached.
    Reject,
    /// That all is well, which is not so.
    FalseAck,
}

/// Arguments of a command. Times are in milliseconds since 1970, durations in milliseconds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Arguments {
    /// Not before.
    pub start_ms: Option<u64>,
    /// Not after.
    pub stop_ms: Option<u64>,
    /// How long.
    pub duration_ms: Option<u64>,
    /// What the sender wants to hear.
    pub response: ResponseRequested,
    /// SLPF: what the sender of denied traffic hears.
    pub drop_process: DropProcess,
    /// SLPF: which way.
    pub direction: Direction,
    /// SLPF: whether it survives a restart.
    pub persistent: Option<bool>,
    /// SLPF: the number that the rule is to have.
    pub insert_rule: Option<u64>,
    /// Others' own, by profile.
    pub extensions: Map<String, Value>,
}

/// Reads a command. Linear in its length.
pub fn parse_command(bytes: &[u8], profiles: &Profiles) -> Result<Command, OpenC2Fault> {
    let value = strict_json(bytes)?;
    command(&value, profiles)
}

/// Checks a command that is JSON already.
pub(crate) fn command(value: &Value, profiles: &Profiles) -> Result<Command, OpenC2Fault> {
    let fields = object("", value)?;
    let known = ["action", "target", "args", "actuator", "command_id"];
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(OpenC2Fault::new(&format!("/{unknown}"), "not known"));
    }
    let wanted = |name: &str| {
        fields
            .get(name)
            .ok_or_else(|| OpenC2Fault::new("", format!("there is no {name}")))
    };
    let action = wanted("action")?;
    let action: Action =
        serde_json::from_value(action.clone()).map_err(|_| OpenC2Fault::new("/action", format!("{action} is no action")))?;
    let (kind, specifier) = single("/target", wanted("target")?)?;
    profiles
        .check_target(kind)
        .map_err(|reason| OpenC2Fault::new("/target", reason))?;
    let place = format!("/target/{kind}");
    match kind.as_str() {
        "slpf:rule_number" => drop(whole_number(&place, specifier)?),
        _ if kind.contains(':') => {}
        _ => target(&place, kind, specifier)?,
    }
    if !profiles.pairs(action, kind) {
        return Err(OpenC2Fault::new(
            "/target",
            format!("{action} has no target {kind} in this profile"),
        ));
    }
    let actuator = match fields.get("actuator") {
        None => None,
        Some(actuator) => Some(self::actuator(actuator, profiles)?),
    };
    if let Some(id) = fields.get("command_id") {
        command_id("/command_id", id)?;
    }
    Ok(Command {
        action,
        target: (kind.clone(), specifier.clone()),
        args: match fields.get("args") {
            None => Arguments::default(),
            Some(args) => arguments(args, profiles)?,
        },
        actuator,
        command_id: fields.get("command_id").and_then(Value::as_str).map(str::to_owned),
    })
}

/// The one field of an object.
fn single<'a>(place: &str, value: &'a Value) -> Result<(&'a String, &'a Value), OpenC2Fault> {
    let fields = object(place, value)?;
    match (fields.iter().next(), fields.len()) {
        (Some(field), 1) => Ok(field),
        _ => Err(OpenC2Fault::new(place, "must be exactly one")),
    }
}

fn actuator(value: &Value, profiles: &Profiles) -> Result<(String, Value), OpenC2Fault> {
    let (profile, specifiers) = single("/actuator", value)?;
    profiles
        .check_profile(profile)
        .map_err(|reason| OpenC2Fault::new("/actuator", reason))?;
    if profile == "slpf" {
        let Some(fields) = specifiers.as_object() else {
            return Err(OpenC2Fault::new("/actuator/slpf", "must be an object"));
        };
        for (name, value) in fields {
            let place = format!("/actuator/slpf/{name}");
            match (name.as_str(), value) {
                ("hostname", _) => host_name(&place, value)?,
                ("named_group" | "asset_id", _) => drop(text(&place, value)?),
                ("asset_tuple", Value::Array(list)) if list.len() <= 10 => {
                    list.iter().try_for_each(|one| text(&place, one).map(drop))?;
                }
                _ => return Err(OpenC2Fault::new(&place, "not known")),
            }
        }
    }
    Ok((profile.clone(), specifiers.clone()))
}

fn arguments(value: &Value, profiles: &Profiles) -> Result<Arguments, OpenC2Fault> {
    let mut args = Arguments::default();
    for (name, value) in object("/args", value)? {
        let place = format!("/args/{name}");
        match name.as_str() {
            "start_time" => args.start_ms = Some(whole_number(&place, value)?),
            "stop_time" => args.stop_ms = Some(whole_number(&place, value)?),
            "duration" => args.duration_ms = Some(whole_number(&place, value)?),
            "response_requested" => {
                one_of(&place, value, &["none", "ack", "status", "complete"])?;
                args.response = match value.as_str() {
                    Some("none") => ResponseRequested::None,
                    Some("ack") => ResponseRequested::Ack,
                    Some("status") => ResponseRequested::Status,
                    _ => ResponseRequested::Complete,
                };
            }
            profile => {
                profiles
                    .check_profile(profile)
                    .map_err(|reason| OpenC2Fault::new(&place, reason))?;
                if profile == "slpf" {
                    slpf_arguments(&mut args, value)?;
                } else {
                    object(&place, value)?;
                    args.extensions.insert(name.clone(), value.clone());
                }
            }
        }
    }
    if args.start_ms.is_some() && args.stop_ms.is_some() && args.duration_ms.is_some() {
        return Err(OpenC2Fault::new(
            "/args",
            "two of start_time, stop_time and duration say it all",
        ));
    }
    Ok(args)
}

fn slpf_arguments(args: &mut Arguments, value: &Value) -> Result<(), OpenC2Fault> {
    for (name, value) in object("/args/slpf", value)? {
        let place = format!("/args/slpf/{name}");
        match name.as_str() {
            "drop_process" => {
                one_of(&place, value, &["none", "reject", "false_ack"])?;
                args.drop_process = match value.as_str() {
                    Some("reject") => DropProcess::Reject,
                    Some("false_ack") => DropProcess::FalseAck,
                    _ => DropProcess::None,
                };
            }
            "direction" => {
                one_of(&place, value, &["both", "ingress", "egress"])?;
                args.direction = match value.as_str() {
                    Some("ingress") => Direction::Ingress,
                    Some("egress") => Direction::Egress,
                    _ => Direction::Both,
                };
            }
            "persistent" => {
                let persistent = value
                    .as_bool()
                    .ok_or_else(|| OpenC2Fault::new(&place, "must be true or false"))?;
                args.persistent = Some(persistent);
            }
            "insert_rule" => args.insert_rule = Some(whole_number(&place, value)?),
            _ => return Err(OpenC2Fault::new(&place, "not known")),
        }
    }
    Ok(())
}
