use crate::{Target, telemetry};

/// Zeek's tab-separated logs.
pub const TARGET: Target = Target {
    name: "zeek_tsv",
    run: |bytes| telemetry(std::io::Cursor::new(bytes.to_vec())),
    seeds: &[
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n#fields\tts\tid.orig_h\tduration\tlocal\ttunnel_parents\n#types\ttime\taddr\tinterval\tbool\tset[string]\n1.5\t10.0.0.1\t0.1\tT\ta,b\\x09c\n2\t-\t-\tF\t(empty)\n#close\t2023\n",
        "#separator ,\n#path,dns\n#fields,ts,query\n#types,time,string\n1,x\n#separator \\x7c\n#fields|ts\n3\n",
    ],
    words: &[
        "#separator \\x",
        "#fields",
        "#types",
        "#path",
        "#set_separator",
        "#empty_field",
        "#unset_field",
        "\t",
        "-",
        "(empty)",
        "\\x",
        "\\\\",
        "vector[",
        "set[count]",
        "]",
        "\n",
    ],
};
