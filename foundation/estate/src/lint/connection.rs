use super::{LintFinding, Severity};
use crate::{Connection, Estate, Party, PartyKind, Switch};

/// Connections that nobody answers for, or that nobody can cut, prove cut, or put back.
pub(super) fn check(estate: &Estate, findings: &mut Vec<LintFinding>) {
    for (id, connection) in &estate.connections {
        let mut say = |code, severity, message: String, remedy: &str| {
            findings.push(LintFinding {
                code,
                severity,
                subject: format!("connection {id}"),
                message,
                remedy: remedy.to_owned(),
            });
        };
        let (kind, from, to) = (connection.kind.name(), &connection.from, &connection.to);
        if connection.owner.is_none() {
            let message = format!("nobody owns this {kind} link from {from} to {to}");
            say(
                "connection-without-owner",
                Severity::High,
                message,
                "name the crew or party that answers for it as `owner`",
            );
        }
        match &connection.switch {
            Some(switch) => check_switch(switch, healthcare_end(estate, connection), &mut say),
            None => {
                let message = format!("nothing says how this {kind} link from {from} to {to} is cut");
                say(
                    "connection-without-switch",
                    Severity::High,
                    message,
                    "add a `switch`: guard, who, how, verify, undo",
                );
            }
        }
    }
}

fn check_switch(switch: &Switch, healthcare: Option<&Party>, say: &mut impl FnMut(&'static str, Severity, String, &str)) {
    let how = if switch.how.is_empty() {
        "(not said how)"
    } else {
        &switch.how
    };
    match (&switch.guard, healthcare) {
        (Some(_), _) => {}
        (None, Some(party)) => {
            let message = format!(
                "{} runs healthcare IT that an attacker can go on to, and only a person cuts the link, in {} s: {how}",
                party.name, switch.takes_s
            );
            say(
                "healthcare-party-without-guard",
                Severity::High,
                message,
                "put a guard at this link",
            );
        }
        (None, None) => {
            let message = format!("only a person cuts it, in {} s: {how}", switch.takes_s);
            say("switch-without-guard", Severity::Medium, message, "put a guard at this link");
        }
    }
    let parts = [
        (
            "switch-without-person",
            &switch.who,
            "says nobody who may cut it",
            "name a crew or person as `who`",
        ),
        (
            "switch-without-verify",
            &switch.verify,
            "says not how the cut is proved",
            "add `verify`, e.g. a probe that must fail",
        ),
        (
            "switch-without-undo",
            &switch.undo,
            "says not how the cut is undone",
            "add `undo`",
        ),
    ];
    for (code, text, message, remedy) in parts {
        if text.is_empty() {
            say(code, Severity::Medium, format!("the switch {message}"), remedy);
        }
    }
}

/// Returns the party at either end that is not ours and runs healthcare IT.
fn healthcare_end<'e>(estate: &'e Estate, connection: &Connection) -> Option<&'e Party> {
    let ends = [&connection.from, &connection.to];
    let parties = ends.into_iter().filter_map(|end| party_of(estate, end));
    parties.into_iter().find(|p| p.healthcare && p.kind != PartyKind::Provider)
}

fn party_of<'e>(estate: &'e Estate, end: &str) -> Option<&'e Party> {
    let zone = estate.systems.get(end).map_or(end, |s| s.zone.as_str());
    let party = estate.zones.get(zone).map_or(end, |z| z.party.as_str());
    estate.parties.get(party)
}
