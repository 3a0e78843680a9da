use std::path::{Path, PathBuf};

use tokio::fs;

use crate::order::Order;
use crate::switch::freeze::FreezeSwitch;
use crate::switch::{Position, Switch, SwitchError, Turn};

/// Freezes one process with all its threads: it is put into a cgroup of its own, and back into the old one by the undo.
pub struct ProcessSwitch {
    pid_file: PathBuf,
    root: PathBuf,
    folder: PathBuf,
}

impl ProcessSwitch {
    /// Names the file that holds the process's number, the root of the cgroup file system (version 2), and a folder for what the
    /// undo must know.
    pub fn new(pid_file: PathBuf, root: PathBuf, folder: PathBuf) -> Self {
        Self { pid_file, root, folder }
    }

    async fn pid(&self) -> Result<u32, SwitchError> {
        let text = read(&self.pid_file).await?;
        text.trim().parse().map_err(|_| SwitchError::Refused {
            what: self.pid_file.display().to_string(),
            reason: "it holds no process number".to_owned(),
        })
    }

    fn own(&self, pid: u32) -> PathBuf {
        self.root.join(format!("leckwehr-{pid}"))
    }

    /// Where the process was, kept across a restart of the guard.
    fn note(&self, pid: u32) -> PathBuf {
        self.folder.join(format!("cgroup-of-{pid}"))
    }

    async fn position(&self) -> Result<Position, SwitchError> {
        let own = self.own(self.pid().await?);
        match fs::try_exists(&own).await {
            Ok(true) => FreezeSwitch::new(own).position().await,
            _ => Ok(Position::Open),
        }
    }

    async fn freeze(&self) -> Result<Position, SwitchError> {
        let pid = self.pid().await?;
        let (own, note) = (self.own(pid), self.note(pid));
        if !matches!(fs::try_exists(&own).await, Ok(true)) {
            let groups = read(Path::new(&format!("/proc/{pid}/cgroup"))).await?;
            let old = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
            write(&note, old.as_bytes()).await?;
            let what = own.display().to_string();
            fs::create_dir(&own).await.map_err(SwitchError::io(what))?;
        }
        write(&own.join("cgroup.procs"), pid.to_string().as_bytes()).await?;
        FreezeSwitch::new(own).turn(Position::Cut).await
    }

    async fn thaw(&self) -> Result<Position, SwitchError> {
        let pid = self.pid().await?;
        let (own, note) = (self.own(pid), self.note(pid));
        if !matches!(fs::try_exists(&own).await, Ok(true)) {
            return Ok(Position::Open);
        }
        FreezeSwitch::new(own.clone()).turn(Position::Open).await?;
        let old = read(&note).await?;
        let old = self.root.join(old.trim().trim_start_matches('/')).join("cgroup.procs");
        write(&old, pid.to_string().as_bytes()).await?;
        let what = own.display().to_string();
        fs::remove_dir(&own).await.map_err(SwitchError::io(what))?;
        let _ = fs::remove_file(&note).await;
        self.position().await
    }
}

async fn read(file: &Path) -> Result<String, SwitchError> {
    fs::read_to_string(file)
        .await
        .map_err(SwitchError::io(file.display().to_string()))
}

async fn write(file: &Path, content: &[u8]) -> Result<(), SwitchError> {
    fs::write(file, content)
        .await
        .map_err(SwitchError::io(file.display().to_string()))
}

impl Switch for ProcessSwitch {
    fn read(&mut self) -> Turn<'_> {
        Box::pin(self.position())
    }

    fn cut<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.freeze())
    }

    fn restore<'a>(&'a mut self, _order: &'a Order) -> Turn<'a> {
        Box::pin(self.thaw())
    }
}
