use serde_json::{Map, Value, json};

/// Commands in a minute that the guard means to keep up with.
const RATE_LIMIT_PER_MINUTE: u32 = 600;

/// Answers `query features`: versions, profiles and pairs of the guard, as far as `asked` names them.
pub fn features(asked: &[String]) -> Map<String, Value> {
    let traffic = json!(["ipv4_net", "ipv6_net", "ipv4_connection", "ipv6_connection"]);
    let with = |more: &[&str]| {
        let mut all: Vec<Value> = traffic.as_array().cloned().unwrap_or_default();
        all.extend(more.iter().map(|one| json!(one)));
        Value::Array(all)
    };
    let all = [
        ("versions", json!(["1.0"])),
        ("profiles", json!(["slpf", "x-leckwehr"])),
        (
            "pairs",
            json!({
                "query": ["features", "x-leckwehr:reports", "x-leckwehr:state", "x-leckwehr:compartment"],
                "deny": with(&["x-leckwehr:compartment", "x-leckwehr:compartments"]),
                "allow": with(&["x-leckwehr:compartment", "x-leckwehr:compartments"]),
                "delete": ["slpf:rule_number"],
                "contain": ["x-leckwehr:cgroup"],
                "stop": ["x-leckwehr:unit"],
                "start": ["x-leckwehr:unit"],
            }),
        ),
        ("rate_limit", json!(RATE_LIMIT_PER_MINUTE)),
    ];
    let wanted = all.into_iter().filter(|(name, _)| asked.iter().any(|a| a == name));
    wanted.map(|(name, value)| (name.to_owned(), value)).collect()
}
