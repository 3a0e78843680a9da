use leckwehr_incident::Timestamp;

use crate::format::Dialect;
use crate::format::civil::Civil;
use crate::{FieldId, FieldsFull, Kind, LogSource, NamedFields, Outcome, Product, Record, Sheet};

/// Suricata's `eve.json` (user guide, *EVE JSON Format*).
pub(crate) static DIALECT: Dialect = Dialect {
    is: |fields| {
        let has = |name| fields.get(name).is_some();
        has(FieldId::EVE_TYPE) && (has(FieldId::EVE_FLOW) || has(FieldId::EVE_TIMESTAMP))
    },
    standard_name: |_| None,
    normalise,
    record,
};

/// Sigma's names for what an event of a category holds.
const ALIASES: [(&str, &str); 17] = [
    ("dst_ip", "dest_ip"),
    ("dst_port", "dest_port"),
    ("query", "dns.rrname"),
    ("query", "dns.queries.rrname"),
    ("record_type", "dns.rrtype"),
    ("record_type", "dns.queries.rrtype"),
    ("answer", "dns.answers.rdata"),
    ("answer", "dns.rdata"),
    ("c-uri", "http.url"),
    ("cs-uri-stem", "http.url"),
    ("cs-method", "http.http_method"),
    ("c-useragent", "http.http_user_agent"),
    ("cs-host", "http.hostname"),
    ("cs-referer", "http.http_refer"),
    ("sc-status", "http.status"),
    ("c-ip", "src_ip"),
    ("action", "alert.action"),
];

fn normalise(sheet: &mut Sheet) -> Result<(), FieldsFull> {
    for (alias, of) in ALIASES {
        let of = sheet.names.id(of).filter(|id| sheet.fields.get(*id).is_some());
        sheet.put_alias(alias, of)?;
    }
    let kind = sheet.fields.get(FieldId::EVE_TYPE).map_or("", |v| v.as_text());
    let categories: &[&str] = match kind {
        "flow" | "netflow" => &["network_connection", "firewall"],
        "drop" => &["firewall"],
        "http" => &["proxy", "webserver"],
        "dns" => &["dns"],
        "alert" => &["ids"],
        _ => &[],
    };
    sheet.source = sheet.sources.intern("suricata", kind, categories);
    Ok(())
}

/// Returns the share of packets that the capture lost so far, of a record of its statistics.
pub(crate) fn capture_loss(fields: NamedFields<'_>) -> f64 {
    let packets: f64 = fields.number("stats.capture.kernel_packets").unwrap_or(0.0);
    let lost: f64 = fields.number("stats.capture.kernel_drops").unwrap_or(0.0);
    if packets > 0.0 {
        (lost / packets).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn time(text: &str) -> Option<Timestamp> {
    let (civil, _) = Civil::rfc3339(text)?;
    civil.instant(Timestamp::default(), 0)
}

fn record<'a>(fields: NamedFields<'a>, source: &'a LogSource) -> Result<Option<Record<'a>>, &'static str> {
    let event = &*source.service;
    let (kind, action, object): (Kind, &[&str], &[&str]) = match event {
        "flow" | "netflow" => (Kind::Flow, &["flow.state"], &["app_proto", "proto"]),
        "drop" => (Kind::Flow, &["drop.reason", "event_type"], &["proto"]),
        "http" | "http2" => (Kind::Web, &["http.http_method"], &["http.url"]),
        "dns" => (Kind::Name, &["dns.rcode", "dns.type"], &["dns.rrname", "dns.queries.rrname"]),
        "tls" | "quic" => (Kind::Tls, &["tls.version"], &["tls.sni", "quic.sni", "tls.subject"]),
        "fileinfo" => (
            Kind::Transfer,
            &["fileinfo.mimetype", "fileinfo.magic"],
            &["fileinfo.filename"],
        ),
        "smb" => (
            Kind::ShareFile,
            &["smb.command"],
            &["smb.filename", "smb.share", "smb.named_pipe"],
        ),
        "krb5" => (Kind::Ticket, &["krb5.msg_type"], &["krb5.sname"]),
        "dcerpc" => (Kind::RemoteCall, &["dcerpc.request"], &["dcerpc.interfaces.uuid"]),
        "alert" => (Kind::Other, &["alert.action"], &["alert.signature"]),
        _ => (Kind::Other, &["event_type"], &[]),
    };
    let of_flow = kind == Kind::Flow && event != "drop";
    let started = if of_flow {
        time(fields.first(&["flow.start", "netflow.start"]))
    } else {
        None
    };
    let written = time(fields.text("timestamp"));
    let ended = time(fields.first(&["flow.end", "netflow.end"])).or(written);
    let mut record = Record {
        time: started.or(written).ok_or("no readable time in timestamp")?,
        kind,
        product: Product::Suricata,
        service: event,
        category: source.categories.first().map_or("", |c| c),
        action: fields.first(action),
        object: fields.first(object),
        origin: fields.text("src_ip"),
        origin_port: fields.number("src_port").unwrap_or(0),
        destination: fields.text("dest_ip"),
        port: fields.number("dest_port").unwrap_or(0),
        sensor: fields.text("host"),
        duration_ns: started.zip(ended).map(|(from, to)| to.0.saturating_sub(from.0).max(0)),
        ..Record::default()
    };
    details(fields, &mut record);
    Ok(Some(record))
}

fn details<'a>(fields: NamedFields<'a>, record: &mut Record<'a>) {
    match record.kind {
        Kind::Flow => {
            record.bytes_out = fields.count("flow.bytes_toserver").or_else(|| fields.count("netflow.bytes"));
            record.bytes_in = fields.count("flow.bytes_toclient");
            let refused = record.service == "drop" || fields.text("flow.action") == "drop";
            record.outcome = if refused { Outcome::Failure } else { Outcome::Unknown };
        }
        Kind::Web => {
            record.bytes_in = fields.count("http.length");
            record.outcome = match fields.number::<u16>("http.status") {
                Some(200..=399) => Outcome::Success,
                Some(400..) => Outcome::Failure,
                _ => Outcome::Unknown,
            };
        }
        Kind::Transfer => record.size = fields.count("fileinfo.size"),
        Kind::Ticket => {
            record.account = fields.text("krb5.cname");
            let failed = !matches!(fields.text("krb5.error_code"), "" | "0");
            record.outcome = if failed { Outcome::Failure } else { Outcome::Success };
        }
        _ => record.account = fields.first(&["smb.ntlmssp.user", "ftp.user", "rdp.cookie"]),
    }
}

#[cfg(test)]
mod tests {
    use crate::format::{Lines, Read};
    use crate::{Kind, Sheet};

    #[test]
    fn events_of_each_kind_have_their_columns() {
        let head = r#""timestamp":"2023-04-25T05:12:09.500000+0200","flow_id":7,"src_ip":"10.1.2.3","src_port":9,"dest_ip":"192.0.2.9","dest_port":443,"proto":"TCP""#;
        let cases = [
            (
                r#""event_type":"flow","app_proto":"tls","flow":{"start":"2023-04-25T05:12:00.000000+0200","end":"2023-04-25T05:12:04.000000+0200","bytes_toserver":9,"bytes_toclient":8}"#,
                Kind::Flow,
                "tls",
                Some(9),
                "2023-04-25T03:12:00.000Z",
            ),
            (
                r#""event_type":"dns","dns":{"type":"query","queries":[{"rrname":"x.example","rrtype":"TXT"}]}"#,
                Kind::Name,
                "x.example",
                None,
                "2023-04-25T03:12:09.500Z",
            ),
            (
                r#""event_type":"http","http":{"hostname":"h","url":"/a","http_method":"GET","status":404,"length":5}"#,
                Kind::Web,
                "/a",
                None,
                "2023-04-25T03:12:09.500Z",
            ),
            (
                r#""event_type":"tls","tls":{"sni":"x.example","version":"TLS 1.3"}"#,
                Kind::Tls,
                "x.example",
                None,
                "2023-04-25T03:12:09.500Z",
            ),
            (
                r#""event_type":"fileinfo","fileinfo":{"filename":"/a.zip","size":4}"#,
                Kind::Transfer,
                "/a.zip",
                None,
                "2023-04-25T03:12:09.500Z",
            ),
            (
                r#""event_type":"alert","alert":{"signature":"a thing","signature_id":1}"#,
                Kind::Other,
                "a thing",
                None,
                "2023-04-25T03:12:09.500Z",
            ),
        ];
        let (mut lines, mut sheet) = (Lines::default(), Sheet::new());
        for (body, kind, object, bytes_out, time) in cases {
            let line = format!("{{{head},{body}}}");
            assert_eq!(lines.read(line.as_bytes(), &mut sheet), Ok(Read::Record), "{line}");
            let record = sheet.record().unwrap().unwrap();
            assert_eq!((record.kind, record.object, record.bytes_out), (kind, object, bytes_out));
            assert_eq!(
                (record.origin, record.destination, record.port),
                ("10.1.2.3", "192.0.2.9", 443)
            );
            assert_eq!(record.time.to_string(), time);
            assert_eq!(sheet.named().text("dst_ip"), "192.0.2.9");
        }
        assert_eq!(sheet.log_source().categories, ["ids".into()]);
    }

    #[test]
    fn statistics_tell_what_the_capture_lost() {
        let (mut lines, mut sheet) = (Lines::default(), Sheet::new());
        let line = br#"{"timestamp":"2023-04-25T05:12:09.500000+0200","event_type":"stats","stats":{"capture":{"kernel_packets":200,"kernel_drops":50}}}"#;
        lines.read(line, &mut sheet).unwrap();
        assert!((super::capture_loss(sheet.named()) - 0.25).abs() < 1e-9);
    }
}
