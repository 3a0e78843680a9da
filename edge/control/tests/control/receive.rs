//! The receivers on loopback, with the clients that senders have: `logger`, `openssl s_client`, `softflowd` and `curl` where they
//! are there, and hostile ones of our own.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use leckwehr_control::{Payload, ReceiveLimits, Received, ReceivedQueue, Receivers, SourceConfig, SourceKind, Streams};
use leckwehr_crypt::Authority;
use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Kind, Read, Sheet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

const NOW: Timestamp = Timestamp(1_682_392_400_000_000_000);

fn source(name: &str, kind: SourceKind) -> SourceConfig {
    SourceConfig::new(name, kind, "127.0.0.1:0".parse().unwrap())
}

async fn listen(sources: &[SourceConfig]) -> (Receivers, ReceivedQueue, SocketAddr) {
    let (receivers, queue) = Receivers::listen(sources, || NOW).await.unwrap();
    let (_, address) = receivers.addresses().next().unwrap();
    (receivers, queue, address)
}

async fn next(queue: &mut ReceivedQueue) -> Received {
    timeout(Duration::from_secs(30), queue.next()).await.unwrap().unwrap()
}

async fn message(queue: &mut ReceivedQueue) -> String {
    loop {
        match next(queue).await.payload {
            Payload::Syslog(bytes) => return String::from_utf8(bytes).unwrap(),
            other => assert_eq!(other, Payload::End),
        }
    }
}

/// Waits until the account says so.
async fn until(receivers: &Receivers, holds: impl Fn(&leckwehr_control::ReceiveAccount) -> bool) {
    let wait = async {
        while !receivers.accounts().all(|(_, account)| holds(&account)) {
            tokio::task::yield_now().await;
        }
    };
    let accounts = || receivers.accounts().map(|(_, account)| account).collect::<Vec<_>>();
    assert!(timeout(Duration::from_secs(30), wait).await.is_ok(), "{:?}", accounts());
}

/// Runs a client off the runtime; `None`, said visibly, where the program is missing and may be.
async fn client(program: &'static str, arguments: Vec<String>, input: Vec<u8>) -> Option<String> {
    let run = move || {
        let started = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                assert!(!is_required(), "{program} is required: {error}");
                println!("SKIPPED: {program} is not installed");
                return None;
            }
        };
        let mut stdin = child.stdin.take().unwrap();
        let _ = std::io::Write::write_all(&mut stdin, &input);
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

#[expect(clippy::disallowed_methods, reason = "tests read the environment that demands tools")]
fn is_required() -> bool {
    std::env::var("LECKWEHR_REQUIRE_TOOLS").is_ok_and(|value| value == "1")
}

#[tokio::test]
async fn logger_is_understood_over_udp_and_tcp_in_all_its_forms() {
    for (kind, transport) in [(SourceKind::SyslogUdp, "-d"), (SourceKind::SyslogTcp, "-T")] {
        for form in ["--rfc3164", "--rfc5424", "--rfc5424 --octet-count"] {
            if kind == SourceKind::SyslogUdp && form.contains("octet") {
                continue;
            }
            let (receivers, mut queue, address) = listen(&[source("s", kind)]).await;
            let arguments = format!(
                "{transport} -n 127.0.0.1 -P {} {form} -p auth.notice -t sshd -i",
                address.port()
            );
            let mut arguments = words(&arguments);
            arguments.push("Failed password for eve from 10.1.2.3 port 22 ssh2".to_owned());
            if client("logger", arguments, Vec::new()).await.is_none() {
                return;
            }
            let received = next(&mut queue).await;
            let (mut streams, mut sheet) = (Streams::new(), Sheet::new());
            assert_eq!(streams.take(&received, &mut sheet), Ok(Read::Record), "{form}");
            let record = sheet.record().unwrap().unwrap();
            assert_eq!(
                (record.kind, record.account, record.origin),
                (Kind::Logon, "eve", "10.1.2.3"),
                "{form}: {received:?}"
            );
            let accounts = receivers.stop().await;
            assert_eq!((accounts[0].1.messages, accounts[0].1.lost()), (1, 0));
        }
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in der.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]);
            text.push(if i > chunk.len() { '=' } else { digit });
        }
        if text.len() % 65 == 64 {
            text.push('\n');
        }
    }
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", text.trim_end())
}

/// A folder with server certificate and key, client certificate and key, and their root.
fn certificates() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::generate("test").unwrap();
    for name in ["server", "client"] {
        let identity = authority.issue(name).unwrap();
        let write = |file: String, text: String| std::fs::write(folder.path().join(file), text).unwrap();
        write(format!("{name}.pem"), pem("CERTIFICATE", &identity.certificate));
        write(format!("{name}.key"), pem("PRIVATE KEY", &identity.key));
        write("root.pem".to_owned(), pem("CERTIFICATE", &identity.root));
    }
    folder
}

#[tokio::test]
async fn syslog_over_tls_wants_a_certificate_of_the_root() {
    let folder = certificates();
    let path = |file: &str| folder.path().join(file);
    let mut config = source("tls", SourceKind::SyslogTls);
    (config.certificate, config.key) = (Some(path("server.pem")), Some(path("server.key")));
    config.client_roots = Some(path("root.pem"));
    let (receivers, mut queue, address) = listen(&[config]).await;
    let connect = format!(
        "s_client -quiet -no_ign_eof -connect {address} -servername server -CAfile {}",
        path("root.pem").display()
    );
    let shown = format!("-cert {} -key {}", path("client.pem").display(), path("client.key").display());
    for version in ["-tls1_2", "-tls1_3"] {
        let arguments = words(&format!("{connect} {version} {shown}"));
        if client("openssl", arguments, b"6 <1>a\nb<1>over tls\n".to_vec())
            .await
            .is_none()
        {
            return;
        }
        assert_eq!(message(&mut queue).await, "<1>a\nb");
        assert_eq!(message(&mut queue).await, "<1>over tls");
    }
    client("openssl", words(&format!("{connect} -tls1_2")), b"<1>stranger\n".to_vec()).await;
    until(&receivers, |account| account.handshakes_failed == 1).await;
    assert_eq!(receivers.stop().await[0].1.messages, 4);
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_named() {
    let folder = certificates();
    let mut config = source("tls", SourceKind::SyslogTls);
    let fails = async |config: &SourceConfig| {
        Receivers::listen(std::slice::from_ref(config), || NOW)
            .await
            .unwrap_err()
            .code()
    };
    assert_eq!(fails(&config).await, "LW-CONTROL-104");
    (config.certificate, config.key) = (Some(folder.path().join("server.pem")), Some(folder.path().join("gone.key")));
    assert_eq!(fails(&config).await, "LW-CONTROL-102");
    config.key = Some(folder.path().join("server.pem"));
    assert_eq!(fails(&config).await, "LW-CONTROL-103");
    let twice = [source("a", SourceKind::SyslogUdp), source("a", SourceKind::Netflow)];
    assert_eq!(Receivers::listen(&twice, || NOW).await.unwrap_err().code(), "LW-CONTROL-105");
    let (_receivers, _queue, address) = listen(&[source("a", SourceKind::SyslogTcp)]).await;
    let taken = SourceConfig::new("b", SourceKind::SyslogTcp, address);
    assert_eq!(fails(&taken).await, "LW-CONTROL-101");
}

#[tokio::test]
async fn otlp_is_taken_from_curl_and_refused_in_http_s_own_words() {
    let (receivers, mut queue, address) = listen(&[source("o", SourceKind::Otlp)]).await;
    let body = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1682392329000000000","body":{"stringValue":"hello"}}]}]}]}"#;
    let send = |path: &str, options: &str, body: &[u8]| {
        let url = format!("http://{address}{path}");
        let mut arguments = words(&format!("-s -o - -w %{{http_code}} {url} --data-binary @- {options}"));
        arguments.extend(["-H".to_owned(), "Expect:".to_owned()]);
        client("curl", arguments, body.to_vec())
    };
    let json = "-H Content-Type:application/json";
    let Some(answer) = send("/v1/logs", json, body.as_bytes()).await else {
        return;
    };
    assert_eq!(answer, "{}200");
    let received = next(&mut queue).await;
    let (mut streams, mut sheet) = (Streams::new(), Sheet::new());
    streams.take(&received, &mut sheet).unwrap();
    assert_eq!(streams.more(&mut sheet), Ok(Read::Record));
    assert_eq!(sheet.named().text("message"), "hello");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packer, body.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    assert_eq!(
        send("/v1/logs", &format!("{json} -H Content-Encoding:gzip"), &packed)
            .await
            .unwrap(),
        "{}200"
    );
    assert_eq!(next(&mut queue).await.payload.len(), body.len());
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut bomb, &vec![b' '; 20 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    for (path, options, body, status) in [
        ("/v1/traces", json.to_owned(), body.as_bytes(), "404"),
        ("/v1/logs", "-H Content-Type:text/plain".to_owned(), body.as_bytes(), "415"),
        ("/v1/logs", format!("{json} -X PUT"), body.as_bytes(), "405"),
        ("/v1/logs", format!("{json} -H Content-Encoding:gzip"), body.as_bytes(), "400"),
        ("/v1/logs", format!("{json} -H Content-Encoding:gzip"), &bomb, "413"),
    ] {
        let answer = send(path, &options, body).await.unwrap();
        assert!(answer.ends_with(status), "{answer}");
    }
    let account = &receivers.stop().await[0].1;
    assert_eq!((account.messages, account.requests_refused), (2, 5));
}

/// A capture of TCP conversations of one host with several servers, for an exporter to read.
fn capture(conversations: u8) -> Vec<u8> {
    let mut capture = [
        &0xa1b2_c3d4_u32.to_le_bytes()[..],
        &[2, 0, 4, 0],
        &[0; 8],
        &[0, 0, 1, 0],
        &[1, 0, 0, 0],
    ]
    .concat();
    for i in 0..conversations {
        for (packet, flags) in [2_u8, 0x10, 0x11].into_iter().enumerate() {
            let payload = [b'x'; 100];
            let total = (40 + payload.len()) as u16;
            let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
            frame.extend([0x45, 0]);
            frame.extend(total.to_be_bytes());
            frame.extend([0, packet as u8, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 0, 2, i + 1]);
            frame.extend([
                0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0,
            ]);
            frame.extend(payload);
            capture.extend((1_682_392_329_u32 + packet as u32).to_le_bytes());
            capture.extend([[0; 4], (frame.len() as u32).to_le_bytes(), (frame.len() as u32).to_le_bytes()].concat());
            capture.extend(frame);
        }
    }
    capture
}

#[tokio::test]
async fn flows_of_a_real_exporter_arrive_in_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traffic.pcap");
    std::fs::write(&file, capture(20)).unwrap();
    for version in [5, 9, 10] {
        let (receivers, mut queue, address) = listen(&[source("n", SourceKind::Netflow)]).await;
        let (read, pid) = (file.display(), folder.path().join("pid"));
        // With a control socket it would wait for somebody to connect to that before it reads a file.
        let arguments = format!("-d -r {read} -n {address} -v {version} -c none -p {}", pid.display());
        if client("softflowd", words(&arguments), Vec::new()).await.is_none() {
            return;
        }
        let (mut streams, mut sheet, mut found) = (Streams::new(), Sheet::new(), Vec::new());
        while found.len() < 20 {
            streams.take(&next(&mut queue).await, &mut sheet).unwrap();
            while streams.more(&mut sheet) == Ok(Read::Record) {
                let record = sheet.record().unwrap().unwrap();
                assert_eq!(
                    (record.origin, record.port, record.bytes_out),
                    ("10.0.0.1", 443, Some(420)),
                    "version {version}"
                );
                found.push(record.destination.to_owned());
            }
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 20, "version {version}");
        assert_eq!(streams.loss(), None);
        receivers.stop().await;
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_their_places_come_back() {
    let mut config = source("s", SourceKind::SyslogTcp);
    config.limits.connections_max = 2;
    let (receivers, mut queue, address) = listen(&[config]).await;
    let mut held = vec![
        TcpStream::connect(address).await.unwrap(),
        TcpStream::connect(address).await.unwrap(),
    ];
    until(&receivers, |account| account.connections == 2).await;
    let mut third = TcpStream::connect(address).await.unwrap();
    assert_eq!(third.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed");
    held.pop();
    until(&receivers, |account| account.connections == 1).await;
    let mut again = TcpStream::connect(address).await.unwrap();
    again.write_all(b"<1>here\n").await.unwrap();
    assert_eq!(message(&mut queue).await, "<1>here");
    assert_eq!(receivers.stop().await[0].1.connections_refused, 1);
}

#[tokio::test]
async fn a_message_that_drips_is_ended_and_what_came_is_taken() {
    let mut config = source("s", SourceKind::SyslogTcp);
    config.limits = ReceiveLimits {
        message_ms_max: 300,
        ..ReceiveLimits::default()
    };
    let (receivers, mut queue, address) = listen(&[config]).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    let drip = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while slow.write_all(b"x").await.is_ok() {
            ticks.tick().await;
        }
    });
    let cut = message(&mut queue).await;
    assert!(!cut.is_empty() && cut.bytes().all(|b| b == b'x'));
    until(&receivers, |account| account.connections_idle == 1).await;
    drip.await.unwrap();
    receivers.stop().await;
}

#[tokio::test]
async fn a_full_queue_slows_streams_puts_requests_off_and_drops_datagrams_by_number() {
    let sources = [source("t", SourceKind::SyslogTcp), source("u", SourceKind::SyslogUdp)];
    let (receivers, mut queue, address) = listen(&sources).await;
    let (_, udp) = receivers.addresses().nth(1).unwrap();
    let messages = leckwehr_control::QUEUE_MESSAGES_MAX + 1_000;
    let sender = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        for _ in 0..messages {
            stream.write_all(b"<1>m\n").await.unwrap();
        }
    });
    let account = |nth| receivers.accounts().nth(nth).unwrap().1;
    while account(0).messages < leckwehr_control::QUEUE_MESSAGES_MAX as u64 {
        tokio::task::yield_now().await;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(b"<1>datagram", udp).await.unwrap();
    while account(1).dropped_queue == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..messages {
        assert_eq!(message(&mut queue).await, "<1>m", "nothing of the stream is lost");
    }
    sender.await.unwrap();
    let accounts = receivers.stop().await;
    assert_eq!((accounts[0].1.messages, accounts[0].1.lost()), (messages as u64, 0));
    assert_eq!((accounts[1].1.messages, accounts[1].1.lost()), (0, 1));
}

#[tokio::test]
async fn more_datagrams_than_allowed_are_dropped_and_counted() {
    let mut config = source("u", SourceKind::SyslogUdp);
    config.limits.bytes_per_second_max = 100;
    let (receivers, mut queue, address) = listen(&[config]).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..3 {
        socket.send_to(&[b'x'; 60], address).await.unwrap();
    }
    until(&receivers, |account| account.messages + account.dropped_rate == 3).await;
    assert_eq!(message(&mut queue).await.len(), 60);
    assert!(receivers.stop().await[0].1.dropped_rate >= 1);
}

#[tokio::test]
async fn stopping_hands_on_what_is_held_and_ends_the_queue() {
    let (receivers, mut queue, address) = listen(&[source("s", SourceKind::SyslogTcp)]).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"<1>whole\n<1>without an end").await.unwrap();
    assert_eq!(message(&mut queue).await, "<1>whole");
    receivers.stop().await;
    assert_eq!(message(&mut queue).await, "<1>without an end");
    assert!(matches!(next(&mut queue).await.payload, Payload::End));
    assert!(queue.next().await.is_none());
}
