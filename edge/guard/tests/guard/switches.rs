use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use leckwehr_crypt::{Authority, client_tls, hex, listener_tls, peer_tls, server_tls};
use leckwehr_guard::openc2::{Profiles, parse_command};
use leckwehr_guard::switch::{
    CommandSwitch, FreezeSwitch, HttpsPeer, ManualSwitch, NetworkPolicySwitch, OpenC2Switch, Position, ProcessSwitch, Switch,
    SwitchError, UnitSwitch, confirmation_bytes,
};
use leckwehr_guard::{Action, Order};
use leckwehr_incident::Timestamp;
use serde_json::{Value, json};

use crate::warrant::{NOW, key};

fn deny() -> Order {
    Order::new(Action::Deny, "x-leckwehr:compartment", "app")
}

fn allow() -> Order {
    Order::new(Action::Allow, "x-leckwehr:compartment", "app")
}

/// The file system of cgroups, version 2, if this user may make one there.
fn cgroup_root(test: &str) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let root = mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words.get(2) == Some(&"cgroup2")).then(|| PathBuf::from(words[1]))
    });
    let probe = root
        .as_ref()
        .map(|root| root.join(format!("leckwehr-probe-{}-{test}", std::process::id())));
    let may = probe.is_some_and(|probe| std::fs::create_dir(&probe).and_then(|()| std::fs::remove_dir(&probe)).is_ok());
    if !may {
        println!("skipped: {test} needs a writable cgroup2");
    }
    root.filter(|_| may)
}

/// A process that says every line that it is told.
struct Echo {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Echo {
    fn start() -> Self {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = std::sync::mpsc::channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            BufReader::new(out)
                .lines()
                .map_while(Result::ok)
                .all(|line| tell.send(line).is_ok())
        });
        Self { child, lines }
    }

    fn tell(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
    }

    fn answers(&self, within_ms: u64) -> bool {
        self.lines.recv_timeout(Duration::from_millis(within_ms)).is_ok()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Red when `cgroup.freeze` is not written, or the switch does not wait for `frozen 1`.
#[tokio::test]
async fn a_frozen_cgroup_does_nothing_and_goes_on_when_thawed() {
    let Some(root) = cgroup_root("freeze") else { return };
    let group = root.join(format!("leckwehr-test-{}", std::process::id()));
    std::fs::create_dir(&group).unwrap();
    let mut echo = Echo::start();
    std::fs::write(group.join("cgroup.procs"), echo.child.id().to_string()).unwrap();
    let mut switch = FreezeSwitch::new(group.clone());
    assert_eq!(switch.read().await.unwrap(), Position::Open);
    for _ in 0..2 {
        assert_eq!(switch.cut(&deny()).await.unwrap(), Position::Cut);
    }
    echo.tell();
    assert!(!echo.answers(250), "a frozen process answered");
    assert_eq!(switch.restore(&allow()).await.unwrap(), Position::Open);
    assert!(echo.answers(10_000), "the process does not go on");
    drop(echo);
    std::fs::remove_dir(&group).unwrap();
    assert!(switch.cut(&deny()).await.is_err(), "no such cgroup");
}

/// Red when the process is not put back where it was.
#[tokio::test]
async fn a_frozen_process_is_put_back_where_it_was() {
    let Some(root) = cgroup_root("process") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut echo = Echo::start();
    let pid = echo.child.id();
    let place = || std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let before = place();
    let pid_file = folder.path().join("pid");
    std::fs::write(&pid_file, format!("{pid}\n")).unwrap();
    let mut switch = ProcessSwitch::new(pid_file, root, folder.path().to_owned());
    for _ in 0..2 {
        assert_eq!(switch.cut(&deny()).await.unwrap(), Position::Cut);
    }
    assert_eq!(switch.read().await.unwrap(), Position::Cut);
    echo.tell();
    assert!(!echo.answers(250), "a frozen process answered");
    for _ in 0..2 {
        assert_eq!(switch.restore(&allow()).await.unwrap(), Position::Open);
    }
    assert!(echo.answers(10_000));
    assert_eq!(place(), before);
}

/// Programs that are on every machine: a file is the switch.
#[tokio::test]
async fn a_switch_of_programs_believes_only_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cut").display().to_string();
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let read = words(&["test", "-e", &file]);
    let mut switch = CommandSwitch::new(read.clone(), words(&["touch", &file]), words(&["rm", &file]));
    for _ in 0..2 {
        assert_eq!(switch.cut(&deny()).await.unwrap(), Position::Cut);
        assert_eq!(switch.read().await.unwrap(), Position::Cut);
    }
    for _ in 0..2 {
        assert_eq!(switch.restore(&allow()).await.unwrap(), Position::Open);
    }
    // A program that says it is done and did nothing; one that fails; one that is not there.
    for (program, word) in [(words(&["true"]), "does not show"), (words(&["false"]), "exit code 1")] {
        let mut liar = CommandSwitch::new(read.clone(), program, vec![]);
        let error = liar.cut(&deny()).await.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let mut none = CommandSwitch::new(words(&["/nowhere/program"]), vec![], vec![]);
    assert!(matches!(none.cut(&deny()).await, Err(SwitchError::Io { .. })));
}

/// Needs a running systemd, which is not started for a test.
#[tokio::test]
async fn a_unit_is_stopped_and_started_by_systemctl() {
    if !Path::new("/run/systemd/system").is_dir() {
        println!("skipped: systemd does not run here");
        return;
    }
    let unit = format!("leckwehr-test-{}.service", std::process::id());
    let file = Path::new("/run/systemd/system").join(&unit);
    if std::fs::write(&file, "[Service]\nExecStart=/usr/bin/sleep 600\n").is_err() {
        println!("skipped: this user may make no units");
        return;
    }
    let systemctl = |words: &[&str]| Command::new("systemctl").args(words).status().unwrap().success();
    assert!(systemctl(&["daemon-reload"]) && systemctl(&["start", &unit]));
    let mut switch = UnitSwitch::new("systemctl".into(), unit.clone());
    assert_eq!(switch.read().await.unwrap(), Position::Open);
    assert_eq!(switch.cut(&deny()).await.unwrap(), Position::Cut);
    assert_eq!(switch.restore(&allow()).await.unwrap(), Position::Open);
    assert_eq!(switch.cut(&deny()).await.unwrap(), Position::Cut);
    std::fs::remove_file(&file).unwrap();
    assert!(systemctl(&["daemon-reload"]));
}

/// Without systemd the switch says so, and nothing else is taken for "stopped".
#[tokio::test]
async fn a_unit_manager_that_is_not_there_is_no_stopped_unit() {
    let mut none = UnitSwitch::new("/nowhere/systemctl".into(), "app.service".into());
    assert!(none.cut(&deny()).await.is_err());
    let mut other = UnitSwitch::new("false".into(), "app.service".into());
    assert!(other.read().await.is_err(), "exit code 1 is not 3");
}

/// Red when the signature, its time or its position is not checked.
#[tokio::test]
async fn a_person_is_asked_and_signs_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let person = key("technician");
    let open = || {
        let file = folder.path().join("switch");
        ManualSwitch::new(
            file,
            "vpn".into(),
            "call NN: pull 7".into(),
            "call NN: plug 7".into(),
            person.verifying_key(),
        )
    };
    let confirmed = |order: Order, signer: &str, position: &Position, at: Timestamp| {
        let signature = hex(&key(signer).sign(&confirmation_bytes("vpn", position, at)));
        order
            .with("x-leckwehr:confirmation", signature)
            .with("x-leckwehr:confirmed_at", at.0)
    };
    let ask = Position::Waiting {
        ask: "call NN: pull 7".into(),
    };
    assert_eq!(open().cut(&deny()).await.unwrap(), ask);
    assert_eq!(open().read().await.unwrap(), Position::Open, "asked is not done");
    assert!(open().cut(&confirmed(deny(), "somebody", &Position::Cut, NOW)).await.is_err());
    assert!(
        open()
            .cut(&confirmed(deny(), "technician", &Position::Open, NOW))
            .await
            .is_err()
    );
    let good = confirmed(deny(), "technician", &Position::Cut, NOW);
    assert_eq!(open().cut(&good).await.unwrap(), Position::Cut);
    let back = confirmed(allow(), "technician", &Position::Open, NOW.plus_ms(1));
    assert_eq!(open().restore(&back).await.unwrap(), Position::Open);
    assert!(open().cut(&good).await.is_err(), "the old confirmation is worth nothing");
}

/// What was asked: method, path, authorisation, body.
type Asked = Arc<Mutex<Vec<(String, String, String, Value)>>>;

/// A server on the loopback that answers by a function, and remembers.
async fn serve(
    tls: Arc<rustls::ServerConfig>,
    answer: impl Fn(&str, &str, &Value) -> (u16, Value) + Send + Sync + 'static,
) -> (SocketAddr, Asked) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked, answer) = (listener.local_addr().unwrap(), Asked::default(), Arc::new(answer));
    let remembered = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = tokio_rustls::TlsAcceptor::from(Arc::clone(&tls)).accept(stream).await else {
                continue;
            };
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
            let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
                async move {
                    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
                    let by = request.headers().get("authorization").map(|h| h.to_str().unwrap().to_owned());
                    let bytes = http_body_util::BodyExt::collect(request.into_body())
                        .await
                        .unwrap()
                        .to_bytes();
                    let body = serde_json::from_slice(&bytes).unwrap_or_default();
                    let (status, value) = answer(&method, &path, &body);
                    asked.lock().unwrap().push((method, path, by.unwrap_or_default(), body));
                    let body = http_body_util::Full::new(hyper::body::Bytes::from(value.to_string()));
                    hyper::Response::builder().status(status).body(body)
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, remembered)
}

/// The other side reads with the profile's own parser and keeps rules by number.
#[tokio::test]
async fn somebody_elses_packet_filter_is_ordered_by_openc2() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate("ours").unwrap();
    let rules = Arc::new(Mutex::new(BTreeMap::<u64, Value>::new()));
    let kept = Arc::clone(&rules);
    let tls = server_tls(&authority.issue("fw-9").unwrap()).unwrap();
    let (address, asked) = serve(tls, move |_, path, message| {
        assert_eq!(path, "/.well-known/openc2");
        let request = message["body"]["openc2"]["request"].to_string();
        let command = parse_command(request.as_bytes(), &Profiles::slpf()).unwrap();
        let mut rules = kept.lock().unwrap();
        let response = match command.action {
            Action::Deny => {
                rules.insert(17, command.target.1);
                json!({"status": 200, "results": {"slpf": {"rule_number": 17}}})
            }
            Action::Delete if rules.remove(&command.target.1.as_u64().unwrap()).is_some() => json!({"status": 200}),
            _ => json!({"status": 501}),
        };
        (200, json!({"body": {"openc2": {"response": response}}}))
    })
    .await;
    let open = || {
        let tls = client_tls(&authority.issue("guard-a").unwrap()).unwrap();
        let peer = HttpsPeer::new(address, "fw-9".into(), tls);
        OpenC2Switch::new(peer, folder.path().join("fw"), "ipv4_net", json!("198.51.100.0/24"))
    };
    for _ in 0..2 {
        assert_eq!(open().cut(&deny()).await.unwrap(), Position::Cut);
    }
    assert_eq!(rules.lock().unwrap()[&17], json!("198.51.100.0/24"));
    assert_eq!(open().read().await.unwrap(), Position::Cut, "known after a restart");
    assert_eq!(open().restore(&allow()).await.unwrap(), Position::Open);
    assert!(rules.lock().unwrap().is_empty());
    assert_eq!(asked.lock().unwrap().len(), 2, "a second cut needs no second order");
    // It refuses: the switch is where it was.
    let tls = client_tls(&authority.issue("guard-a").unwrap()).unwrap();
    let peer = HttpsPeer::new(address, "somebody-else".into(), tls);
    let mut wrong = OpenC2Switch::new(peer, folder.path().join("fw2"), "ipv4_net", json!("198.51.100.0/24"));
    assert!(wrong.cut(&deny()).await.is_err());
    assert_eq!(wrong.read().await.unwrap(), Position::Open);
}

/// The paths, verbs and body of networking.k8s.io/v1. No API server judges them here.
#[tokio::test]
async fn pods_are_isolated_by_a_network_policy_that_allows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [root, certificate, server_key] = Authority::generate("k8s").unwrap().issue("kubernetes").unwrap().to_pem();
    let tls = listener_tls(certificate.as_bytes(), server_key.as_bytes(), None).unwrap();
    let policy = Arc::new(Mutex::new(None::<Value>));
    let (address, asked) = serve(tls, move |method, path, body| {
        let base = "/apis/networking.k8s.io/v1/namespaces/eau/networkpolicies";
        let mut policy = policy.lock().unwrap();
        match (method, path.strip_prefix(base).unwrap()) {
            ("POST", "") if policy.is_some() => (409, json!({"kind": "Status"})),
            ("POST", "") => {
                *policy = Some(body.clone());
                (201, body.clone())
            }
            ("GET", "/leckwehr-app") => policy.clone().map_or((404, json!({})), |policy| (200, policy)),
            ("DELETE", "/leckwehr-app") => policy.take().map_or((404, json!({})), |_| (200, json!({}))),
            _ => (403, json!({"message": "forbidden"})),
        }
    })
    .await;
    let token = folder.path().join("token");
    std::fs::write(&token, "secret\n").unwrap();
    let switch = |name: &str| {
        let api = HttpsPeer::new(address, "kubernetes".into(), peer_tls(root.as_bytes()).unwrap());
        let labels = BTreeMap::from([("app".to_owned(), "eau".to_owned())]);
        NetworkPolicySwitch::new(api, token.clone(), "eau".into(), name.into(), labels)
    };
    let mut app = switch("leckwehr-app");
    assert_eq!(app.read().await.unwrap(), Position::Open);
    for _ in 0..2 {
        assert_eq!(app.cut(&deny()).await.unwrap(), Position::Cut);
    }
    for _ in 0..2 {
        assert_eq!(app.restore(&allow()).await.unwrap(), Position::Open);
    }
    let asked = asked.lock().unwrap().clone();
    let posted = asked.iter().find(|(method, ..)| method == "POST").unwrap();
    assert_eq!(posted.2, "Bearer secret");
    assert_eq!(
        posted.3["spec"],
        json!({"podSelector": {"matchLabels": {"app": "eau"}}, "policyTypes": ["Ingress", "Egress"]})
    );

    let error = switch("leckwehr-other").cut(&deny()).await.unwrap_err().to_string();
    assert!(error.contains("403"), "{error}");
}
