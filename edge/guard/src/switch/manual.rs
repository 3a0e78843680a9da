use std::path::PathBuf;

use leckwehr_crypt::{VerifyingKey, from_hex};
use leckwehr_incident::Timestamp;
use serde_json::Value;

use crate::fence::replace_file;
use crate::order::Order;
use crate::switch::{Position, Switch, SwitchError, Turn};

/// Arguments that carry the person's signature, hex, over [`confirmation_bytes`], and the time of it, in nanoseconds since 1970.
const CONFIRMATION: &str = "x-leckwehr:confirmation";
const CONFIRMED_AT: &str = "x-leckwehr:confirmed_at";

/// A person is the switch: he is called, acts, and signs what he did. Until then nothing is known.
pub struct ManualSwitch {
    /// How it stands and when that was signed, across restarts: `cut` or `open`, and the time.
    file: PathBuf,
    /// Target, as orders name it.
    target: String,
    /// What to tell whom.
    ask_cut: String,
    ask_restore: String,
    key: VerifyingKey,
}

/// What the person signs: the target, how it stands, and since when. A later signature is needed for the next turn, so that an old
/// one is worth nothing.
pub fn confirmation_bytes(target: &str, position: &Position, at: Timestamp) -> Vec<u8> {
    format!("leckwehr manual switch\n{target}\nis {} since {}\n", word(position), at.0).into_bytes()
}

fn word(position: &Position) -> &'static str {
    if *position == Position::Cut { "cut" } else { "open" }
}

impl ManualSwitch {
    /// Takes the file that remembers the position, the target, what to ask for each turn (name, number, words), and the key with
    /// which the person signs.
    pub fn new(file: PathBuf, target: String, ask_cut: String, ask_restore: String, key: VerifyingKey) -> Self {
        Self {
            file,
            target,
            ask_cut,
            ask_restore,
            key,
        }
    }

    /// How it stands, and when that was signed.
    fn position(&self) -> Result<(Position, i64), SwitchError> {
        let what = self.file.display().to_string();
        let text = match std::fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Position::Open, i64::MIN)),
            Err(error) => return Err(SwitchError::io(what)(error)),
        };
        let position = match text.split_once(' ') {
            Some(("cut", at)) => at.trim().parse().ok().map(|at| (Position::Cut, at)),
            Some(("open", at)) => at.trim().parse().ok().map(|at| (Position::Open, at)),
            _ => None,
        };
        position.ok_or(SwitchError::Refused {
            what,
            reason: "it does not say how the switch stands".to_owned(),
        })
    }

    fn turn(&self, order: &Order, to: Position, ask: &str) -> Result<Position, SwitchError> {
        let (stands, since) = self.position()?;
        if stands == to {
            return Ok(to);
        }
        let signature = order.args.get(CONFIRMATION).and_then(Value::as_str);
        let at = order.args.get(CONFIRMED_AT).and_then(Value::as_i64);
        let (Some(signature), Some(at)) = (signature, at) else {
            return Ok(Position::Waiting { ask: ask.to_owned() });
        };
        let bytes = confirmation_bytes(&self.target, &to, Timestamp(at));
        let signed = from_hex(signature).is_some_and(|signature| self.key.verify(&bytes, &signature).is_ok());
        if !signed || at <= since {
            return Err(SwitchError::Refused {
                what: "the confirmation".to_owned(),
                reason: "it is not signed by the person for this switch, position and turn".to_owned(),
            });
        }
        let text = format!("{} {at}\n", word(&to));
        replace_file(&self.file, text.as_bytes()).map_err(SwitchError::io(self.file.display().to_string()))?;
        Ok(to)
    }
}

impl Switch for ManualSwitch {
    fn read(&mut self) -> Turn<'_> {
        Box::pin(std::future::ready(self.position().map(|(position, _)| position)))
    }

    fn cut<'a>(&'a mut self, order: &'a Order) -> Turn<'a> {
        Box::pin(std::future::ready(self.turn(order, Position::Cut, &self.ask_cut)))
    }

    fn restore<'a>(&'a mut self, order: &'a Order) -> Turn<'a> {
        Box::pin(std::future::ready(self.turn(order, Position::Open, &self.ask_restore)))
    }
}
