use std::io::Write;
use std::time::Instant;

use leckwehr_guard::{Firewall, FirewallError, Nft};

use crate::network::{LOOKS_MAX, Network, echoes, in_namespace, is_silent, late_echo, sh};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn guard() -> Nft {
    let mut nft = Nft::open().unwrap();
    nft.prepare(&names(&["out0"])).unwrap();
    nft
}

fn cut_now(nft: &mut Nft) -> Vec<String> {
    nft.state().unwrap().cut.into_keys().collect()
}

#[test]
fn a_cut_is_set_counted_and_released() {
    if !in_namespace("kernel::a_cut_is_set_counted_and_released") {
        return;
    }
    let mut nft = guard();
    nft.cut(&names(&["h1", "h2"]), None).unwrap();
    nft.cut(&names(&["h1", "h1"]), Some(60_000)).unwrap();
    let state = nft.state().unwrap();
    assert_eq!(state.cut.keys().collect::<Vec<_>>(), ["h1", "h2"]);
    assert!(state.passed.is_empty());
    nft.release(&names(&["h1", "never-cut"])).unwrap();
    assert_eq!(cut_now(&mut nft), ["h2"]);
    let error = nft.cut(&names(&["a-name-that-is-too-long"]), None).unwrap_err();
    assert!(error.is_certainly_not_applied());
    nft.cut(&[], None).unwrap();
    nft.release(&[]).unwrap();
}

#[test]
fn a_cut_ends_established_and_new_flows_of_both_protocols_and_release_brings_them_back() {
    if !in_namespace("kernel::a_cut_ends_established_and_new_flows_of_both_protocols_and_release_brings_them_back") {
        return;
    }
    let net = Network::build();
    let mut nft = guard();
    let mut flows = ["10.2.0.2", "fd02::2"].map(|to| net.a.connect(to));
    let mut back = net.b.connect("10.1.0.2");
    assert!(flows.iter_mut().chain([&mut back]).all(|flow| echoes(flow, b"before")));
    assert!(net.a.reaches("10.1.0.1"), "the router's own address");

    nft.cut(&names(&["h_a"]), None).unwrap();
    for flow in flows.iter_mut().chain([&mut back]) {
        assert!(
            is_silent(flow, b"during"),
            "an established flow went on after the cut: {flow:?}"
        );
    }
    for to in ["10.2.0.2", "fd02::2", "203.0.113.2", "10.1.0.1", "fd01::1"] {
        assert!(net.a.is_cut_from(to), "a still reaches {to}");
    }
    for to in ["10.1.0.2", "fd01::2"] {
        assert!(net.b.is_cut_from(to), "b still reaches {to}");
    }
    assert!(net.a.reaches("10.9.0.1"), "the management cable is cut as well");
    assert!(
        net.b.reaches("203.0.113.2") && net.b.reaches("fd03::2"),
        "others are cut as well"
    );
    let first = nft.state().unwrap();
    assert!(first.cut["h_a"].packets >= 10, "attempts are not counted: {first:?}");
    assert!(first.passed.is_empty(), "packets passed the cut: {first:?}");
    assert!(net.a.is_cut_from("10.2.0.2"));
    let second = nft.state().unwrap();
    assert!(second.cut["h_a"].packets > first.cut["h_a"].packets && second.passed.is_empty());

    nft.release(&names(&["h_a"])).unwrap();
    for flow in flows.iter_mut().chain([&mut back]) {
        assert!(
            late_echo(flow, b"during"),
            "what was sent during the cut did not arrive after it: {flow:?}"
        );
        assert!(echoes(flow, b"after"));
    }
    assert!(net.a.reaches("10.2.0.2") && net.a.reaches("fd02::2"));
}

/// Zero packets after the cut would mean nothing if the witness could not count.
#[test]
fn the_witness_counts_what_passes_a_hole() {
    if !in_namespace("kernel::the_witness_counts_what_passes_a_hole") {
        return;
    }
    let net = Network::build();
    let mut nft = guard();
    nft.cut(&names(&["h_a"]), None).unwrap();
    assert!(net.a.is_cut_from("10.2.0.2"));
    assert!(nft.state().unwrap().passed.is_empty());
    sh("nft flush chain inet leckwehr cut_forward");
    assert!(net.a.reaches("10.2.0.2") && net.a.reaches("fd02::2"));
    let passed = nft.state().unwrap().passed;
    assert!(passed["h_a"].packets >= 10 && passed["h_a"].bytes >= 400, "{passed:?}");
}

/// Whatever other tables say, a packet of a cut interface goes nowhere.
#[test]
fn an_accepting_table_of_somebody_else_opens_no_hole() {
    if !in_namespace("kernel::an_accepting_table_of_somebody_else_opens_no_hole") {
        return;
    }
    let net = Network::build();
    let mut nft = guard();
    sh("nft 'table inet other { chain f { type filter hook forward priority -400; accept; }; }'");
    assert!(net.a.reaches("10.2.0.2"));
    nft.cut(&names(&["h_a"]), None).unwrap();
    assert!(net.a.is_cut_from("10.2.0.2") && net.a.is_cut_from("203.0.113.2"));
    assert!(nft.state().unwrap().passed.is_empty());
}

#[test]
fn a_lease_undoes_itself_with_no_guard_alive() {
    if !in_namespace("kernel::a_lease_undoes_itself_with_no_guard_alive") {
        return;
    }
    let net = Network::build();
    guard().cut(&names(&["h_a"]), Some(2_000)).unwrap();
    assert!(net.a.is_cut_from("10.2.0.2"));
    assert!(
        (0..LOOKS_MAX).any(|_| !net.a.is_cut_from("10.2.0.2")),
        "the lease did not end"
    );
    assert!(cut_now(&mut guard()).is_empty());
}

/// The end of another, later lease is the clock: when it is over, the first one would be over too.
#[test]
fn a_renewed_lease_lasts_longer_and_keeps_its_count() {
    if !in_namespace("kernel::a_renewed_lease_lasts_longer_and_keeps_its_count") {
        return;
    }
    let net = Network::build();
    let mut nft = guard();
    nft.cut(&names(&["h_a", "h_b", "gone", "short"]), Some(2_000)).unwrap();
    assert!(net.a.is_cut_from("10.2.0.2"));
    let before = nft.state().unwrap().cut["h_a"];
    assert!(before.packets > 0);
    nft.cut(&names(&["h_a"]), Some(60_000)).unwrap();
    let renewed = nft.state().unwrap().cut["h_a"];
    assert!(
        renewed.packets >= before.packets && renewed.bytes >= before.bytes,
        "the renewal forgot the count"
    );
    nft.cut(&names(&["h_b"]), None).unwrap();
    nft.cut(&names(&["short"]), Some(60_000)).unwrap();
    nft.cut(&names(&["short"]), Some(2_000)).unwrap();
    nft.cut(&names(&["clock"]), Some(2_400)).unwrap();
    assert!((0..LOOKS_MAX).any(|_| {
        assert!(net.a.is_cut_from("10.2.0.2"), "the renewed lease ended with the old one");
        !cut_now(&mut nft).contains(&"clock".to_owned())
    }));
    let after = nft.state().unwrap();
    assert_eq!(
        after.cut.keys().collect::<Vec<_>>(),
        ["h_a", "h_b"],
        "a renewed, a permanent one; the short ones are over"
    );
    assert!(after.cut["h_a"].packets > renewed.packets);
}

#[test]
fn a_renewal_leaves_no_gap() {
    if !in_namespace("kernel::a_renewal_leaves_no_gap") {
        return;
    }
    const RENEWALS: usize = 300;
    let net = Network::build();
    let mut nft = guard();
    let received = net.b.run(|| std::net::UdpSocket::bind("0.0.0.0:7").unwrap());
    received.set_nonblocking(true).unwrap();
    nft.cut(&names(&["h_a"]), Some(60_000)).unwrap();
    let (stop, flood) = net.a.flood("10.2.0.2");
    for _ in 0..RENEWALS {
        nft.cut(&names(&["h_a"]), Some(60_000)).unwrap();
    }
    drop(stop);
    let sent = flood.join().unwrap();
    let state = nft.state().unwrap();
    println!("{RENEWALS} renewals under {sent} packets: {state:?}");
    assert!(sent > 0 && state.cut["h_a"].packets > 0 && state.passed.is_empty());
    assert!(received.recv(&mut [0; 16]).is_err(), "a packet came through a renewal");
    // The receiver can receive.
    nft.release(&names(&["h_a"])).unwrap();
    received.set_nonblocking(false).unwrap();
    net.a.run(|| {
        std::net::UdpSocket::bind("0.0.0.0:0")
            .unwrap()
            .send_to(b"hello", "10.2.0.2:7")
            .unwrap()
    });
    assert_eq!(received.recv(&mut [0; 16]).unwrap(), 5);
}

#[test]
fn the_meter_counts_at_least_what_was_sent_and_nothing_that_was_stopped() {
    if !in_namespace("kernel::the_meter_counts_at_least_what_was_sent_and_nothing_that_was_stopped") {
        return;
    }
    let net = Network::build();
    let mut nft = guard();
    let sent = [("203.0.113.2", 300_000_usize), ("203.0.113.3", 70_000), ("fd03::2", 50_000)];
    for (to, bytes) in sent {
        let mut flow = net.a.connect(to);
        // Piece by piece, each echoed, so that neither side waits for the other with full buffers.
        assert!((0..bytes / 10_000).all(|_| echoes(&mut flow, &[7; 10_000])));
    }
    let state = nft.state().unwrap();
    for (to, bytes) in sent.into_iter().take(2) {
        let counted = state.egress[&to.parse().unwrap()].bytes;
        assert!(
            (bytes as u64..2 * bytes as u64).contains(&counted),
            "{to}: {counted} counted, {bytes} sent"
        );
    }
    assert_eq!(state.egress.len(), 2);
    let told_apart: u64 = state.egress.values().map(|c| c.bytes).sum();
    assert!(
        state.outside["out0"].bytes >= told_apart + 50_000,
        "IPv6 left uncounted: {state:?}"
    );

    let mut flow = net.a.connect("203.0.113.2");
    assert!(echoes(&mut flow, b"x"));
    nft.cut(&names(&["h_a"]), None).unwrap();
    let at_the_cut = nft.state().unwrap();
    flow.write_all(&[7; 10_000]).unwrap();
    assert!(net.a.is_cut_from("203.0.113.2"));
    let later = nft.state().unwrap();
    assert!(later.cut["h_a"].packets > at_the_cut.cut["h_a"].packets);
    assert_eq!(
        (later.egress, later.outside),
        (at_the_cut.egress, at_the_cut.outside),
        "stopped packets were metered"
    );
}

#[test]
fn preparing_again_and_restarting_keep_cuts_and_counters() {
    if !in_namespace("kernel::preparing_again_and_restarting_keep_cuts_and_counters") {
        return;
    }
    let net = Network::build();
    let mut nft = guard();
    nft.cut(&names(&["h_a"]), None).unwrap();
    assert!(net.a.is_cut_from("10.2.0.2"));
    let before = nft.state().unwrap();
    nft.prepare(&names(&["out0"])).unwrap();
    drop(nft);
    let mut restarted = Nft::open().unwrap();
    restarted.prepare(&names(&["out0", "out1"])).unwrap();
    let after = restarted.state().unwrap();
    assert!(after.cut["h_a"].packets >= before.cut["h_a"].packets && before.cut["h_a"].packets > 0);
    assert!(net.a.is_cut_from("10.2.0.2"));
    assert_eq!(
        after.outside.keys().collect::<Vec<_>>(),
        ["out0", "out1"],
        "a new way out is not watched after a restart"
    );
}

/// A table without sets and chains, as a guard leaves it that sets up in two transactions and is killed between them.
#[test]
fn a_failed_preparation_leaves_nothing_behind() {
    if !in_namespace("kernel::a_failed_preparation_leaves_nothing_behind") {
        return;
    }
    let mut nft = Nft::open().unwrap();
    assert!(nft.prepare(&names(&["a-name-that-is-too-long"])).is_err());
    assert_eq!(sh("nft list tables").trim(), "");
    nft.prepare(&[]).unwrap();
    nft.cut(&names(&["h_a"]), None).unwrap();
}

#[test]
fn a_thousand_interfaces_are_cut_in_one_transaction() {
    if !in_namespace("kernel::a_thousand_interfaces_are_cut_in_one_transaction") {
        return;
    }
    let mut nft = guard();
    let all: Vec<String> = (0..1_000).map(|i| format!("h{i}")).collect();
    let timed = |what: &str, work: &mut dyn FnMut()| {
        #[expect(clippy::disallowed_methods, reason = "a figure to print")]
        let start = Instant::now();
        work();
        println!("{what}: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    };
    timed("cut 1,000", &mut || nft.cut(&all, Some(60_000)).unwrap());
    timed("renew 1,000", &mut || nft.cut(&all, Some(60_000)).unwrap());
    timed("read 1,000", &mut || assert_eq!(nft.state().unwrap().cut.len(), 1_000));
    timed("release 1,000", &mut || nft.release(&all).unwrap());
    assert!(cut_now(&mut nft).is_empty());
    let too_many: Vec<String> = (0..16_385).map(|i| format!("h{i}")).collect();
    let error = nft.cut(&too_many, None).unwrap_err();
    assert!(
        matches!(
            error,
            FirewallError::TooMany {
                found: 16_385,
                max: 16_384
            }
        ) && error.is_certainly_not_applied()
    );
    assert!(cut_now(&mut nft).is_empty());
    nft.cut(&too_many[..1_024], Some(60_000)).unwrap();
    nft.cut(&too_many[..1_024], Some(60_000)).unwrap();
    assert_eq!(cut_now(&mut nft).len(), 1_024);
}
