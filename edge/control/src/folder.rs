use std::fs;
use std::path::Path;

use leckwehr_contain::CutOption;
use leckwehr_incident::{Impact, PlanRecord, Situation, Timestamp};
use leckwehr_publish::report::{Annex, NetworkMode, ReportInput, render};
use leckwehr_publish::{Language, SiteConfig, Tlp, build_site, public_key_line};
use leckwehr_restore::RestorePlan;
use serde::Serialize;
use serde_json::json;

use crate::publication::save;
use crate::recording::Recording;
use crate::replay::{DRY, ReplayError, ReplaySettings};

/// The dry site may be read for this long after the end of the recording, in milliseconds.
const VALID_MS: i64 = 24 * 3_600_000;

/// What a replay writes into its folder, and from what.
pub(crate) struct Written<'a> {
    pub settings: &'a ReplaySettings,
    pub recording: &'a Recording,
    pub situation: &'a Situation,
    pub ledger: (u64, String),
}

impl Written<'_> {
    pub fn analysis(&self, impact: &Impact) -> Result<(), ReplayError> {
        self.file("situation.json", self.situation.to_json().as_bytes())?;
        self.json("impact.json", impact)?;
        let lines = self
            .recording
            .damaged
            .iter()
            .filter_map(|place| serde_json::to_string(place).ok());
        let text: String = lines.map(|line| line + "\n").collect();
        self.file("damaged.jsonl", text.as_bytes())
    }

    pub fn plans(
        &self,
        choices: &[CutOption],
        takedown: &Result<PlanRecord, String>,
        restore: &RestorePlan,
    ) -> Result<(), ReplayError> {
        self.json(
            "takedown-options.json",
            &json!({ "note": DRY, "policy": self.settings.policy, "options": choices }),
        )?;
        let plan = json!({ "note": DRY, "plan": takedown.as_ref().ok(), "none_because": takedown.as_ref().err() });
        self.json("takedown-plan.json", &plan)?;
        let assumed = match takedown {
            Ok(plan) => format!("as if takedown plan {} had been executed and proven", plan.hash),
            Err(_) => "as if nothing had been cut".to_owned(),
        };
        let restore = json!({
            "note": DRY, "assumed": assumed, "plan": restore.to_record(), "schedule": restore.steps,
            "services": restore.service_forecasts, "insurers": restore.insurer_forecasts, "warnings": restore.warnings, "open_decisions": restore.open_decisions,
        });
        self.json("restore-plan.json", &restore)
    }

    /// Builds the status site as it would be now, and the report.
    pub fn pages(&self, annexes: Vec<Annex>) -> Result<(), ReplayError> {
        let (situation, estate) = (self.situation, &self.settings.estate);
        let (ledger_size, checkpoint) = self.ledger.clone();
        // A record may bear any time, the last one that there is as well.
        let at = situation.as_of.min(Timestamp(i64::MAX).plus_ms(-VALID_MS));
        let config = SiteConfig {
            base_url: "https://status.example/".to_owned(),
            title: format!("{} (aufgezeichnet, recorded)", estate.name),
            languages: vec![Language::De, Language::En],
            // Nobody decided to publish it.
            tlp: Tlp::AmberStrict,
            issued: at,
            valid_until: at.plus_ms(VALID_MS),
            seq: 1,
            prev_manifest_hash: None,
            ledger_size,
            checkpoint: checkpoint.clone(),
        };
        let site = build_site(situation, estate, &config, &self.settings.site_key)?;
        let files: Vec<(String, Vec<u8>)> = site
            .in_order()
            .into_iter()
            .map(|(name, content)| (name.to_owned(), content.to_vec()))
            .collect();
        let folder = self.settings.out.join("site");
        save(&folder, &files).map_err(cannot_write(&folder))?;
        let key = public_key_line(&self.settings.site_key.verifying_key());
        self.file("site-key.pub", format!("untrusted comment: status site\n{key}\n").as_bytes())?;
        let names: Vec<_> = self
            .recording
            .files
            .iter()
            .map(|f| Path::new(&f.path).file_name().unwrap_or_default().to_string_lossy())
            .collect();
        let source = match names.as_slice() {
            [first, _, _, _, ..] => format!("{first} and {} more files", names.len() - 1),
            few => few.join(", "),
        };
        let report = ReportInput {
            title: "Leckwehr: replay".to_owned(),
            source,
            mode: NetworkMode::Recorded,
            situation,
            estate,
            score: Vec::new(),
            truth: Vec::new(),
            annexes,
            published: Vec::new(),
            ledger_size,
            checkpoint,
            generated_at: at,
            language: self.settings.language,
        };
        self.file("report.html", render(&report)?.as_bytes())
    }

    pub fn json(&self, name: &str, value: &impl Serialize) -> Result<(), ReplayError> {
        let text = serde_json::to_string_pretty(value);
        let text = text.map_err(|error| cannot_write(&self.settings.out.join(name))(error.into()))?;
        self.file(name, (text + "\n").as_bytes())
    }

    fn file(&self, name: &str, content: &[u8]) -> Result<(), ReplayError> {
        let path = self.settings.out.join(name);
        fs::write(&path, content).map_err(cannot_write(&path))
    }
}

pub(crate) fn cannot_write(path: &Path) -> impl FnOnce(std::io::Error) -> ReplayError + use<> {
    let path = path.to_owned();
    move |source| ReplayError::Write { path, source }
}
