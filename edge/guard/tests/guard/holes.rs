//! Every hole of the reference: each test shows the cut closing it, weakens the guard by hand, and sees the hole.

use std::net::{IpAddr, TcpStream, UdpSocket};

use leckwehr_guard::{Block, Direction, Ending, Fate, Firewall, Flows, Management, Net, Nft, Traffic};
use serde_json::json;

use crate::network::{LOOKS_MAX, Network, Zone, echoes, in_namespace, is_silent, late_echo, sh};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn guard() -> Nft {
    let mut nft = Nft::open().unwrap();
    nft.prepare(&names(&["out0"])).unwrap();
    nft
}

fn net(text: &str) -> Net {
    Net::parse(text, text.contains(':')).unwrap()
}

fn drop_of(traffic: Traffic) -> Block {
    Block {
        fate: Fate::Drop,
        traffic,
        direction: Direction::Both,
    }
}

fn connection(kind: &str, value: serde_json::Value) -> Traffic {
    Block::traffic(kind, &value).unwrap()
}

/// Weakened by `flush chain inet leckwehr cut_forward` and an `established accept` that then speaks first.
#[test]
fn established_accept_in_front_of_the_cut_keeps_no_flow_alive() {
    if !in_namespace("holes::established_accept_in_front_of_the_cut_keeps_no_flow_alive") {
        return;
    }
    let network = Network::build();
    sh("nft 'table inet site { chain f { type filter hook forward priority 0; ct state established,related accept; }; }'");
    let mut nft = guard();
    let mut flow = network.a.connect("10.2.0.2");
    assert!(echoes(&mut flow, b"before"));
    nft.cut(&names(&["h_a"]), None).unwrap();
    assert!(is_silent(&mut flow, b"x"), "the established flow goes on");
    assert!(nft.state().unwrap().passed.is_empty());
    // The cut as others would write it: behind the site's own rule, in one table with it.
    // The cut as others would write it, behind the site's own rule: new flows end, this one goes on.
    sh("nft flush chain inet leckwehr cut_forward; nft add rule inet site f iifname h_a drop");
    assert!(late_echo(&mut flow, b"x"), "the test would not see the hole");
    assert!(network.a.is_cut_from("10.2.0.2") && echoes(&mut flow, b"y"));
}

/// Weakened by `delete table bridge leckwehr`: then c reaches its neighbour over the bridge, past the inet table.
#[test]
fn same_zone_traffic_over_a_bridge_is_cut_as_well() {
    if !in_namespace("holes::same_zone_traffic_over_a_bridge_is_cut_as_well") {
        return;
    }
    let zone = Zone::build();
    let mut nft = guard();
    assert!(nft.cuts_bridges());
    let mut flow = zone.c.connect("10.5.0.3");
    let mut back = zone.d.connect("fd05::2");
    assert!(echoes(&mut flow, b"before") && echoes(&mut back, b"before"));
    nft.cut(&names(&["p_c"]), None).unwrap();
    assert!(
        is_silent(&mut flow, b"x") && is_silent(&mut back, b"x"),
        "a flow within the zone goes on"
    );
    for to in ["10.5.0.3", "fd05::3", "10.5.0.1"] {
        assert!(zone.c.is_cut_from(to), "c still reaches {to}");
    }
    assert!(zone.d.is_cut_from("10.5.0.2") && zone.d.reaches("10.5.0.1"));
    let state = nft.state().unwrap();
    assert!(state.cut["p_c"].packets > 0 && state.passed.is_empty(), "{state:?}");
    sh("nft delete table bridge leckwehr");
    assert!(zone.c.reaches("10.5.0.3"), "the test would not see the hole");
}

/// Weakened by a set of IPv4 addresses in place of interfaces.
#[test]
fn ipv6_does_not_stay_open_when_ipv4_is_cut() {
    if !in_namespace("holes::ipv6_does_not_stay_open_when_ipv4_is_cut") {
        return;
    }
    let network = Network::build();
    let mut nft = guard();
    nft.cut(&names(&["h_a"]), None).unwrap();
    assert!(network.a.is_cut_from("10.2.0.2") && network.a.is_cut_from("fd02::2") && network.a.is_cut_from("fd03::2"));
    nft.release(&names(&["h_a"])).unwrap();
    sh("nft 'table ip v4 { chain f { type filter hook forward priority 0; ip saddr 10.1.0.2 drop; }; }'");
    assert!(
        network.a.is_cut_from("10.2.0.2") && network.a.reaches("fd02::2"),
        "the test would not see the hole"
    );
}

/// Weakened by cutting with `ip link set h_a down`: routes are gone, and `up` does not bring them back.
#[test]
fn an_undo_leaves_ruleset_routes_and_addresses_byte_for_byte() {
    if !in_namespace("holes::an_undo_leaves_ruleset_routes_and_addresses_byte_for_byte") {
        return;
    }
    let network = Network::build();
    sh(
        "nft 'table inet site { chain f { type filter hook forward priority 0; ct state established accept; }; }'
        ip route add 192.0.2.0/24 via 10.1.0.2 dev h_a",
    );
    let mut nft = guard();
    nft.cut(&names(&["h_b"]), None).unwrap();
    nft.block(&[(drop_of(Traffic::Net(net("198.51.100.0/24"))), None)]).unwrap();
    // Counters of what others send meanwhile are no difference; that there is one for what stays cut would be.
    assert!(network.b.is_cut_from("10.1.0.2"));
    let world = || sh("nft -s list ruleset; ip -4 route; ip -6 route; ip -br link; ip -br addr");
    let before = world();
    assert!(
        before.contains("\"h_b\""),
        "people cannot read in the ruleset what is cut: {before}"
    );
    let blocks = [
        drop_of(Traffic::Net(net("203.0.113.0/28"))),
        drop_of(Traffic::Net(net("198.51.100.7/32"))),
        drop_of(Traffic::Net(net("2001:db8::/33"))),
        drop_of(connection(
            "ipv4_connection",
            json!({"protocol": "tcp", "dst_addr": "203.0.113.2", "dst_port": 7}),
        )),
    ];
    nft.cut(&names(&["h_a", "out0"]), Some(60_000)).unwrap();
    nft.block(&blocks.map(|block| (block, Some(60_000)))).unwrap();
    assert_ne!(world(), before);
    nft.unblock(&blocks).unwrap();
    nft.release(&names(&["h_a", "out0"])).unwrap();
    assert_eq!(world(), before);
    sh("ip link set h_a down; ip link set h_a up");
    assert_ne!(world(), before, "the test would not see the hole");
}

/// A guard on a host with one cable. Weakened by not calling `protect`: the order that releases the cut cannot come.
#[test]
fn a_quarantine_does_not_lock_its_own_management_out() {
    if !in_namespace("holes::a_quarantine_does_not_lock_its_own_management_out") {
        return;
    }
    let network = Network::build();
    let room = Management {
        interfaces: vec![],
        rooms: ["10.1.0.2", "fd01::2"].map(|a| a.parse::<IpAddr>().unwrap()).into(),
        port: 7,
    };
    let mut nft = guard();
    nft.cut(&names(&["h_a"]), None).unwrap();
    assert!(network.a.is_cut_from("10.1.0.1"), "the test would not see the hole");
    nft.protect(&room).unwrap();
    nft.block(&[(drop_of(Traffic::Net(net("10.1.0.0/16"))), None)]).unwrap();
    assert!(
        network.a.reaches("10.1.0.1") && network.a.reaches("fd01::1"),
        "the control room is locked out"
    );
    assert!(
        network.a.is_cut_from("10.2.0.2") && network.a.is_cut_from("fd02::2"),
        "the open door leads further"
    );
    nft.cut(&names(&["h_b"]), None).unwrap();
    assert!(network.b.is_cut_from("10.2.0.1"), "the door is open to others");
    nft.protect(&Management::default()).unwrap();
    assert!(
        network.a.is_cut_from("10.1.0.1"),
        "a room that is no longer named is still let in"
    );
}

/// What the guard's own machine sends. Weakened by `flush chain inet leckwehr cut_output`.
#[test]
fn the_guards_own_machine_sends_nothing_over_a_cut_interface() {
    if !in_namespace("holes::the_guards_own_machine_sends_nothing_over_a_cut_interface") {
        return;
    }
    let network = Network::build();
    let mut nft = guard();
    let got = network.a.run(|| UdpSocket::bind("10.1.0.2:99").unwrap());
    got.set_read_timeout(Some(std::time::Duration::from_millis(250))).unwrap();
    let send = || UdpSocket::bind("10.1.0.1:0").unwrap().send_to(b"out", "10.1.0.2:99");
    nft.cut(&names(&["h_a"]), None).unwrap();
    let _ = send();
    assert!(got.recv(&mut [0; 8]).is_err(), "a datagram left over the cut interface");
    sh("nft flush chain inet leckwehr cut_output");
    send().unwrap();
    assert_eq!(got.recv(&mut [0; 8]).unwrap(), 3, "the test would not see the hole");
}

/// Entries of conntrack are what fast paths go by; a local socket that stays open is a way back. Weakened by not calling `end`.
#[test]
fn live_flows_lose_their_tracking_and_local_sockets() {
    if !in_namespace("holes::live_flows_lose_their_tracking_and_local_sockets") {
        return;
    }
    let network = Network::build();
    sh("nft 'table inet site { chain f { type filter hook forward priority 0; ct state invalid drop; }; }'");
    let mut nft = guard();
    let mut through = network.a.connect("10.2.0.2");
    let mut beside = network.b.connect("203.0.113.2");
    let mut own = TcpStream::connect("10.1.0.2:7").unwrap();
    let mut room = network.a.connect("10.1.0.1");
    assert!(
        [&mut through, &mut beside, &mut own, &mut room]
            .into_iter()
            .all(|flow| echoes(flow, b"x"))
    );
    let udp = network.a.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    udp.send_to(b"x", "10.2.0.2:9").unwrap();
    let entries = || sh("cat /proc/net/nf_conntrack 2>/dev/null || conntrack -L 2>/dev/null || true");
    nft.cut(&names(&["h_a"]), None).unwrap();
    let management = Management {
        rooms: vec!["10.1.0.2".parse().unwrap()],
        port: 7,
        ..Management::default()
    };
    let mut flows = Flows::open().unwrap();
    let ended = flows.end(&Ending::Interfaces(names(&["h_a"])), &management).unwrap();
    println!("{ended:?} {}", entries());
    assert!(ended.tracked >= 2, "TCP and UDP through the guard were tracked: {ended:?}");
    assert!(
        !is_silent(&mut own, b"y") || own.take_error().unwrap().is_some(),
        "the guard's own socket is still open"
    );
    nft.release(&names(&["h_a"])).unwrap();
    assert!(echoes(&mut room, b"z"), "the management connection was closed");
    assert!(echoes(&mut beside, b"z"), "somebody else's flow was ended");
    assert_eq!(
        flows
            .end(&Ending::Interfaces(names(&["nothing"])), &management)
            .unwrap()
            .tracked,
        0
    );
    let own = TcpStream::connect("10.2.0.2:7").unwrap();
    let traffic = connection(
        "ipv4_connection",
        json!({"protocol": "tcp", "dst_addr": "10.2.0.2/32", "dst_port": 7}),
    );
    let ended = flows.end(&Ending::Traffic(vec![traffic]), &management).unwrap();
    assert!(ended.sockets >= 1, "{ended:?}");
    drop(own);
}

/// The blocks of OpenC2: nested networks, five-tuples, both protocols, each with its count. Weakened by leaving one element out.
#[test]
fn blocks_stop_what_they_name_count_it_and_nothing_else() {
    if !in_namespace("holes::blocks_stop_what_they_name_count_it_and_nothing_else") {
        return;
    }
    let network = Network::build();
    let mut nft = guard();
    let wide = drop_of(Traffic::Net(net("203.0.113.0/24")));
    let narrow = drop_of(Traffic::Net(net("203.0.113.2")));
    let v6 = drop_of(Traffic::Net(net("fd03::/64")));
    nft.block(&[(wide, None), (narrow, None), (v6, None)]).unwrap();
    for to in ["203.0.113.2", "203.0.113.3", "fd03::2"] {
        assert!(network.a.is_cut_from(to), "{to}");
    }
    assert!(network.a.reaches("10.2.0.2") && network.a.reaches("fd02::2"));
    let counts = nft.blocked(&[wide, narrow, v6]).unwrap();
    assert!(
        counts.iter().all(|c| c.is_some_and(|c| c.packets > 0) || c.is_some()),
        "{counts:?}"
    );
    assert!(counts[2].unwrap().packets > 0);
    // The wide one still stands when the narrow one goes, and the other way round.
    nft.unblock(&[wide]).unwrap();
    assert!(network.a.is_cut_from("203.0.113.2") && network.a.reaches("203.0.113.3"));
    assert_eq!(nft.blocked(&[wide]).unwrap(), [None]);
    nft.unblock(&[narrow, v6]).unwrap();
    assert!(network.a.reaches("203.0.113.2") && network.a.reaches("fd03::2"));

    let tuple = json!({"protocol": "tcp", "src_addr": "10.1.0.0/24", "dst_addr": "203.0.113.2", "dst_port": 7});
    let tuple = drop_of(connection("ipv4_connection", tuple));
    nft.block(&[(tuple, None)]).unwrap();
    assert!(network.a.is_cut_from("203.0.113.2") && network.b.reaches("203.0.113.2") && network.a.reaches("203.0.113.3"));
    let except = Block {
        fate: Fate::Allow,
        traffic: Traffic::Net(net("10.1.0.2/32")),
        direction: Direction::Both,
    };
    nft.block(&[(except, None)]).unwrap();
    assert!(network.a.reaches("203.0.113.2"), "the exception does not except");
    nft.cut(&names(&["h_a"]), None).unwrap();
    assert!(network.a.is_cut_from("203.0.113.2"), "an exception opens a cut");
    nft.release(&names(&["h_a"])).unwrap();
    nft.unblock(&[except]).unwrap();
    assert!(network.a.is_cut_from("203.0.113.2"));
    nft.unblock(&[tuple]).unwrap();

    let one_way = Block {
        direction: Direction::Egress,
        ..drop_of(Traffic::Net(net("10.1.0.0/24")))
    };
    nft.block(&[(one_way, None)]).unwrap();
    assert!(network.a.is_cut_from("203.0.113.2"), "egress through the outside interface");
    assert!(network.a.reaches("10.2.0.2"), "not the way inside");
    nft.unblock(&[one_way]).unwrap();
    let told = Block {
        fate: Fate::Reject,
        ..drop_of(connection(
            "ipv4_connection",
            json!({"protocol": "tcp", "dst_addr": "203.0.113.3"}),
        ))
    };
    nft.block(&[(told, None)]).unwrap();
    let error = network.a.run(|| TcpStream::connect("203.0.113.3:7").unwrap_err());
    assert_eq!(error.raw_os_error(), Some(113), "no route to host: {error}");
    sh("nft list ruleset");
}

/// Weakened by a block without its lease in the kernel.
#[test]
fn a_blocks_lease_ends_with_no_guard_alive_and_its_remains_are_swept() {
    if !in_namespace("holes::a_blocks_lease_ends_with_no_guard_alive_and_its_remains_are_swept") {
        return;
    }
    let network = Network::build();
    let before = {
        let mut nft = guard();
        assert!(
            network.a.reaches("203.0.113.2"),
            "so that the meter knows the address before and after"
        );
        let before = sh("nft -s list ruleset");
        nft.block(&[(drop_of(Traffic::Net(net("203.0.113.0/24"))), Some(1_500))])
            .unwrap();
        before
    };
    assert!(network.a.is_cut_from("203.0.113.2"));
    assert!(
        (0..LOOKS_MAX).any(|_| !network.a.is_cut_from("203.0.113.2")),
        "the lease did not end"
    );
    let mut nft = guard();
    let other = drop_of(Traffic::Net(net("198.51.100.0/25")));
    nft.block(&[(other, None)]).unwrap();
    nft.unblock(&[other]).unwrap();
    assert_eq!(sh("nft -s list ruleset"), before, "remains of the ended lease");
}

/// Weakened by counting and dropping in one rule: a packet that cannot be counted ends the rule before its verdict.
#[test]
fn a_full_counter_stops_packets_all_the_same() {
    if !in_namespace("holes::a_full_counter_stops_packets_all_the_same") {
        return;
    }
    let network = Network::build();
    let mut nft = guard();
    let others: Vec<String> = (0..4_096).map(|i| format!("x{i}")).collect();
    sh(&format!(
        "nft 'add element inet leckwehr stopped {{ {} }}'",
        others.join(", ")
    ));
    nft.cut(&names(&["h_a"]), None).unwrap();
    assert!(network.a.is_cut_from("10.2.0.2") && network.a.is_cut_from("fd02::2"));
    let state = nft.state().unwrap();
    assert_eq!(state.cut["h_a"].packets, 0, "there was no room to count");
    assert!(state.passed.is_empty());
    nft.release(&others).unwrap();
    assert!(network.a.is_cut_from("10.2.0.2") && nft.state().unwrap().cut["h_a"].packets > 0);
}
