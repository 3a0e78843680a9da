use serde_json::{Map, Value};

use crate::openc2::profile::{Profiles, is_slpf_pair};
use crate::openc2::value::{object, text, whole_number};
use crate::openc2::{OpenC2Fault, strict_json};
use crate::order::{Action, Status};

/// Codes of the language (§ 3.3.2.2).
const STATUS_CODES: [u64; 9] = [102, 200, 400, 401, 403, 404, 500, 501, 503];

/// A valid response.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Status.
    pub status: Status,
    /// In words.
    pub status_text: Option<String>,
    /// Results by name.
    pub results: Map<String, Value>,
}

/// Reads a response. Linear in its length.
pub fn parse_response(bytes: &[u8], profiles: &Profiles) -> Result<Response, OpenC2Fault> {
    response(&strict_json(bytes)?, profiles)
}

pub(crate) fn response(value: &Value, profiles: &Profiles) -> Result<Response, OpenC2Fault> {
    let (mut status, mut status_text, mut results) = (None, None, Map::new());
    for (name, value) in object("", value)? {
        let place = format!("/{name}");
        match name.as_str() {
            "status" => {
                let code = whole_number(&place, value)?;
                let code = STATUS_CODES
                    .contains(&code)
                    .then_some(code)
                    .and_then(|code| u16::try_from(code).ok());
                status = Some(code.ok_or_else(|| OpenC2Fault::new(&place, "no status code of the language"))?);
            }
            "status_text" => status_text = Some(text(&place, value)?.to_owned()),
            "results" => {
                results = object(&place, value)?.clone();
                for (name, value) in &results {
                    result(name, value, profiles)?;
                }
            }
            _ => return Err(OpenC2Fault::new(&place, "not known")),
        }
    }
    Ok(Response {
        status: Status(status.ok_or_else(|| OpenC2Fault::new("", "there is no status"))?),
        status_text,
        results,
    })
}

pub(crate) fn result(name: &str, value: &Value, profiles: &Profiles) -> Result<(), OpenC2Fault> {
    let place = format!("/results/{name}");
    match name {
        "versions" | "profiles" => {
            let Some(list) = value.as_array() else {
                return Err(OpenC2Fault::new(&place, "must be a list"));
            };
            list.iter().try_for_each(|one| text(&place, one).map(drop))
        }
        "pairs" => pairs(&place, value, profiles),
        "rate_limit" => match value.as_f64() {
            Some(0.0..) => Ok(()),
            _ => Err(OpenC2Fault::new(&place, "must be a number, 0 or more")),
        },
        profile => {
            profiles
                .check_profile(profile)
                .map_err(|reason| OpenC2Fault::new(&place, reason))?;
            if profile == "slpf" {
                let Some(fields) = value.as_object() else {
                    return Err(OpenC2Fault::new(&place, "must be an object"));
                };
                for (name, value) in fields {
                    let place = format!("{place}/{name}");
                    match name.as_str() {
                        "rule_number" => drop(whole_number(&place, value)?),
                        _ => return Err(OpenC2Fault::new(&place, "not known")),
                    }
                }
            }
            Ok(())
        }
    }
}

/// Actions with their targets: those of the profiles that the reader knows.
fn pairs(place: &str, value: &Value, profiles: &Profiles) -> Result<(), OpenC2Fault> {
    for (action, targets) in object(place, value)? {
        let place = format!("{place}/{action}");
        let action: Action =
            serde_json::from_value(Value::from(action.as_str())).map_err(|_| OpenC2Fault::new(&place, "no action"))?;
        let Some(targets) = targets.as_array() else {
            return Err(OpenC2Fault::new(&place, "must be a list"));
        };
        for target in targets {
            let target = text(&place, target)?;
            profiles
                .check_target(target)
                .map_err(|reason| OpenC2Fault::new(&place, reason))?;
            if profiles.has_slpf() && !target.starts_with("x-") && !is_slpf_pair(action, target) {
                return Err(OpenC2Fault::new(
                    &place,
                    format!("{action} has no target {target} in the profile slpf"),
                ));
            }
        }
    }
    Ok(())
}
