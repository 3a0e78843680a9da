use leckwehr_incident::{Phase, ServiceLevel};
use serde_json::{Value, json};

use crate::pages::{Pages, page_name};
use crate::{Language, Works, phase_sentence, phase_word};

/// Writes the summary that Statuspage v2 clients read (`/api/v2/summary.json`).
///
/// Two departures from the original, both for the sake of truth: a component may be `unknown`, and the indicator is then at
/// least `minor`.
pub(crate) fn statuspage(pages: &Pages<'_>) -> String {
    let config = pages.config;
    let components: Vec<Value> = pages.states.iter().map(|state| component(pages, state)).collect();
    let summary = json!({
        "page": {
            "id": config.title,
            "name": config.title,
            "url": config.base_url,
            "time_zone": "Europe/Berlin",
            "updated_at": config.issued.to_string(),
        },
        "status": status(pages),
        "components": components,
        "incidents": incidents(pages),
        "scheduled_maintenances": [],
    });
    format!("{summary:#}\n")
}

fn component(pages: &Pages<'_>, state: &crate::state::ServiceState<'_>) -> Value {
    let status = match state.level {
        None => "unknown",
        Some(ServiceLevel::Off | ServiceLevel::Rebuilding | ServiceLevel::CleanRoom) => "major_outage",
        Some(ServiceLevel::Limited) => "partial_outage",
        Some(ServiceLevel::Provisional) => "degraded_performance",
        Some(ServiceLevel::Full) => "operational",
    };
    json!({
        "id": state.id,
        "name": state.name,
        "status": status,
        "description": state.advice(pages.estate, Language::En, None),
        "position": state.priority,
        "created_at": state.changes.first().map(|(at, _)| at.to_string()),
        "updated_at": state.since.map(|at| at.to_string()),
        "url": format!("{}service/{}", pages.config.base_url, page_name(state.id)),
    })
}

fn status(pages: &Pages<'_>) -> Value {
    let (indicator, description) = match pages.states.iter().map(|state| state.works).min() {
        Some(Works::No) => ("critical", "Some services do not work"),
        Some(Works::Limited) => ("major", "Some services work with limits"),
        Some(Works::Unknown) | None => ("minor", "The state of some services is unknown"),
        Some(Works::Yes) => ("none", "All services work"),
    };
    json!({ "indicator": indicator, "description": description })
}

fn incidents(pages: &Pages<'_>) -> Value {
    let situation = pages.situation;
    let Some((started, ..)) = situation.history.first() else {
        return json!([]);
    };
    let updates: Vec<Value> = situation
        .history
        .iter()
        .enumerate()
        .rev()
        .map(|(n, (at, phase, _))| {
            json!({
                "id": format!("phase-{n}"),
                "status": incident_status(*phase),
                "body": phase_sentence(*phase, Language::En),
                "created_at": at.to_string(),
                "display_at": at.to_string(),
            })
        })
        .collect();
    json!([{
        "id": "incident",
        "name": phase_word(situation.phase, Language::En),
        "status": incident_status(situation.phase),
        "impact": status(pages)["indicator"],
        "started_at": started.to_string(),
        "updated_at": situation.as_of.to_string(),
        "shortlink": pages.config.base_url,
        "incident_updates": updates,
    }])
}

fn incident_status(phase: Phase) -> &'static str {
    match phase {
        Phase::Alarm | Phase::Declared => "investigating",
        Phase::Contained | Phase::Assessed | Phase::Restoring => "identified",
        Phase::Recovered => "monitoring",
        Phase::Watching | Phase::Closed => "resolved",
    }
}
