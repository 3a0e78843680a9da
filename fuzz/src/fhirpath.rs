use std::sync::{Arc, LazyLock};

use leckwehr_fhir::path::{
    ElementType, Expression, Host, Moment, Primitive, Reading, Resolution, Scene, Schema, Stop, TypeId, TypedDocument,
};
use leckwehr_fhir::source::{Document, Limits, NameId, Names, NodeId};

use crate::{Target, fingerprint};

/// FHIRPath: lexer, parser, checker and evaluation over a small patient.
pub const TARGET: Target = Target {
    name: "fhirpath",
    run,
    seeds: &[
        "Patient.name.where(given.exists() and use = 'official').given.first() | name.family",
        "iif(birthDate < today() - 18 years, 'adult', name.select(given & ' ' & family).first())",
        "(1 | 2 | 3).aggregate($this + $total, 0) * 4.5 'mg' / 2 'g' > {} implies true xor (value as Quantity).unit.matches('^[a-z]+$')",
        "descendants().where($this is string).select($this.toString().substring($index, 3)).distinct().count() mod 7 = -3.abs().power(2)",
        "@2015-02-04T14:34:28.123+01:00.lowBoundary(17) <= now() and @T14:30 != @T14 or %context ~ %resource.repeat(extension).single()",
        "extension('urn:x').value.toQuantity() + 3 days in name.period.start.combine(active.not()).sort(-$this)[0]",
        "'a,b'.split(',').join('|').replaceMatches('[ab]', '$0x').encode('base64').toChars().isDistinct() // done",
    ],
    words: &[
        ".where(",
        ".select(",
        ".repeat($this)",
        ".all(",
        ".exists(",
        ".descendants()",
        ".children()",
        ".aggregate($this & $total, '')",
        ".ofType(",
        ".is(",
        " as ",
        " is ",
        "$this",
        "$index",
        "$total",
        "%context",
        "%resource",
        "%`vs-x`",
        "{}",
        " implies ",
        " and ",
        " or ",
        " xor ",
        " div ",
        " mod ",
        " in ",
        " contains ",
        "@2015-02-29",
        "@T23:59:60",
        "1.7976",
        " 'mg'",
        " years",
        ".toQuantity()",
        ".matches('(a*)*b')",
        ".replace('', 'xx')",
        ".substring(-1)",
        ".power(0.5)",
        ".round(40)",
        ".lowBoundary(",
        ".highBoundary(31)",
        ".combine($this)",
        ".trace('t')",
        ".sort(-$this)",
        ".resolve()",
        ".memberOf('x')",
        ".htmlChecks()",
        ".conformsTo('x')",
        ".checkModifiers()",
        "((((",
        "))))",
        "-",
        "+",
        "[0]",
        "'\\u0041'",
        "`given`",
        "/*",
        "*/",
        "//",
        "2147483647",
        "99999999999999999999",
    ],
};

const PATIENT: &str = r#"<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">
<p>x</p></div></text><extension url="urn:x"><valueQuantity><value value="5.50"/><system value="http://unitsofmeasure.org"/><code
value="mg"/></valueQuantity></extension><active value="true"/><name><use value="official"/><family value="Lovelace"/><given
value="Ada"/><given value="M."/><period><start value="1835-07"/></period></name><birthDate value="1815-12-10"/>
<multipleBirthInteger value="7"/></Patient>"#;

/// A child as written, its element, its type.
type Child = (&'static str, &'static str, usize);

/// Name, base, children: as much of R4 as the patient needs.
const TYPES: [(&str, Option<usize>, &[Child]); 14] = [
    ("Resource", None, &[]),
    ("Element", None, &[]),
    (
        "Patient",
        Some(0),
        &[
            ("text", "text", 3),
            ("extension", "extension", 4),
            ("active", "active", 5),
            ("name", "name", 6),
            ("birthDate", "birthDate", 8),
            ("multipleBirthInteger", "multipleBirth", 9),
        ],
    ),
    ("Narrative", Some(1), &[("status", "status", 12), ("div", "div", 1)]),
    (
        "Extension",
        Some(1),
        &[
            ("url", "url", 7),
            ("valueQuantity", "value", 11),
            ("extension", "extension", 4),
        ],
    ),
    ("boolean", Some(1), &[]),
    (
        "HumanName",
        Some(1),
        &[
            ("use", "use", 12),
            ("family", "family", 7),
            ("given", "given", 7),
            ("period", "period", 10),
        ],
    ),
    ("string", Some(1), &[("extension", "extension", 4)]),
    ("date", Some(1), &[]),
    ("integer", Some(1), &[]),
    ("Period", Some(1), &[("start", "start", 13), ("end", "end", 13)]),
    (
        "Quantity",
        Some(1),
        &[
            ("value", "value", 7),
            ("unit", "unit", 7),
            ("system", "system", 7),
            ("code", "code", 12),
        ],
    ),
    ("code", Some(7), &[]),
    ("dateTime", Some(1), &[]),
];

struct Small {
    names: Arc<Names>,
}

impl Schema for Small {
    fn type_named(&self, name: &str) -> Option<TypeId> {
        TYPES.iter().position(|(n, ..)| *n == name).map(|at| TypeId(at as u32))
    }

    fn type_name(&self, of: TypeId) -> &str {
        TYPES[of.0 as usize].0
    }

    fn is_subtype(&self, of: TypeId, base: TypeId) -> bool {
        let mut at = Some(of.0 as usize);
        while let Some(here) = at {
            if here == base.0 as usize {
                return true;
            }
            at = TYPES[here].1;
        }
        false
    }

    fn primitive(&self, of: TypeId) -> Option<Primitive> {
        Primitive::of_type_name(self.type_name(of))
    }

    fn child(&self, of: TypeId, name: NameId) -> Option<ElementType> {
        let text = self.names.text(name)?;
        let (_, element, type_id) = TYPES[of.0 as usize].2.iter().find(|(written, ..)| *written == text)?;
        Some(ElementType {
            element: self.names.get(element)?,
            type_id: TypeId(*type_id as u32),
        })
    }

    fn element_types(&self, of: TypeId, element: &str) -> Option<Vec<TypeId>> {
        let found = TYPES[of.0 as usize].2.iter().filter(|(_, name, _)| *name == element);
        let types: Vec<_> = found.map(|(.., of)| TypeId(*of as u32)).collect();
        (!types.is_empty()).then_some(types)
    }
}

struct World;

impl Host for World {
    fn now(&self) -> Option<Moment> {
        Some(Moment::from_unix(1_770_000_000_000_000_000, 60))
    }

    fn resolve(&self, from: NodeId, _: &str) -> Resolution {
        Resolution::Node(from)
    }
}

static SMALL: LazyLock<(Small, Option<Document>)> = LazyLock::new(|| {
    let mut names = Names::new();
    for (name, _, children) in TYPES {
        names.intern(name);
        for (written, element, _) in children {
            names.intern(written);
            names.intern(element);
        }
    }
    let names = Arc::new(names);
    let document = Document::read(PATIENT, &names, &Limits::default()).ok();
    (Small { names }, document)
});

fn run(bytes: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let (schema, document) = &*SMALL;
    assert!(document.is_some(), "the patient can be read");
    let Some(document) = document else { return 0 };
    let expression = match Expression::compile(&text, schema, &schema.names) {
        Ok(expression) => expression,
        Err(error) => return fingerprint(error.kind.to_string().bytes().take(12).map(u64::from)),
    };
    let checked = expression.check(schema, TypeId(2)).is_ok();
    let typed = TypedDocument::new(document, schema);
    let scene = Scene {
        steps_max: 20_000,
        reading: if bytes.len().is_multiple_of(2) {
            Reading::R4
        } else {
            Reading::Strict
        },
        ..Scene::new(&typed, schema, &World)
    };
    let end = match expression.evaluate(&scene, document.root()) {
        Ok(values) => {
            let kinds = values.iter().take(3).map(std::mem::discriminant);
            fingerprint(
                kinds
                    .map(|k| format!("{k:?}").bytes().map(u64::from).sum())
                    .chain([values.len().min(9) as u64]),
            )
        }
        Err(Stop::Error(error)) => 1 + error as u64,
        Err(Stop::Unknown(doubt)) => 100 + doubt as u64,
    };
    // A short text of words met is a rough picture of the path through the evaluator.
    let words = TARGET.words.iter().enumerate().filter(|(_, word)| text.contains(word.trim()));
    fingerprint(words.map(|(at, _)| at as u64).chain([end, u64::from(checked)]))
}
