use std::path::PathBuf;

use hyper::Request;
use serde_json::{Value, json};

use crate::fence::replace_file;
use crate::openc2::{Profiles, check_response, strict_json};
use crate::order::{Action, Order, Status};
use crate::switch::{HttpsPeer, Position, Switch, SwitchError, Turn};
use crate::wire::{MEDIA_TYPE, OPENC2_PATH, command_of};

/// Somebody else's packet filter that speaks OpenC2 (SLPF 1.0): denied by `deny`, restored by `delete slpf:rule_number`, or by
/// `allow` where it gave no number.
///
/// The profile cannot ask a filter whether a rule stands. The position is what it last confirmed; only probes know more.
pub struct OpenC2Switch {
    peer: HttpsPeer,
    /// What it confirmed, across restarts.
    file: PathBuf,
    /// The command that cuts.
    deny: Order,
}

impl OpenC2Switch {
    /// Takes the peer, a file for what it confirmed, and the target to deny: type and specifier.
    pub fn new(peer: HttpsPeer, file: PathBuf, target_type: &str, specifier: Value) -> Self {
        Self {
            peer,
            file,
            deny: Order::new(Action::Deny, target_type, specifier),
        }
    }

    /// What the peer confirmed: nothing, or a rule with or without number.
    fn confirmed(&self) -> Result<Option<Value>, SwitchError> {
        let what = self.file.display().to_string();
        match std::fs::read(&self.file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(SwitchError::io(what)(error)),
            Ok(text) => {
                let value: Value = serde_json::from_slice(&text).map_err(|error| SwitchError::Refused {
                    what,
                    reason: error.to_string(),
                })?;
                Ok((!value.is_null()).then_some(value))
            }
        }
    }

    fn confirm(&self, value: &Value) -> Result<(), SwitchError> {
        let text = value.to_string();
        replace_file(&self.file, text.as_bytes()).map_err(SwitchError::io(self.file.display().to_string()))
    }

    async fn command(&self, order: &Order) -> Result<Value, SwitchError> {
        let digest = leckwehr_crypt::sha256(command_of(order).to_string().as_bytes());
        let headers = json!({"request_id": leckwehr_crypt::hex(&digest[..16])});
        let message = json!({"headers": headers, "body": {"openc2": {"request": command_of(order)}}});
        let request = Request::post(OPENC2_PATH)
            .header("content-type", MEDIA_TYPE)
            .header("accept", MEDIA_TYPE);
        let (status, body) = self.peer.ask(request, message.to_string().into_bytes()).await?;
        let response = strict_json(&body).and_then(|message| {
            let response = message.pointer("/body/openc2/response").cloned().unwrap_or_default();
            check_response(&response, &Profiles::slpf())
        });
        match response {
            Ok(response) if response.status == Status::OK => Ok(Value::Object(response.results)),
            _ => Err(self.peer.refused(status, &body)),
        }
    }

    fn position(&self) -> Result<Position, SwitchError> {
        Ok(if self.confirmed()?.is_some() {
            Position::Cut
        } else {
            Position::Open
        })
    }

    async fn turn(&self, to: Position) -> Result<Position, SwitchError> {
        match (self.confirmed()?, &to) {
            (None, Position::Cut) => {
                let results = self.command(&self.deny).await?;
                let number = results.pointer("/slpf/rule_number").cloned().unwrap_or_default();
                self.confirm(&json!({ "rule_number": number }))?;
            }
            (Some(rule), Position::Open) => {
                let order = match rule.get("rule_number").and_then(Value::as_u64) {
                    Some(number) => Order::new(Action::Delete, "slpf:rule_number", number),
                    None => Order {
                        action: Action::Allow,
                        ..self.deny.clone()
                    },
                };
                self.command(&order).await?;
                self.confirm(&Value::Null)?;
            }
            _ => {}
        }
        Ok(to)
    }
}

impl Switch for OpenC2Switch {
    fn read(&mut self) -> Turn<'_> {
        Box::pin(std::future::ready(self.position()))
    }

    fn cut<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.turn(Position::Cut))
    }

    fn restore<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.turn(Position::Open))
    }
}
