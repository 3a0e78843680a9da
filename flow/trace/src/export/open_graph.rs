use serde_json::{Map, Value, json};

use super::graph::{Edge, EdgeKind, Graph, Node, NodeKind};
use super::{Export, tier_word};

/// Kind that every node bears, by which BloodHound finds and deletes what came from here.
const SOURCE: &str = "Leckwehr";

/// Returns the impact as BloodHound OpenGraph JSON (OpenGraph schema of BloodHound 8: `graph.nodes`, `graph.edges`,
/// `metadata.source_kind`).
///
/// Nodes are `LW_Host`, `LW_Outside`, `LW_Account`; edges `LW_<means>` for steps of a tier above *possible*,
/// `LW_CouldReach` for reach alone, `LW_UsedOn` from an account to a host. Tier, time and evidence are properties.
pub fn open_graph(export: &Export<'_>) -> Value {
    let graph = Graph::new(export);
    let nodes: Vec<Value> = graph.nodes.iter().map(|(id, node)| node_json(id, node, export)).collect();
    let edges: Vec<Value> = graph.edges.iter().map(edge_json).collect();
    json!({ "metadata": { "source_kind": SOURCE }, "graph": { "nodes": nodes, "edges": edges } })
}

fn node_json(id: &str, node: &Node, export: &Export<'_>) -> Value {
    let kind = match node.kind {
        NodeKind::Host => "LW_Host",
        NodeKind::Outside => "LW_Outside",
        NodeKind::Account => "LW_Account",
    };
    let mut properties = Map::new();
    properties.insert("name".to_owned(), json!(node.name));
    properties.insert("displayname".to_owned(), json!(node.name));
    properties.insert("incident".to_owned(), json!(export.name));
    properties.insert("tier".to_owned(), json!(tier_word(node.tier)));
    for (key, text) in &node.texts {
        properties.insert((*key).to_owned(), json!(text));
    }
    if let Some(bytes) = node.bytes_out_max {
        properties.insert("bytesoutmax".to_owned(), json!(bytes));
    }
    json!({ "id": format!("leckwehr:{id}"), "kinds": [kind, SOURCE], "properties": properties })
}

fn edge_json(edge: &Edge) -> Value {
    let kind = match edge.kind {
        EdgeKind::CouldReach => "LW_CouldReach".to_owned(),
        EdgeKind::UsedOn => "LW_UsedOn".to_owned(),
        EdgeKind::Hop => kind_of(edge.texts.get("means").map_or("", String::as_str)),
    };
    let mut properties = Map::from_iter([("tier".to_owned(), json!(tier_word(edge.tier)))]);
    for (key, text) in &edge.texts {
        properties.insert((*key).to_owned(), json!(text));
    }
    if !edge.evidence.is_empty() {
        properties.insert("evidence".to_owned(), json!(edge.evidence));
    }
    let end = |id: &str| json!({ "match_by": "id", "value": format!("leckwehr:{id}") });
    json!({ "kind": kind, "start": end(&edge.from), "end": end(&edge.to), "properties": properties })
}

/// `remote execution (WinRM)` becomes `LW_RemoteExecutionWinRM`: kinds are letters, digits and underscores.
fn kind_of(means: &str) -> String {
    let words = means.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let mut kind = "LW_".to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        kind.push_str(&first.to_ascii_uppercase());
        kind.push_str(rest);
    }
    kind
}
