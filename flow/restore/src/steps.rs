use std::collections::{BTreeMap, BTreeSet};

use leckwehr_estate::{Connection, Estate, PartyKind, SystemKind};
use leckwehr_incident::{Situation, Tier, Timestamp};

use crate::means::recipe_minutes;
use crate::order::Placed;
use crate::plan::{RestoreConfig, Step, StepKind};

/// An affected system and what must be done with it.
pub(crate) struct Affected {
    pub tier: Option<Tier>,
    pub isolated: bool,
    /// When the attacker can have been there first.
    pub since: Option<Timestamp>,
}

impl Affected {
    /// Whether its files come from a backup: the attacker was there, or very likely so.
    pub fn is_restored(&self) -> bool {
        matches!(self.tier, Some(Tier::Proven | Tier::Probable))
    }
}

/// Writes the steps of a plan, one after another.
pub(crate) struct Writer<'a> {
    pub estate: &'a Estate,
    pub situation: &'a Situation,
    pub config: &'a RestoreConfig,
    pub affected: &'a BTreeMap<String, Affected>,
    pub steps: Vec<Step>,
    pub warnings: Vec<String>,
    pub open_decisions: Vec<String>,
    /// The last step of each system written so far.
    pub last: BTreeMap<String, u32>,
    rotations: Option<Vec<u32>>,
}

impl<'a> Writer<'a> {
    pub fn new(
        estate: &'a Estate,
        situation: &'a Situation,
        config: &'a RestoreConfig,
        affected: &'a BTreeMap<String, Affected>,
    ) -> Self {
        Self {
            estate,
            situation,
            config,
            affected,
            steps: Vec::new(),
            warnings: Vec::new(),
            open_decisions: Vec::new(),
            last: BTreeMap::new(),
            rotations: None,
        }
    }

    /// Writes all steps. Stolen credentials are changed first — after the directory's files are back if those come from a
    /// backup, because the backup brings the old secrets back with it.
    pub fn write(&mut self, order: &[Placed]) {
        let directory = self.directory();
        let restored_directory = directory
            .as_ref()
            .filter(|id| self.affected.get(*id).is_some_and(Affected::is_restored));
        if restored_directory.is_none() {
            self.rotate(directory.as_deref(), &[]);
        }
        for placed in order {
            self.bring_back(placed, restored_directory == Some(&placed.system));
        }
        let cut: BTreeSet<&String> = self.situation.connections_cut.iter().collect();
        for id in cut {
            match self.estate.connections.get(id) {
                Some(connection) => self.connection(id, connection),
                None => self.warnings.push(format!(
                    "connection {id} is cut and not in the estate: nothing is planned for it"
                )),
            }
        }
    }

    /// The directory whose agent changes secrets: a root of trust if there is one.
    fn directory(&self) -> Option<String> {
        let directories = self.estate.systems.iter().filter(|(_, s)| s.kind == SystemKind::Directory);
        directories
            .min_by_key(|(id, s)| (!s.root_of_trust, *id))
            .map(|(id, _)| id.clone())
    }

    fn rotate(&mut self, directory: Option<&str>, after: &[u32]) {
        let stolen = |tier| matches!(tier, Tier::Proven | Tier::Probable | Tier::Possible);
        let credentials = self.situation.impact.credentials.iter().filter(|c| stolen(c.tier));
        let accounts: BTreeMap<&String, Tier> =
            credentials
                .map(|c| (&c.account, c.tier))
                .rev()
                .fold(BTreeMap::new(), |mut best, (account, tier)| {
                    let known = best.entry(account).or_insert(tier);
                    *known = (*known).min(tier);
                    best
                });
        let mut numbers = Vec::new();
        for (account, tier) in accounts {
            let logs_on_to = self.estate.accounts.get(account).and_then(|a| a.logs_on_to.iter().min());
            let executor = directory.or(logs_on_to.map(String::as_str));
            let crew = executor.and_then(|id| self.crew(id));
            let executor = executor.map_or("people".to_owned(), |id| format!("agent:{id}"));
            let reason = format!(
                "that the attacker holds it is {}; nothing reconnects before it is changed",
                word(tier)
            );
            let minutes = self.config.rotate_minutes;
            numbers.push(self.push(
                StepKind::RotateCredentials,
                executor,
                account,
                crew,
                reason,
                minutes,
                after.to_vec(),
            ));
        }
        self.rotations = Some(numbers);
    }

    fn bring_back(&mut self, placed: &Placed, is_restored_directory: bool) {
        let id = &placed.system;
        let Some(affected) = self.affected.get(id) else { return };
        let agent = format!("agent:{id}");
        let crew = self.crew(id);
        let after: Vec<u32> = placed.after.iter().filter_map(|s| self.last.get(s)).copied().collect();
        let why = match affected.tier {
            Some(tier @ (Tier::Proven | Tier::Probable | Tier::Possible)) => format!("the attacker's presence is {}", word(tier)),
            _ => "it was isolated with others".to_owned(),
        };
        let reason = format!("gate clean: {why}");
        let minutes = self.config.sweep_minutes;
        let mut last = self.push(StepKind::Sweep, agent.clone(), id, crew.clone(), reason, minutes, after);
        if affected.is_restored() {
            let (reason, minutes) = self.restoration(id, affected);
            last = self.push(
                StepKind::RestoreFiles,
                agent.clone(),
                id,
                crew.clone(),
                reason,
                minutes,
                vec![last],
            );
        }
        if is_restored_directory {
            self.rotate(Some(id), &[last]);
        }
        let system = &self.estate.systems[id];
        let reason = match system.probe_port {
            Some(port) => format!("port {port} answers from the system itself"),
            None => "the logon port answers from the system itself; the estate names no port of its service".to_owned(),
        };
        let minutes = self.config.probe_minutes;
        last = self.push(StepKind::Probe, agent.clone(), id, crew.clone(), reason, minutes, vec![last]);
        if affected.isolated {
            let guard = self.estate.guard_of(id);
            if guard.is_none() {
                self.warnings.push(format!(
                    "zone {} has no guard: {id} is reconnected by its own agent",
                    system.zone
                ));
            }
            let executor = guard.map_or(agent, str::to_owned);
            let mut after = vec![last];
            after.extend(self.rotations.iter().flatten());
            let reason = "both gates are passed and what it needs is back".to_owned();
            last = self.push(
                StepKind::Reconnect,
                executor,
                id,
                crew,
                reason,
                self.config.reconnect_minutes,
                after,
            );
        }
        self.last.insert(id.clone(), last);
    }

    /// Returns why and for how many minutes files are restored.
    fn restoration(&mut self, id: &str, affected: &Affected) -> (String, u32) {
        let system = &self.estate.systems[id];
        let until = match affected.since {
            Some(since) => format!("the newest clean version, for stolen accounts from before {since}"),
            None => "the newest clean version; when the attacker came is not known".to_owned(),
        };
        let from = match &system.backup {
            Some(set) => format!("gate restorable: from {set}, {until}"),
            None => {
                self.warnings.push(format!(
                    "{id} has no backup set: if its agent has no clean version, it is rebuilt by hand"
                ));
                format!("gate restorable: {until}")
            }
        };
        let minutes = recipe_minutes(self.estate, system);
        (from, minutes.unwrap_or(self.config.restore_minutes))
    }

    fn connection(&mut self, id: &str, connection: &Connection) {
        if let Some(party) = [&connection.from, &connection.to]
            .into_iter()
            .find_map(|end| self.third_party(end))
        {
            self.open_decisions.push(format!(
                "{id} stays cut: {party} must attest that its end is clean before anybody reconnects it"
            ));
            return;
        }
        let Some(switch) = &connection.switch else {
            self.open_decisions
                .push(format!("{id} stays cut: the estate names no switch for it"));
            return;
        };
        let Some(guard) = &switch.guard else {
            self.open_decisions
                .push(format!("{id} is reconnected by hand: {} — {}", switch.who, switch.undo));
            return;
        };
        let at_an_end = |system: &String| {
            let zone = self.estate.systems.get(system).map(|s| &s.zone);
            [&connection.from, &connection.to]
                .into_iter()
                .any(|end| end == system || Some(end) == zone)
        };
        let ends = self
            .last
            .iter()
            .filter(|(system, _)| at_an_end(system))
            .map(|(_, last)| *last);
        let after: Vec<u32> = ends.chain(self.rotations.iter().flatten().copied()).collect();
        let crew = connection.owner.clone().filter(|owner| self.estate.crews.contains_key(owner));
        let reason = "the systems at both ends are back".to_owned();
        let minutes = self.config.reconnect_minutes;
        self.push(StepKind::Reconnect, guard.clone(), id, crew, reason, minutes, after);
    }

    /// Returns the third party that an end (zone, system or party id) belongs to; an end that the estate does not know
    /// counts as one.
    fn third_party(&self, end: &str) -> Option<String> {
        let zone = self.estate.systems.get(end).map_or(end, |s| s.zone.as_str());
        let party = self.estate.zones.get(zone).map_or(end, |z| z.party.as_str());
        match self.estate.parties.get(party) {
            Some(p) if p.kind == PartyKind::ThirdParty => Some(p.name.clone()),
            Some(_) => None,
            None => Some(party.to_owned()),
        }
    }

    fn crew(&self, system: &str) -> Option<String> {
        self.estate.systems.get(system)?.crew.clone()
    }

    #[expect(clippy::too_many_arguments, reason = "one argument per field of a step")]
    fn push(
        &mut self,
        kind: StepKind,
        executor: String,
        target: &str,
        crew: Option<String>,
        reason: String,
        minutes: u32,
        mut after: Vec<u32>,
    ) -> u32 {
        let number = self.steps.len() as u32 + 1;
        after.sort_unstable();
        after.dedup();
        self.steps.push(Step {
            number,
            kind,
            executor,
            target: target.to_owned(),
            crew,
            reason,
            planned_ms: u64::from(minutes).saturating_mul(self.config.minute_ms),
            after,
            wave: 0,
            start_ms: 0,
            end_ms: 0,
            slack_ms: 0,
        });
        number
    }
}

fn word(tier: Tier) -> &'static str {
    match tier {
        Tier::Proven => "proven",
        Tier::Probable => "probable",
        Tier::Possible => "possible",
        Tier::Excluded => "excluded",
        Tier::Unknown => "unknown",
    }
}
