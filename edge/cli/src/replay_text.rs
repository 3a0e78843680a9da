//! The summary of a replay as text for people.

use std::fmt::Write as _;

use leckwehr_control::Summary;
use leckwehr_estate::{Estate, SystemKind};
use leckwehr_incident::{AlarmLevel, OutsideRole};
use leckwehr_publish::{Language, duration_words, tier_words};

/// Lines shown of each list; the files have the rest.
const LINES_MAX: usize = 15;
/// Names shown of each tier.
const NAMES_MAX: usize = 20;
/// Reasons shown of each alarm.
const REASONS_MAX: usize = 4;

/// Sentences of evidence shown of each step and address.
const EVIDENCE_MAX: usize = 3;

/// Returns the summary as text, the most urgent first.
pub fn text(summary: &Summary, estate: &Estate) -> String {
    let mut page = Page(String::new());
    page.line(0, &format!("replay of a RECORDED incident: {}", summary.estate));
    page.line(0, "nothing was cut, restored or published");
    page.input(summary);
    page.alarms(summary);
    page.route(summary);
    page.hosts(summary, estate);
    page.bytes(summary);
    page.takedown(summary);
    page.restore(summary, estate);
    page.duties(summary);
    page.written(summary);
    page.0
}

struct Page(String);

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.0, "{:indent$}{text}", "");
    }

    fn title(&mut self, text: &str) {
        self.line(0, &format!("\n{text}"));
    }

    /// Writes the first lines of a list and says how many more there are, and where.
    fn list(&mut self, indent: usize, lines: impl IntoIterator<Item = String>, rest_in: &str) {
        let lines: Vec<String> = lines.into_iter().collect();
        for line in lines.iter().take(LINES_MAX) {
            self.line(indent, line);
        }
        if lines.len() > LINES_MAX {
            self.line(indent, &format!("… and {} more in {rest_in}", lines.len() - LINES_MAX));
        }
    }

    fn input(&mut self, summary: &Summary) {
        let input = &summary.input;
        self.title("what came in");
        self.line(
            2,
            &format!("{} records, {} to {}", input.records, input.window.0, input.window.1),
        );
        self.line(
            2,
            &format!(
                "{} damaged and kept aside, {} missing by the sensors' own numbers",
                input.damaged, input.missing
            ),
        );
        let files = input.files.iter().map(|file| {
            let cut = file
                .cut_off
                .as_ref()
                .map_or_else(String::new, |why| format!("; NOT READ TO ITS END: {why}"));
            let damaged = if file.damaged > 0 {
                format!("; {} damaged", file.damaged)
            } else {
                String::new()
            };
            format!("file {}: {} records{damaged}{cut}", file.path, file.events)
        });
        self.list(2, files, "summary.json");
        let sources = input.sources.iter().map(|source| {
            let numbered = if source.numbered {
                ""
            } else {
                "; unnumbered: a loss would not show"
            };
            let loss = source.capture_loss * 100.0;
            let capture = if loss > 0.0 {
                format!("; capture lost up to {loss:.1} %")
            } else {
                String::new()
            };
            let (n, missing, damaged) = (source.records, source.missing, source.damaged);
            format!(
                "source {}: {n} records, {missing} missing, {damaged} damaged{capture}{numbered}",
                source.sensor
            )
        });
        self.list(2, sources, "summary.json");
        if !input.skipped.is_empty() {
            self.line(2, &format!("left aside, not named like telemetry: {}", names(&input.skipped)));
        }
    }

    fn alarms(&mut self, summary: &Summary) {
        self.title("alarms");
        if summary.alarms.is_empty() {
            self.line(2, "none. That is no proof that nothing happened.");
        }
        let alarms = summary.alarms.iter().map(|alarm| {
            let level = match alarm.level {
                AlarmLevel::Critical => "CRITICAL",
                AlarmLevel::Warning => "warning ",
                AlarmLevel::Notice => "notice  ",
            };
            let more = alarm.reasons.len().saturating_sub(REASONS_MAX);
            let more = if more > 0 { format!("; {more} more") } else { String::new() };
            let reasons: Vec<&str> = alarm.reasons.iter().take(REASONS_MAX).map(String::as_str).collect();
            format!("{level}  {}  {}  {}{more}", alarm.at, alarm.entity, reasons.join("; "))
        });
        self.list(2, alarms, "summary.json");
        let rules = summary
            .rules
            .iter()
            .map(|rule| format!("{}× {} (by {})", rule.findings, rule.title, rule.author));
        if !summary.rules.is_empty() {
            self.line(2, "rules that fired");
        }
        self.list(4, rules, "summary.json");
    }

    fn route(&mut self, summary: &Summary) {
        let route = &summary.route;
        self.title("the attacker's way");
        let outside = route.outside.iter().map(|o| {
            let seen = o
                .seen
                .map_or_else(String::new, |(first, last)| format!(", {first} to {last}"));
            let tier = tier_words(o.tier, Language::En);
            let evidence = evidence(&o.evidence);
            format!(
                "{}: {} ({tier}){seen}, at most {} bytes to it{evidence}",
                o.address,
                role(o.role),
                o.bytes_out_max
            )
        });
        self.list(2, outside, "impact.json");
        let hops = route.hops.iter().map(|hop| {
            let account = hop.account.as_ref().map_or_else(String::new, |a| format!(" as {a}"));
            let tier = tier_words(hop.tier, Language::En);
            let evidence = evidence(&hop.evidence);
            format!(
                "{}  {} → {}: {}{account} ({tier}){evidence}",
                hop.at, hop.from, hop.to, hop.means
            )
        });
        self.list(2, hops, "impact.json");
        if route.outside.is_empty() && route.hops.is_empty() {
            self.line(2, "none found");
        }
        let (hops, addresses) = (route.hops_possible, route.outside_unknown);
        if hops + addresses > 0 {
            self.line(
                2,
                &format!("besides: {hops} steps that are only possible, {addresses} addresses without a known role"),
            );
        }
    }

    fn hosts(&mut self, summary: &Summary, estate: &Estate) {
        self.title("hosts and credentials");
        let inside = estate
            .systems
            .values()
            .filter(|s| estate.is_inside(&s.zone) && s.kind != SystemKind::ControlRoom);
        if summary
            .hosts
            .get("unknown")
            .is_some_and(|unknown| unknown.len() == inside.count())
        {
            self.line(
                2,
                "NO RECORD NAMES A HOST OF THIS ESTATE: is it the estate of these records, with their addresses?",
            );
        }
        for tier in ["proven", "probable", "possible", "excluded", "unknown"] {
            if let Some(hosts) = summary.hosts.get(tier) {
                self.line(2, &format!("{tier:<9} {}: {}", hosts.len(), names(hosts)));
            }
        }
        let credentials = summary.credentials.iter().map(|c| {
            let tier = tier_words(c.tier, Language::En);
            format!("credential {} ({tier}), used on {}", c.account, names(&c.used_on))
        });
        self.list(2, credentials, "impact.json");
    }

    fn bytes(&mut self, summary: &Summary) {
        let bytes = &summary.bytes_out;
        self.title("what left");
        match bytes.bound {
            Some(bound) => self.line(2, &format!("no more than {bound} bytes left through observed exits")),
            None => self.line(2, "no exit was observed: nothing can be said about how much left"),
        }
        if bytes.exits_unobserved.is_empty() {
            self.line(
                2,
                "no unobserved exit is known; media, mobile networks and paper are in no figure",
            );
        }
        let exits = bytes.exits_unobserved.iter();
        self.list(2, exits.map(|exit| format!("unobserved exit: {exit}")), "impact.json");
        self.title("what cannot be known");
        self.list(2, summary.unknowns.iter().cloned(), "impact.json");
    }

    fn takedown(&mut self, summary: &Summary) {
        let takedown = &summary.takedown;
        self.title("takedown (dry)");
        self.line(
            2,
            "scale        systems  connections       €/hour  insurers  still reachable  by hand",
        );
        for option in &takedown.options {
            let scale = format!("{:?}", option.scale).to_lowercase();
            let mark = if option.scale == takedown.scale { "  ← planned" } else { "" };
            let (systems, connections, euros) = (option.systems.len(), option.connections.len(), option.harm.eur_per_hour);
            let (insurers, rest, by_hand) = (option.harm.insurers, option.residual.len(), option.by_hand.len());
            self.line(
                2,
                &format!(
                    "{scale:<11}  {systems:>7}  {connections:>11}  {euros:>11}  {insurers:>8}  {rest:>15}  {by_hand:>7}{mark}"
                ),
            );
        }
        match (&takedown.plan, &takedown.none_because) {
            (Some(plan), _) => {
                self.line(2, &format!("plan {}", plan.hash));
                let steps = plan.steps.iter();
                let steps = steps.map(|s| format!("{:>3}. {} {} by {}: {}", s.number, s.action, s.target, s.executor, s.reason));
                self.list(2, steps, "takedown-plan.json");
            }
            (None, because) => self.line(2, &format!("no plan: {}", because.as_deref().unwrap_or("not known why"))),
        }
        let chosen = takedown.options.iter().find(|o| o.scale == takedown.scale);
        if let Some(option) = chosen.filter(|o| !o.residual.is_empty()) {
            let residual: Vec<String> = option.residual.iter().cloned().collect();
            self.line(2, &format!("may have been reached and stays connected: {}", names(&residual)));
        }
        if let Some(option) = chosen.filter(|o| !o.by_hand.is_empty()) {
            let by_hand: Vec<String> = option.by_hand.iter().cloned().collect();
            self.line(2, &format!("no guard, to be cut by hand: {}", names(&by_hand)));
        }
    }

    fn restore(&mut self, summary: &Summary, estate: &Estate) {
        let restore = &summary.restore;
        self.title("the way back (dry, as if that takedown had been executed)");
        if restore.plan.steps.is_empty() {
            return self.line(2, "nothing to restore");
        }
        self.line(2, &format!("plan {}, {} steps", restore.plan.hash, restore.plan.steps.len()));
        self.line(2, &format!("order: {}", restore.order.join(", ")));
        let after = |ms: Option<u64>| ms.map_or_else(|| "not by this plan".to_owned(), |ms| duration_words(ms as f64 / 1e3));
        if restore.services.is_empty() {
            self.line(2, "by the estate, that takedown stops no service");
        }
        let mut services: Vec<_> = restore.services.iter().collect();
        services.sort_by_key(|s| (s.full_ms.unwrap_or(u64::MAX), &s.service));
        let services = services.into_iter().map(|s| {
            let name = estate
                .services
                .get(&s.service)
                .map_or(s.service.as_str(), |service| service.name.as_str());
            let limited = match s.limited_ms {
                Some(0) => "; with limits throughout".to_owned(),
                Some(ms) => format!("; with limits after {}", duration_words(ms as f64 / 1e3)),
                None => String::new(),
            };
            format!(
                "{name}: whole after {} (P50), {} (P90){limited}",
                after(s.full_p50_ms),
                after(s.full_p90_ms)
            )
        });
        self.list(2, services, "restore-plan.json");
        let open = restore.open_decisions.iter().map(|d| format!("to be decided: {d}"));
        self.list(
            2,
            open.chain(restore.warnings.iter().map(|w| format!("warning: {w}"))),
            "restore-plan.json",
        );
    }

    fn duties(&mut self, summary: &Summary) {
        let duties = &summary.duties;
        self.title("duties (no legal advice)");
        let Some(aware) = duties.aware else {
            return self.line(2, "no alarm, so no deadline is assumed; with --aware TIME they are computed");
        };
        let assumed = if duties.assumed {
            "assumed to be known from the first of the loudest alarms"
        } else {
            "known"
        };
        self.line(2, &format!("{assumed}: {aware}"));
        let (addressed, unaddressed): (Vec<_>, Vec<_>) = duties.due.iter().partition(|duty| !duty.recipients.is_empty());
        let due = addressed.into_iter().map(|duty| {
            let at = duty.due.map_or_else(|| "?".to_owned(), |at| at.to_string());
            let limit = if duty.legal_limit {
                ""
            } else {
                " (without undue delay; the time is customary)"
            };
            let to = match duty.recipients.as_slice() {
                [one] => one.clone(),
                many => format!("{} insurers", many.len()),
            };
            format!("{at}  {} → {to}: {}{limit} [{}]", duty.bearer, duty.what, duty.source)
        });
        self.list(2, due, "summary.json");
        if !unaddressed.is_empty() {
            let sources: Vec<&str> = unaddressed.iter().map(|duty| duty.source.as_str()).collect();
            self.line(
                2,
                &format!("no insurer in this estate, so nobody to tell by {}", sources.join("; ")),
            );
        }
    }

    fn written(&mut self, summary: &Summary) {
        self.title(&format!(
            "written to {} ({} facts in the ledger)",
            summary.out, summary.ledger.entries
        ));
        for (name, what) in &summary.written {
            self.line(2, &format!("{name:<24} {what}"));
        }
    }
}

fn role(role: OutsideRole) -> &'static str {
    match role {
        OutsideRole::Command => "command server",
        OutsideRole::Exfiltration => "exfiltration",
        OutsideRole::CommandAndExfiltration => "command server and exfiltration",
        OutsideRole::Entry => "the attacker's way in",
        OutsideRole::Unknown => "role not known",
    }
}

fn evidence(evidence: &[String]) -> String {
    let shown: Vec<&str> = evidence.iter().take(EVIDENCE_MAX).map(String::as_str).collect();
    if shown.is_empty() {
        String::new()
    } else {
        format!("\n      {}", shown.join("; "))
    }
}

fn names(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = names.len().saturating_sub(NAMES_MAX);
    if more > 0 {
        format!("{} and {more} more", shown.join(", "))
    } else {
        shown.join(", ")
    }
}
