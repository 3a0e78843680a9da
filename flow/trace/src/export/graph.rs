use std::collections::BTreeMap;

use leckwehr_incident::{OutsideRole, Tier};

use super::Export;

/// Evidence sentences that an edge carries; the rest is counted.
const EVIDENCE_MAX: usize = 12;

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeKind {
    Host,
    Outside,
    Account,
}

/// A host, an address outside or an account.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: NodeKind,
    pub name: String,
    pub tier: Tier,
    /// Further properties by name; texts only.
    pub texts: BTreeMap<&'static str, String>,
    pub bytes_out_max: Option<u64>,
}

/// A step, a log-on of an account, or reach without evidence.
#[derive(Debug)]
pub(super) struct Edge {
    pub from: String,
    pub to: String,
    pub kind: EdgeKind,
    pub tier: Tier,
    pub texts: BTreeMap<&'static str, String>,
    pub evidence: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EdgeKind {
    Hop,
    CouldReach,
    UsedOn,
}

/// The impact as nodes and edges; node ids say the kind, so that a host and an account of one name stay apart.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub nodes: BTreeMap<String, Node>,
    pub edges: Vec<Edge>,
}

impl Graph {
    pub(super) fn new(export: &Export<'_>) -> Self {
        let mut graph = Self::default();
        graph.hosts(export);
        graph.outside(export);
        graph.accounts(export);
        graph.hops(export);
        graph
    }

    fn hosts(&mut self, export: &Export<'_>) {
        for host in &export.impact.hosts {
            let mut texts = BTreeMap::new();
            if let Some(since) = host.since {
                texts.insert("since", since.to_string());
            }
            texts.insert("why", host.reasons.join("\n"));
            self.add_host(export, &host.system, host.tier, texts);
        }
    }

    fn add_host(&mut self, export: &Export<'_>, name: &str, tier: Tier, mut texts: BTreeMap<&'static str, String>) {
        if let Some(system) = export.estate.systems.get(name) {
            texts.insert("zone", system.zone.clone());
            texts.insert("systemkind", format!("{:?}", system.kind));
            if let Some(address) = system.address {
                texts.insert("address", address.to_string());
            }
        }
        let node = Node {
            kind: NodeKind::Host,
            name: name.to_owned(),
            tier,
            texts,
            bytes_out_max: None,
        };
        self.nodes.entry(format!("host:{name}")).or_insert(node);
    }

    fn outside(&mut self, export: &Export<'_>) {
        for endpoint in &export.impact.outside {
            let mut texts = BTreeMap::from([
                ("role", role_word(endpoint.role).to_owned()),
                ("why", endpoint.evidence.join("\n")),
            ]);
            if let Some((first, last)) = endpoint.seen {
                texts.insert("since", first.to_string());
                texts.insert("until", last.to_string());
            }
            let node = Node {
                kind: NodeKind::Outside,
                name: endpoint.address.clone(),
                tier: endpoint.tier,
                texts,
                bytes_out_max: Some(endpoint.bytes_out_max),
            };
            self.nodes.insert(format!("outside:{}", endpoint.address), node);
        }
    }

    fn accounts(&mut self, export: &Export<'_>) {
        for credential in &export.impact.credentials {
            let id = format!("account:{}", credential.account);
            let node = Node {
                kind: NodeKind::Account,
                name: credential.account.clone(),
                tier: credential.tier,
                texts: BTreeMap::new(),
                bytes_out_max: None,
            };
            self.nodes.insert(id.clone(), node);
            for host in &credential.used_on {
                let to = self.end(export, host);
                self.edge(&id, &to, EdgeKind::UsedOn, credential.tier, BTreeMap::new(), &[]);
            }
        }
    }

    fn hops(&mut self, export: &Export<'_>) {
        for hop in &export.impact.hops {
            let (from, to) = (self.end(export, &hop.from), self.end(export, &hop.to));
            let mut texts = BTreeMap::from([("means", hop.means.clone()), ("at", hop.at.to_string())]);
            texts.extend(hop.account.clone().map(|account| ("account", account)));
            self.edge(&from, &to, EdgeKind::Hop, hop.tier, texts, &hop.evidence);
        }
        for host in &export.impact.hosts {
            let arrived = export.impact.hops.iter().any(|hop| hop.to == host.system);
            if let (Some(via), false) = (&host.via, arrived) {
                let (from, to) = (self.end(export, via), self.end(export, &host.system));
                let texts: BTreeMap<_, _> = host.since.map(|at| ("at", at.to_string())).into_iter().collect();
                self.edge(&from, &to, EdgeKind::CouldReach, host.tier, texts, &host.reasons);
            }
        }
    }

    /// Returns the id of an end of a step; an end that the analysis does not list becomes a node of its own.
    fn end(&mut self, export: &Export<'_>, name: &str) -> String {
        let outside = format!("outside:{name}");
        if self.nodes.contains_key(&outside) {
            return outside;
        }
        let id = format!("host:{name}");
        if !self.nodes.contains_key(&id) {
            self.add_host(export, name, Tier::Unknown, BTreeMap::new());
        }
        id
    }

    fn edge(
        &mut self,
        from: &str,
        to: &str,
        kind: EdgeKind,
        tier: Tier,
        texts: BTreeMap<&'static str, String>,
        evidence: &[String],
    ) {
        let mut kept: Vec<String> = evidence.iter().take(EVIDENCE_MAX).cloned().collect();
        if evidence.len() > EVIDENCE_MAX {
            kept.push(format!("and {} more", evidence.len() - EVIDENCE_MAX));
        }
        self.edges.push(Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            kind,
            tier,
            texts,
            evidence: kept,
        });
    }
}

/// Returns the word for what an address outside was.
pub(super) fn role_word(role: OutsideRole) -> &'static str {
    match role {
        OutsideRole::Command => "command",
        OutsideRole::Exfiltration => "exfiltration",
        OutsideRole::CommandAndExfiltration => "command and exfiltration",
        OutsideRole::Entry => "entry",
        OutsideRole::Unknown => "unknown",
    }
}
