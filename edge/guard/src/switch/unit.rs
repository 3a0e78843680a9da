use std::path::PathBuf;

use crate::order::Order;
use crate::switch::command::{refused, run};
use crate::switch::{Position, Switch, SwitchError, Turn};

/// Exit codes of `systemctl is-active` (systemctl(1)): 0 runs; 3 does not.
const RUNS: Option<i32> = Some(0);
const DOES_NOT_RUN: Option<i32> = Some(3);

/// Stops a systemd unit, and starts it again. `systemctl` is the interface that every administrator can check by hand.
pub struct UnitSwitch {
    systemctl: PathBuf,
    unit: String,
}

impl UnitSwitch {
    /// Takes the path of `systemctl` and the unit's whole name, as `app.service`.
    pub fn new(systemctl: PathBuf, unit: String) -> Self {
        Self { systemctl, unit }
    }

    fn program(&self, verb: &str) -> Vec<String> {
        let systemctl = self.systemctl.display().to_string();
        // After `--` a unit's name cannot be an option.
        [systemctl.as_str(), verb, "--", &self.unit].map(str::to_owned).to_vec()
    }

    async fn position(&self) -> Result<Position, SwitchError> {
        let program = self.program("is-active");
        match run(&program).await? {
            (RUNS, _) => Ok(Position::Open),
            (DOES_NOT_RUN, _) => Ok(Position::Cut),
            (code, complaint) => Err(refused(&program, code, &complaint)),
        }
    }

    async fn turn(&self, verb: &str, to: Position) -> Result<Position, SwitchError> {
        if self.position().await? == to {
            return Ok(to);
        }
        let program = self.program(verb);
        let (code, complaint) = run(&program).await?;
        if code != Some(0) || self.position().await? != to {
            return Err(refused(&program, code, &complaint));
        }
        Ok(to)
    }
}

impl Switch for UnitSwitch {
    fn read(&mut self) -> Turn<'_> {
        Box::pin(self.position())
    }

    fn cut<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.turn("stop", Position::Cut))
    }

    fn restore<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.turn("start", Position::Open))
    }
}
