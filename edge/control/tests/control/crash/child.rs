//! The control room that is killed: a process of its own.

use std::io;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use leckwehr_control::{
    Config, Courier, CutActuator, Ended, Execution, Faults, Journal, Point, Runbook, Takedown, TakedownActuator, TakedownEnd,
    Warranted, Wires, ask_for, may_begin, propose, take_word,
};
use leckwehr_crypt::SigningKey;
use leckwehr_guard::Approval;
use leckwehr_incident::{PlanRecord, Situation, Timestamp};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::crash::place::now;

/// Names the file with its task to a control room.
const TASK: &str = "LECKWEHR_TEST_CRASH_TASK";

/// What a control room is to do.
#[derive(Serialize, Deserialize)]
pub struct Task {
    pub config: Config,
    pub ledger: PathBuf,
    pub plan: PlanRecord,
    pub approvals: Vec<Approval>,
    pub runbook: Runbook,
    /// Whether the plan is undone once it is carried out.
    pub undo: bool,
    /// The point at which it kills itself, from 0.
    pub kill_at: Option<usize>,
}

impl Task {
    /// Starts a control room. It writes how many points it passed into `<ledger>.points` when it ends.
    pub fn start(&self) -> Child {
        let file = self.ledger.with_extension("task");
        std::fs::write(&file, serde_json::to_vec(self).unwrap()).unwrap();
        let exe = std::env::current_exe().unwrap();
        let mut command = Command::new(exe);
        command
            .args(["--exact", "crash::child::control_room", "--nocapture"])
            .env(TASK, file);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub fn points(&self) -> usize {
        let text = std::fs::read_to_string(self.ledger.with_extension("points")).unwrap();
        text.parse().unwrap()
    }
}

/// Kills this process at a point, as `kill -9` would.
struct Killing {
    at: Option<usize>,
    passed: AtomicUsize,
}

impl Faults for Killing {
    fn at(&self, _point: Point) -> io::Result<()> {
        if Some(self.passed.fetch_add(1, Ordering::Relaxed)) == self.at {
            kill(getpid(), Signal::SIGKILL)?;
        }
        Ok(())
    }
}

#[derive(Clone)]
pub struct Tcp;

impl Wires for Tcp {
    type Stream = TcpStream;

    async fn connect(&self, to: SocketAddrV4) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }

    fn now(&self) -> Timestamp {
        now()
    }
}

/// Does nothing unless it is started as a control room.
#[test]
fn control_room() {
    #[expect(clippy::disallowed_methods, reason = "tells a control room from a test run")]
    let Ok(file) = std::env::var(TASK) else { return };
    let task: Task = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let faults = Arc::new(Killing {
        at: task.kill_at,
        passed: AtomicUsize::new(0),
    });
    runtime.block_on(work(&task, Arc::clone(&faults) as Arc<dyn Faults>));
    let points = faults.passed.load(Ordering::Relaxed);
    std::fs::write(task.ledger.with_extension("points"), points.to_string()).unwrap();
}

pub fn open(ledger: &Path, config: &Config, faults: Arc<dyn Faults>) -> Journal {
    let key = SigningKey::from_seed(&config.ledger_seed).unwrap();
    Journal::open(ledger, "test/crash", key, Arc::new(now), faults).unwrap()
}

async fn work(task: &Task, faults: Arc<dyn Faults>) {
    let (config, plan) = (&task.config, &task.plan);
    let mut journal = open(&task.ledger, config, Arc::clone(&faults));
    propose(&mut journal, plan).unwrap();
    if !may_begin(config, &mut journal, plan).unwrap() {
        ask_for(config, &mut journal, plan, "control-room").unwrap();
        for approval in &task.approvals {
            assert_eq!(take_word(config, &mut journal, plan, approval).unwrap(), None);
        }
    }
    assert!(may_begin(config, &mut journal, plan).unwrap());
    let warrant = Warranted::new(plan.clone(), &journal.plan(&plan.hash).unwrap().words);
    let courier = Courier::new(config, Tcp, journal.epoch()).unwrap();
    let programs = task.ledger.with_extension("work");
    let ways = |situation: &Situation| {
        let cuts = CutActuator {
            courier: &courier,
            warrant: &warrant,
            life_lines: &config.life_lines,
            lease_ms: 3_600_000,
        };
        TakedownActuator::new(cuts, &task.runbook, situation, &programs, Arc::clone(&faults))
    };
    let ended = Takedown::new(plan, &config.estate, config.minute_ms)
        .run(&mut journal, ways)
        .await
        .unwrap();
    if task.undo {
        let actuator = ways(journal.situation());
        let execution = Execution::new(plan, &actuator);
        execution.undo(&mut journal, "anna", "it was a false alarm").await.unwrap();
    } else {
        assert_eq!(ended, TakedownEnd::Ended(Ended::Complete));
    }
    journal.close().unwrap();
}
