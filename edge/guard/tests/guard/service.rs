//! The whole guard: its configuration, sockets, journal and the kernel, from the first order to the last.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use leckwehr_crypt::{Authority, Identity, client_tls, hex};
use leckwehr_guard::{
    Action, Approval, Clock, Envelope, Event, Guard, GuardConfig, GuardNews, Journal, Order, Reply, Status, ask_running,
    send_order,
};
use leckwehr_incident::{PlanKind, PlanRecord, PlanStep, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::network::{in_namespace, sh};
use crate::warrant::{NOW, key};

/// A folder with a guard's configuration, and the control room's certificate.
struct House {
    folder: tempfile::TempDir,
    room: Identity,
    stranger: Identity,
}

impl House {
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::generate("house").unwrap();
        let [root, certificate, private] = authority.issue("guard-a").unwrap().to_pem();
        for (name, text) in [("root.pem", root), ("guard.pem", certificate), ("guard.key", private)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let public = |name: &str| hex(key(name).verifying_key().as_bytes());
        let text = format!(
            "name = \"guard-a\"\nfolder = \"state\"\nlisten = \"127.0.0.1:0\"\ncertificate = \"guard.pem\"\nkey = \"guard.key\"\n\
             root = \"root.pem\"\ncontrol-room = \"{}\"\noutside = [\"out0\"]\n[management]\ninterfaces = [\"lo\"]\n\
             [approvers]\nanna = \"{}\"\nbert = \"{}\"\n[compartments.fs-1]\ninterfaces = [\"h_a\"]\n{more}",
            public("control-room"),
            public("anna"),
            public("bert"),
        );
        std::fs::write(folder.path().join("guard.toml"), text).unwrap();
        Self {
            folder,
            room: authority.issue("control-room").unwrap(),
            stranger: authority.issue("guard-b").unwrap(),
        }
    }

    fn config(&self) -> GuardConfig {
        GuardConfig::read(&self.folder.path().join("guard.toml")).unwrap()
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    /// Runs the guard while `work` talks to it.
    async fn run<R>(&self, work: impl AsyncFnOnce(std::net::SocketAddr) -> R) -> (R, usize) {
        let config = self.config();
        let guard = Guard::open(&config, clock()).unwrap();
        let (tell, told) = tokio::sync::oneshot::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut tell = Some(tell);
        let news = |news: GuardNews| {
            if let (GuardNews::Ready { address, recovered, .. }, Some(tell)) = (news, tell.take()) {
                tell.send((address, recovered)).unwrap();
            }
        };
        let stop_now = async { drop(stopped.await) };
        let serve = guard.serve(&config, stop_now, news);
        let talk = async {
            let (address, recovered) = told.await.unwrap();
            let done = work(address).await;
            stop.send(()).unwrap();
            (done, recovered)
        };
        let (served, done) = tokio::join!(serve, talk);
        served.unwrap();
        done
    }

    async fn send(&self, to: std::net::SocketAddr, envelope: &Envelope) -> Reply {
        let stream = TcpStream::connect(to).await.unwrap();
        send_order(stream, client_tls(&self.room).unwrap(), "guard-a", envelope)
            .await
            .unwrap()
    }
}

fn clock() -> Clock {
    Arc::new(|| NOW)
}

fn plan(steps: &[(&str, &str)]) -> PlanRecord {
    let step = |(index, (action, target)): (usize, &(&str, &str))| PlanStep {
        number: index as u32 + 1,
        executor: "guard-a".into(),
        action: (*action).into(),
        target: (*target).into(),
        reason: String::new(),
        planned_ms: 1,
        clause: String::new(),
    };
    PlanRecord {
        kind: PlanKind::Takedown,
        generation: 1,
        hash: String::new(),
        summary: "cut".into(),
        harm_eur_per_hour: 0,
        steps: steps.iter().enumerate().map(step).collect(),
    }
    .sealed()
}

fn envelope(plan: &PlanRecord, step: u32, order: Order, at_ms: i64) -> Envelope {
    let envelope = Envelope {
        request_id: format!("{step}/{at_ms}"),
        order,
        plan: Some((plan.clone(), vec![step])),
        approvals: ["anna", "bert"]
            .map(|name| Approval::sign(name, &key(name), &plan.hash, Some(Timestamp(i64::MAX))))
            .into(),
        epoch: 0,
        seal: None,
    };
    envelope.sealed(
        "guard-a",
        &key("control-room"),
        NOW.plus_ms(at_ms),
        NOW.plus_ms(at_ms + 60_000),
    )
}

fn compartment(action: Action) -> Order {
    Order::new(action, "x-leckwehr:compartment", "fs-1")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Cuts, blocks, a restart of the guard, a reboot of its machine (the kernel has forgotten everything), the undo.
/// Red when the book is not written, or `recover` is not called.
#[test]
fn a_guard_survives_restart_and_reboot_and_undoes_byte_for_byte() {
    if !in_namespace("service::a_guard_survives_restart_and_reboot_and_undoes_byte_for_byte") {
        return;
    }
    sh("ip link set lo up");
    let house = House::new("");
    let tuple = json!({"protocol": "tcp", "dst_addr": "203.0.113.2", "dst_port": 443});
    let blocked = "ipv4_connection tcp from any to 203.0.113.2/32 port 443 egress";
    let plan = plan(&[
        ("isolate-host", "fs-1"),
        ("block", blocked),
        ("block", "ipv6_net 2001:db8::/32"),
    ]);
    let egress = json!({"direction": "egress"});
    let orders = [
        compartment(Action::Deny),
        Order::new(Action::Deny, "ipv4_connection", tuple).with("slpf", egress),
        Order::new(Action::Deny, "ipv6_net", "2001:db8::/32").with("duration", 3_600_000),
    ];
    runtime().block_on(async {
        let (before, recovered) = house.run(async |_| sh("nft -s list ruleset")).await;
        assert_eq!(recovered, 0);
        let (numbers, _) = house
            .run(async |to| {
                let mut numbers = Vec::new();
                for (step, order) in orders.iter().enumerate() {
                    let reply = house.send(to, &envelope(&plan, step as u32 + 1, order.clone(), 0)).await;
                    assert_eq!(reply.status, Status::OK, "{reply:?}");
                    numbers.push(reply.results["slpf"]["rule_number"].as_u64());
                }
                numbers
            })
            .await;
        assert_eq!(numbers, [None, Some(1_000), Some(1_001)]);
        let ((), recovered) = house.run(async |_| ()).await;
        assert_eq!(recovered, 0, "the kernel keeps everything over a restart of the guard");
        sh("nft delete table inet leckwehr; nft delete table bridge leckwehr");
        let (status, recovered) = house
            .run(async |_| ask_running(&house.state(), "status").await.unwrap().unwrap())
            .await;
        assert_eq!(recovered, 3, "the kernel was told again after a reboot");
        assert_eq!(status["in_force"].as_array().unwrap().len(), 3);
        assert_eq!(status["state"]["blocks"][0]["block"], json!(blocked));
        assert!(status["state"]["cut"]["h_a"].is_object(), "{status}");
        house
            .run(async |to| {
                for (step, order) in orders.iter().enumerate().rev() {
                    let reply = house
                        .send(to, &envelope(&plan, step as u32 + 1, order.undoing().unwrap(), 1))
                        .await;
                    assert_eq!(reply.status, Status::OK, "{reply:?}");
                }
            })
            .await;
        assert_eq!(sh("nft -s list ruleset"), before);
    });
}

/// The disk is a tmpfs of its own. Red when the intent is not written before the effect: then the file is there. (Of cuts and
/// blocks the book refuses too.)
#[test]
fn a_full_disk_refuses_before_the_effect_and_works_again_with_room() {
    if !in_namespace("service::a_full_disk_refuses_before_the_effect_and_works_again_with_room") {
        return;
    }
    sh("ip link set lo up");
    let house = House::new("");
    let touched = house.folder.path().join("touched");
    let program = touched.display();
    let config = house.folder.path().join("guard.toml");
    let more = format!(
        "[compartments.dns]\ncommand = {{ read = [\"test\", \"-e\", \"{program}\"], cut = [\"touch\", \"{program}\"], restore = [\"rm\", \"{program}\"] }}\n"
    );
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + &more).unwrap();
    std::fs::create_dir(house.state()).unwrap();
    sh(&format!("mount -t tmpfs -o size=64k none {}", house.state().display()));
    let plan = plan(&[
        ("isolate-host", "fs-1"),
        ("block", "ipv4_net 10.0.0.0/8"),
        ("cut-connection", "dns"),
    ]);
    runtime().block_on(async {
        house
            .run(async |to| {
                // So that the fence has been written already.
                let block = Order::new(Action::Deny, "ipv4_net", "10.0.0.0/8");
                assert_eq!(house.send(to, &envelope(&plan, 2, block, 0)).await.status, Status::OK);
                let before = sh("nft -s list ruleset");
                let ballast = house.state().join("ballast");
                let _ = std::fs::write(&ballast, vec![7; 1 << 20]);
                // The journal's last page has room for some lines: unsigned orders fill it, and their lines are the shortest.
                for _ in 0..20 {
                    let mut unsigned = envelope(&plan, 1, compartment(Action::Deny), 0);
                    unsigned.seal = None;
                    assert_eq!(house.send(to, &unsigned).await.status, Status::UNAUTHORIZED);
                }
                for (step, order) in [
                    (1, compartment(Action::Deny)),
                    (3, Order::new(Action::Deny, "x-leckwehr:compartment", "dns")),
                ] {
                    let reply = house.send(to, &envelope(&plan, step, order, 0)).await;
                    assert_eq!(reply.status, Status(503), "{reply:?}");
                    assert!(reply.is_certainly_not_applied());
                }
                assert_eq!(sh("nft -s list ruleset"), before, "an effect without its intent on the disk");
                assert!(!touched.exists(), "an effect without its intent on the disk");
                std::fs::remove_file(&ballast).unwrap();
                let reply = house.send(to, &envelope(&plan, 1, compartment(Action::Deny), 1)).await;
                assert_eq!(reply.status, Status::OK, "{reply:?}");
            })
            .await;
    });
    assert_eq!(Journal::open(&house.state().join("journal")).unwrap().in_force().len(), 2);
}

/// Red when the kind of the message, the certificate's name or the command's form is not checked.
#[test]
fn what_is_no_order_is_turned_away_and_written_down() {
    if !in_namespace("service::what_is_no_order_is_turned_away_and_written_down") {
        return;
    }
    sh("ip link set lo up");
    let house = House::new("");
    let plan = plan(&[("isolate-host", "fs-1")]);
    runtime().block_on(async {
        house
            .run(async |to| {
                let before = sh("nft -s list ruleset");
                let good = envelope(&plan, 1, compartment(Action::Deny), 0);
                // Another guard's certificate, of the same root.
                let stream = TcpStream::connect(to).await.unwrap();
                let tls = client_tls(&house.stranger).unwrap();
                assert!(send_order(stream, tls, "guard-a", &good).await.is_err());
                // A target that the guard does not speak of.
                let mut odd = good.clone();
                odd.order = Order::new(Action::Deny, "x-acme:thing", "fs-1");
                let stream = TcpStream::connect(to).await.unwrap();
                let error = send_order(stream, client_tls(&house.room).unwrap(), "guard-a", &odd)
                    .await
                    .unwrap_err();
                assert!(error.is_certainly_not_applied(), "{error}");
                assert_eq!(sh("nft -s list ruleset"), before);
                assert_eq!(house.send(to, &good).await.status, Status::OK);
                let again = house.send(to, &good).await;
                assert_eq!(again.status_text, "done already; nothing was changed");
            })
            .await;
    });
    let journal = Journal::open(&house.state().join("journal")).unwrap();
    let events: Vec<&str> = journal
        .reports(0, 99)
        .iter()
        .map(|report| match report.event {
            Event::Refused { .. } => "refused",
            Event::Intended { .. } => "intended",
            Event::Ended { .. } => "ended",
            Event::Repeated { .. } => "repeated",
            Event::ByHand { .. } => "by hand",
        })
        .collect();
    assert_eq!(events, ["refused", "intended", "ended", "repeated"]);
}

/// For the person at the machine, over the local socket and without a guard that runs.
#[test]
fn everything_is_taken_back_by_hand_and_written_down() {
    if !in_namespace("service::everything_is_taken_back_by_hand_and_written_down") {
        return;
    }
    sh("ip link set lo up");
    let house = House::new("[compartments.dns]\ncommand = { read = [\"false\"], cut = [\"true\"], restore = [\"true\"] }\n");
    let plan = plan(&[
        ("isolate-host", "fs-1"),
        ("block", "ipv4_net 10.0.0.0/8"),
        ("cut-connection", "dns"),
    ]);
    runtime().block_on(async {
        let (before, _) = house.run(async |_| sh("nft -s list ruleset")).await;
        let (undone, _) = house
            .run(async |to| {
                house.send(to, &envelope(&plan, 1, compartment(Action::Deny), 0)).await;
                house
                    .send(to, &envelope(&plan, 2, Order::new(Action::Deny, "ipv4_net", "10.9.9.9/8"), 0))
                    .await;
                let dns = Order::new(Action::Deny, "x-leckwehr:compartment", "dns");
                let reply = house.send(to, &envelope(&plan, 3, dns, 0)).await;
                assert!(reply.status_text.contains("does not show it"), "{reply:?}");
                let undone = ask_running(&house.state(), "undo-all").await.unwrap().unwrap();
                assert_eq!(sh("nft -s list ruleset"), before);
                undone
            })
            .await;
        assert_eq!(undone, json!({"undone": ["cut of h_a", "rule 1000: ipv4_net 10.0.0.0/8"]}));
        house
            .run(async |to| drop(house.send(to, &envelope(&plan, 1, compartment(Action::Deny), 1)).await))
            .await;
        assert_eq!(
            ask_running(&house.state(), "status").await.unwrap(),
            None::<Value>,
            "no guard runs"
        );
        let guard = Guard::open(&house.config(), clock()).unwrap();
        assert!(Guard::open(&house.config(), clock()).is_err(), "two guards on one folder");
        assert_eq!(guard.undo_all().await.unwrap(), ["cut of h_a"]);
        assert_eq!(sh("nft -s list ruleset"), before);
    });
    assert!(Journal::open(&house.state().join("journal")).unwrap().in_force().is_empty());
}

/// Every mistake names its file and a remedy.
#[test]
fn configurations_that_would_bite_are_refused() {
    let house = House::new("");
    let file = house.folder.path().join("guard.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let fault = |from: &str, to: &str| {
        assert!(good.contains(from));
        std::fs::write(&file, good.replace(from, to)).unwrap();
        let fault = GuardConfig::read(&file).err().unwrap();
        assert!(!fault.remedy.is_empty());
        fault.to_string()
    };
    let cases: BTreeMap<&str, (&str, &str)> = BTreeMap::from([
        ("two approvers", ("bert = ", "anna2 = \"00\"\n#")),
        ("lo, which is the management path", ("[\"h_a\"]", "[\"h_a\", \"lo\"]")),
        ("no management path", ("interfaces = [\"lo\"]", "")),
        (
            "2 ways to cut",
            ("interfaces = [\"h_a\"]", "interfaces = [\"h_a\"]\nunit = \"x\""),
        ),
        ("unknown field", ("outside", "outsidee")),
        ("not a public key", ("control-room = \"", "control-room = \"zz")),
        ("missing.pem", ("\"root.pem\"", "\"missing.pem\"")),
        ("no private key", ("\"guard.key\"", "\"root.pem\"")),
    ]);
    for (word, (from, to)) in cases {
        let text = fault(from, to);
        let expected = if word == "two approvers" { "not a public key" } else { word };
        assert!(text.contains(expected), "{word}: {text}");
    }
    assert!(GuardConfig::read(Path::new("/nowhere.toml")).is_err());
}
