//! Checkpoints, tiles and proofs checked by Go's `golang.org/x/mod/sumdb` (Debian: golang-go, golang-golang-x-mod-dev).

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leckwehr_crypt::Dice;
use leckwehr_ledger::{Hash, Reader};
use serde_json::{Value, json};

/// Where Debian puts Go packages.
const DEBIAN_GOPATH: &str = "/usr/share/gocode";

fn oracle_is_there() -> bool {
    let go = Command::new("go")
        .arg("version")
        .output()
        .is_ok_and(|output| output.status.success());
    go && Path::new(DEBIAN_GOPATH).join("src/golang.org/x/mod/sumdb/tlog").exists()
}

fn base64(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

fn proof(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(base64).collect()
}

fn inclusion(reader: &Reader, index: u64, size: u64) -> Value {
    let hashes = reader.inclusion_proof(index, size).unwrap();
    json!({"Index": index, "Size": size, "Root": base64(&reader.root_at(size).unwrap()), "Proof": proof(&hashes)})
}

fn consistency(reader: &Reader, old: u64, new: u64) -> Value {
    let hashes = reader.consistency_proof(old, new).unwrap();
    let root = |size| base64(&reader.root_at(size).unwrap());
    json!({"Old": old, "OldRoot": root(old), "New": new, "NewRoot": root(new), "Proof": proof(&hashes)})
}

/// Exports a ledger of `size` entries with 60 random proofs and lets the Go program judge.
fn judge(folder: &Path, size: u64) {
    let (dir, out) = (folder.join(format!("ledger-{size}")), folder.join(format!("export-{size}")));
    let ledger = crate::filled(&dir, size);
    ledger.export(&out).unwrap();
    ledger.close().unwrap();
    let reader = Reader::open(&out).unwrap();
    let mut dice = Dice::new(size, "oracle");
    let mut below = |n: u64| dice.below(n as usize) as u64;
    let mut proofs = (Vec::new(), Vec::new());
    for _ in 0..if size == 0 { 0 } else { 30 } {
        let end = 1 + below(size);
        proofs.0.push(inclusion(&reader, below(end), end));
        proofs.1.push(consistency(&reader, 1 + below(end), end));
    }
    let (vkey, skey) = (
        reader.verifier_key().to_line(),
        fs::read_to_string(dir.join("ledger.key")).unwrap(),
    );
    let json = json!({"Vkey": vkey, "Skey": skey.trim_end(), "Inclusion": proofs.0, "Consistency": proofs.1});
    let file = folder.join("proofs.json");
    fs::write(&file, json.to_string()).unwrap();

    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/main.go");
    let output = Command::new("go")
        .arg("run")
        .args([&program, &out, &file])
        .env("GO111MODULE", "off")
        .env("GOPATH", DEBIAN_GOPATH)
        .env("GOCACHE", folder.join("go-cache"))
        .env("GOFLAGS", "")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "size {size}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        text,
        format!(
            "checked {size} entries, {0} inclusion and {0} consistency proofs\n",
            proofs.0.len()
        )
    );
}

#[test]
fn go_sumdb_accepts_checkpoint_tiles_and_proofs() {
    if !oracle_is_there() {
        #[expect(clippy::disallowed_methods, reason = "CI demands its tools by environment")]
        let required = std::env::var("LECKWEHR_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "go and golang-golang-x-mod-dev are needed: apt-get install golang-go golang-golang-x-mod-dev"
        );
        println!("skipped: go and golang-golang-x-mod-dev are not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for size in [1, 2, 255, 256, 257, 600, 66_000] {
        judge(folder.path(), size);
    }
}
