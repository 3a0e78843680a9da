use leckwehr_incident::Timestamp;

use crate::format::Dialect;
use crate::{FieldId, FieldsFull, Kind, LogSource, NamedFields, Outcome, Product, Record, Sheet};

/// Audit events of a Kubernetes API server (`audit.k8s.io/v1`, *Event*), one a line.
pub(crate) static DIALECT: Dialect = Dialect {
    is: |fields| {
        let version = fields.get(FieldId::API_VERSION).map_or("", |v| v.as_text());
        version.starts_with("audit.k8s.io/")
    },
    standard_name: |_| None,
    normalise,
    record,
};

/// Sigma's rules name attributes without their path.
const ALIASES: [(&str, &str); 4] = [
    ("apiGroup", "objectRef.apiGroup"),
    ("hostPath", "requestObject.spec.volumes.hostPath.path"),
    (
        "capabilities",
        "requestObject.spec.containers.securityContext.capabilities.add",
    ),
    ("namespace", "objectRef.namespace"),
];

fn normalise(sheet: &mut Sheet) -> Result<(), FieldsFull> {
    for (alias, of) in ALIASES {
        let of = sheet.names.id(of).filter(|id| sheet.fields.get(*id).is_some());
        sheet.put_alias(alias, of)?;
    }
    sheet.source = sheet.sources.intern("kubernetes", "audit", &["application"]);
    Ok(())
}

fn record<'a>(fields: NamedFields<'a>, source: &'a LogSource) -> Result<Option<Record<'a>>, &'static str> {
    let times = ["requestReceivedTimestamp", "stageTimestamp", "timestamp"];
    let time: Option<Timestamp> = times.iter().find_map(|name| fields.text(name).parse().ok());
    let ended: Option<Timestamp> = fields.text("stageTimestamp").parse().ok();
    let time = time.ok_or("no readable time in requestReceivedTimestamp or stageTimestamp")?;
    Ok(Some(Record {
        time,
        kind: Kind::Other,
        product: Product::Kubernetes,
        service: &source.service,
        category: source.categories.first().map_or("", |c| c),
        action: fields.text("verb"),
        outcome: match fields.number::<u16>("responseStatus.code") {
            Some(100..=399) => Outcome::Success,
            Some(400..) => Outcome::Failure,
            _ => Outcome::Unknown,
        },
        origin: fields.first(&["sourceIPs"]),
        account: fields.first(&["impersonatedUser.username", "user.username"]),
        object: fields.text("requestURI"),
        duration_ns: ended.map(|at| at.0.saturating_sub(time.0).max(0)),
        ..Record::default()
    }))
}

#[cfg(test)]
mod tests {
    use crate::format::{Lines, Read};
    use crate::{Outcome, Sheet};

    #[test]
    fn a_call_has_its_actor_and_its_object() {
        let line = br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","stage":"ResponseComplete","verb":"create",
            "requestURI":"/api/v1/namespaces/default/pods/x/exec","user":{"username":"eve","groups":["a","b"]},"sourceIPs":["10.1.2.3","10.0.0.1"],
            "objectRef":{"resource":"pods","subresource":"exec","namespace":"default"},"responseStatus":{"code":403},
            "requestReceivedTimestamp":"2023-04-25T03:12:09.000000Z","stageTimestamp":"2023-04-25T03:12:09.250000Z"}"#;
        let (mut lines, mut sheet) = (Lines::default(), Sheet::new());
        assert_eq!(lines.read(line, &mut sheet), Ok(Read::Record));
        let record = sheet.record().unwrap().unwrap();
        assert_eq!(
            (record.account, record.origin, record.action, record.outcome),
            ("eve", "10.1.2.3", "create", Outcome::Failure)
        );
        assert_eq!(
            (record.duration_ns, sheet.named().text("namespace")),
            (Some(250_000_000), "default")
        );
        assert_eq!(
            (&*sheet.log_source().product, &*sheet.log_source().service),
            ("kubernetes", "audit")
        );
    }
}
