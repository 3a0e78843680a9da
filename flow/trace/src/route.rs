use std::collections::{BTreeMap, BTreeSet};

use leckwehr_incident::{Finding, Hop, Tier, Timestamp};
use leckwehr_telemetry::{Kind, Sym};

use crate::outside::Channel;
use crate::scene::{Deed, Means, Scene, Touch};
use crate::technique::Meaning;

/// Rounds of the fix-point; each makes at least one host or account more certain.
const ROUNDS_MAX: usize = 256;
/// Reasons kept per host.
const REASONS_MAX: usize = 12;
/// Clocks of two machines differ by no more than this.
const SKEW_MS: i64 = 2_000;
/// Bytes over a share that are a payload and not a listing.
const PAYLOAD_BYTES_MIN: u64 = 100_000;
/// A finding of this weight about a log-on is a mark of its own.
const MARK_WEIGHT_MIN: u8 = 15;
/// A log-on right after credentials were taken at its origin.
const CAUSED_WEIGHT_MIN: u8 = 40;
/// How long after a ticket was issued its use begins.
const TICKET_MS_MAX: i64 = 60_000;

/// A host or outside address that the attacker holds.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) tier: Tier,
    pub(crate) since: Timestamp,
    pub(crate) via: Option<u32>,
    pub(crate) reasons: Vec<String>,
}

/// An account that the attacker uses.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    pub(crate) tier: Tier,
    pub(crate) used_on: BTreeSet<u32>,
}

/// What the attacker held, found by a fix-point over evidence.
///
/// Backwards from deeds (whose session was it, where did that come from), forwards from what is held (log-ons and remote
/// executions with the attacker's marks). State is (host, credential): an ordinary log-on from a held host, with an
/// account that always did this and that the attacker is not known to hold, is reach and no more.
pub(crate) struct Route<'s> {
    scene: &'s Scene<'s>,
    pub(crate) channels: &'s BTreeMap<(u32, u32), Channel>,
    pub(crate) held: BTreeMap<u32, Held>,
    pub(crate) credentials: BTreeMap<String, Credential>,
    pub(crate) hops: BTreeMap<(u32, u32, String, Means), Hop>,
    pub(crate) channel_hops: Vec<Hop>,
    /// Addresses outside from which the attacker's sessions came.
    pub(crate) entries: BTreeMap<u32, (Tier, String)>,
    pub(crate) unknowns: BTreeSet<String>,
    first_logons: BTreeMap<(u32, u32, Sym), Timestamp>,
    /// Log-ons by the host they went to, in order of time.
    logons_to: BTreeMap<u32, Vec<&'s Touch>>,
    /// Findings about log-ons, by host and origin.
    marks: BTreeMap<(u32, Option<u32>), Vec<&'s Deed>>,
    /// Addresses that command some host.
    commanders: BTreeSet<u32>,
    acted: BTreeSet<(u32, String, u32)>,
}

impl<'s> Route<'s> {
    pub(crate) fn find(scene: &'s Scene<'s>, channels: &'s BTreeMap<(u32, u32), Channel>) -> Self {
        let mut route = Self {
            scene,
            channels,
            held: BTreeMap::new(),
            credentials: BTreeMap::new(),
            hops: BTreeMap::new(),
            channel_hops: Vec::new(),
            entries: BTreeMap::new(),
            unknowns: BTreeSet::new(),
            first_logons: BTreeMap::new(),
            logons_to: BTreeMap::new(),
            marks: BTreeMap::new(),
            commanders: channels
                .iter()
                .filter(|(_, c)| c.is_command())
                .map(|((_, to), _)| *to)
                .collect(),
            acted: acted(scene),
        };
        for touch in scene.touches.iter().filter(|t| t.means == Means::Logon) {
            route
                .first_logons
                .entry((touch.from, touch.to, touch.account))
                .or_insert(touch.at);
            route.logons_to.entry(touch.to).or_default().push(touch);
        }
        for deed in scene
            .deeds
            .iter()
            .filter(|d| d.meaning == Meaning::Access && d.weight >= MARK_WEIGHT_MIN)
        {
            route.marks.entry((deed.host, deed.origin)).or_default().push(deed);
        }
        for _ in 0..ROUNDS_MAX {
            let before = route.size();
            route.take_channels();
            route.take_deeds();
            route.ways_in();
            route.spread_logons();
            route.spread_executions();
            if route.size() == before {
                break;
            }
        }
        route.note_gaps();
        route
    }

    /// Changes whenever anything becomes more certain or earlier; every part only ever grows.
    fn size(&self) -> (usize, usize, usize, i128, usize) {
        let tiers = |t: Tier| usize::from(t == Tier::Proven);
        let proven = self.held.values().map(|h| tiers(h.tier)).sum::<usize>();
        let known = self
            .credentials
            .values()
            .map(|c| tiers(c.tier) + c.used_on.len())
            .sum::<usize>();
        let since = self.held.values().map(|h| i128::from(h.since.0)).sum();
        (
            self.held.len() + proven,
            self.credentials.len() + known,
            self.hops.len(),
            since,
            self.entries.len(),
        )
    }

    fn hold(&mut self, node: u32, tier: Tier, since: Timestamp, via: Option<u32>, reason: String) {
        let held = self.held.entry(node).or_insert_with(|| Held {
            tier,
            since,
            via,
            reasons: Vec::new(),
        });
        held.tier = held.tier.min(tier);
        if since < held.since || held.via.is_none() {
            held.via = via.or(held.via);
        }
        held.since = held.since.min(since);
        if held.reasons.len() < REASONS_MAX && !held.reasons.contains(&reason) {
            held.reasons.push(reason);
        }
    }

    fn knows(&mut self, account: &str, tier: Tier, host: u32) {
        if account.is_empty() {
            return;
        }
        let credential = self.credentials.entry(account.to_owned()).or_insert_with(|| Credential {
            tier,
            used_on: BTreeSet::new(),
        });
        credential.tier = credential.tier.min(tier);
        if self.scene.is_inside(host) {
            credential.used_on.insert(host);
        }
    }

    fn hop(&mut self, touch: &Touch, account: &str, tier: Tier, evidence: Vec<String>) {
        let key = (touch.from, touch.to, account.to_owned(), touch.means);
        let (from, to) = (self.scene.name(touch.from).to_owned(), self.scene.name(touch.to).to_owned());
        let hop = self.hops.entry(key).or_insert_with(|| Hop {
            from,
            to,
            at: touch.at,
            account: (!account.is_empty()).then(|| account.to_owned()),
            tier,
            means: touch.means.words().to_owned(),
            evidence: Vec::new(),
        });
        hop.tier = hop.tier.min(tier);
        hop.at = hop.at.min(touch.at);
        for sentence in evidence {
            if hop.evidence.len() < REASONS_MAX && !hop.evidence.contains(&sentence) {
                hop.evidence.push(sentence);
            }
        }
    }

    /// A host that takes commands from outside is held. It is proven if it did something else as well.
    fn take_channels(&mut self) {
        self.channel_hops.clear();
        for ((host, to), channel) in self.channels.iter().filter(|(_, c)| c.is_command()) {
            let (host, to) = (*host, *to);
            if !self.scene.is_inside(host) {
                continue;
            }
            let deed = |d: &Deed| d.host == host && matches!(d.meaning, Meaning::Download | Meaning::Exfiltration);
            let other =
                self.scene.deeds.iter().any(deed) || self.hops.keys().any(|(from, into, ..)| *from == host || *into == host);
            let tier = if channel.score >= 4 && other {
                Tier::Proven
            } else {
                Tier::Probable
            };
            let address = self.scene.name(to);
            let reason = format!(
                "command channel to {address} since {}: {}",
                channel.first,
                channel.signs.join("; ")
            );
            let arrived = self.held.get(&host).is_some_and(|h| h.since < channel.first);
            let via = if arrived { None } else { Some(to) };
            self.hold(host, tier, channel.first, via, reason);
            self.channel_hops.push(Hop {
                from: address.to_owned(),
                to: self.scene.name(host).to_owned(),
                at: channel.first,
                account: None,
                tier,
                means: "command channel".to_owned(),
                evidence: channel.signs.clone(),
            });
        }
    }

    /// Destruction proves; taking credentials proves if something else speaks against the session as well.
    fn take_deeds(&mut self) {
        let scene = self.scene;
        for deed in scene
            .deeds
            .iter()
            .filter(|d| matches!(d.meaning, Meaning::Impact | Meaning::CredentialAccess))
        {
            if !scene.is_inside(deed.host) {
                continue;
            }
            let tier = self.tier_of_deed(deed);
            let finding = &scene.findings[deed.finding];
            let session = self.session_of(deed);
            let since = session.map_or(deed.at, |t| t.at.min(deed.at));
            self.hold(deed.host, tier, since, session.map(|t| t.from).or(deed.origin), told(finding));
            self.knows(deed.account.as_deref().unwrap_or(""), tier, deed.host);
            let Some(origin) = session.map(|t| t.from).or(deed.origin).filter(|o| *o != deed.host) else {
                continue;
            };
            // The record itself names where its session came from, even if the log-on was not seen.
            let touch = session.cloned().unwrap_or(Touch {
                at: deed.at,
                from: origin,
                to: deed.host,
                account: Sym::NONE,
                means: Means::Logon,
                bytes: 0,
                row: usize::MAX,
            });
            let account = deed.account.clone().unwrap_or_default();
            let hop_tier = if deed.origin.is_some() { tier } else { Tier::Probable };
            self.hop(&touch, &account, hop_tier, self.evidence(&touch, vec![told(finding)]));
            self.came_from(origin, hop_tier, touch.at, deed.host, &account);
        }
    }

    fn tier_of_deed(&self, deed: &Deed) -> Tier {
        let account = deed.account.as_deref().unwrap_or("");
        let marked = |d: &Deed| d.host == deed.host && d.meaning == Meaning::Access && d.weight >= MARK_WEIGHT_MIN;
        let same = |d: &Deed| d.account.as_deref() == Some(account) || d.origin == deed.origin;
        let held = deed
            .origin
            .and_then(|o| self.held.get(&o))
            .is_some_and(|h| h.tier == Tier::Proven);
        let outside = deed.origin.is_some_and(|o| self.scene.place(o).is_outside());
        let known = self
            .hops
            .keys()
            .any(|(from, to, a, _)| a == account && (*from == deed.host || *to != deed.host));
        let connected = held || outside || known || self.scene.deeds.iter().any(|d| marked(d) && same(d));
        if deed.meaning == Meaning::Impact || connected {
            Tier::Proven
        } else {
            Tier::Probable
        }
    }

    /// Returns the log-on that the deed was done in: the last one of its account (and origin) before it.
    fn session_of(&self, deed: &Deed) -> Option<&'s Touch> {
        let fits = |t: &&&Touch| {
            t.at <= deed.at.plus_ms(SKEW_MS)
                && deed.origin.is_none_or(|o| o == t.from)
                && deed.account.as_deref().is_none_or(|a| a == self.scene.account(t.account))
        };
        self.logons_to.get(&deed.host)?.iter().rev().find(fits).copied()
    }

    /// Notes that a session of the attacker came from `origin`.
    fn came_from(&mut self, origin: u32, tier: Tier, at: Timestamp, to: u32, account: &str) {
        let scene = self.scene;
        let sentence = format!(
            "the attacker's session on {} ({account}, {at}) came from here",
            scene.name(to)
        );
        if scene.place(origin).is_outside() {
            let entry = self.entries.entry(origin).or_insert((tier, sentence.clone()));
            entry.0 = entry.0.min(tier);
        }
        self.hold(origin, tier, at, None, sentence);
    }

    /// Looks for the log-on by which the attacker came to each inside host that no hop explains yet.
    fn ways_in(&mut self) {
        let scene = self.scene;
        let unexplained: Vec<(u32, Timestamp)> = self
            .held
            .iter()
            .filter(|(node, _)| scene.is_inside(**node) && !self.is_explained(**node))
            .map(|(node, held)| (*node, held.since))
            .collect();
        for (node, since) in unexplained {
            let candidates = scene
                .touches
                .iter()
                .filter(|t| t.to == node && t.at <= since.plus_ms(SKEW_MS));
            let sessions = candidates.filter(|t| matches!(t.means, Means::Logon | Means::RemoteDesktop | Means::Ssh));
            let best = sessions
                .map(|t| (self.score_way_in(t, node), t))
                .max_by_key(|(score, t)| (*score, t.at, t.from, t.account));
            let Some((score, touch)) = best.filter(|(score, _)| *score >= 3) else {
                continue;
            };
            let tier = if score >= 5 { Tier::Proven } else { Tier::Probable };
            let tier = tier.max(self.held.get(&node).map_or(tier, |h| h.tier));
            let account = scene.account(touch.account).to_owned();
            let why = format!("the log-on before the attacker's first session from {}", scene.name(node));
            self.hop(touch, &account, tier, self.evidence(touch, vec![why]));
            self.hold(
                node,
                tier,
                touch.at,
                Some(touch.from),
                format!("came in from {} as {account}", scene.name(touch.from)),
            );
            self.knows(&account, tier, node);
            self.came_from(touch.from, tier, touch.at, node, &account);
        }
    }

    fn is_explained(&self, node: u32) -> bool {
        let hop = self.hops.keys().any(|(_, to, ..)| *to == node);
        hop || self.channels.range((node, 0)..=(node, u32::MAX)).any(|(_, c)| c.is_command())
    }

    fn score_way_in(&self, touch: &Touch, node: u32) -> u32 {
        let account = self.scene.account(touch.account);
        let onward = self.hops.keys().any(|(from, _, a, _)| *from == node && a == account);
        let known = self.credentials.get(account).is_some_and(|c| c.used_on.contains(&node));
        let outside = self.scene.place(touch.from).is_outside();
        let held = self.held.contains_key(&touch.from);
        let marked = self.mark(touch).is_some();
        3 * u32::from(outside || held) + 3 * u32::from(marked) + 2 * u32::from(onward || known)
    }

    /// Returns the finding that speaks against this log-on.
    fn mark(&self, touch: &Touch) -> Option<&'s Deed> {
        let account = self.scene.account(touch.account);
        let fits =
            |d: &&&Deed| d.account.as_deref() == Some(account) && d.at.seconds_since(touch.at).abs() * 1e3 <= SKEW_MS as f64;
        let marks = self.marks.get(&(touch.to, Some(touch.from)))?;
        marks.iter().filter(fits).max_by_key(|d| d.weight).copied()
    }

    /// Follows log-ons that leave what is held and bear the attacker's marks.
    fn spread_logons(&mut self) {
        let scene = self.scene;
        for touch in scene.touches.iter().filter(|t| t.means == Means::Logon) {
            let Some(from) = self.held.get(&touch.from).filter(|h| h.since <= touch.at.plus_ms(SKEW_MS)) else {
                continue;
            };
            let (from_tier, since) = (from.tier, from.since);
            let account = scene.account(touch.account).to_owned();
            let usual = self
                .first_logons
                .get(&(touch.from, touch.to, touch.account))
                .is_some_and(|t| *t < since);
            let known = self.credentials.get(&account).map(|c| c.tier);
            let mark = self.mark(touch);
            let caused = mark.is_some_and(|d| d.weight >= CAUSED_WEIGHT_MIN);
            if mark.is_none() && (usual || known.is_none()) {
                continue;
            }
            let acted = self.acted.contains(&(touch.to, account.clone(), touch.from));
            let proven = from_tier == Tier::Proven && acted && (caused || known == Some(Tier::Proven));
            let tier = if proven { Tier::Proven } else { Tier::Probable };
            let mut evidence: Vec<String> = mark.map(|d| told(&scene.findings[d.finding])).into_iter().collect();
            if known.is_some() {
                evidence.push(format!("{account} is an account the attacker uses"));
            }
            if acted {
                evidence.push(format!(
                    "{account} then acted on {} in a session from {}",
                    scene.name(touch.to),
                    scene.name(touch.from)
                ));
            }
            self.hop(touch, &account, tier, self.evidence(touch, evidence));
            let reason = format!("{account} logged on from {}, which the attacker held", scene.name(touch.from));
            self.hold(touch.to, tier, touch.at, Some(touch.from), reason);
            self.knows(&account, tier, touch.to);
        }
    }

    /// Follows remote executions on the wire, where no log-on is recorded.
    fn spread_executions(&mut self) {
        let scene = self.scene;
        let mut pairs: BTreeMap<(u32, u32), Vec<&Touch>> = BTreeMap::new();
        for touch in scene
            .touches
            .iter()
            .filter(|t| t.means != Means::Logon && t.means != Means::Flow)
        {
            if self
                .held
                .get(&touch.from)
                .is_some_and(|h| h.since <= touch.at && scene.is_inside(touch.from))
            {
                pairs.entry((touch.from, touch.to)).or_default().push(touch);
            }
        }
        for ((from, to), touches) in pairs {
            if let Some(found) = self.execution(from, to, &touches) {
                self.hop(
                    &found.touch,
                    &found.account,
                    found.tier,
                    self.evidence(&found.touch, found.evidence.clone()),
                );
                let reason = format!(
                    "{} from {}: {}",
                    found.touch.means.words(),
                    scene.name(from),
                    found.evidence.join("; ")
                );
                self.hold(to, found.tier, found.touch.at, Some(from), reason);
                self.knows(&found.account, found.tier, to);
            }
        }
    }

    /// Weighs what one held host did to another: a channel over which programs run, and what confirms it.
    fn execution(&self, from: u32, to: u32, touches: &[&Touch]) -> Option<Execution> {
        let scene = self.scene;
        let of = |means: Means| touches.iter().filter(move |t| t.means == means);
        let sum = |means: Means| of(means).map(|t| t.bytes).fold(0_u64, u64::saturating_add);
        let shell = of(Means::WinRm).next();
        let rpc = of(Means::RemoteExecution).next();
        let share = of(Means::AdminShare).next();
        // Everyone writes to file servers and reads policies from directories; only other hosts make a share odd.
        let smb = of(Means::Smb)
            .next()
            .filter(|_| sum(Means::Smb) >= PAYLOAD_BYTES_MIN && !scene.serves_files(to));
        let touch = (*[shell, rpc, share, smb].into_iter().flatten().next()?).clone();
        let mut evidence = Vec::new();
        if let Some(first) = shell {
            let (count, bytes) = (of(Means::WinRm).count(), sum(Means::WinRm));
            evidence.push(format!(
                "{count} WinRM connections, {bytes} bytes [{}]",
                scene.reference(first.row)
            ));
        }
        if let Some(first) = rpc {
            evidence.push(format!(
                "a service, task or process was created over RPC [{}]",
                scene.reference(first.row)
            ));
        }
        if let Some(first) = share {
            evidence.push(format!("an administrative share was used [{}]", scene.reference(first.row)));
        }
        let payload = smb.is_some() || sum(Means::WinRm) >= PAYLOAD_BYTES_MIN;
        if let Some(first) = smb {
            evidence.push(format!(
                "{} bytes written over SMB [{}]",
                sum(Means::Smb),
                scene.reference(first.row)
            ));
        }
        let ticket = scene.tickets.iter().find(|t| {
            let before = touches
                .iter()
                .any(|c| t.at <= c.at.plus_ms(SKEW_MS) && c.at <= t.at.plus_ms(TICKET_MS_MAX));
            (t.host, t.to) == (from, to) && before
        });
        if let Some(t) = ticket {
            let account = scene.account(t.account);
            evidence.push(format!(
                "a ticket for {} was issued to {account} at {} [{}]",
                t.service,
                t.at,
                scene.reference(t.row)
            ));
        }
        let callback = self.callback(to, touch.at);
        evidence.extend(callback.clone());
        let remote = shell.is_some() || rpc.is_some() || share.is_some();
        let confirmed = callback.is_some() || (payload && ticket.is_some() && (shell.is_some() || rpc.is_some()));
        let proven = self.held.get(&from).is_some_and(|h| h.tier == Tier::Proven) && (remote || smb.is_some()) && confirmed;
        Some(Execution {
            account: ticket.map(|t| scene.account(t.account).to_owned()).unwrap_or_default(),
            tier: if proven { Tier::Proven } else { Tier::Probable },
            touch,
            evidence,
        })
    }

    /// After it was touched, the host called an address that commands other hosts or itself.
    fn callback(&self, host: u32, after: Timestamp) -> Option<String> {
        let of_host = self.channels.range((host, 0)..=(host, u32::MAX));
        let mut calls = of_host.filter(|((_, to), c)| c.first >= after && self.commanders.contains(to));
        let ((_, to), channel) = calls.next()?;
        let (name, address) = (self.scene.name(host), self.scene.name(*to));
        Some(format!(
            "afterwards, at {}, {name} called the command server {address}",
            channel.first
        ))
    }

    fn evidence(&self, touch: &Touch, mut sentences: Vec<String>) -> Vec<String> {
        let reference = self.scene.reference(touch.row);
        if !reference.is_empty() {
            sentences.insert(0, reference);
        }
        sentences
    }

    fn note_gaps(&mut self) {
        let mut gaps = Vec::new();
        for (node, held) in self.held.iter().filter(|(n, _)| self.scene.is_inside(**n)) {
            let name = self.scene.name(*node);
            if !self.is_explained(*node) {
                gaps.push(format!(
                    "How the attacker came to {name} was not seen; the first sign there is of {}.",
                    held.since
                ));
            } else if !self.hops.keys().any(|(_, to, ..)| to == node) {
                gaps.push(format!(
                    "What first ran on {name} before it called its command server at {} was not seen.",
                    held.since
                ));
            }
        }
        self.unknowns.extend(gaps);
    }
}

struct Execution {
    touch: Touch,
    account: String,
    tier: Tier,
    evidence: Vec<String>,
}

fn told(finding: &Finding) -> String {
    format!(
        "{}: {} ({}) [{}]",
        finding.title,
        finding.detail,
        finding.at,
        finding.evidence.join(", ")
    )
}

/// Returns who did something where in a session from where: records of programs, files and backups that name all three.
fn acted(scene: &Scene<'_>) -> BTreeSet<(u32, String, u32)> {
    let mut acted = BTreeSet::new();
    for event in scene.events.iter() {
        let session = matches!(event.kind(), Kind::Process | Kind::File | Kind::Backup);
        if session
            && !event.origin_sym().is_none()
            && let (Some(host), Some(origin)) = (scene.node_of(event.host_sym()), scene.node_of(event.origin_sym()))
        {
            acted.insert((host, event.account().to_owned(), origin));
        }
    }
    acted
}
