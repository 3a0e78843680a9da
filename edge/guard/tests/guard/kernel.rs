use std::process::Command;

use leckwehr_guard::{Firewall, Nft};

/// Returns true inside fresh user and network namespaces; outside, runs the test `name` there and returns false.
///
/// A user namespace can be entered by a single-threaded process only, which a test runner is not.
#[expect(clippy::disallowed_methods, reason = "tells the inner run from the outer one")]
fn in_namespace(name: &str) -> bool {
    const MARK: &str = "LECKWEHR_TEST_IN_NAMESPACE";
    if std::env::var(MARK).is_ok() {
        return true;
    }
    let exe = std::env::current_exe().unwrap();
    let mut unshare = Command::new("unshare");
    let output = unshare
        .env(MARK, "1")
        .arg("-Urn")
        .arg(exe)
        .args(["--exact", name, "--nocapture"])
        .output();
    let output = output.expect("util-linux's unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_cut_is_set_counted_and_released() {
    if !in_namespace("kernel::a_cut_is_set_counted_and_released") {
        return;
    }
    let mut nft = Nft::open().unwrap();
    nft.prepare(&["out0".to_owned()]).unwrap();
    nft.prepare(&["out0".to_owned()]).unwrap();
    nft.cut(&["h1".to_owned(), "h2".to_owned()], None).unwrap();
    nft.cut(&["h1".to_owned()], Some(60_000)).unwrap();
    let state = nft.state().unwrap();
    assert_eq!(state.cut.keys().collect::<Vec<_>>(), ["h1", "h2"]);
    assert!(state.passed.is_empty());
    nft.release(&["h1".to_owned(), "never-cut".to_owned()]).unwrap();
    assert_eq!(nft.state().unwrap().cut.keys().collect::<Vec<_>>(), ["h2"]);
    assert!(
        nft.cut(&["a-name-that-is-too-long".to_owned()], None)
            .unwrap_err()
            .is_certainly_not_applied()
    );
    println!("{}", sh("nft list ruleset 2>/dev/null || true"));
}
