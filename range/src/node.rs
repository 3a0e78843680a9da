//! One node of the drill: a process in its own network namespace, or a task on the simulated network.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use leckwehr_control::{Config, Input, Wires};
use leckwehr_crypt::{VerifyingKey, server_tls};
use leckwehr_guard::{Book, Executor, Fence, Firewall, FirewallState, GuardExecutor, Journal, Nft, Warrant, serve_connection};
use leckwehr_incident::Timestamp;
use leckwehr_publish::verify_site;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Mutex, mpsc, watch};

use crate::agent::HostAgent;
use crate::attacker::{AttackRole, Attacker};
use crate::benign::{
    PracticeWork, Rounds, UserWork, get, work_as_administrator, work_as_insurer, work_as_practice, work_as_user,
};
use crate::clock::now;
use crate::fabric::MemoryFirewall;
use crate::host::{Host, HostRole};
use crate::part::{OrderRole, Role, Say, SiteCopy, Tell, Voice, in_words};
use crate::portal::start_foreign;
use crate::sensor::Sensor;
use crate::shell::{Accounts, Answer, Login};
use crate::usage::try_services;
use crate::wire::{EXCHANGE_MS_MAX, Net, Stream, receive, send, within};
use crate::world::{CONTROL, GuardPlace, ORDER_PORT, TELEMETRY_PORT};

/// Telemetry and answers waiting for the control room.
const INPUTS_MAX: usize = 65_536;
/// How often a guard ships its egress counters, in milliseconds.
const METER_MS: u64 = 200;
/// Port of the drop.
pub const DROP_PORT: u16 = 443;

/// Runs a node until it is told to stop or the director is gone.
pub async fn run(role: Role, net: Net, tells: mpsc::UnboundedReceiver<Tell>, voice: Voice) {
    let outcome = match role {
        Role::Guard { name, place, orders } => run_guard(&name, place, orders, net, tells, &voice).await,
        Role::Host {
            host,
            orders,
            user,
            daily,
        } => run_host(*host, orders, (user, daily), net, tells, &voice).await,
        Role::Vendor { host } => match Host::start(host, net).await {
            Ok(_host) => idle(tells, &voice).await,
            Err(error) => Err(error),
        },
        Role::Drop { address } => run_drop(address, net, tells, &voice).await,
        Role::Mirror { address, token } => match start_foreign(&net, address, &token) {
            Ok(()) => idle(tells, &voice).await,
            Err(error) => Err(error),
        },
        Role::Practice { work } => run_practice(work, net, tells, &voice).await,
        Role::Insurer { epa } => run_insurer(epa, net, tells, &voice).await,
        Role::Reader { mirrors, key } => run_reader(mirrors, key, net, tells, &voice).await,
        Role::Attacker { attack } => run_attacker(attack, net, tells, &voice).await,
        Role::Control { config, .. } => run_control(*config, net, tells, &voice).await,
    };
    if let Err(error) = outcome {
        voice.say(Say::Failed {
            error: error.to_string(),
        });
    }
}

async fn idle(mut tells: mpsc::UnboundedReceiver<Tell>, voice: &Voice) -> io::Result<()> {
    voice.say(Say::Up);
    while tells.recv().await.is_some() {}
    Ok(())
}

/// Takes orders on the management side.
fn take_orders<E: Executor + 'static>(net: &Net, orders: OrderRole, executor: E) -> io::Result<()> {
    let tls = server_tls(&orders.identity).map_err(io::Error::other)?;
    let approvers = orders
        .approvers
        .into_iter()
        .map(|(name, key)| (name, VerifyingKey::from_bytes(key)))
        .collect();
    let warrant = Warrant {
        executor: orders.executor,
        directory: orders.directory,
        approvers,
        controller: VerifyingKey::from_bytes(orders.controller),
        journal: Journal::open(&orders.fence.with_extension("journal"))?,
        fence: Fence::open(orders.fence)?,
        clock: Arc::new(now),
    };
    let executor = Arc::new(Mutex::new((warrant, executor)));
    let mut listener = net.listen(SocketAddrV4::new(orders.management, ORDER_PORT))?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(stream, Arc::clone(&tls), Arc::clone(&executor)));
        }
    });
    Ok(())
}

/// A firewall of either network.
enum AnyFirewall {
    Kernel(Nft),
    Memory(MemoryFirewall),
}

impl AnyFirewall {
    fn open(net: &Net, guard: &str) -> io::Result<Self> {
        match net {
            Net::Kernel => Nft::open().map(Self::Kernel).map_err(io::Error::other),
            Net::Memory { fabric, .. } => Ok(Self::Memory(MemoryFirewall {
                fabric: Arc::clone(fabric),
                guard: guard.to_owned(),
            })),
        }
    }
}

impl Firewall for AnyFirewall {
    fn prepare(&mut self, outside: &[String]) -> Result<(), leckwehr_guard::FirewallError> {
        match self {
            Self::Kernel(f) => f.prepare(outside),
            Self::Memory(f) => f.prepare(outside),
        }
    }

    fn cut(&mut self, interfaces: &[String], lease_ms: Option<u64>) -> Result<(), leckwehr_guard::FirewallError> {
        match self {
            Self::Kernel(f) => f.cut(interfaces, lease_ms),
            Self::Memory(f) => f.cut(interfaces, lease_ms),
        }
    }

    fn release(&mut self, interfaces: &[String]) -> Result<(), leckwehr_guard::FirewallError> {
        match self {
            Self::Kernel(f) => f.release(interfaces),
            Self::Memory(f) => f.release(interfaces),
        }
    }

    fn state(&mut self) -> Result<FirewallState, leckwehr_guard::FirewallError> {
        match self {
            Self::Kernel(f) => f.state(),
            Self::Memory(f) => f.state(),
        }
    }
}

async fn run_guard(
    name: &str,
    place: GuardPlace,
    orders: OrderRole,
    net: Net,
    mut tells: mpsc::UnboundedReceiver<Tell>,
    voice: &Voice,
) -> io::Result<()> {
    let mut firewall = AnyFirewall::open(&net, name)?;
    firewall
        .prepare(&place.outside)
        .map_err(|error| io::Error::other(in_words(&error)))?;
    let mut meter = AnyFirewall::open(&net, name)?;
    let book = Book::open(&orders.fence.with_extension("book"))?;
    let guard = GuardExecutor::new(firewall, place.compartments).with_book(book, Arc::new(now));
    take_orders(&net, orders, guard)?;
    let sensor = Sensor::start(name, net, Some(SocketAddrV4::new(CONTROL, TELEMETRY_PORT)), false);
    voice.say(Say::Up);
    let mut tick = tokio::time::interval(Duration::from_millis(METER_MS));
    let mut shipped: BTreeMap<Ipv4Addr, u64> = BTreeMap::new();
    loop {
        tokio::select! {
            _ = tick.tick() => {
                let state = meter.state().map_err(io::Error::other)?;
                for (address, counter) in state.egress {
                    if shipped.insert(address, counter.bytes) != Some(counter.bytes) {
                        sensor.egress(name, address, counter.bytes);
                    }
                }
            }
            tell = tells.recv() => match tell {
                Some(Tell::Report) => voice.say(Say::Guard { state: meter.state().map_err(io::Error::other)? }),
                Some(_) => {}
                None => return Ok(()),
            }
        }
    }
}

async fn run_host(
    host: HostRole,
    orders: OrderRole,
    (user, daily): (Option<UserWork>, Vec<Login>),
    net: Net,
    mut tells: mpsc::UnboundedReceiver<Tell>,
    voice: &Voice,
) -> io::Result<()> {
    let host = Host::start(host, net.clone()).await?;
    take_orders(&net, orders, HostAgent { host: Arc::clone(&host) })?;
    voice.say(Say::Up);
    let (secrets, watched) = watch::channel(Accounts::new());
    let (stop, stopping) = watch::channel(false);
    let (asked, asking) = watch::channel(0_u64);
    let rounds = || Rounds::new(asking.clone(), voice.clone());
    while let Some(tell) = tells.recv().await {
        match tell {
            Tell::Begin => {
                if let Some(work) = user.clone() {
                    tokio::spawn(work_as_user(work, net.clone(), voice.clone(), stopping.clone(), rounds()));
                }
                if !daily.is_empty() {
                    tokio::spawn(work_as_administrator(daily.clone(), net.clone(), watched.clone(), rounds()));
                }
            }
            Tell::Round => asked.send_modify(|n| *n += 1),
            Tell::Secret { account, secret } => secrets.send_modify(|s| {
                s.insert(account, secret);
            }),
            Tell::Report => {
                let records = *host.core_records.lock().unwrap_or_else(PoisonError::into_inner);
                voice.say(Say::Core { records });
            }
            Tell::Try { trials } => {
                let secrets = watched.borrow().clone();
                tokio::spawn(try_services(trials, net.clone(), voice.clone(), secrets));
            }
            Tell::Stop => drop(stop.send_replace(true)),
            Tell::Control { .. } => {}
        }
    }
    Ok(())
}

async fn run_drop(address: Ipv4Addr, net: Net, mut tells: mpsc::UnboundedReceiver<Tell>, voice: &Voice) -> io::Result<()> {
    let mut listener = net.listen(SocketAddrV4::new(address, DROP_PORT))?;
    let bytes = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&bytes);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counting = Arc::clone(&counting);
            tokio::spawn(async move {
                let (_, content) = within(EXCHANGE_MS_MAX, receive::<String, Stream>(&mut stream)).await?;
                counting.fetch_add(content.len() as u64, Ordering::Relaxed);
                send(
                    &mut stream,
                    &Answer {
                        ok: true,
                        ..Answer::default()
                    },
                    &[],
                )
                .await
            });
        }
    });
    voice.say(Say::Up);
    while let Some(tell) = tells.recv().await {
        if matches!(tell, Tell::Report) {
            voice.say(Say::Dropped {
                bytes: bytes.load(Ordering::Relaxed),
            });
        }
    }
    Ok(())
}

async fn run_practice(work: PracticeWork, net: Net, mut tells: mpsc::UnboundedReceiver<Tell>, voice: &Voice) -> io::Result<()> {
    voice.say(Say::Up);
    let (stop, stopping) = watch::channel(false);
    let (asked, asking) = watch::channel(0_u64);
    let mut work = Some(work);
    while let Some(tell) = tells.recv().await {
        match tell {
            Tell::Begin => {
                if let Some(work) = work.take() {
                    let (net, voice, stopping) = (net.clone(), voice.clone(), stopping.clone());
                    let rounds = Rounds::new(asking.clone(), voice.clone());
                    tokio::spawn(async move {
                        let report = work_as_practice(work, net, stopping, rounds).await;
                        voice.say(Say::Practice { report });
                    });
                }
            }
            Tell::Try { trials } => drop(tokio::spawn(try_services(
                trials,
                net.clone(),
                voice.clone(),
                Accounts::new(),
            ))),
            Tell::Round => asked.send_modify(|n| *n += 1),
            Tell::Stop => {
                stop.send_replace(true);
            }
            _ => {}
        }
    }
    Ok(())
}

async fn run_insurer(epa: SocketAddrV4, net: Net, mut tells: mpsc::UnboundedReceiver<Tell>, voice: &Voice) -> io::Result<()> {
    voice.say(Say::Up);
    let (asked, asking) = watch::channel(0_u64);
    while let Some(tell) = tells.recv().await {
        match tell {
            Tell::Begin => {
                let rounds = Rounds::new(asking.clone(), voice.clone());
                tokio::spawn(work_as_insurer(epa, net.clone(), rounds));
            }
            Tell::Round => asked.send_modify(|n| *n += 1),
            Tell::Try { trials } => drop(tokio::spawn(try_services(
                trials,
                net.clone(),
                voice.clone(),
                Accounts::new(),
            ))),
            _ => {}
        }
    }
    Ok(())
}

async fn run_reader(
    mirrors: Vec<SocketAddrV4>,
    key: [u8; 32],
    net: Net,
    mut tells: mpsc::UnboundedReceiver<Tell>,
    voice: &Voice,
) -> io::Result<()> {
    voice.say(Say::Up);
    let mut seen = 0;
    while let Some(tell) = tells.recv().await {
        if matches!(tell, Tell::Report) {
            let mut copies: Vec<Option<SiteCopy>> = Vec::new();
            for mirror in &mirrors {
                copies.push(read_copy(&net, *mirror, VerifyingKey::from_bytes(key), seen).await.ok());
            }
            seen = copies.iter().flatten().map(|copy| copy.seq).fold(seen, u64::max);
            voice.say(Say::Read { copies });
        }
    }
    Ok(())
}

/// Reads a copy of the site as a stranger does: manifest first, then every file it names, then all of it verified, and nothing
/// older than what was seen before.
pub async fn read_copy(net: &Net, mirror: SocketAddrV4, key: VerifyingKey, seen: u64) -> io::Result<SiteCopy> {
    let manifest = get(net, mirror, "/manifest.json").await?;
    let listed: serde_json::Value = serde_json::from_slice(&manifest)?;
    let mut names: Vec<String> = vec!["manifest.json.sig".into()];
    names.extend(
        listed["files"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|f| f["path"].as_str().map(str::to_owned)),
    );
    let mut files = BTreeMap::from([("manifest.json".to_owned(), manifest.to_vec())]);
    for name in names {
        let content = get(net, mirror, &format!("/{name}")).await?;
        files.insert(name, content.to_vec());
    }
    let verified = verify_site(&files, &key, seen, now()).map_err(io::Error::other)?;
    Ok(SiteCopy {
        seq: verified.seq,
        manifest: verified.manifest_hash,
    })
}

async fn run_attacker(attack: AttackRole, net: Net, mut tells: mpsc::UnboundedReceiver<Tell>, voice: &Voice) -> io::Result<()> {
    voice.say(Say::Up);
    let attacker = Attacker::new(attack, net);
    let (stop, diary) = (attacker.stop_flag(), attacker.diary());
    let mut attacker = Some(attacker);
    let mut at_work = None;
    while let Some(tell) = tells.recv().await {
        match tell {
            Tell::Begin => at_work = attacker.take().map(|a| tokio::spawn(a.run())),
            Tell::Stop => {
                stop.store(true, Ordering::Relaxed);
                if let Some(work) = at_work.take() {
                    work.await.map_err(io::Error::other)?;
                }
                voice.say(Say::Diary {
                    entries: diary.lock().await.clone(),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The control room's world: its own network and the machine's clock.
#[derive(Clone)]
struct ControlWires(Net);

impl Wires for ControlWires {
    type Stream = Stream;

    async fn connect(&self, to: SocketAddrV4) -> io::Result<Stream> {
        self.0.connect(to).await
    }

    fn now(&self) -> Timestamp {
        now()
    }
}

async fn run_control(config: Config, net: Net, mut tells: mpsc::UnboundedReceiver<Tell>, voice: &Voice) -> io::Result<()> {
    let (inputs, input) = mpsc::channel(INPUTS_MAX);
    let (outputs, mut output) = mpsc::unbounded_channel();
    let mut listener = net.listen(SocketAddrV4::new(CONTROL, TELEMETRY_PORT))?;
    let telemetry = inputs.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let telemetry = telemetry.clone();
            tokio::spawn(async move {
                let mut lines = BufReader::new(stream).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    if telemetry.send(Input::Telemetry { line }).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    voice.say(Say::Up);
    let says = voice.clone();
    tokio::spawn(async move {
        while let Some(output) = output.recv().await {
            says.say(Say::Control { output });
        }
    });
    tokio::spawn(async move {
        while let Some(tell) = tells.recv().await {
            if let Tell::Control { input } = tell
                && inputs.send(input).await.is_err()
            {
                return;
            }
        }
    });
    leckwehr_control::run(config, ControlWires(net), input, outputs)
        .await
        .map_err(|error| io::Error::other(in_words(&error)))
}
