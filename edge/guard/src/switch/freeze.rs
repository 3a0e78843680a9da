use std::path::PathBuf;
use std::time::Duration;

use tokio::fs;
use tokio::time::{sleep, timeout};

use crate::order::Order;
use crate::switch::{Position, Switch, SwitchError, Turn};

/// Time for the kernel to stop every task of a cgroup, in milliseconds.
const PATIENCE_MS: u64 = 5_000;
/// Pause between two looks, in milliseconds.
const LOOK_MS: u64 = 2;

/// Freezes all processes of a cgroup (version 2): their memory stays for the forensics, they do nothing any more.
///
/// A process cannot notice it beforehand nor refuse, unlike a signal. Sources: Linux cgroup-v2, `cgroup.freeze`.
pub struct FreezeSwitch {
    cgroup: PathBuf,
}

impl FreezeSwitch {
    /// Names the cgroup's folder, as `/sys/fs/cgroup/system.slice/app.service`.
    pub fn new(cgroup: PathBuf) -> Self {
        Self { cgroup }
    }

    pub(crate) async fn position(&self) -> Result<Position, SwitchError> {
        let file = self.cgroup.join("cgroup.events");
        let what = file.display().to_string();
        let events = fs::read_to_string(&file).await.map_err(SwitchError::io(what))?;
        let frozen = events.lines().any(|line| line.trim() == "frozen 1");
        Ok(if frozen { Position::Cut } else { Position::Open })
    }

    pub(crate) async fn turn(&self, to: Position) -> Result<Position, SwitchError> {
        let file = self.cgroup.join("cgroup.freeze");
        let what = file.display().to_string();
        let word = if to == Position::Cut { "1" } else { "0" };
        fs::write(&file, word).await.map_err(SwitchError::io(what.clone()))?;
        let stands = async {
            loop {
                let position = self.position().await?;
                if position == to {
                    return Ok(position);
                }
                sleep(Duration::from_millis(LOOK_MS)).await;
            }
        };
        let in_time = timeout(Duration::from_millis(PATIENCE_MS), stands).await;
        in_time.unwrap_or(Err(SwitchError::Stuck {
            what,
            patience_ms: PATIENCE_MS,
        }))
    }
}

impl Switch for FreezeSwitch {
    fn read(&mut self) -> Turn<'_> {
        Box::pin(self.position())
    }

    fn cut<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.turn(Position::Cut))
    }

    fn restore<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.turn(Position::Open))
    }
}
