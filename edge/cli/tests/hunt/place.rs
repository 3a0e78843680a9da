use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A rule that fires on every process of the records below.
pub const EVERY: &str = "title: Every process\nid: 11111111-1111-4111-8111-111111111111\nauthor: Ada L.\nlevel: low\n\
    tags: [attack.t1059.001]\nlogsource: {product: windows, category: process_creation}\n\
    detection:\n  selection: {Image|endswith: '.exe'}\n  condition: selection\n";
/// A rule that fires on few of them.
pub const SHADOWS: &str = "title: Shadow copies deleted\nid: 22222222-2222-4222-8222-222222222222\nauthor: Grace H.\nlevel: high\n\
    tags: [attack.t1490]\nlogsource: {product: windows, category: process_creation}\n\
    detection:\n  selection: {Image|endswith: '\\vssadmin.exe', CommandLine|contains|all: [delete, shadows]}\n  condition: selection\n";

/// A folder with rules and records.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("rules")).unwrap();
        let place = Self { folder };
        place.write("rules/every.yml", EVERY);
        place.write("rules/shadows.yml", SHADOWS);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leckwehr"));
        command.current_dir(self.folder.path()).args(args);
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

/// One process creation of Sysmon, as flat JSON.
pub fn process(number: u64, host: &str, command: &str) -> String {
    let (minute, second) = (number / 60 % 60, number % 60);
    let image = command.split(' ').next().unwrap();
    serde_json::json!({"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": host,
        "EventTime": "2023-04-25 03:00:00", "@timestamp": format!("2023-04-25T03:{minute:02}:{second:02}Z"), "RecordNumber": number,
        "EventRecordID": number, "SourceName": "Microsoft-Windows-Sysmon", "Image": image, "CommandLine": command,
        "User": "CORP\\ann"})
    .to_string()
        + "\n"
}

pub fn processes(host: &str, count: u64) -> String {
    (1..=count).map(|n| process(n, host, "C:\\Windows\\cmd.exe /c dir")).collect()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The findings and the summary among JSON lines.
pub fn read(text: &str) -> (Vec<Value>, Option<Value>) {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (findings, rest): (Vec<Value>, Vec<Value>) = lines.into_iter().partition(|line| line["type"] == "finding");
    (findings, rest.into_iter().find(|line| line["type"] == "summary"))
}

/// The folder of recordings, or `None` where it is not there and may be missing.
#[expect(clippy::print_stdout, reason = "a test says visibly that it skips")]
pub fn recordings() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("LECKWEHR_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("LECKWEHR_REQUIRE_DATA").is_none_or(|value| value != "1"),
        "no recordings in {}",
        folder.display()
    );
    println!("skipped: no recordings in {}", folder.display());
    None
}
