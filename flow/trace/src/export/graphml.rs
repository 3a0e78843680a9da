use std::fmt::Write as _;

use super::graph::{EdgeKind, Graph, NodeKind};
use super::{Export, tier_word};

/// Keys as they are declared: id, what they stand on, type.
const KEYS: [(&str, &str, &str); 18] = [
    ("kind", "node", "string"),
    ("name", "node", "string"),
    ("tier", "node", "string"),
    ("role", "node", "string"),
    ("zone", "node", "string"),
    ("systemkind", "node", "string"),
    ("address", "node", "string"),
    ("since", "node", "string"),
    ("until", "node", "string"),
    ("why", "node", "string"),
    ("bytesoutmax", "node", "long"),
    ("step", "edge", "string"),
    ("certainty", "edge", "string"),
    ("means", "edge", "string"),
    ("account", "edge", "string"),
    ("at", "edge", "string"),
    ("evidence", "edge", "string"),
    ("incident", "graph", "string"),
];

/// Returns the impact as GraphML 1.0: a directed graph with one edge per step, tiers and times as data.
pub fn graphml(export: &Export<'_>) -> String {
    let graph = Graph::new(export);
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"http://graphml.graphdrawing.org/xmlns \
         http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd\">\n",
    );
    for (key, on, of) in KEYS {
        let _ = writeln!(
            out,
            "  <key id=\"{key}\" for=\"{on}\" attr.name=\"{key}\" attr.type=\"{of}\"/>"
        );
    }
    out.push_str("  <graph id=\"impact\" edgedefault=\"directed\">\n");
    data(&mut out, 4, "incident", export.name);
    for (id, node) in &graph.nodes {
        let _ = writeln!(out, "    <node id=\"{}\">", escape(id));
        let kind = match node.kind {
            NodeKind::Host => "host",
            NodeKind::Outside => "outside",
            NodeKind::Account => "account",
        };
        data(&mut out, 6, "kind", kind);
        data(&mut out, 6, "name", &node.name);
        data(&mut out, 6, "tier", tier_word(node.tier));
        for (key, text) in &node.texts {
            data(&mut out, 6, key, text);
        }
        if let Some(bytes) = node.bytes_out_max {
            // GraphML's long is signed.
            data(
                &mut out,
                6,
                "bytesoutmax",
                &i64::try_from(bytes).unwrap_or(i64::MAX).to_string(),
            );
        }
        out.push_str("    </node>\n");
    }
    for (n, edge) in graph.edges.iter().enumerate() {
        let (from, to) = (escape(&edge.from), escape(&edge.to));
        let _ = writeln!(out, "    <edge id=\"e{n}\" source=\"{from}\" target=\"{to}\">");
        let step = match edge.kind {
            EdgeKind::Hop => "hop",
            EdgeKind::CouldReach => "could-reach",
            EdgeKind::UsedOn => "used-on",
        };
        data(&mut out, 6, "step", step);
        data(&mut out, 6, "certainty", tier_word(edge.tier));
        for (key, text) in &edge.texts {
            data(&mut out, 6, key, text);
        }
        if !edge.evidence.is_empty() {
            data(&mut out, 6, "evidence", &edge.evidence.join("\n"));
        }
        out.push_str("    </edge>\n");
    }
    out.push_str("  </graph>\n</graphml>\n");
    out
}

fn data(out: &mut String, indent: usize, key: &str, text: &str) {
    let _ = writeln!(out, "{:indent$}<data key=\"{key}\">{}</data>", "", escape(text));
}

/// Escapes for XML 1.0; characters that it does not allow become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}
