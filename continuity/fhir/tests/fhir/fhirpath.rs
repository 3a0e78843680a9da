//! HL7's FHIRPath R4 test suite, judged case by case.

use std::collections::HashMap;
use std::sync::Arc;

use leckwehr_fhir::path::{
    Conformance, Expression, Host, Moment, Quantity, Reading, Resolution, Scene, Schema as _, Stop, TypedDocument, Value,
};
use leckwehr_fhir::source::{Document, Limits, NodeId};

use leckwehr_fhir::package::PackageSet;
use leckwehr_fhir::schema::{self, Schema};

/// The suite's own world: a fixed time, and R4's own profiles.
struct World<'a> {
    typed: &'a TypedDocument<'a>,
    schema: &'a Schema,
}

impl Host for World<'_> {
    fn now(&self) -> Option<Moment> {
        Some(Moment::from_unix(1_770_000_000_000_000_000, 60))
    }

    fn resolve(&self, _: NodeId, _: &str) -> Resolution {
        Resolution::Nothing
    }

    fn conforms_to(&self, node: NodeId, profile: &str) -> Conformance {
        let name = profile.strip_prefix("http://hl7.org/fhir/StructureDefinition/");
        let Some(base) = name.and_then(|n| self.schema.type_named(n)) else {
            return Conformance::NoSuchProfile;
        };
        let of = self.typed.type_of(node);
        if of.is_some_and(|of| self.schema.is_subtype(of, base)) {
            Conformance::Yes
        } else {
            Conformance::No
        }
    }
}

struct Case {
    name: String,
    input: Option<String>,
    expression: String,
    /// Why it must be refused.
    invalid: Option<String>,
    predicate: bool,
    ordered: bool,
    /// Type and text.
    outputs: Vec<(Option<String>, String)>,
}

fn cases(text: &str) -> Vec<Case> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(text);
    let mut cases: Vec<Case> = Vec::new();
    let mut into = None::<bool>;
    let attributes = |start: &quick_xml::events::BytesStart<'_>| -> HashMap<String, String> {
        let pairs = start.attributes().map(|a| a.unwrap());
        pairs
            .map(|a| {
                (
                    a.key.as_ref().to_owned(),
                    quick_xml::escape::unescape(&a.value).unwrap().into_owned(),
                )
            })
            .collect()
    };
    loop {
        let event = reader.read_event().unwrap();
        let ends = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                let mut found = attributes(&start);
                match start.name().as_ref() {
                    "test" => cases.push(Case {
                        name: found.remove("name").unwrap_or_default(),
                        input: found.remove("inputfile"),
                        expression: String::new(),
                        invalid: None,
                        predicate: found.get("predicate").is_some_and(|p| p == "true"),
                        ordered: found.get("ordered").is_none_or(|o| o != "false"),
                        outputs: Vec::new(),
                    }),
                    "expression" => {
                        cases.last_mut().unwrap().invalid = found.remove("invalid");
                        into = (!ends).then_some(true);
                    }
                    "output" => {
                        cases.last_mut().unwrap().outputs.push((found.remove("type"), String::new()));
                        into = (!ends).then_some(false);
                    }
                    _ => {}
                }
            }
            Event::End(_) => into = None,
            Event::Text(text) => add(&mut cases, into, &text),
            Event::CData(text) => add(&mut cases, into, &text),
            Event::GeneralRef(name) => {
                let text = quick_xml::escape::unescape(&format!("&{};", &*name)).unwrap().into_owned();
                add(&mut cases, into, &text);
            }
            Event::Eof => return cases,
            _ => {}
        }
    }
}

fn add(cases: &mut [Case], into: Option<bool>, text: &str) {
    let Some(case) = cases.last_mut() else { return };
    match into {
        Some(true) => case.expression.push_str(text),
        Some(false) => case.outputs.last_mut().unwrap().1.push_str(text),
        None => {}
    }
}

struct Suite {
    schema: Schema,
    documents: HashMap<String, Document>,
}

impl Suite {
    fn run(&self, case: &Case) -> Result<(), String> {
        let input = case.input.clone().unwrap_or_else(|| "patient-example.xml".to_owned());
        let document = &self.documents[&input];
        let typed = TypedDocument::new(document, &self.schema);
        let world = World {
            typed: &typed,
            schema: &self.schema,
        };
        let scene = Scene {
            reading: Reading::Strict,
            ..Scene::new(&typed, &self.schema, &world)
        };
        let refused = |why: String| {
            if case.invalid.is_some() {
                Ok(())
            } else {
                Err(format!("refused: {why}"))
            }
        };
        let expression = match Expression::compile(&case.expression, &self.schema, self.schema.names()) {
            Ok(expression) => expression,
            Err(error) => return refused(error.to_string()),
        };
        if let Err(error) = expression.check(&self.schema, typed.type_of(document.root()).unwrap()) {
            return refused(error.to_string());
        }
        let values = match expression.evaluate(&scene, document.root()) {
            Ok(values) => values,
            Err(Stop::Error(error)) => return refused(error.to_string()),
            Err(unknown) => return Err(format!("unknown: {unknown}")),
        };
        let mut given: Vec<_> = values.iter().map(|v| written(v, &typed, &self.schema)).collect();
        if case.predicate {
            given = vec![("boolean".to_owned(), (!values.is_empty()).to_string())];
        }
        let mut wanted: Vec<_> = case
            .outputs
            .iter()
            .map(|(of, text)| (of.clone(), text.trim_start_matches("@T").trim_start_matches('@').to_owned()))
            .collect();
        if !case.ordered {
            given.sort();
            wanted.sort();
        }
        if let Some(invalid) = &case.invalid {
            return Err(format!("not refused ({invalid}), but {given:?}"));
        }
        let fits =
            |(g, w): (&(String, String), &(Option<String>, String))| w.0.as_ref().is_none_or(|of| *of == g.0) && g.1 == w.1;
        if given.len() == wanted.len() && given.iter().zip(&wanted).all(fits) {
            return Ok(());
        }
        Err(format!("wanted {wanted:?}, but {given:?}"))
    }
}

/// Type as the suite names it, and text.
fn written(value: &Value<'_>, typed: &TypedDocument<'_>, schema: &Schema) -> (String, String) {
    let of = |name: &str, text: String| (name.to_owned(), text);
    match value {
        Value::Node(node) => {
            let name = typed.type_of(*node).map_or("?", |of| schema.type_name(of));
            of(name, typed.document().value(*node).unwrap_or_default().to_owned())
        }
        Value::Boolean(truth) => of("boolean", truth.to_string()),
        Value::Integer(n) => of("integer", n.to_string()),
        Value::Decimal(n) => of("decimal", n.to_string()),
        Value::String(text) => of("string", text.to_string()),
        Value::Moment(moment) => {
            let name = moment.kind.system().name();
            of(&(name[..1].to_lowercase() + &name[1..]), moment.to_string())
        }
        Value::Quantity(quantity) => of("Quantity", Quantity::literal(quantity)),
        Value::Type(info) => of("TypeInfo", format!("{}.{}", info.namespace, info.name)),
    }
}

#[test]
fn the_suite_of_hl7_passes_but_for_the_cases_listed() {
    let Some(folder) = crate::data("fhir/fhirpath-r4") else {
        return;
    };
    let Some(base) = crate::packages::base() else { return };
    let text = std::fs::read_to_string(folder.join("tests-fhir-r4.xml")).unwrap();
    let cases = cases(&text);
    let shelf = crate::packages::shelf_of_base(&base);
    let names = Arc::new(schema::names_of(&shelf));
    let schema = Schema::new(PackageSet::around(&Arc::new(shelf), None), names);
    let mut documents = HashMap::new();
    for input in cases.iter().filter_map(|c| c.input.clone()) {
        let read = |bytes| Document::read(bytes, schema.names(), &Limits::default()).unwrap();
        documents
            .entry(input.clone())
            .or_insert_with(|| read(std::fs::read(folder.join(&input)).unwrap()));
    }
    let suite = Suite { schema, documents };
    let mut failed = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        if let Err(reason) = suite.run(case) {
            println!("{number} {}: {}\n    {reason}", case.name, case.expression.trim());
            failed.push(case.name.as_str());
        }
    }
    println!("{} of {} cases pass", cases.len() - failed.len(), cases.len());
    let listed = include_str!("fhirpath-failing.txt")
        .lines()
        .filter_map(|line| line.split_once(": "));
    assert_eq!(failed, listed.map(|(name, _)| name).collect::<Vec<_>>());
    // Two more stand in comments of the file.
    assert_eq!(cases.len(), 935);
    assert!(failed.len() * 50 <= cases.len());
}
