use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::order::Order;
use crate::switch::{Position, Switch, SwitchError, Turn};

/// Longest that a program may take, in milliseconds.
const PATIENCE_MS: u64 = 60_000;
/// What is kept of a program's complaint, in characters.
const COMPLAINT_CHARS_MAX: usize = 200;

/// A switch that the house's own programs turn: DNS by `nsupdate -k KEY FILE`, accounts by the directory's tool, appliances by
/// theirs. Programs are started without a shell, so that no order can smuggle words into them: they get none of the order.
///
/// `read` says by its exit code how the switch stands: 0 is cut, 1 is open, anything else is a failure.
pub struct CommandSwitch {
    read: Vec<String>,
    cut: Vec<String>,
    restore: Vec<String>,
}

impl CommandSwitch {
    /// Takes three programs with their arguments.
    pub fn new(read: Vec<String>, cut: Vec<String>, restore: Vec<String>) -> Self {
        Self { read, cut, restore }
    }

    async fn position(&self) -> Result<Position, SwitchError> {
        match run(&self.read).await? {
            (Some(0), _) => Ok(Position::Cut),
            (Some(1), _) => Ok(Position::Open),
            (code, complaint) => Err(refused(&self.read, code, &complaint)),
        }
    }

    async fn turn(&self, program: &[String], to: Position) -> Result<Position, SwitchError> {
        if self.position().await? == to {
            return Ok(to);
        }
        let (code, complaint) = run(program).await?;
        if code != Some(0) {
            return Err(refused(program, code, &complaint));
        }
        if self.position().await? == to {
            return Ok(to);
        }
        Err(SwitchError::Refused {
            what: program.join(" "),
            reason: "it says that it is done, and the switch does not show it".to_owned(),
        })
    }
}

/// Runs a program to its end: exit code and complaint.
pub(crate) async fn run(program: &[String]) -> Result<(Option<i32>, String), SwitchError> {
    let what = program.join(" ");
    let [name, arguments @ ..] = program else {
        return Err(SwitchError::Refused {
            what: "the switch".to_owned(),
            reason: "no program is named".to_owned(),
        });
    };
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(Duration::from_millis(PATIENCE_MS), command.output()).await;
    let output = output.map_err(|_| SwitchError::Stuck {
        what: what.clone(),
        patience_ms: PATIENCE_MS,
    })?;
    let output = output.map_err(SwitchError::io(what))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    Ok((
        output.status.code(),
        complaint.trim().chars().take(COMPLAINT_CHARS_MAX).collect(),
    ))
}

pub(crate) fn refused(program: &[String], code: Option<i32>, complaint: &str) -> SwitchError {
    let code = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
    SwitchError::Refused {
        what: program.join(" "),
        reason: format!("{code} {complaint}").trim().to_owned(),
    }
}

impl Switch for CommandSwitch {
    fn read(&mut self) -> Turn<'_> {
        Box::pin(self.position())
    }

    fn cut<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.turn(&self.cut, Position::Cut))
    }

    fn restore<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.turn(&self.restore, Position::Open))
    }
}
