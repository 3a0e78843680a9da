//! Real kernels to test with: user, network and mount namespaces of their own, and hosts in them.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// Port of every echo.
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
    let inner = Command::new("unshare")
        .env(MARK, "1")
        .arg("-Urnm")
        .arg(std::env::current_exe().unwrap())
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

    pub fn sh(&self, script: &str) -> String {
        let script = script.to_owned();
        self.run(move || sh(&script))
    }

    /// Sends every datagram to port 7 back.
    pub fn serve_echo(&self) {
        self.run(|| {
            let socket = UdpSocket::bind(("0.0.0.0", ECHO_PORT)).unwrap();
            thread::spawn(move || {
                let mut bytes = [0; 16];
                while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                    let _ = socket.send_to(&bytes[..length], from);
                }
            });
        });
    }

    /// Returns whether the echo at `address` answers within some milliseconds.
    pub fn reaches(&self, address: &str, within_ms: u64) -> bool {
        let to = format!("{address}:{ECHO_PORT}");
        self.run(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(within_ms))).unwrap();
            let sent = socket.send_to(b"probe", &to).is_ok();
            sent && socket.recv_from(&mut [0; 16]).is_ok()
        })
    }
}
