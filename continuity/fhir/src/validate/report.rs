use std::collections::{BTreeSet, HashSet};

use serde_json::{Value, json};

use super::fault::{Fault, Language, Severity};
use super::walk::{Finding, Walk};
use crate::source::{Document, NodeId};
use crate::terminology::Missing;
use crate::{Issue, Place};

/// What a validation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that the profiles demand holds.
    Valid,
    /// Something that they demand does not hold.
    Invalid,
    /// Nothing was found wrong, but something could not be checked: see what is missing.
    Unknown,
}

impl Verdict {
    /// `valid`, `invalid` or `unknown`.
    pub fn text(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
        }
    }
}

/// The outcome of validating one document.
#[derive(Debug, Clone)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// What was found, in the order of the document.
    pub issues: Vec<ReportIssue>,
    /// What is missing for a verdict without doubt.
    pub missing: Vec<Missing>,
    /// The package set that it was checked with.
    pub set: String,
    /// What was applied to each element, if it was asked for.
    pub applied: Vec<AppliedElement>,
}

/// One issue with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportIssue {
    /// How bad.
    pub severity: Severity,
    /// What.
    pub fault: Fault,
    /// Where: FHIRPath.
    pub location: String,
    /// Where: line and column.
    pub place: Place,
    /// Canonical of the profile that says so, if it is not the base of FHIR.
    pub profile: Option<String>,
    /// Element of that profile.
    pub element: Option<String>,
}

/// An element of the document and what of which profile was applied to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedElement {
    /// FHIRPath.
    pub location: String,
    /// Line.
    pub line: u64,
    /// Canonical of the profile.
    pub profile: String,
    /// Element of the profile, with slices.
    pub element: String,
    /// Keys of the invariants.
    pub rules: Vec<String>,
}

impl Report {
    /// A report of a single issue.
    pub(super) fn single(severity: Severity, fault: Fault, place: Place, location: &str, set: &str) -> Self {
        let issue = ReportIssue {
            severity,
            fault,
            location: location.to_owned(),
            place,
            profile: None,
            element: None,
        };
        Self::new(vec![issue], BTreeSet::new(), set)
    }

    /// A document that cannot be read.
    pub(super) fn unreadable(issue: Issue) -> Self {
        Self::single(Severity::Fatal, Fault::Source(issue.kind), issue.place, "", "")
    }

    pub(super) fn new(issues: Vec<ReportIssue>, missing: BTreeSet<Missing>, set: &str) -> Self {
        let mut report = Self {
            verdict: Verdict::Valid,
            issues,
            missing: missing.into_iter().collect(),
            set: set.to_owned(),
            applied: Vec::new(),
        };
        report.judge();
        report
    }

    /// Adds an issue of the whole document, before all others.
    pub(super) fn add(&mut self, severity: Severity, fault: Fault, document: &Document) {
        let root = document.root();
        let location = document
            .names()
            .text(document.name_id(root))
            .unwrap_or("(unknown)")
            .to_owned();
        let issue = ReportIssue {
            severity,
            fault,
            location,
            place: document.place(root),
            profile: None,
            element: None,
        };
        self.issues.insert(0, issue);
        self.judge();
    }

    /// Takes the results of a walk.
    pub(super) fn of_walk(walk: Walk<'_>, set: &str) -> Self {
        let document = walk.document;
        let mut findings: Vec<&Finding> = walk.found_anyway.iter().chain(&walk.found).collect();
        findings.sort_by_key(|f| (f.node, f.severity));
        let mut seen = HashSet::new();
        findings.retain(|f| seen.insert((f.node, &f.fault)));
        let issues = findings.into_iter().map(|f| issue_of(&walk, f)).collect();
        let applied = walk.applied.iter().flatten().map(|a| AppliedElement {
            location: location(&walk, a.node),
            line: document.place(a.node).line,
            profile: a.profile.clone(),
            element: a.element.to_string(),
            rules: a.rules.iter().map(|r| r.to_string()).collect(),
        });
        let applied = applied.collect();
        let mut report = Self::new(issues, walk.missing.clone(), set);
        report.applied = applied;
        report
    }

    /// Sets the verdict by the issues: an error decides, then what is missing.
    pub(super) fn judge(&mut self) {
        self.verdict = if self.issues.iter().any(|i| i.severity >= Severity::Error) {
            Verdict::Invalid
        } else if self.missing.is_empty() {
            Verdict::Valid
        } else {
            Verdict::Unknown
        };
    }

    /// The report as a FHIR OperationOutcome (R4). Nothing of the document but places is in it.
    pub fn operation_outcome(&self, language: Language) -> Value {
        let mut issues: Vec<Value> = self.issues.iter().map(|i| i.operation_outcome(language)).collect();
        for missing in &self.missing {
            issues.push(json!({
                "severity": "warning",
                "code": "incomplete",
                "details": { "coding": [{ "code": "missing" }], "text": missing_text(missing, language) },
            }));
        }
        if issues.is_empty() {
            let text = match language {
                Language::English => "no issues",
                Language::German => "nichts zu beanstanden",
            };
            issues.push(json!({ "severity": "information", "code": "informational", "details": { "text": text } }));
        }
        json!({ "resourceType": "OperationOutcome", "issue": issues })
    }
}

impl ReportIssue {
    fn operation_outcome(&self, language: Language) -> Value {
        let mut issue = json!({
            "extension": [
                { "url": "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line", "valueInteger": self.place.line },
                { "url": "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col", "valueInteger": self.place.column },
            ],
            "severity": self.severity.code(),
            "code": self.fault.issue_type(),
            "details": { "coding": [{ "code": self.fault.key() }], "text": self.fault.text(language) },
        });
        if !self.location.is_empty() {
            issue["expression"] = json!([self.location]);
        }
        if let Some(profile) = &self.profile {
            issue["diagnostics"] = json!(match &self.element {
                Some(element) => format!("{profile}#{element}"),
                None => profile.clone(),
            });
        }
        issue
    }
}

/// What is missing, in words.
pub fn missing_text(missing: &Missing, language: Language) -> String {
    let (english, german, what) = match missing {
        Missing::ValueSet(what) => ("value set", "ValueSet", what),
        Missing::CodeSystem(what) => ("codes of the code system", "Codes des CodeSystems", what),
        Missing::Filter(what) => ("a filter that is understood", "ein verstandener Filter", what),
        Missing::Profile(what) => ("profile", "Profil", what),
        Missing::Package(what) => ("package", "Paket", what),
        Missing::Discriminator(what) => ("what tells the slices apart", "was die Slices unterscheidet", what),
        Missing::Rule(what) => ("an answer of the invariant", "eine Antwort der Bedingung", what),
    };
    match language {
        Language::English => format!("missing: {english} {what}"),
        Language::German => format!("es fehlt: {german} {what}"),
    }
}

fn issue_of(walk: &Walk<'_>, finding: &Finding) -> ReportIssue {
    let source = finding.source.as_ref();
    ReportIssue {
        severity: finding.severity,
        fault: finding.fault.clone(),
        location: location(walk, finding.node),
        place: walk.document.place(finding.node),
        profile: source.map(|(profile, _)| profile.canonical()),
        element: source.map(|(profile, element)| profile.elements[*element as usize].label.to_string()),
    }
}

/// FHIRPath from the root to a node, with an index at each element that may repeat.
fn location(walk: &Walk<'_>, node: NodeId) -> String {
    let document: &Document = walk.document;
    let mut steps = Vec::new();
    let mut at = node;
    while let Some(parent) = document.parent(at) {
        // a name that no definition has is text of the document
        let name = document.names().text(walk.typed.element(at)).unwrap_or("(unknown)");
        let step = if walk.is_repeatable(parent, at) {
            format!("{name}[{}]", document.position(at))
        } else {
            name.to_owned()
        };
        steps.push(step);
        at = parent;
    }
    let root = document.names().text(document.name_id(at)).unwrap_or("(unknown)");
    let mut path = root.to_owned();
    for step in steps.iter().rev() {
        path.push('.');
        path.push_str(step);
    }
    path
}

impl Walk<'_> {
    fn is_repeatable(&self, parent: NodeId, node: NodeId) -> bool {
        let defined = self.typed.type_of(parent).and_then(|t| self.schema.type_definition(t));
        let Some((profile, element)) = defined else { return false };
        let child = profile.child_of(element, self.document.name_id(node), self.document.name(node));
        child.is_some_and(|(position, _)| {
            let index = profile.elements[element as usize].children[position];
            profile.elements[index as usize].is_list()
        })
    }
}
