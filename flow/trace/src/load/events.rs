use std::collections::BTreeMap;
use std::path::Path;

use leckwehr_detect::AddressBook;
use leckwehr_estate::Estate;
use leckwehr_telemetry::{Event, Events, Intake, IntakeError, Kind, Outcome};

use super::account::Refusal;
use super::error::LoadError;
use super::gather::{Gather, Given, Node};
use crate::scene::Scene;

/// Takes the events of one telemetry file, and refuses what is damaged in it.
pub(super) fn read_file(gather: &mut Gather<'_>, intake: &mut Intake, events: &mut Events, path: &Path) -> Result<(), LoadError> {
    gather.begin(&path.display().to_string());
    let (total, known) = (intake.damaged_total(), intake.damaged().len());
    let read = intake.read_file(path);
    events.append(&intake.take());
    let named = intake.damaged().get(known..).unwrap_or_default();
    for damaged in named {
        gather.refuse(Refusal::Record, damaged.record, 1);
    }
    let unnamed = (intake.damaged_total() - total).saturating_sub(named.len() as u64);
    if unnamed > 0 {
        gather.refuse(Refusal::Record, 0, unnamed);
    }
    match read {
        Err(error @ IntakeError::Read { .. }) => Err(error.into()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

/// Takes what the scene of an analysis calls a touch, and the switches of accounts on one host.
pub(super) fn read(gather: &mut Gather<'_>, events: &Events) {
    if events.is_empty() {
        return;
    }
    let nobody = Estate::default();
    let book = AddressBook::new(gather.options().estate.unwrap_or(&nobody));
    let scene = Scene::new(events, &[], book);
    let mut found: BTreeMap<usize, Vec<Given<'_>>> = BTreeMap::new();
    for touch in &scene.touches {
        let took_ns = events.get(touch.row).and_then(|e| e.duration_ns()).unwrap_or(0);
        found.entry(touch.row).or_default().push(Given {
            at: Some(touch.at.0),
            from: Node::Text(scene.name(touch.from)),
            to: Node::Text(scene.name(touch.to)),
            account: events.symbols().text(touch.account),
            by: "",
            took_ns,
        });
    }
    for event in events.iter() {
        if let Some(switch) = switch(&scene, &event) {
            found.entry(event.row()).or_default().push(switch);
        }
    }
    gather.beside((events.len() - found.len()) as u64);
    let rows = found
        .into_iter()
        .flat_map(|(row, list)| list.into_iter().map(move |given| (row, given)));
    for (row, given) in rows {
        if let Some(event) = events.get(row) {
            gather.begin_source(event.source());
            gather.take(event.record(), &given);
        }
    }
}

/// A record of one account becoming another: a local log-on (4624 without an origin), or credentials given by hand (4648:
/// runas, or straight on to another host).
fn switch<'s>(scene: &'s Scene<'_>, event: &Event<'s>) -> Option<Given<'s>> {
    let by = event.field("SubjectUserName").unwrap_or("");
    // A machine's own account starts sessions for everybody: whose wish it was is not said.
    let by = if by.ends_with('$') { "" } else { by };
    let host = scene.node_of(event.host_sym())?;
    let explicit = event.field("EventID") == Some("4648");
    let local = event.kind() == Kind::Logon
        && event.outcome() == Outcome::Success
        && (event.origin_sym().is_none() || scene.node_of(event.origin_sym()) == Some(host));
    if !explicit && !local {
        return None;
    }
    let target = event.field("TargetServerName").filter(|_| explicit).unwrap_or("localhost");
    let target = if target.eq_ignore_ascii_case("localhost") {
        scene.name(host)
    } else {
        target
    };
    Some(Given {
        at: Some(event.time().0),
        from: Node::Text(scene.name(host)),
        to: Node::Text(target),
        account: match explicit {
            true => event.field("TargetUserName").unwrap_or(""),
            false => event.account(),
        },
        by,
        took_ns: 0,
    })
}
