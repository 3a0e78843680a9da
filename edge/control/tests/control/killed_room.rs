//! The control room that brings a house back through agents is a process of its own here, and is killed with SIGKILL at looks at
//! its clock: it takes one for every fact that it writes, and before every order that it seals.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use leckwehr_control::{Config, Input, Output, Wires, run};
use leckwehr_incident::{Fact, Phase, Situation, StepOutcome, Timestamp, What};
use leckwehr_ledger::Reader;
use leckwehr_restore::{StepKind, gates_closed, restorations};
use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::crash::place::now;
use crate::house::{Cables, House, START, approve, attack};

/// Names the file with its task to a control room.
const TASK: &str = "LECKWEHR_TEST_KILLED_ROOM";
/// Houses, and kills that all of them come to.
const HOUSES: usize = 8;
const KILLS_MIN: usize = 60;
/// Looks that a start makes more than the one before it: every house comes to an end.
const STRIDE_LOOKS: usize = 3;
/// The host that does not pass its gate, in every other house.
const DIRTY: &str = "ws-1";
const STARTS_MAX: usize = 200;
/// Time between two settings of the clock of everybody but the control room.
const TICK_MS: u64 = 2;

/// What a control room is to do.
#[derive(Serialize, Deserialize)]
struct Task {
    config: Config,
    /// Where everybody can be reached, by the address that the configuration knows.
    doors: Vec<(SocketAddrV4, SocketAddrV4)>,
    /// When the house began.
    began: Timestamp,
    /// What comes in at first; nothing at a further start.
    telemetry: Vec<String>,
    /// It is killed at so many looks at its clock, counted from the beginning of the restoration.
    kill_at: usize,
    is_restoring: bool,
    is_recovered: bool,
}

/// The wires of a control room of its own process.
#[derive(Clone)]
struct Loopback {
    doors: Arc<BTreeMap<SocketAddrV4, SocketAddrV4>>,
    began: Timestamp,
    is_armed: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    kill_at: usize,
}

impl Wires for Loopback {
    type Stream = TcpStream;

    async fn connect(&self, to: SocketAddrV4) -> io::Result<TcpStream> {
        let door = self.doors.get(&to).ok_or(io::ErrorKind::ConnectionRefused)?;
        TcpStream::connect(door).await
    }

    fn now(&self) -> Timestamp {
        let is_armed = self.is_armed.load(Ordering::Relaxed);
        if is_armed && self.looks.fetch_add(1, Ordering::Relaxed) == self.kill_at {
            let _ = kill(getpid(), Signal::SIGKILL);
        }
        Timestamp(START + now().0 - self.began.0)
    }
}

/// Does nothing unless it is started as a control room.
#[test]
fn control_room() {
    #[expect(clippy::disallowed_methods, reason = "tells a control room from a test run")]
    let Ok(file) = std::env::var(TASK) else { return };
    let task: Task = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let wires = Loopback {
        doors: Arc::new(task.doors.iter().copied().collect()),
        began: task.began,
        is_armed: Arc::new(AtomicBool::new(task.is_restoring)),
        looks: Arc::default(),
        kill_at: task.kill_at,
    };
    let (give, inputs) = mpsc::channel(100_000);
    let (outputs, mut said) = mpsc::unbounded_channel();
    if !task.is_restoring {
        give.try_send(Input::EndLearning).unwrap();
    }
    for line in task.telemetry {
        give.try_send(Input::Telemetry { line }).unwrap();
    }
    if task.is_recovered {
        give.try_send(Input::Finish).unwrap();
    }
    let is_armed = Arc::clone(&wires.is_armed);
    let people = async move {
        while let Some(output) = said.recv().await {
            let inputs = match output {
                Output::Approve { plan } => approve(&plan),
                Output::Phase {
                    phase: Phase::Restoring, ..
                } => {
                    is_armed.store(true, Ordering::Relaxed);
                    Vec::new()
                }
                Output::Phase {
                    phase: Phase::Recovered, ..
                } => vec![Input::Finish],
                _ => Vec::new(),
            };
            for input in inputs {
                let _ = give.send(input).await;
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (outcome, ()) = runtime.block_on(async { tokio::join!(run(task.config, wires, inputs, outputs), people) });
    outcome.unwrap();
}

/// Everybody but the control room, behind sockets of this machine.
struct Neighbours {
    doors: Vec<(SocketAddrV4, SocketAddrV4)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Neighbours {
    fn start(cables: Cables, began: Timestamp) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut doors = Vec::new();
                for address in cables.addresses() {
                    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                    let port = listener.local_addr().unwrap().port();
                    doors.push((address, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)));
                    tokio::spawn(open_to(listener, cables.clone(), address));
                }
                tell.send(doors).unwrap();
                while stopped.try_recv().is_err() {
                    cables.set_clock(now().0 - began.0);
                    tokio::time::sleep(Duration::from_millis(TICK_MS)).await;
                }
            });
        });
        Self {
            doors: told.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn open_to(listener: TcpListener, cables: Cables, address: SocketAddrV4) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            return;
        };
        let cables = cables.clone();
        tokio::spawn(async move {
            if let Ok(mut other) = cables.connect(address).await {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut other).await;
            }
        });
    }
}

fn facts(room: &Path) -> Vec<Fact> {
    let Ok(reader) = Reader::open(&room.join("ledger")) else {
        return Vec::new();
    };
    let entries = reader.entries(0..reader.size()).unwrap();
    let read = |(i, bytes): (usize, &Vec<u8>)| Fact::from_bytes(i as u64, bytes).unwrap();
    entries.iter().enumerate().map(read).collect()
}

fn phases(facts: &[Fact]) -> Vec<Phase> {
    let entered = facts.iter().filter_map(|f| match &f.what {
        What::PhaseEntered { phase, .. } => Some(*phase),
        _ => None,
    });
    entered.collect()
}

/// Runs one house to its end; returns how often its control room was killed.
fn play(number: usize) -> usize {
    let house = House::new();
    if number % 2 == 1 {
        // Swept, restored and tested, and yet not clean: nothing but its gate holds it back.
        house.truth.lock().unwrap().changed.insert(DIRTY.to_owned());
    }
    let folder = tempfile::tempdir().unwrap();
    let (config, cables) = house.world(folder.path());
    let began = now();
    let neighbours = Neighbours::start(cables, began);
    let room: PathBuf = config.folder.clone();
    let mut task = Task {
        config,
        doors: neighbours.doors.clone(),
        began,
        telemetry: attack(&house),
        kill_at: 0,
        is_restoring: false,
        is_recovered: false,
    };
    let mut kills = 0;
    for start in 0..STARTS_MAX {
        task.kill_at = number + start * STRIDE_LOOKS;
        let file = folder.path().join("task.json");
        std::fs::write(&file, serde_json::to_vec(&task).unwrap()).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "killed_room::control_room", "--nocapture"])
            .env(TASK, file);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            break;
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(9), "house {number}, start {start}: {text}");
        kills += 1;
        let so_far = phases(&facts(&room));
        task.telemetry.clear();
        (task.is_restoring, task.is_recovered) = (true, so_far.contains(&Phase::Recovered));
    }
    neighbours.stop();
    check(&house, number, &facts(&room));
    kills
}

/// Everything is as after a restoration that nobody disturbed.
fn check(house: &House, number: usize, facts: &[Fact]) {
    assert_eq!(phases(facts), Phase::ALL[1..7], "house {number}");
    let estate = leckwehr_estate::Estate::parse(&[leckwehr_estate::Source {
        name: "house.toml".into(),
        text: house.estate.clone(),
    }]);
    let estate = estate.unwrap();
    let mut situation = Situation::default();
    let (mut returned, mut verified) = (Vec::new(), BTreeSet::new());
    for fact in facts {
        if let What::StepEnded { plan, step, outcome } = &fact.what
            && matches!(outcome, StepOutcome::Verified { .. })
        {
            assert!(
                verified.insert((plan.clone(), *step)),
                "house {number}: step {step} was done twice"
            );
            let view = &situation.plans[plan];
            let step = view.plan.steps.iter().find(|s| s.number == *step).unwrap();
            if step.action == StepKind::Reconnect.word() {
                assert_eq!(
                    gates_closed(view, step, &situation, &estate),
                    Vec::<String>::new(),
                    "house {number}"
                );
                returned.push(step.target.clone());
            }
        }
        situation.apply(fact).unwrap();
    }
    assert_eq!(restorations(&situation).count(), 1, "house {number}: planned anew");
    let dirty = house.truth.lock().unwrap().changed.clone();
    let back: Vec<&str> = ["backup-1", "fs-1", "ws-1"]
        .into_iter()
        .filter(|id| !dirty.contains(*id))
        .collect();
    returned.sort_unstable();
    assert_eq!(returned, back, "house {number}");
    let truth = house.truth.lock().unwrap();
    assert_eq!(
        truth.files,
        BTreeMap::from([("docs/a".to_owned(), b"letter".to_vec())]),
        "house {number}"
    );
    let cut: Vec<&str> = truth.cut.iter().map(String::as_str).collect();
    let held: Vec<&str> = ["vendor"].into_iter().chain(dirty.iter().map(String::as_str)).collect();
    assert_eq!(cut, held, "house {number}");
    for host in back {
        let is = |deed: &&String| **deed == format!("allow {host}");
        assert_eq!(truth.done.iter().filter(is).count(), 1, "house {number}: {host}");
        let back = truth.done.iter().position(|deed| is(&deed)).unwrap();
        let again = truth.done[back..]
            .iter()
            .filter(|d| d.starts_with(&format!("restore {host}")));
        assert_eq!(
            again.count(),
            0,
            "house {number}: files of {host} were put back over what people did since"
        );
    }
}

/// Red if a restoration that was begun is planned anew after a kill (`restoration_under_way`), if a step that stands is done again, or
/// if a reconnection is carried out without its gates (`Gated`).
#[test]
fn killed_at_any_look_the_room_brings_everything_back_once_and_through_its_gates() {
    let kills: Vec<usize> = (0..HOUSES).map(play).collect();
    let all: usize = kills.iter().sum();
    println!("{all} kills in {HOUSES} houses: {kills:?}");
    assert!(all >= KILLS_MIN, "only {all} kills");
}
