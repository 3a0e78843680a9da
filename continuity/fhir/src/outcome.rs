use std::fmt;

/// What one reading of a document found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Read to its end as one well-formed XML element, within the limits, without a document type definition.
    pub well_formed: bool,
    /// Whether profiles, value sets and invariants were checked. This version never does.
    pub validated: bool,
    /// Name of the root element, if it is in the FHIR namespace.
    pub resource_type: Option<String>,
    /// `meta.profile` of the root resource.
    pub profiles: Vec<Canonical>,
    /// `Bundle.identifier`; other resources' identifiers name people and are not read.
    pub identifier: Option<Identifier>,
    /// `Bundle.type`.
    pub bundle_type: Option<String>,
    /// `Bundle.timestamp` as written.
    pub timestamp: Option<String>,
    /// Resource types of the entries, in order.
    pub entries: Vec<String>,
    /// What is wrong, in order of place. The first issue that makes reading impossible is the last one.
    pub issues: Vec<Issue>,
}

/// A canonical reference: `url|version`. The version may be partial (`1.2` for any 1.2.x).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The part before `|`.
    pub url: String,
    /// The part after `|`.
    pub version: Option<String>,
}

/// An identifier. Its `Debug` shows nothing, so that it cannot slip into a log.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Identifier {
    /// Namespace of the value.
    pub system: String,
    /// The value.
    pub value: String,
}

/// Something wrong at a place. It is an error where a document cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issue {
    /// What.
    pub kind: IssueKind,
    /// Where.
    pub place: Place,
}

/// A place in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Offset in bytes from the start.
    pub byte: u64,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
}

/// What can be wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IssueKind {
    /// Nothing but white space.
    Empty,
    /// Longer than the limit.
    TooLong,
    /// Nested deeper than the limit.
    TooDeep,
    /// More elements than the limit.
    TooManyElements,
    /// An identifying value is longer than the limit; it was left out.
    ValueTooLong,
    /// Not UTF-8, or declared to be something else.
    NotUtf8,
    /// A character that XML and FHIR do not allow.
    BadCharacter,
    /// Begins with a byte order mark, which documents of German health care must not have.
    ByteOrderMark,
    /// Begins like JSON where XML is wanted.
    Json,
    /// A document type definition; refused unread.
    DocumentType,
    /// A reference to an entity other than the five of XML.
    Entity,
    /// Ends before its root element does.
    Truncated,
    /// Not well-formed XML or JSON.
    NotWellFormed,
    /// Content after or before the one root element.
    OutsideRoot,
    /// The root element is not in the FHIR namespace.
    NotFhir,
    /// A Bundle without an identifier value.
    NoIdentifier,
    /// The root resource names no profile.
    NoProfile,
    /// A single value is longer than the limit.
    DataTooLong,
    /// An element in another namespace than FHIR's, or a narrative outside of XHTML's.
    ForeignNamespace,
    /// An attribute that FHIR does not have.
    UnknownAttribute,
    /// Text between elements.
    StrayText,
    /// An empty value.
    EmptyValue,
    /// A resource beside other content of the element that holds it.
    MisplacedResource,
    /// A JSON object without the name of its resource type, or with one that is no text.
    NoResourceType,
    /// A JSON object with the same key twice.
    DuplicateKey,
    /// A JSON `null` that stands for nothing.
    JsonNull,
    /// A JSON value and its shadow (`_name`) that do not fit, or an array within an array.
    JsonShape,
    /// A JSON object or array without content.
    EmptyJson,
}

impl IssueKind {
    /// Returns the code listed in `docs/errors.md`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "LW-FHIR-001",
            Self::TooLong => "LW-FHIR-002",
            Self::TooDeep => "LW-FHIR-003",
            Self::TooManyElements => "LW-FHIR-004",
            Self::ValueTooLong => "LW-FHIR-005",
            Self::NotUtf8 => "LW-FHIR-006",
            Self::BadCharacter => "LW-FHIR-007",
            Self::ByteOrderMark => "LW-FHIR-008",
            Self::Json => "LW-FHIR-009",
            Self::DocumentType => "LW-FHIR-010",
            Self::Entity => "LW-FHIR-011",
            Self::Truncated => "LW-FHIR-012",
            Self::NotWellFormed => "LW-FHIR-013",
            Self::OutsideRoot => "LW-FHIR-014",
            Self::NotFhir => "LW-FHIR-015",
            Self::NoIdentifier => "LW-FHIR-016",
            Self::NoProfile => "LW-FHIR-017",
            Self::DataTooLong => "LW-FHIR-018",
            Self::ForeignNamespace => "LW-FHIR-019",
            Self::UnknownAttribute => "LW-FHIR-020",
            Self::StrayText => "LW-FHIR-021",
            Self::EmptyValue => "LW-FHIR-022",
            Self::MisplacedResource => "LW-FHIR-023",
            Self::NoResourceType => "LW-FHIR-024",
            Self::DuplicateKey => "LW-FHIR-025",
            Self::JsonNull => "LW-FHIR-026",
            Self::JsonShape => "LW-FHIR-027",
            Self::EmptyJson => "LW-FHIR-028",
        }
    }

    /// Returns one line for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Empty => "the document is empty",
            Self::TooLong => "the document is longer than 25 MiB",
            Self::TooDeep => "elements are nested deeper than 100 levels",
            Self::TooManyElements => "the document has more than 1,000,000 elements",
            Self::ValueTooLong => "an identifying value is longer than 1,024 bytes",
            Self::NotUtf8 => "the document is not UTF-8",
            Self::BadCharacter => "a character that FHIR does not allow",
            Self::ByteOrderMark => "the document begins with a byte order mark",
            Self::Json => "JSON where XML is wanted",
            Self::DocumentType => "document type definitions are refused",
            Self::Entity => "an entity that is not one of the five of XML",
            Self::Truncated => "the document ends before its root element",
            Self::NotWellFormed => "not well-formed",
            Self::OutsideRoot => "content outside the one root element",
            Self::NotFhir => "the root element is not in the FHIR namespace",
            Self::NoIdentifier => "the Bundle has no identifier",
            Self::NoProfile => "the resource names no profile",
            Self::DataTooLong => "a single value is longer than 16 MiB",
            Self::ForeignNamespace => "not in the namespace that FHIR gives this element",
            Self::UnknownAttribute => "an attribute that FHIR does not have",
            Self::StrayText => "text between elements",
            Self::EmptyValue => "an empty value",
            Self::MisplacedResource => "a resource beside other content of the element that holds it",
            Self::NoResourceType => "the object does not name its resourceType",
            Self::DuplicateKey => "the same key twice in an object",
            Self::JsonNull => "a null that stands for nothing",
            Self::JsonShape => "a value and its _shadow do not fit, or an array is within an array",
            Self::EmptyJson => "an object or array without content",
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (line {}, column {})",
            self.kind.text(),
            self.place.line,
            self.place.column
        )
    }
}

impl std::error::Error for Issue {}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identifier(…)")
    }
}

impl Canonical {
    /// Splits at the first `|`.
    pub fn parse(text: &str) -> Self {
        match text.split_once('|') {
            Some((url, version)) => Self {
                url: url.to_owned(),
                version: Some(version.to_owned()),
            },
            None => Self {
                url: text.to_owned(),
                version: None,
            },
        }
    }
}
