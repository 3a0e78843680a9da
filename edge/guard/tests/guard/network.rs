use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// Time within which an answer comes that must come, however busy the machine is.
const PATIENCE_MS: u64 = 10_000;
/// Time after which an answer that must not come is taken not to.
const SILENCE_MS: u64 = 250;
/// Time within which TCP has sent again what was stopped: its pause doubles with every try.
const RETRANSMISSION_MS: u64 = 30_000;
/// Looks at a state that is waited for; each waits for a connection that does not come.
pub const LOOKS_MAX: usize = 100;
/// Port of every echo server.
const ECHO_PORT: u16 = 7;

/// Returns true inside fresh user, network and mount namespaces; outside, runs the test `name` there and returns false.
///
/// A user namespace can be entered by a single-threaded process only, which a test runner is not.
#[expect(clippy::disallowed_methods, reason = "tells the inner run from the outer one")]
pub fn in_namespace(name: &str) -> bool {
    const MARK: &str = "LECKWEHR_TEST_IN_NAMESPACE";
    if std::env::var(MARK).is_ok() {
        return true;
    }
    let works = |program: &str, args: &[&str]| Command::new(program).args(args).output().is_ok_and(|o| o.status.success());
    if !(works("unshare", &["-Urnm", "true"]) && works("ip", &["-V"]) && works("nft", &["-v"])) {
        let needs = "needs unshare (with user namespaces), ip and nft";
        assert!(std::env::var("LECKWEHR_REQUIRE_TOOLS").is_err(), "{name} {needs}");
        println!("skipped: {name} {needs}");
        return false;
    }
    let exe = std::env::current_exe().unwrap();
    let inner = Command::new("unshare")
        .env(MARK, "1")
        .arg("-Urnm")
        .arg(exe)
        .args(["--exact", name, "--nocapture"])
        .output();
    let output = inner.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let ran = output.status.success() && text.contains("1 passed");
    assert!(ran, "{text}{}", String::from_utf8_lossy(&output.stderr));
    print!("{text}");
    false
}

/// Runs a script in the calling thread's network namespace and returns what it says.
pub fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

type Job = Box<dyn FnOnce() + Send>;

/// A host: a thread in a network namespace of its own.
pub struct Host {
    jobs: mpsc::Sender<Job>,
    /// Names the namespace to `ip link … netns`.
    pub thread: i32,
}

impl Host {
    pub fn start() -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (id, started) = mpsc::channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            id.send(gettid().as_raw()).unwrap();
            queue.into_iter().for_each(|job| job());
        });
        Self {
            jobs,
            thread: started.recv().unwrap(),
        }
    }

    /// Runs `job` on the host and returns its result.
    pub fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        let (give, take) = mpsc::channel();
        self.jobs.send(Box::new(move || give.send(job()).unwrap())).unwrap();
        take.recv().unwrap()
    }

    pub fn sh(&self, script: &'static str) -> String {
        self.run(move || sh(script))
    }

    /// Answers every TCP connection to port 7 with what it sends, IPv4 and IPv6.
    pub fn serve_echo(&self) {
        self.run(serve_echo_here);
    }

    /// Opens a TCP connection to the echo server at `address`.
    pub fn connect(&self, address: &str) -> TcpStream {
        self.try_connect(address, PATIENCE_MS).unwrap()
    }

    fn try_connect(&self, address: &str, within_ms: u64) -> io::Result<TcpStream> {
        let to = SocketAddr::new(address.parse().unwrap(), ECHO_PORT);
        self.run(move || {
            let stream = TcpStream::connect_timeout(&to, Duration::from_millis(within_ms))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }

    pub fn reaches(&self, address: &str) -> bool {
        self.try_connect(address, PATIENCE_MS)
            .is_ok_and(|mut stream| echoes(&mut stream, b"hello"))
    }

    pub fn is_cut_from(&self, address: &str) -> bool {
        self.try_connect(address, SILENCE_MS).is_err()
    }

    /// Sends datagrams to `address` until the returned sender is dropped; gives their number.
    pub fn flood(&self, address: &'static str) -> (mpsc::Sender<()>, thread::JoinHandle<u64>) {
        let (stop, stopped) = mpsc::channel::<()>();
        let flood = self.run(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            thread::spawn(move || {
                let mut sent = 0;
                while stopped.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
                    sent += u64::from(socket.send_to(b"flood", (address, ECHO_PORT)).is_ok());
                }
                sent
            })
        });
        (stop, flood)
    }
}

/// Sends bytes and waits for their echo.
pub fn echoes(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok() && comes(stream, bytes, PATIENCE_MS)
}

/// Sends bytes and waits a moment for their echo, which does not come.
pub fn is_silent(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok() && !comes(stream, bytes, SILENCE_MS)
}

/// Waits for the echo of bytes that were sent while nothing came through.
pub fn late_echo(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    comes(stream, bytes, RETRANSMISSION_MS)
}

fn comes(stream: &mut TcpStream, bytes: &[u8], within_ms: u64) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(within_ms))).unwrap();
    let mut back = vec![0; bytes.len()];
    stream.read_exact(&mut back).is_ok() && back == bytes
}

/// Hosts around a router, which is the calling thread:
///
/// ```text
///   a ──h_a──┐          ┌──out0── x  203.0.113.2, .3
///   10.1.0.2 │  router  │
///   b ──h_b──┘          └──m_a─── a  10.9.0.2: the management cable
///   10.2.0.2
/// ```
pub struct Network {
    pub a: Host,
    pub b: Host,
    pub x: Host,
}

impl Network {
    pub fn build() -> Self {
        let net = Self {
            a: Host::start(),
            b: Host::start(),
            x: Host::start(),
        };
        for (near, host) in [("h_a", &net.a), ("h_b", &net.b), ("out0", &net.x)] {
            sh(&format!(
                "ip link add name {near} type veth peer name eth0 netns {}",
                host.thread
            ));
        }
        sh(&format!(
            "ip link add name m_a type veth peer name mgmt netns {}",
            net.a.thread
        ));
        sh("ip link set lo up; for i in h_a h_b out0 m_a; do ip link set $i up; done
            ip addr add 10.1.0.1/24 dev h_a; ip addr add 10.2.0.1/24 dev h_b; ip addr add 203.0.113.1/24 dev out0
            ip addr add 10.9.0.1/24 dev m_a
            ip addr add fd01::1/64 dev h_a nodad; ip addr add fd02::1/64 dev h_b nodad; ip addr add fd03::1/64 dev out0 nodad
            echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        net.a.sh(
            "ip link set lo up; ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0; ip addr add fd01::2/64 dev eth0 nodad
                  ip link set mgmt up; ip addr add 10.9.0.2/24 dev mgmt
                  ip route add default via 10.1.0.1; ip -6 route add default via fd01::1",
        );
        net.b.sh(
            "ip link set lo up; ip link set eth0 up; ip addr add 10.2.0.2/24 dev eth0; ip addr add fd02::2/64 dev eth0 nodad
                  ip route add default via 10.2.0.1; ip -6 route add default via fd02::1",
        );
        net.x.sh(
            "ip link set lo up; ip link set eth0 up; ip addr add 203.0.113.2/24 dev eth0; ip addr add 203.0.113.3/24 dev eth0
                  ip addr add fd03::2/64 dev eth0 nodad
                  ip route add default via 203.0.113.1; ip -6 route add default via fd03::1",
        );
        for host in [&net.a, &net.b, &net.x] {
            host.serve_echo();
        }
        serve_echo_here();
        // A cable is up some time after both ends are; IPv6 has no address before.
        for (host, to) in [(&net.a, "fd02::2"), (&net.a, "fd03::2"), (&net.b, "fd01::2")] {
            assert!((0..LOOKS_MAX).any(|_| !host.is_cut_from(to)), "{to} is not up");
        }
        net
    }
}

/// A zone: two hosts on one bridge, which is the calling thread's, beside [`Network`]'s names.
///
/// ```text
///   c  10.5.0.2 ── p_c ─┐
///                     br0  10.5.0.1
///   d  10.5.0.3 ── p_d ─┘
/// ```
pub struct Zone {
    pub c: Host,
    pub d: Host,
}

impl Zone {
    pub fn build() -> Self {
        let zone = Self {
            c: Host::start(),
            d: Host::start(),
        };
        sh("ip link add br0 type bridge; ip link set br0 up; ip link set lo up
            ip addr add 10.5.0.1/24 dev br0; ip addr add fd05::1/64 dev br0 nodad");
        for (port, host) in [("p_c", &zone.c), ("p_d", &zone.d)] {
            sh(&format!(
                "ip link add name {port} type veth peer name eth0 netns {}; ip link set {port} master br0; ip link set {port} up",
                host.thread
            ));
        }
        zone.c.sh(
            "ip link set lo up; ip link set eth0 up; ip addr add 10.5.0.2/24 dev eth0; ip addr add fd05::2/64 dev eth0 nodad",
        );
        zone.d.sh(
            "ip link set lo up; ip link set eth0 up; ip addr add 10.5.0.3/24 dev eth0; ip addr add fd05::3/64 dev eth0 nodad",
        );
        for host in [&zone.c, &zone.d] {
            host.serve_echo();
        }
        serve_echo_here();
        for (host, to) in [(&zone.c, "fd05::3"), (&zone.d, "fd05::2"), (&zone.c, "10.5.0.3")] {
            assert!((0..LOOKS_MAX).any(|_| !host.is_cut_from(to)), "{to} is not up");
        }
        zone
    }
}

/// Answers like [`Host::serve_echo`] in the calling thread's namespace.
fn serve_echo_here() {
    let listener = TcpListener::bind(("::", ECHO_PORT)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
}
