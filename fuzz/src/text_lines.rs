use leckwehr_incident::Timestamp;
use leckwehr_telemetry::{Lines, Sheet, SyslogClock};

use crate::records::{drain, shape};
use crate::{Target, fingerprint};

/// Lines of text: syslog and what it carries, CEF, LEEF, audit records, JSON of every dialect.
pub const TARGET: Target = Target {
    name: "text_lines",
    run,
    seeds: &[
        "<86>Apr 25 05:12:09 fs-1 sshd[402]: Failed password for invalid user eve from 10.1.2.3 port 40022 ssh2",
        "<165>1 2003-10-11T22:14:15.003+02:00 h evntslog 111 ID47 [a@1 x=\"1\" y=\"\\\"\\]\\\\\"][b z=\"\"] \u{feff}text",
        "Feb 29 05:12:09 fs-1 sudo: eve : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls -l",
        "Apr 25 05:12:09 fs-1 CRON[7]: (root) CMD (x)\nApr 25 05:12:09 h su: FAILED SU (to root) eve on pts/0",
        "<4>Apr 25 05:12:09 h kernel: [1.5] [UFW BLOCK] IN=eth0 OUT= SRC=10.0.0.9 DST=10.0.0.1 PROTO=TCP SPT=4 DPT=22",
        "CEF:0|a\\|b|p|1|100|name|3|rt=1682392329000 src=10.1.2.3 request=http://h/?a\\=b cs1Label=Rule cs1=x act=blocked",
        "LEEF:2.0|v|p|1|evt|0x09|src=10.0.0.1\tusrName=eve",
        "type=SYSCALL msg=audit(1682392329.100:50): arch=c000003e syscall=59 success=yes a0=55 uid=0 exe=\"/bin/a\" key=(null)\n\
         type=EXECVE msg=audit(1682392329.100:50): argc=2 a0=\"tar\" a1[0]=2D63 a1[1]=41\n\
         type=PROCTITLE msg=audit(1682392329.100:50): proctitle=746172002D63",
        "node=h type=SOCKADDR msg=audit(1.2:3): saddr=020001BB0A0000090000000000000000\ntype=SYSCALL msg=audit(1.2:3): arch=c000003e syscall=42",
        "type=USER_LOGIN msg=audit(1.2:4): pid=1 msg='op=login acct=657665 addr=10.1.2.3 res=failed'",
        "<189>date=2023-04-25 time=05:12:09 devname=\"fw\" logid=\"1\" type=\"traffic\" srcip=10.1.2.3 dstip=1.1.1.1 sentbyte=5",
        "<189>29: *Apr 25 05:12:09.123: %PARSER-5-CFGLOG_LOGGEDCMD: x",
        "{\"timestamp\":\"2023-04-25T05:12:09.5+0200\",\"event_type\":\"flow\",\"flow_id\":7,\"flow\":{\"start\":\"2023-04-25T05:12:00+0200\"}}",
        "{\"class_uid\":3002,\"category_uid\":3,\"time\":1682392329000,\"user\":{\"name\":\"eve\"}}",
        "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"verb\":\"get\",\"stageTimestamp\":\"2023-04-25T05:12:09Z\"}",
    ],
    words: &[
        "<34>",
        "<999>",
        "1 - - - - - -",
        "[a b=\"",
        "\"]",
        "\\\"",
        "@cee:{",
        "CEF:0|",
        "LEEF:1.0|",
        "|",
        "\\|",
        "\\=",
        "=",
        " key=",
        "Label=",
        "type=EXECVE msg=audit(1.2:3): ",
        "type=PATH msg=audit(1.2:3): ",
        "type=EOE msg=audit(1.2:3): ",
        "name=",
        "nametype=CREATE",
        "a99999=",
        "a0[1]=",
        "\"",
        "'",
        "(null)",
        "\u{1d}",
        "saddr=0A00",
        "\n",
        "Jan  1 00:00:00 ",
        "Dec 31 23:59:60 ",
        "2023-04-25T05:12:09Z ",
        "+99:99",
        "9999999999999999999",
        " from ",
        " port ",
        "pam_unix(su:session): ",
        "COMMAND=",
        ") ",
        "{\"",
        "\":",
        "\0",
        "\u{fffd}",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    let (mut plain, mut socket, mut sheet) = (Lines::default(), Lines::default(), Sheet::new());
    let mut shapes = Vec::new();
    for lines in [&mut plain, &mut socket] {
        lines.set_clock(SyslogClock {
            reference: Timestamp(1_682_392_329_000_000_000),
            offset_s: 3_600,
        });
    }
    for line in bytes.split(|b| *b == b'\n') {
        let read = plain.read(line, &mut sheet);
        shapes.push(shape(&read, &sheet));
        let read = socket.read_syslog(line, &mut sheet);
        shapes.push(shape(&read, &sheet));
    }
    shapes.push(drain(&mut plain, &mut sheet));
    shapes.push(drain(&mut socket, &mut sheet));
    fingerprint(shapes)
}
