//! NetFlow 5, NetFlow 9, IPFIX and captures of them, built by hand from RFC 3954, RFC 7011 and Cisco's description of version 5.
#![expect(clippy::unwrap_used, reason = "a test may fail and say why")]

use leckwehr_telemetry::{Intake, Kind, Lines, RawPlace, Read, Sheet};

const NOW: u32 = 1_682_392_329;

fn be16(n: u16) -> [u8; 2] {
    n.to_be_bytes()
}

fn be32(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}

fn set(id: u16, body: &[u8]) -> Vec<u8> {
    [&be16(id)[..], &be16(body.len() as u16 + 4), body].concat()
}

fn v5(sequence: u32, records: u16) -> Vec<u8> {
    let mut packet = [
        &be16(5)[..],
        &be16(records),
        &be32(60_000),
        &be32(NOW),
        &be32(0),
        &be32(sequence),
        &[0; 4],
    ]
    .concat();
    for i in 0..records {
        packet.extend([10, 0, 0, 1, 192, 0, 2, 9, 0, 0, 0, 0, 0, 1, 0, 2]);
        packet.extend([be32(7), be32(900), be32(50_000), be32(55_000)].concat());
        packet.extend([be16(1_000 + i), be16(443)].concat());
        packet.extend([0, 0x1b, 6, 0, 0, 0, 0, 0, 24, 24, 0, 0]);
    }
    packet
}

fn v9(sequence: u32, domain: u32, sets: &[u8]) -> Vec<u8> {
    [
        &be16(9)[..],
        &be16(1),
        &be32(60_000),
        &be32(NOW),
        &be32(sequence),
        &be32(domain),
        sets,
    ]
    .concat()
}

fn ipfix(sequence: u32, sets: &[u8]) -> Vec<u8> {
    let length = be16(16 + sets.len() as u16);
    [&be16(10)[..], &length, &be32(NOW), &be32(sequence), &be32(7), sets].concat()
}

/// Addresses, ports, octets, first and last up time.
fn template() -> Vec<u8> {
    let fields = [(8, 4), (12, 4), (7, 2), (11, 2), (1, 4), (22, 4), (21, 4)];
    let mut body = [be16(256), be16(fields.len() as u16)].concat();
    fields
        .iter()
        .for_each(|(id, length)| body.extend([be16(*id), be16(*length)].concat()));
    body
}

fn flow(port: u16) -> Vec<u8> {
    [
        &[10, 0, 0, 1, 192, 0, 2, 9][..],
        &be16(port),
        &be16(443),
        &be32(900),
        &be32(50_000),
        &be32(55_000),
    ]
    .concat()
}

/// Feeds packets and returns origin ports of the flows, and the records known to be lost.
fn feed(packets: &[Vec<u8>]) -> (Vec<u16>, u64) {
    let (mut lines, mut sheet, mut ports, mut lost) = (Lines::default(), Sheet::new(), Vec::new(), 0);
    for packet in packets {
        let _ = lines.take_flows("10.9.9.9", packet, RawPlace::default());
        while lines.more(&mut sheet) == Ok(Read::Record) {
            let record = sheet.record().unwrap().unwrap();
            assert_eq!(
                (record.kind, record.origin, record.destination, record.port),
                (Kind::Flow, "10.0.0.1", "192.0.2.9", 443)
            );
            assert_eq!((record.bytes_out, record.duration_ns), (Some(900), Some(5_000_000_000)));
            assert_eq!(
                record.time.to_string(),
                "2023-04-25T03:11:59.000Z",
                "ten seconds of up time before the packet"
            );
            ports.push(record.origin_port);
        }
    }
    lines.finish();
    while let Some(loss) = lines.loss() {
        lost += loss.records;
    }
    (ports, lost)
}

#[test]
fn version_5_is_read_and_its_gaps_are_counted_in_flows() {
    assert_eq!(
        feed(&[v5(10, 2), v5(12, 1), v5(20, 1)]),
        (vec![1_000, 1_001, 1_000, 1_000], 7)
    );
    assert_eq!(feed(&[v5(10, 2), v5(5, 1), v5(12, 1)]).1, 0, "a late packet is no loss");
    assert_eq!(feed(&[v5(u32::MAX, 2), v5(1, 1)]).1, 0, "the number turns over");
    let mut short = v5(10, 2);
    short.truncate(80);
    assert_eq!(feed(&[short]).0, [1_000], "what is whole is read");
}

#[test]
fn data_waits_for_its_template_and_exporters_are_apart() {
    let data = |port| set(256, &flow(port));
    let packets = [
        v9(1, 7, &data(1)),
        v9(1, 8, &data(9)),
        v9(2, 7, &set(0, &template())),
        v9(3, 7, &data(2)),
    ];
    assert_eq!(
        feed(&packets),
        (vec![1, 2], 1),
        "the template of domain 7 is not that of domain 8"
    );
    assert_eq!(
        feed(&[v9(1, 7, &[set(0, &template()), data(1)].concat()), v9(5, 7, &data(2))]),
        (vec![1, 2], 3)
    );
}

#[test]
fn zeros_behind_the_last_set_and_reserved_sets_are_passed_over() {
    let sets = [
        set(0, &template()),
        set(77, &[1, 2, 3, 4]),
        set(256, &[flow(1), vec![0; 3]].concat()),
        vec![0; 40],
    ]
    .concat();
    assert_eq!(feed(&[v9(1, 7, &sets)]), (vec![1], 0));
}

#[test]
fn ipfix_counts_data_records_and_may_withdraw_templates() {
    // Up times count from the exporter's start, element 160.
    let started = (u64::from(NOW) - 60) * 1_000;
    let fields = [(8, 4), (12, 4), (7, 2), (11, 2), (1, 4), (22, 4), (21, 4), (160, 8)];
    let mut template = [be16(300), be16(fields.len() as u16)].concat();
    fields
        .iter()
        .for_each(|(id, length)| template.extend([be16(*id), be16(*length)].concat()));
    let record = |port| [flow(port), started.to_be_bytes().to_vec()].concat();
    let data = |ports: &[u16]| set(300, &ports.iter().flat_map(|port| record(*port)).collect::<Vec<_>>());
    let first = ipfix(0, &[set(2, &template), data(&[1, 2])].concat());
    assert_eq!(
        feed(&[first.clone(), ipfix(2, &data(&[3])), ipfix(6, &data(&[4]))]),
        (vec![1, 2, 3, 4], 3)
    );
    let withdrawal = ipfix(2, &set(2, &[be16(300), be16(0)].concat()));
    assert_eq!(
        feed(&[first, withdrawal, ipfix(2, &data(&[3]))]),
        (vec![1, 2], 1),
        "its data waits in vain"
    );
}

#[test]
fn packets_one_behind_the_other_and_captures_are_read_as_files() {
    let packets = [
        v5(10, 1),
        v9(1, 7, &[set(0, &template()), set(256, &flow(2))].concat()),
        v9(3, 7, &set(256, &flow(3))),
        v5(11, 1),
    ];
    let mut capture = [
        &0xa1b2_c3d4_u32.to_le_bytes()[..],
        &[2, 0, 4, 0],
        &[0; 8],
        &[0, 0, 1, 0],
        &[101, 0, 0, 0],
    ]
    .concat();
    for packet in packets
        .iter()
        .chain([&b"<34>Apr 25 03:11:59 h sshd[1]: Accepted password for eve from 10.0.0.1 port 5 ssh2".to_vec()])
    {
        let total = 28 + packet.len();
        let frame = [
            &[0x45, 0][..],
            &be16(total as u16),
            &[0, 0, 0, 0, 64, 17, 0, 0, 10, 9, 9, 9, 10, 0, 0, 2],
            &be16(5),
            &be16(514),
            &be16(total as u16 - 20),
            &[0, 0],
            packet,
        ]
        .concat();
        capture.extend(
            [
                NOW.to_le_bytes(),
                [0; 4],
                (total as u32).to_le_bytes(),
                (total as u32).to_le_bytes(),
            ]
            .concat(),
        );
        capture.extend(frame);
    }
    for (content, events, lost) in [(packets.concat(), 4, 1), (capture.clone(), 5, 1)] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &content).unwrap();
        let mut intake = Intake::new();
        let report = intake.read_file(file.path()).unwrap();
        assert_eq!(
            (report.events, report.damaged, report.bytes),
            (events, 0, content.len() as u64),
            "{:?}",
            intake.damaged()
        );
        assert_eq!(intake.accounts().values().map(|a| a.missing).sum::<u64>(), lost);
    }
    capture.truncate(capture.len() - 9);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, &capture).unwrap();
    let report = Intake::new().read_file(file.path()).unwrap();
    assert_eq!((report.events, report.damaged), (4, 1), "a capture cut in its last packet");
}

#[test]
fn a_flood_of_exporters_is_refused_beyond_the_limit_and_the_known_ones_go_on() {
    let (mut lines, mut sheet) = (Lines::default(), Sheet::new());
    let mut refused = 0;
    for domain in 0..leckwehr_telemetry::EXPORTERS_MAX as u32 + 50 {
        let packet = v9(1, domain, &set(0, &template()));
        refused += usize::from(lines.take_flows("10.9.9.9", &packet, RawPlace::default()).is_err());
    }
    assert_eq!(refused, 50);
    lines
        .take_flows("10.9.9.9", &v9(2, 5, &set(256, &flow(1))), RawPlace::default())
        .unwrap();
    assert_eq!(lines.more(&mut sheet), Ok(Read::Record));
}
