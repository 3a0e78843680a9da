use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::place::{Place, process, stderr, stdout};

/// A watch that runs; its lines are waited for, one by one.
struct Watch {
    child: Child,
    out: BufReader<ChildStdout>,
    talk: BufReader<ChildStderr>,
}

impl Watch {
    fn start(place: &Place) -> Self {
        let mut command = place.command(&["watch", "--config", "watch.toml", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self {
            out: BufReader::new(child.stdout.take().unwrap()),
            talk: BufReader::new(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Waits for the next line that is meant.
    fn wait(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        loop {
            let mut line = String::new();
            let read = self.out.read_line(&mut line).unwrap();
            if read == 0 {
                let mut talk = String::new();
                self.talk.read_to_string(&mut talk).unwrap();
                panic!("the watch ended: {talk}");
            }
            let value: Value = serde_json::from_str(&line).unwrap();
            if is_meant(&value) {
                return value;
            }
        }
    }

    fn stop(mut self) -> Value {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT).unwrap();
        let summary = self.wait(|line| line["type"] == "summary");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        summary
    }
}

fn is_finding(line: &Value, host: &str) -> bool {
    line["type"] == "finding" && line["title"] == "Shadow copies deleted" && line["host"] == host
}

fn append(place: &Place, name: &str, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(place.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn delete(number: u64, host: &str) -> String {
    process(number, host, "C:\\vssadmin.exe delete shadows")
}

#[test]
fn a_file_that_grows_and_rotates_is_followed_and_a_restart_goes_on() {
    let place = Place::new();
    place.write(
        "watch.toml",
        "ledger = \"room\"\nrules = [\"rules\"]\n[[follow]]\npath = \"live.jsonl\"\n",
    );
    let mut watch = Watch::start(&place);
    watch.wait(|line| line["type"] == "source" && line["text"].as_str().unwrap().contains("cannot be followed yet"));
    append(&place, "live.jsonl", &delete(1, "pc-1"));
    watch.wait(|line| is_finding(line, "pc-1"));
    let half = delete(2, "pc-2");
    append(&place, "live.jsonl", &half[..40]);
    append(&place, "live.jsonl", &half[40..]);
    watch.wait(|line| is_finding(line, "pc-2"));
    fs::rename(place.path("live.jsonl"), place.path("live.jsonl.1")).unwrap();
    append(&place, "live.jsonl", &delete(1, "pc-3"));
    watch.wait(|line| is_finding(line, "pc-3"));
    let summary = watch.stop();
    assert_eq!((&summary["records"], &summary["damaged"]), (&3.into(), &0.into()));
    append(&place, "live.jsonl", &delete(2, "pc-4"));
    let mut watch = Watch::start(&place);
    let ready = watch.wait(|line| line["type"] == "ready");
    assert!(ready["facts"].as_u64().unwrap() > 3, "the ledger is continued: {ready}");
    watch.wait(|line| is_finding(line, "pc-4"));
    assert_eq!(watch.stop()["records"], 1, "what was read before is not read again");
    let verified = place.run(&["ledger", "verify", "room/ledger"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
}

#[test]
fn an_alarm_over_the_network_is_closed_on_the_console_and_comes_again() {
    let place = Place::new();
    let config = "ledger = \"room\"\nrules = [\"rules\"]\nconsole = \"127.0.0.1:0\"\n[[follow]]\npath = \"live.jsonl\"\n\
        [[source]]\nname = \"net\"\nkind = \"syslog-udp\"\nlisten = \"127.0.0.1:0\"\n";
    place.write("watch.toml", config);
    place.write(
        "rules/sudo.yml",
        "title: Root by sudo\nid: 44444444-4444-4444-8444-444444444444\nauthor: Linus\nlevel: critical\ntags: [attack.t1548.003]\n\
         logsource: {product: linux, service: sudo}\ndetection:\n  keywords: ['COMMAND=/bin/bash']\n  condition: keywords\n",
    );
    let mut watch = Watch::start(&place);
    let listening = watch.wait(|line| line["type"] == "listening");
    let mut console = String::new();
    while !console.starts_with("console: ") {
        console.clear();
        assert!(watch.talk.read_line(&mut console).unwrap() > 0);
    }
    let console = console
        .trim()
        .trim_start_matches("console: http://")
        .trim_end_matches('/')
        .to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let message = "<86>Apr 25 03:12:09 web-1 sudo:   ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/bash";
    socket
        .send_to(message.as_bytes(), listening["address"].as_str().unwrap())
        .unwrap();
    let alarm = watch.wait(|line| line["type"] == "alarm" && line["entity"] == "host:web-1");
    assert_eq!(alarm["causes"][0]["author"], "Linus");
    let id = alarm["id"].as_str().unwrap();
    let page = ask(&console, &format!("GET /alarms/{id}"), "");
    let (_, rest) = page.split_once("name=\"token\" value=\"").unwrap();
    let form = format!(
        "token={}&verdict=benign-true-positive&by=anna&reason=maintenance",
        &rest[..32]
    );
    assert!(ask(&console, &format!("POST /alarms/{id}/close"), &form).starts_with("HTTP/1.1 303"));
    let decision = watch.wait(|line| line["type"] == "decision");
    assert_eq!(
        (&decision["by"], &decision["what"]["reason"]),
        (&"anna".into(), &"maintenance".into())
    );
    append(&place, "live.jsonl", &delete(1, "web-1"));
    let again = watch.wait(|line| line["type"] == "alarm" && line["id"] == id);
    assert!(
        again["reopened"]
            .as_str()
            .unwrap()
            .contains("closed as benign-true-positive by anna"),
        "{again}"
    );
    watch.stop();
    let facts = stdout(&place.run(&["ledger", "show", "room/ledger", "--json"]));
    assert!(facts.contains("alarm-closed") && facts.contains("maintenance"), "{facts}");
}

fn ask(address: &str, request: &str, form: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_bad_configuration_is_named_with_its_place() {
    let place = Place::new();
    for (config, what) in [
        ("ledger = \"room\"\n", "nothing to watch"),
        ("ledger = \"room\"\n[[follow]]\npfad = \"x\"\n", "line 3"),
        (
            "ledger = \"room\"\n[[source]]\nname = \"a\"\nkind = \"pigeon\"\nlisten = \"127.0.0.1:0\"\n",
            "pigeon",
        ),
    ] {
        place.write("watch.toml", config);
        let output = place.run(&["watch", "--config", "watch.toml"]);
        let words = stderr(&output);
        assert!(
            output.status.code() == Some(2) && words.contains("LW-WATCH-001") && words.contains(what),
            "{words}"
        );
    }
}
