use super::{LintFinding, Severity, names};
use crate::dependency::Graph;
use crate::{Estate, Service};

/// Vital services that cannot be brought back or watched, single points of failure, services that come back too late.
pub(super) fn check(estate: &Estate, findings: &mut Vec<LintFinding>) {
    for (id, service) in estate.services.iter().filter(|(_, s)| s.vital) {
        without_recipe(estate, id, findings);
        without_probe(estate, id, service, findings);
    }
    let graph = Graph::new(estate);
    single_points(estate, &graph, findings);
    beyond_mtpd(estate, &graph, findings);
}

fn without_recipe(estate: &Estate, id: &str, findings: &mut Vec<LintFinding>) {
    let needed = estate.needs_of_service(id);
    let bare = needed
        .iter()
        .filter(|s| estate.systems.get(*s).is_some_and(|s| s.recipe.is_none()));
    let bare: Vec<&str> = bare.map(String::as_str).collect();
    if !bare.is_empty() {
        findings.push(LintFinding {
            code: "vital-service-without-recipe",
            severity: Severity::High,
            subject: format!("service {id}"),
            message: format!(
                "nobody wrote down how {} of its systems come back: {}",
                bare.len(),
                names(bare)
            ),
            remedy: "write a recipe and name it in each of these systems".to_owned(),
        });
    }
}

fn without_probe(estate: &Estate, id: &str, service: &Service, findings: &mut Vec<LintFinding>) {
    let probe = service.probe.as_ref().and_then(|p| estate.systems.get(p));
    let message = match (&service.probe, probe.and_then(|s| s.probe_port)) {
        (_, Some(_)) => return,
        (Some(system), None) => format!("its probe {system} has no port to ask"),
        (None, None) => "nothing shows whether it works".to_owned(),
    };
    findings.push(LintFinding {
        code: "vital-service-without-probe",
        severity: Severity::High,
        subject: format!("service {id}"),
        message,
        remedy: "name a system with a `probe_port` as its `probe`".to_owned(),
    });
}

/// Takes each system away and looks what falls.
fn single_points(estate: &Estate, graph: &Graph<'_>, findings: &mut Vec<LintFinding>) {
    let fallen_anyway = graph.down([]);
    for system in 0..graph.services_from {
        let down = graph.down([system]);
        let services = graph.services_from..graph.ids.len();
        let fallen = services.filter(|&n| down[n] && !fallen_anyway[n]).map(|n| graph.ids[n]);
        let fallen: Vec<&str> = fallen.collect();
        let vital = fallen.iter().filter(|s| estate.services.get(**s).is_some_and(|s| s.vital));
        let vital: Vec<&str> = vital.copied().collect();
        if fallen.len() < 2 && vital.is_empty() {
            continue;
        }
        let vital = if vital.is_empty() {
            String::new()
        } else {
            format!("; vital: {}", names(vital))
        };
        findings.push(LintFinding {
            code: "hidden-single-point",
            severity: Severity::High,
            subject: format!("system {}", graph.ids[system]),
            message: format!(
                "its loss alone takes down {} service(s): {}{vital}",
                fallen.len(),
                names(fallen)
            ),
            remedy: "give whatever needs it an alternative: `needs = [\"this|other\"]`".to_owned(),
        });
    }
}

fn beyond_mtpd(estate: &Estate, graph: &Graph<'_>, findings: &mut Vec<LintFinding>) {
    let minutes = |n: usize| {
        let recipe = estate
            .systems
            .get(graph.ids[n])
            .and_then(|s| estate.recipes.get(s.recipe.as_ref()?));
        recipe.map_or(0, |r| r.steps.iter().map(|step| u64::from(step.minutes)).sum())
    };
    let ready = graph.cold_start(minutes);
    for (n, at) in ready.into_iter().enumerate().skip(graph.services_from) {
        let (Some(service), Some(at)) = (estate.services.get(graph.ids[n]), at) else {
            continue;
        };
        if at > u64::from(service.mtpd_minutes) {
            findings.push(LintFinding {
                code: "service-beyond-mtpd",
                severity: Severity::High,
                subject: format!("service {}", graph.ids[n]),
                message: format!(
                    "from nothing it takes {at} minutes by the recipes along its needs, even with unlimited people; {} are tolerable",
                    service.mtpd_minutes
                ),
                remedy: "shorten the recipes, give it a degraded mode with fewer needs, or agree on a longer MTPD".to_owned(),
            });
        }
    }
}
