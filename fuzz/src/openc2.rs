use leckwehr_guard::openc2::{Profiles, parse_command, parse_response};

use crate::{Target, fingerprint};

/// OpenC2 commands and responses. What the guard accepts, a reader of the whole language with the same profiles accepts too.
pub(crate) const TARGET: Target = Target {
    name: "openc2",
    run,
    seeds: &[
        r#"{"action":"deny","target":{"ipv4_connection":{"protocol":"tcp","src_addr":"1.2.3.4","src_port":10996,"dst_addr":"198.2.3.4/8","dst_port":80}},"args":{"start_time":1534775460000,"duration":500,"response_requested":"ack","slpf":{"drop_process":"none","direction":"ingress"}},"actuator":{"slpf":{"asset_id":"30"}}}"#,
        r#"{"action":"query","target":{"features":["versions","profiles","pairs","rate_limit"]},"command_id":"q"}"#,
        r#"{"action":"deny","target":{"x-leckwehr:compartment":"fs-1"},"args":{"x-leckwehr":{"lease_ms":60000}}}"#,
        r#"{"action":"update","target":{"file":{"path":"/a","name":"b","hashes":{"md5":"0313fd399b143fc40cd52a1679018305"}}}}"#,
        r#"{"status":200,"status_text":"OK","results":{"versions":["1.0"],"pairs":{"deny":["ipv6_net"]},"slpf":{"rule_number":7}}}"#,
    ],
    words: &[
        "\"ipv6_net\"",
        "::ffff:192.0.2.1/96",
        "\"process\"",
        "\"parent\":",
        "\"artifact\"",
        "\"payload\"",
        "\"delete\"",
        "\"slpf:rule_number\"",
        "\"x-leckwehr\"",
        "\"stop_time\"",
        "1e400",
        "\\u0000",
        "\"mac_addr\"",
        "\"uri\"",
        "\"properties\"",
    ],
};

fn run(bytes: &[u8]) -> u64 {
    let whole = Profiles::language().with_slpf().with_extension("x-leckwehr");
    let command = parse_command(bytes, &Profiles::guard());
    if let Ok(command) = &command {
        assert_eq!(
            parse_command(bytes, &whole).as_ref(),
            Ok(command),
            "a narrower reader accepts more"
        );
    }
    let response = parse_response(bytes, &Profiles::guard());
    let told = |fault: Option<String>| fault.map_or(1, |fault| fingerprint(fault.bytes().take(40).map(u64::from)));
    fingerprint([
        told(command.err().map(|fault| fault.to_string())),
        told(response.err().map(|fault| fault.to_string())),
        told(parse_command(bytes, &whole).err().map(|fault| fault.to_string())),
    ])
}
