use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{alone, leckwehr, text};

/// Polls before a condition counts as never met; 20 ms apart.
const POLLS_MAX: usize = 1_000;

/// Processes whose environment carries the mark, with their command lines.
fn marked(mark: &str) -> Vec<(i32, String)> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        String::from_utf8_lossy(&environment).contains(mark).then_some((pid, command))
    })
    .collect()
}

#[expect(clippy::disallowed_methods, reason = "polls for a condition that nothing announces")]
fn until(what: &str, mut met: impl FnMut() -> bool) {
    for _ in 0..POLLS_MAX {
        if met() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("never: {what}");
}

fn start(temporary: &Path, mark: &str) -> Child {
    let mut command = leckwehr(temporary);
    command.env("LECKWEHR_TEST_MARK", mark).args(["drill", "--seed", "5"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Network namespaces of the marked processes other than our own.
fn namespaces(mark: &str) -> usize {
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let of = |pid: &i32| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok().filter(|ns| *ns != own);
    let all: std::collections::BTreeSet<_> = marked(mark).iter().filter_map(|(pid, _)| of(pid)).collect();
    all.len()
}

fn folders(temporary: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(temporary).unwrap().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("leckwehr-drill-")).collect()
}

/// Starts a drill, ends a process of it once `nodes` nodes are alive, and waits until nothing of it is left.
fn end_at(nodes: usize, signal: Signal, name: &str, whom: impl Fn(&Child, &str) -> Option<i32>) {
    let temporary = tempfile::tempdir().unwrap();
    let mark = format!("mark-{}-{nodes}-{signal}-{name}", std::process::id());
    let mut drill = start(temporary.path(), &mark);
    until("the nodes come up", || {
        marked(&mark).iter().filter(|(_, c)| c.contains("drill-node")).count() >= nodes
    });
    assert!(namespaces(&mark) > 0, "the drill made no namespace: nothing is tested");
    let mut process = None;
    until("there is somebody to end", || {
        process = whom(&drill, &mark);
        process.is_some()
    });
    kill(Pid::from_raw(process.unwrap()), signal).unwrap();
    let status = drill.wait().unwrap();
    assert!(!status.success());
    until("every process is gone", || marked(&mark).is_empty());
    let output = leckwehr(temporary.path())
        .args(["drill", "--simulated", "--hosts", "16", "--decide-ms", "0"])
        .output()
        .unwrap();
    assert!(
        folders(temporary.path()).is_empty(),
        "{:?} {}",
        folders(temporary.path()),
        text(&output)
    );
}

#[test]
fn an_interrupted_or_killed_drill_leaves_nothing_behind() {
    let _alone = alone();
    let outer = |drill: &Child, _: &str| i32::try_from(drill.id()).ok();
    for (nodes, signal) in [
        (1, Signal::SIGINT),
        (30, Signal::SIGINT),
        (1, Signal::SIGKILL),
        (30, Signal::SIGKILL),
    ] {
        end_at(nodes, signal, "outer", outer);
    }
}

#[test]
fn a_drill_that_is_interrupted_while_it_pauses_ends_and_leaves_nothing_behind() {
    let _alone = alone();
    for network in [&[][..], &["--simulated"]] {
        let temporary = tempfile::tempdir().unwrap();
        let mark = format!("mark-{}-pause-{}", std::process::id(), network.len());
        let mut command = leckwehr(temporary.path());
        command
            .env("LECKWEHR_TEST_MARK", &mark)
            .args(["drill", "--pause", "--decide-ms", "0"])
            .args(network);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut drill = command.spawn().unwrap();
        let mut said = BufReader::new(drill.stderr.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("paused")), "it never paused");
        kill(Pid::from_raw(i32::try_from(drill.id()).unwrap()), Signal::SIGINT).unwrap();
        // Nobody presses Enter: the line to its standard input stays open.
        let mut status = None;
        until("it ends", || {
            status = drill.try_wait().unwrap();
            status.is_some()
        });
        assert!(!status.unwrap().success());
        until("every process is gone", || marked(&mark).is_empty());
        assert!(folders(temporary.path()).is_empty(), "{:?}", folders(temporary.path()));
    }
}

#[test]
fn a_killed_control_room_ends_the_drill_and_leaves_nothing_behind() {
    let _alone = alone();
    end_at(30, Signal::SIGKILL, "control", |_, mark| {
        let control = marked(mark).into_iter().find(|(_, command)| command.contains("--hide"));
        control.map(|(process, _)| process)
    });
}

#[test]
fn where_namespaces_are_forbidden_the_error_names_the_setting() {
    let _alone = alone();
    let temporary = tempfile::tempdir().unwrap();
    // Inside a user namespace that allows no further one, without any capability: an ordinary user of a locked-down machine.
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all {} drill",
        env!("CARGO_BIN_EXE_leckwehr")
    );
    let mut unshare = Command::new("unshare");
    let output = unshare
        .env("TMPDIR", temporary.path())
        .args(["-Ur", "sh", "-c", &script])
        .output()
        .unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for expected in ["LW-RANGE-001", "sysctl user.max_user_namespaces", "--simulated"] {
        assert!(said.contains(expected), "{expected} is not in: {said}");
    }
}
