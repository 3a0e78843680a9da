//! How fast a cut is: hosts in network namespaces of their own, all sending, one router with a guard, and `nft -f` beside it.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use leckwehr_guard::{Block, Direction, Fate, Firewall, FirewallError, Net, Nft, Traffic};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::gettid;
use serde::Serialize;

use crate::cable::{Addressing, Cable, CableError, GATEWAY, open};
use crate::sandbox::{SandboxError, enter_network, enter_node};

/// Hosts that one run builds.
pub const SWITCHING_HOSTS_MAX: u16 = 1_000;
/// Elements in one transaction.
pub const SWITCHING_ELEMENTS_MAX: u32 = 16_000;
/// Rounds of cutting and releasing all hosts.
const ROUNDS: usize = 20;
/// Rounds with `nft -f`, and with many elements.
const ROUNDS_SLOW: usize = 5;
/// Longest wait for traffic, in milliseconds.
const PATIENCE_MS: u64 = 20_000;
/// Pause of the flood after each round of all hosts, in microseconds: the kernel's time is for the measurement.
const FLOOD_PAUSE_US: u64 = 200;
const SINK: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
const SINK_PORT: u16 = 9;
const STAMP_BYTES: usize = 8;

/// A measurement that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SwitchingError {
    /// The machine forbids namespaces.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// A cable.
    #[error(transparent)]
    Cable(#[from] CableError),
    /// The firewall.
    #[error("the guard cannot cut")]
    Firewall(#[from] FirewallError),
    /// A socket, file or program.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// No traffic where there must be some.
    #[error("no packet came through within {PATIENCE_MS} ms")]
    Silent,
}

/// Median and slowest of a series, in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Series {
    /// Median of wall time.
    pub median_ms: f64,
    /// Slowest.
    pub slowest_ms: f64,
    /// Median of CPU time of the calling thread, in the program and in the kernel for it.
    pub cpu_median_ms: f64,
}

/// One way to cut all hosts.
#[derive(Debug, Clone, Serialize)]
pub struct Way {
    /// Cutting all hosts.
    pub cut: Series,
    /// Releasing all hosts.
    pub undo: Series,
    /// Packets that were sent after the cut was reported done, and arrived.
    pub packets_after_commit: usize,
    /// From the beginning of the cut to the sending of the last packet that came through: the slowest round.
    pub last_packet_ms: f64,
    /// As many elements as were asked for, in one transaction.
    pub elements: Series,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Switching {
    /// Hosts.
    pub hosts: u16,
    /// Elements of the large transaction.
    pub elements: u32,
    /// Packets that were sent in all.
    pub sent: u64,
    /// The guard.
    pub guard: Way,
    /// `nft -f` with the same elements; absent where the program is not there.
    pub nft: Option<Way>,
    /// Whether the ruleset after the last undo was that before the first cut, byte for byte; absent without the program `nft`.
    pub ruleset_same: Option<bool>,
}

/// Measures. The calling process must have a single thread, and stays in the namespaces that are made.
pub fn measure_switching(hosts: u16, elements: u32) -> Result<Switching, SwitchingError> {
    enter_network()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(io("starting"))?;
    let (ground, guard) = runtime.block_on(Ground::build(hosts))?;
    ground.measure(guard, elements)
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> SwitchingError {
    let what = what.into();
    move |source| SwitchingError::Io { what, source }
}

/// The hosts' traffic and what arrives of it.
struct Ground {
    hosts: u16,
    began: Instant,
    /// Rounds that the flood has made over all hosts.
    rounds: Arc<AtomicU64>,
    /// When the packets were sent that arrived since this was last taken, in nanoseconds since `began`.
    arrived: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
    /// Namespaces live as long as their threads.
    _threads: Vec<mpsc::Sender<()>>,
}

/// A thread in a network namespace of its own.
struct HostThread {
    /// Names the namespace to cables.
    id: u32,
    /// Lets it set its cable up; it ends when this is dropped.
    go: mpsc::Sender<()>,
    /// Its socket.
    socket: mpsc::Receiver<Result<UdpSocket, SwitchingError>>,
}

fn start_host(name: Addressing, bind: SocketAddrV4) -> Result<HostThread, SwitchingError> {
    let (tell, told) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let (give, take) = mpsc::channel();
    thread::spawn(move || {
        let entered = enter_node(&[]).map(|()| gettid().as_raw().unsigned_abs());
        let is_in = entered.is_ok();
        if tell.send(entered).is_err() || !is_in || wait.recv().is_err() {
            return;
        }
        let socket = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(io("starting a host"))?;
            runtime.block_on(async { name.apply(&open()?).await })?;
            UdpSocket::bind(bind).map_err(io("a host's socket"))
        };
        let _ = give.send(socket());
        // Until the end of the measurement.
        let _ = wait.recv();
    });
    let id = told.recv().map_err(|_| SwitchingError::Silent)??;
    Ok(HostThread { id, go, socket: take })
}

impl Ground {
    async fn build(hosts: u16) -> Result<(Self, Nft), SwitchingError> {
        let handle = open()?;
        let mut router = Addressing {
            forwards: true,
            ..Addressing::default()
        };
        let (mut threads, mut sockets) = (Vec::new(), Vec::new());
        for index in 0..=hosts {
            let [high, low] = index.to_be_bytes();
            let address = if index == hosts {
                SINK
            } else {
                Ipv4Addr::new(10, 1 + high, low, 1)
            };
            let near = if index == hosts {
                "out0".to_owned()
            } else {
                format!("h{index}")
            };
            let addressing = Addressing {
                addresses: vec![("eth0".to_owned(), address)],
                routes: vec![
                    (GATEWAY, 32, "eth0".to_owned(), None),
                    (Ipv4Addr::UNSPECIFIED, 0, "eth0".to_owned(), Some(GATEWAY)),
                ],
                forwards: false,
            };
            let port = if index == hosts { SINK_PORT } else { 0 };
            let host = start_host(addressing, SocketAddrV4::new(address, port))?;
            let cable = Cable {
                near: (std::process::id(), near.clone()),
                far: (host.id, "eth0".to_owned()),
            };
            cable.lay(&handle).await?;
            router.addresses.push((near.clone(), GATEWAY));
            router.routes.push((address, 32, near, None));
            let _ = host.go.send(());
            sockets.push(host.socket.recv().map_err(|_| SwitchingError::Silent)??);
            threads.push(host.go);
        }
        router.apply(&handle).await?;
        let mut guard = Nft::open()?;
        guard.prepare(&["out0".to_owned()])?;
        let sink = sockets.pop().ok_or(SwitchingError::Silent)?;
        let ground = Self {
            hosts,
            began: now(),
            rounds: Arc::default(),
            arrived: Arc::default(),
            stop: Arc::default(),
            _threads: threads,
        };
        ground.listen(sink)?;
        ground.flood(sockets);
        Ok((ground, guard))
    }

    fn listen(&self, sink: UdpSocket) -> Result<(), SwitchingError> {
        let (arrived, stop) = (Arc::clone(&self.arrived), Arc::clone(&self.stop));
        sink.set_read_timeout(Some(Duration::from_millis(100)))
            .map_err(io("the sink's socket"))?;
        thread::spawn(move || {
            let mut stamp = [0; STAMP_BYTES];
            while !stop.load(Ordering::Relaxed) {
                if let Ok(STAMP_BYTES) = sink.recv(&mut stamp) {
                    let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
                    arrived.push(u64::from_be_bytes(stamp));
                }
            }
        });
        Ok(())
    }

    /// Every host sends again and again, each packet with its time.
    fn flood(&self, sockets: Vec<UdpSocket>) {
        let (rounds, stop, began) = (Arc::clone(&self.rounds), Arc::clone(&self.stop), self.began);
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                for socket in &sockets {
                    let stamp = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    // Refused by the cut: that is what is measured.
                    let _ = socket.send_to(&stamp.to_be_bytes(), (SINK, SINK_PORT));
                }
                rounds.fetch_add(1, Ordering::Relaxed);
                thread::park_timeout(Duration::from_micros(FLOOD_PAUSE_US));
            }
        });
    }

    fn at_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn take_arrived(&self) -> Vec<u64> {
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the flood has made some more rounds.
    fn wait_rounds(&self, more: u64) -> Result<(), SwitchingError> {
        let until = self.rounds.load(Ordering::Relaxed) + more;
        self.wait(|| self.rounds.load(Ordering::Relaxed) >= until)
    }

    /// Waits until packets come through that were sent from now on.
    fn wait_arrival(&self) -> Result<(), SwitchingError> {
        let from = self.at_ns();
        self.wait(|| self.take_arrived().iter().any(|sent| *sent > from))
    }

    fn wait(&self, mut is_there: impl FnMut() -> bool) -> Result<(), SwitchingError> {
        let began = now();
        while !is_there() {
            if began.elapsed() > Duration::from_millis(PATIENCE_MS) {
                return Err(SwitchingError::Silent);
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    fn measure(&self, mut guard: Nft, elements: u32) -> Result<Switching, SwitchingError> {
        let all: Vec<String> = (0..self.hosts).map(|index| format!("h{index}")).collect();
        self.wait_arrival()?;
        let before = ruleset();
        let (mut many, blocks) = (Stopwatch::default(), blocks(elements));
        for _ in 0..ROUNDS_SLOW {
            many.time(|| guard.block(&blocks.iter().map(|block| (*block, None)).collect::<Vec<_>>()))?;
            guard.unblock(&blocks)?;
        }
        let mut way = self.rounds(ROUNDS, |is_cut| {
            let turned = if is_cut { guard.cut(&all, None) } else { guard.release(&all) };
            turned.map_err(SwitchingError::from)
        })?;
        way.elements = many.series();
        let same = before.as_ref().map(|before| ruleset().as_ref() == Some(before));
        let nft = if before.is_some() {
            Some(self.measure_nft(&all, &blocks)?)
        } else {
            None
        };
        self.stop.store(true, Ordering::Relaxed);
        Ok(Switching {
            hosts: self.hosts,
            elements,
            sent: self.rounds.load(Ordering::Relaxed) * u64::from(self.hosts),
            guard: way,
            nft,
            ruleset_same: same,
        })
    }

    /// The same elements in the same sets, by the program that administrators use.
    fn measure_nft(&self, all: &[String], blocks: &[Block]) -> Result<Way, SwitchingError> {
        let list = all.join(", ");
        let both = |verb: &str| {
            let one = |family: &str| format!("{verb} element {family} leckwehr cut {{ {list} }}\n");
            one("inet") + &one("bridge")
        };
        let (cut, undo) = (both("add"), both("delete"));
        let mut way = self.rounds(ROUNDS_SLOW, |is_cut| nft_f(if is_cut { &cut } else { &undo }))?;
        let addresses: Vec<String> = blocks
            .iter()
            .filter_map(source_of)
            .map(|address| address.to_string())
            .collect();
        let addresses = addresses.join(", ");
        let (mut many, table) = (
            Stopwatch::default(),
            "table inet beside { set s { type ipv4_addr; counter; }; }\n",
        );
        for _ in 0..ROUNDS_SLOW {
            nft_f(table)?;
            many.time(|| nft_f(&format!("add element inet beside s {{ {addresses} }}\n")))?;
            nft_f("delete table inet beside\n")?;
        }
        way.elements = many.series();
        Ok(way)
    }

    /// Cuts and releases everything under the flood.
    fn rounds(&self, count: usize, mut turn: impl FnMut(bool) -> Result<(), SwitchingError>) -> Result<Way, SwitchingError> {
        let (mut cut, mut undo) = (Stopwatch::default(), Stopwatch::default());
        let (mut after, mut last_ms) = (0, 0.0_f64);
        for _ in 0..count {
            self.wait_arrival()?;
            self.take_arrived();
            let begin = self.at_ns();
            cut.time(|| turn(true))?;
            let commit = self.at_ns();
            self.wait_rounds(3)?;
            let arrived = self.take_arrived();
            after += arrived.iter().filter(|sent| **sent > commit).count();
            let last = arrived.iter().max().map_or(0, |sent| sent.saturating_sub(begin));
            last_ms = last_ms.max(last as f64 / 1e6);
            undo.time(|| turn(false))?;
            self.wait_arrival()?;
        }
        Ok(Way {
            cut: cut.series(),
            undo: undo.series(),
            packets_after_commit: after,
            last_packet_ms: last_ms,
            elements: Stopwatch::default().series(),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
fn now() -> Instant {
    Instant::now()
}

/// Wall and CPU times of something that is done several times.
#[derive(Default)]
struct Stopwatch {
    wall_ms: Vec<f64>,
    cpu_ms: Vec<f64>,
}

impl Stopwatch {
    fn time<T, E>(&mut self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let (began, cpu) = (now(), thread_cpu_ms());
        let done = work()?;
        self.wall_ms.push(began.elapsed().as_secs_f64() * 1e3);
        self.cpu_ms.push(thread_cpu_ms() - cpu);
        Ok(done)
    }

    fn series(mut self) -> Series {
        let median = |times: &mut Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times.get(times.len() / 2).copied().unwrap_or_default()
        };
        Series {
            median_ms: median(&mut self.wall_ms),
            slowest_ms: self.wall_ms.last().copied().unwrap_or_default(),
            cpu_median_ms: median(&mut self.cpu_ms),
        }
    }
}

fn thread_cpu_ms() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD);
    usage.map_or(0.0, |u| (u.user_time() + u.system_time()).num_microseconds() as f64 / 1e3)
}

fn blocks(count: u32) -> Vec<Block> {
    let first = Ipv4Addr::new(172, 16, 0, 0).to_bits();
    let source = |index| Net::new(Ipv4Addr::from_bits(first + index).into(), 32);
    let block = |index| Block {
        fate: Fate::Drop,
        traffic: Traffic::Connection {
            v6: false,
            protocol: None,
            source: source(index),
            source_port: None,
            destination: None,
            destination_port: None,
        },
        direction: Direction::Both,
    };
    (0..count).map(block).collect()
}

fn source_of(block: &Block) -> Option<std::net::IpAddr> {
    match block.traffic {
        Traffic::Connection { source, .. } => source.map(|net| net.address()),
        Traffic::Net(net) => Some(net.address()),
    }
}

/// The ruleset as text, without counters; `None` without the program.
fn ruleset() -> Option<Vec<u8>> {
    let output = Command::new("nft").args(["-s", "list", "ruleset"]).output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn nft_f(script: &str) -> Result<(), SwitchingError> {
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).stdin(std::process::Stdio::piped());
    let mut child = nft.spawn().map_err(io("starting nft"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes()).map_err(io("writing to nft"))?;
    }
    let status = child.wait().map_err(io("waiting for nft"))?;
    if status.success() {
        return Ok(());
    }
    Err(io("nft -f")(std::io::Error::other(status.to_string())))
}
