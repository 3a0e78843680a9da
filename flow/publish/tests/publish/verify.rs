use std::collections::BTreeMap;
use std::process::Command;

use leckwehr_crypt::SigningKey;
use leckwehr_publish::{CLOCK_SKEW_MAX_MS, Fault, build_site, public_key_line, verify_site};

use crate::fixture::{config, estate, key, situation};

type Files = BTreeMap<String, Vec<u8>>;

fn files() -> Files {
    let estate = estate(8);
    let site = build_site(&situation(&estate), &estate, &config(), &key()).unwrap();
    let owned = site
        .in_order()
        .into_iter()
        .map(|(path, bytes)| (path.to_owned(), bytes.to_vec()));
    owned.collect()
}

fn faults(files: &Files) -> Vec<Fault> {
    let now = config().issued.plus_ms(1_000);
    verify_site(files, &key().verifying_key(), 0, now).map_or_else(|e| e.faults, |_| Vec::new())
}

#[test]
fn what_was_signed_is_accepted_and_the_chain_goes_on() {
    let estate = estate(8);
    let first = build_site(&situation(&estate), &estate, &config(), &key()).unwrap();
    let verified = verify_site(&files(), &key().verifying_key(), 1, config().issued).unwrap();
    assert_eq!((verified.seq, verified.files), (1, first.files.len()));
    assert_eq!(verified.manifest_hash, first.manifest_hash);
    let mut next = config();
    next.seq = 2;
    next.prev_manifest_hash = Some(first.manifest_hash.clone());
    let second = build_site(&situation(&estate), &estate, &next, &key()).unwrap();
    let files = second
        .in_order()
        .into_iter()
        .map(|(p, b)| (p.to_owned(), b.to_vec()))
        .collect();
    let verified = verify_site(&files, &key().verifying_key(), 1, next.issued).unwrap();
    assert_eq!(verified.prev_hash, Some(first.manifest_hash));
}

#[test]
fn every_single_tampering_is_named() {
    let good = files();
    assert_eq!(faults(&good), []);
    for path in good.keys() {
        let mut changed = good.clone();
        let bytes = changed.get_mut(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let mut missing = good.clone();
        missing.remove(path);
        if path.starts_with("manifest.json") {
            assert_eq!(faults(&changed), [Fault::BadSignature], "{path}");
            assert!(matches!(faults(&missing)[..], [Fault::NotSigned { .. }]), "{path}");
        } else {
            assert_eq!(faults(&changed), [Fault::Changed { path: path.clone() }]);
            assert_eq!(faults(&missing), [Fault::Missing { path: path.clone() }]);
        }
    }
    let mut extra = good;
    extra.insert("login.html".to_owned(), b"phish".to_vec());
    assert_eq!(
        faults(&extra),
        [Fault::Extra {
            path: "login.html".to_owned()
        }]
    );
}

#[test]
fn no_flipped_bit_of_manifest_or_signature_passes() {
    let good = files();
    for (path, untrusted) in [
        ("manifest.json", 0),
        (
            "manifest.json.sig",
            good["manifest.json.sig"].iter().position(|b| *b == b'\n').unwrap(),
        ),
    ] {
        let step = if path == "manifest.json" { 97 } else { 1 };
        for byte in (untrusted..good[path].len()).step_by(step) {
            let mut bad = good.clone();
            bad.get_mut(path).unwrap()[byte] ^= 4;
            assert_eq!(faults(&bad), [Fault::BadSignature], "{path} byte {byte}");
        }
    }
}

#[test]
fn rollback_staleness_future_and_a_foreign_key_are_named() {
    let good = files();
    let check = |key: &SigningKey, seen, now| verify_site(&good, &key.verifying_key(), seen, now).map_err(|e| e.faults);
    let (issued, valid_until) = (config().issued, config().valid_until);
    assert_eq!(check(&key(), 5, issued), Err(vec![Fault::RolledBack { found: 1, seen: 5 }]));
    assert!(check(&key(), 1, valid_until).is_ok());
    assert_eq!(
        check(&key(), 1, valid_until.plus_ms(1)),
        Err(vec![Fault::Stale { valid_until }])
    );
    assert!(check(&key(), 1, issued.plus_ms(-CLOCK_SKEW_MAX_MS)).is_ok());
    assert_eq!(
        check(&key(), 1, issued.plus_ms(-CLOCK_SKEW_MAX_MS - 1)),
        Err(vec![Fault::FromTheFuture { issued }])
    );
    let other = SigningKey::from_seed(&[8; 32]).unwrap();
    assert_eq!(check(&other, 1, issued), Err(vec![Fault::BadSignature]));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the continuous integration says by a variable that tools must be there"
)]
fn minisign_accepts_the_signature_and_refuses_a_changed_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let files = files();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("manifest.json", &files["manifest.json"]);
    write("manifest.json.sig", &files["manifest.json.sig"]);
    let verify = || {
        Command::new("minisign")
            .current_dir(folder.path())
            .args(["-V", "-q", "-P", &public_key_line(&key().verifying_key())])
            .args(["-m", "manifest.json", "-x", "manifest.json.sig"])
            .output()
    };
    match verify() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) if std::env::var("LECKWEHR_REQUIRE_TOOLS").as_deref() != Ok("1") => {
            println!("skipped: minisign is not installed (apt-get install minisign)");
            return;
        }
        Err(error) => panic!("minisign (apt-get install minisign): {error}"),
    }
    write("manifest.json", b"{}");
    assert!(!verify().unwrap().status.success());
}
