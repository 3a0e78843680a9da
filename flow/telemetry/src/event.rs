use leckwehr_incident::Timestamp;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Kind {
    /// A log-on; the outcome says whether it worked.
    Logon,
    /// A program was started; `object` is the command line.
    Process,
    /// A file was changed, created, deleted or read (`action`); `object` is the path.
    File,
    /// Backups were changed (`action`: `snapshot-create`, `snapshot-delete`, `retention-change`); `object` names them.
    Backup,
    /// A network connection, `object` is the application protocol if known.
    Flow,
    /// A cumulative byte counter at an exit; `host` is the guard, `bytes_out` the counter.
    EgressCounter,
    /// Requests counted at a portal; `size` is the number, `duration_ns` the window.
    Requests,
    /// A remote procedure call: `object` is the interface, `action` the operation.
    RemoteCall,
    /// A share was connected; `object` is its path.
    Share,
    /// A file was touched over a share; `object` is share and name.
    ShareFile,
    /// An HTTP request: `action` is the method, `object` the path.
    Web,
    /// A Kerberos ticket: `object` is the service, `action` the request.
    Ticket,
    /// A TLS handshake: `object` is the server name, `action` the validation status.
    Tls,
    /// A name was looked up; `object` is the name.
    Name,
    /// A file was seen on the wire; `action` is its MIME type, `object` its name.
    Transfer,
    /// Anything else that has a time.
    #[default]
    Other,
}

impl Kind {
    /// Returns the evidence class that a record of this kind counts for in coverage: `logon`, `process`, `file`,
    /// `backup`, `flow`, `egress` or `other`.
    pub fn class(self) -> &'static str {
        match self {
            Self::Logon | Self::Ticket => "logon",
            Self::Process | Self::RemoteCall => "process",
            Self::File | Self::ShareFile | Self::Transfer => "file",
            Self::Backup => "backup",
            Self::Flow | Self::Share | Self::Web | Self::Tls | Self::Name | Self::Requests => "flow",
            Self::EgressCounter => "egress",
            Self::Other => "other",
        }
    }
}

/// Who wrote the record; the product of Sigma's log source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Product {
    /// Zeek logs.
    #[default]
    Zeek,
    /// Our own sensors, Elastic Common Schema.
    Leckwehr,
    /// Windows event channels.
    Windows,
    /// Linux: syslog of its programs, and the audit system.
    Linux,
    /// Firewalls, proxies and other devices that write CEF, LEEF or their own syslog.
    Device,
    /// Suricata's eve.json.
    Suricata,
    /// NetFlow and IPFIX exporters.
    Netflow,
    /// Open Cybersecurity Schema Framework, whoever wrote it.
    Ocsf,
    /// Audit logs of Kubernetes.
    Kubernetes,
    /// OpenTelemetry logs.
    OpenTelemetry,
}

impl Product {
    /// Returns the name used in a Sigma log source.
    pub fn word(self) -> &'static str {
        match self {
            Self::Zeek => "zeek",
            Self::Leckwehr => "leckwehr",
            Self::Windows => "windows",
            Self::Linux => "linux",
            Self::Device => "device",
            Self::Suricata => "suricata",
            Self::Netflow => "netflow",
            Self::Ocsf => "ocsf",
            Self::Kubernetes => "kubernetes",
            Self::OpenTelemetry => "opentelemetry",
        }
    }
}

/// How what the record tells of ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Outcome {
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// The record does not say.
    #[default]
    Unknown,
}

/// One event before it becomes columns; empty strings and `None` mean that the record does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// Seconds east of UTC at which the source wrote that time, if it says.
    pub utc_offset_s: Option<i32>,
    /// What it is about.
    pub kind: Kind,
    /// Who wrote it.
    pub product: Product,
    /// Sigma service: Zeek's stream, the Windows channel's short name, the ECS dataset.
    pub service: &'a str,
    /// Sigma category, e.g. `process_creation`.
    pub category: &'a str,
    /// What was done, in the format's word.
    pub action: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// Host it happened on, if the record names one.
    pub host: &'a str,
    /// Address or host it came from.
    pub origin: &'a str,
    /// Port at the origin.
    pub origin_port: u16,
    /// Address it went to.
    pub destination: &'a str,
    /// Port at the destination.
    pub port: u16,
    /// Account that did it.
    pub account: &'a str,
    /// Path, command line, service or name, by kind.
    pub object: &'a str,
    /// Who observed it.
    pub sensor: &'a str,
    /// Bytes from origin to destination.
    pub bytes_out: Option<u64>,
    /// Bytes from destination to origin.
    pub bytes_in: Option<u64>,
    /// Size of a file in bytes, or a count, by kind.
    pub size: Option<u64>,
    /// Entropy of a file's content in bits per byte.
    pub entropy: Option<f32>,
    /// How long it took.
    pub duration_ns: Option<i64>,
    /// The sensor's own number of the record, by which a loss shows.
    pub number: Option<u64>,
}
