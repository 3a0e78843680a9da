use leckwehr_estate::Estate;
use leckwehr_publish::report::Annex;
use leckwehr_publish::{Language, duration_words, moment};

use crate::summary::{DutyLines, RestoreLines, Summary, TakedownLines};

/// Returns the tables of a replay's report that no situation holds.
pub(crate) fn annexes(summary: &Summary, estate: &Estate, language: Language) -> Vec<Annex> {
    let tables = [
        options(&summary.takedown, language),
        forecasts(&summary.restore, estate, language),
        duties(&summary.duties, language),
        input(summary, language),
    ];
    tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn annex(title: &str, note: String, head: &[&str], rows: Vec<Vec<String>>) -> Annex {
    Annex {
        title: title.to_owned(),
        note,
        head: head.iter().map(|cell| (*cell).to_owned()).collect(),
        rows,
    }
}

fn options(takedown: &TakedownLines, l: Language) -> Annex {
    let names = |ids: &std::collections::BTreeSet<String>| match ids.len() {
        0 => "–".to_owned(),
        1..=12 => ids.iter().cloned().collect::<Vec<_>>().join(", "),
        n => n.to_string(),
    };
    let rows = takedown.options.iter().map(|option| {
        let scale = format!("{:?}", option.scale).to_lowercase();
        let planned = l.pick(" (geplant)", " (planned)");
        vec![
            if option.scale == takedown.scale {
                scale + planned
            } else {
                scale
            },
            names(&option.systems),
            names(&option.connections),
            format!("{} €/h", option.harm.eur_per_hour),
            option.harm.insurers.to_string(),
            names(&option.residual),
            names(&option.by_hand),
        ]
    });
    let why_none = takedown.none_because.as_deref();
    let note = why_none.map_or_else(
        || {
            l.pick("Nichts davon wurde ausgeführt.", "None of these was executed.")
                .to_owned()
        },
        |why| format!("{} {why}", l.pick("Kein Plan:", "No plan:")),
    );
    annex(
        l.pick("Wie getrennt werden kann", "Ways to cut"),
        note,
        &[
            l.pick("Umfang", "scale"),
            l.pick("Systeme", "systems"),
            l.pick("Verbindungen", "connections"),
            l.pick("Schaden", "harm"),
            l.pick("betroffene Kassen", "insurers hit"),
            l.pick(
                "vielleicht erreicht, bleibt verbunden",
                "may have been reached, stays connected",
            ),
            l.pick("von Hand zu trennen", "to be cut by hand"),
        ],
        rows.collect(),
    )
}

fn forecasts(restore: &RestoreLines, estate: &Estate, l: Language) -> Annex {
    let after = |ms: Option<u64>| {
        let never = || l.pick("nicht durch diesen Plan", "not by this plan").to_owned();
        ms.map_or_else(never, |ms| duration_words(ms as f64 / 1e3))
    };
    let rows = restore.services.iter().map(|forecast| {
        let name = estate.services.get(&forecast.service).map(|s| s.name.clone());
        vec![
            name.unwrap_or_else(|| forecast.service.clone()),
            forecast.limited_ms.map_or_else(|| "–".to_owned(), |ms| after(Some(ms))),
            after(forecast.full_p50_ms),
            after(forecast.full_p90_ms),
        ]
    });
    annex(
        l.pick("Wann Dienste zurück wären", "When services would be back"),
        l.pick(
            "Als wäre der Trennplan ausgeführt; ab Beginn des Wiederaufbaus.",
            "As if the takedown had been executed; from the start of the restoration.",
        )
        .to_owned(),
        &[
            l.pick("Dienst", "service"),
            l.pick("eingeschränkt nach", "with limits after"),
            l.pick("ganz nach (P50)", "whole after (P50)"),
            l.pick("ganz nach (P90)", "whole after (P90)"),
        ],
        rows.collect(),
    )
}

fn duties(duties: &DutyLines, l: Language) -> Annex {
    let rows = duties.due.iter().filter(|duty| !duty.recipients.is_empty()).map(|duty| {
        let at = duty.due.map_or_else(|| "?".to_owned(), |at| moment(at, l));
        let to = match duty.recipients.as_slice() {
            [one] => one.clone(),
            many => format!("{} {}", many.len(), l.pick("Kassen", "insurers")),
        };
        let limit = if duty.legal_limit {
            l.pick("gesetzlich", "legal")
        } else {
            l.pick("unverzüglich; Frist üblich", "without undue delay; customary")
        };
        vec![
            at,
            l.pick(duty.what_de, duty.what).to_owned(),
            to,
            limit.to_owned(),
            duty.source.clone(),
        ]
    });
    let known = duties.aware.map_or_else(String::new, |at| moment(at, l));
    let note = if duties.assumed {
        let from = l.pick(
            "Angenommen: bekannt mit den ersten Einträgen des lautesten Alarms,",
            "Assumed: known with the first records of the loudest alarm,",
        );
        format!("{from} {known}. {}", l.pick("Keine Rechtsberatung.", "No legal advice."))
    } else {
        format!(
            "{} {known}. {}",
            l.pick("Bekannt seit", "Known since"),
            l.pick("Keine Rechtsberatung.", "No legal advice.")
        )
    };
    annex(
        l.pick("Pflichten und Fristen", "Duties and deadlines"),
        note,
        &[
            l.pick("fällig", "due"),
            l.pick("Pflicht", "duty"),
            l.pick("an", "to"),
            l.pick("Frist", "limit"),
            l.pick("Quelle", "source"),
        ],
        rows.collect(),
    )
}

fn input(summary: &Summary, l: Language) -> Annex {
    let rows = summary.input.sources.iter().map(|source| {
        vec![
            source.sensor.clone(),
            source.records.to_string(),
            if source.numbered {
                source.missing.to_string()
            } else {
                l.pick("nicht erkennbar", "would not show").to_owned()
            },
            source.damaged.to_string(),
            format!("{:.1} %", source.capture_loss * 100.0),
            source.classes.join(", "),
        ]
    });
    let cut_off = summary.input.files.iter().filter(|file| file.cut_off.is_some()).count();
    let note = match cut_off {
        0 => l
            .pick("Jede Datei wurde bis zum Ende gelesen.", "Every file was read to its end.")
            .to_owned(),
        n => format!(
            "{n} {}",
            l.pick(
                "Dateien ließen sich nicht zu Ende lesen.",
                "files could not be read to their end."
            )
        ),
    };
    annex(
        l.pick("Was gelesen wurde", "What was read"),
        note,
        &[
            l.pick("Quelle", "source"),
            l.pick("Einträge", "records"),
            l.pick("fehlend", "missing"),
            l.pick("beschädigt", "damaged"),
            l.pick("Paketverlust", "packets lost"),
            l.pick("Art", "class"),
        ],
        rows.collect(),
    )
}
