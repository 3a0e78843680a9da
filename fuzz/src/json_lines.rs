use crate::{Target, telemetry};

/// JSON lines of every dialect, as a file.
pub const TARGET: Target = Target {
    name: "json_lines",
    run: |bytes| telemetry(std::io::Cursor::new(bytes.to_vec())),
    seeds: &[
        r#"{"EventID":4688,"Channel":"Security","Hostname":"ws-1","@timestamp":"2020-06-10T02:50:57.551Z","NewProcessName":"C:\\a.exe","RecordNumber":7}"#,
        r##"{"Event":{"#attributes":{"xmlns":"x"},"System":{"Provider":{"#attributes":{"Name":"P"}},"EventID":12,"TimeCreated":{"#attributes":{"SystemTime":"2020-06-10T02:50:57Z"}},"Channel":"Microsoft-Windows-Sysmon/Operational"},"EventData":{"Source Name":"\u00e4\ud83d\ude00","EventType":"CreateKey"}}}"##,
        r#"{"@timestamp":"2023-04-25T05:12:09+02:00","agent":{"id":"s"},"host":{"name":"h"},"event":{"sequence":1,"category":["file","process"],"action":"logon"},"a":[1,-2.5e3,[true,null,{"b":{}}]]}"#,
        "{\"_path\":\"conn\",\"ts\":1588206809.27,\"id.orig_h\":\"10.0.1.4\"}\n{\"_path\":\"conn\",\"ts\":2}\n\n{ broken\n",
    ],
    words: &[
        "\"EventID\":",
        "\"winlog\":{",
        "\"event_data\":{",
        "\"_path\":\"",
        "\\u",
        "\\ud83d\\ude00",
        "\\ud800",
        "\"\":",
        "[[[[",
        "{\"a\":",
        "]]",
        "}}",
        "null",
        "true",
        "-0",
        "1e999",
        "\u{feff}",
        "\0",
        "\n",
        "\"@timestamp\":\"",
        "\"UserData\":{",
        "\"event.category\":\"",
    ],
};
