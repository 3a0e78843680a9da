//! What FHIRPath says about the parts that HL7's suite leaves open: R4's own functions, doubt, limits, units.

use leckwehr_fhir::narrative::{self, NarrativeFault};
use leckwehr_fhir::path::{
    Conformance, Doubt, EvaluationError, Expression, Host, PathErrorKind, Reading, Resolution, Scene, Schema, Stop,
    TypedDocument, Value,
};
use leckwehr_fhir::source::{Document, Limits, NodeId};

use crate::small::Small;

const PATIENT: &str = r##"<Patient xmlns="http://hl7.org/fhir"><id value="p"/>
<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml"><p>Ada</p></div></text>
<contained><Organization><id value="o"/><name value="X"/><partOf><reference value="#"/></partOf></Organization></contained>
<extension url="urn:weight"><valueQuantity><value value="70.5"/><system value="http://unitsofmeasure.org"/><code value="kg"/></valueQuantity></extension>
<extension url="urn:less"><valueQuantity><value value="5"/><comparator value="&lt;"/><code value="mg"/></valueQuantity></extension>
<extension url="urn:code"><valueCode value="a"/></extension>
<name><use value="official"/><family value="Lovelace"/><given value="Ada"/><given value="Ada" id="x"><extension url="urn:e"><valueString value="y"/></extension></given></name>
<gender value="female"/><birthDate value="1815-12"/><deceasedDateTime value="1852-11-27T12:00:00+00:00"/>
<managingOrganization><reference value="#o"/></managingOrganization></Patient>"##;

struct World {
    known: bool,
}

impl Host for World {
    fn resolve(&self, _: NodeId, reference: &str) -> Resolution {
        match reference {
            "#" => Resolution::Node(NodeId::default()),
            "gone" => Resolution::Nothing,
            _ => Resolution::Unknown,
        }
    }

    fn member_of(&self, item: &Value<'_>, value_set: &str) -> Option<bool> {
        self.known.then(|| matches!(item, Value::Node(_)) && value_set == "urn:vs")
    }

    fn conforms_to(&self, _: NodeId, profile: &str) -> Conformance {
        match profile {
            "urn:yes" => Conformance::Yes,
            "urn:no" => Conformance::No,
            "urn:dark" => Conformance::Unknown,
            _ => Conformance::NoSuchProfile,
        }
    }
}

/// Evaluates for the patient, or for the resource contained in it.
fn at(text: &str, contained: bool, world: &World, reading: Reading, steps_max: u64) -> Result<String, Stop> {
    let schema = Small::new();
    let document = Document::read(PATIENT, &schema.names, &Limits::default()).unwrap();
    let typed = TypedDocument::new(&document, &schema);
    let scene = Scene {
        reading,
        steps_max,
        ..Scene::new(&typed, &schema, world)
    };
    let expression = Expression::compile(text, &schema, &schema.names).unwrap();
    let held = document
        .children(document.root())
        .find(|n| document.name(*n) == "contained")
        .unwrap();
    let node = if contained { held } else { document.root() };
    let values = expression.evaluate(&scene, node)?;
    let written = |value: &Value<'_>| match value {
        Value::Node(node) => document.value(*node).unwrap_or(document.name(*node)).to_owned(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(n) => n.to_string(),
        Value::Decimal(n) => n.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Moment(moment) => format!("@{moment}"),
        Value::Quantity(quantity) => quantity.literal(),
        Value::Type(info) => format!("{}.{}", info.namespace, info.name),
    };
    Ok(values.iter().map(written).collect::<Vec<_>>().join(" "))
}

fn value(text: &str) -> String {
    at(text, false, &World { known: true }, Reading::R4, 100_000).unwrap_or_else(|stop| format!("{text} stops: {stop}"))
}

fn stop(text: &str) -> Stop {
    at(text, false, &World { known: false }, Reading::R4, 100_000).unwrap_err()
}

#[test]
fn primitives_of_the_document_compare_by_their_value_alone() {
    for (text, wanted) in [
        ("name.given[0] = name.given[1]", "true"),
        ("name.given.isDistinct()", "false"),
        ("name.given.distinct().count()", "1"),
        ("birthDate = '1815-12'", "true"),
        ("birthDate = @1815-12", "true"),
        ("birthDate < @1815-12-10", ""),
        ("birthDate <= deceased", "true"),
        ("deceased.toString().substring(0, 4)", "'1852'"),
        (
            "deceasedDateTime.exists() and (deceased as dateTime).exists() and (deceased as boolean).empty()",
            "true",
        ),
        ("gender.length() + 1", "7"),
        ("'urn:' & gender", "'urn:female'"),
        (
            "extension('urn:weight').value > 70 'kg' and extension('urn:weight').value = 70500 'g'",
            "true",
        ),
        ("extension('urn:less').value < 6 'mg'", ""),
    ] {
        if text.starts_with("extension('urn:less')") {
            assert_eq!(
                stop(text),
                Stop::Error(EvaluationError::WrongType),
                "a number with a comparator is none"
            );
        } else {
            assert_eq!(value(text), wanted, "{text}");
        }
    }
}

#[test]
fn resources_know_what_holds_them() {
    let of_contained = |text| at(text, true, &World { known: true }, Reading::R4, 100_000).unwrap();
    assert_eq!(value("%resource.id & %rootResource.id & %context.id"), "'ppp'");
    assert_eq!(of_contained("%resource.id & %rootResource.id & %context.id"), "'opo'");
    assert_eq!(of_contained("partOf.resolve().gender"), "female");
    assert_eq!(
        value("contained.where(('#' + id) in %resource.descendants().reference).name"),
        "X"
    );
    assert_eq!(value("contained.ofType(Organization).id | contained.ofType(Patient).id"), "o");
    assert_eq!(
        value("%`vs-a` & %\"ext-b\""),
        "'http://hl7.org/fhir/ValueSet/ahttp://hl7.org/fhir/StructureDefinition/b'"
    );
}

#[test]
fn doubt_is_neither_yes_nor_no() {
    let reference = Stop::Unknown(Doubt::Reference);
    assert_eq!(stop("managingOrganization.resolve().exists()"), reference);
    assert_eq!(stop("gender.memberOf('urn:vs')"), Stop::Unknown(Doubt::Terminology));
    assert_eq!(stop("conformsTo('urn:dark')"), Stop::Unknown(Doubt::Conformance));
    assert_eq!(stop("today() > birthDate"), Stop::Unknown(Doubt::Time));
    assert_eq!(
        stop("name.all(managingOrganization.empty()) and managingOrganization.resolve().exists()"),
        reference
    );
    // Where the rest decides, the doubt does not matter, on whichever side it stands.
    for (text, wanted) in [
        ("managingOrganization.resolve().exists() or true", "true"),
        ("true or managingOrganization.resolve().exists()", "true"),
        ("managingOrganization.resolve().exists() and false", "false"),
        ("managingOrganization.resolve().exists() implies true", "true"),
        (
            "(managingOrganization | name).exists(resolve().exists() or use = 'official')",
            "true",
        ),
        (
            "(managingOrganization | name).all(resolve().exists() and $this is HumanName)",
            "false",
        ),
        ("'gone'.resolve().empty()", "true"),
        ("gender.memberOf('urn:vs')", "true"),
        ("conformsTo('urn:yes') and conformsTo('urn:no').not()", "true"),
    ] {
        assert_eq!(value(text), wanted, "{text}");
    }
}

#[test]
fn what_cannot_be_applied_is_an_error() {
    use EvaluationError as E;
    for (text, error) in [
        ("name.given.single()", E::Several),
        ("true and name.given", E::Several),
        ("name.family + 1", E::WrongType),
        ("name.startsWith('A')", E::WrongType),
        ("1 < 'a'", E::WrongType),
        ("gender is Nothing", E::NoSuchType),
        ("conformsTo('urn:other')", E::NoSuchProfile),
        ("gender.matches('(' & '[')", E::Pattern),
        ("@2015 + 1 'kg'", E::Span),
        ("$total", E::Outside),
    ] {
        assert_eq!(stop(text), Stop::Error(error), "{text}");
    }
    // The rules of R4 use `as` on collections; FHIRPath itself does not allow that.
    assert_eq!(value("descendants().as(code)"), "generated kg < mg a official female");
    let strict = at(
        "descendants().as(code)",
        false,
        &World { known: true },
        Reading::Strict,
        100_000,
    );
    assert_eq!(strict, Err(Stop::Error(E::Several)));
}

#[test]
fn work_is_limited_and_its_end_is_doubt() {
    assert_eq!(stop("'a'.repeat($this & 'a')"), Stop::Unknown(Doubt::Steps));
    assert_eq!(
        stop("descendants().select(%resource.descendants().select(%resource.descendants()))"),
        Stop::Unknown(Doubt::Steps)
    );
    let doubling = format!(
        "'{}'.{}",
        "x".repeat(1000),
        "replace('x', 'xxxxxxxxxx').".repeat(9) + "length()"
    );
    let world = World { known: true };
    assert_eq!(
        at(&doubling, false, &world, Reading::R4, u64::MAX),
        Err(Stop::Unknown(Doubt::Text))
    );
    assert_eq!(
        stop("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a|a?)+\\\\1$')"),
        Stop::Unknown(Doubt::Pattern)
    );
}

#[test]
fn expressions_are_limited_before_they_run() {
    let schema = Small::new();
    let refused = |text: &str| {
        Expression::compile(text, &schema, &schema.names)
            .err()
            .map(|error| error.kind)
    };
    let deep = [
        "(".repeat(100_000),
        "-".repeat(60_000) + "1",
        "1".to_owned() + &"+1".repeat(30_000),
        "a".to_owned() + &".where(a".repeat(8_000),
        "a".to_owned() + &"[0".repeat(30_000),
        "((1".to_owned() + &"+1".repeat(150) + ")" + &"+1".repeat(150) + ")" + &"+1".repeat(150),
    ];
    for text in &deep {
        let kind = refused(text);
        assert!(
            matches!(kind, Some(PathErrorKind::TooDeep | PathErrorKind::TooLong)),
            "{kind:?}"
        );
    }
    assert_eq!(refused(&" ".repeat(100_000)), Some(PathErrorKind::TooLong));
    let pattern = format!("'a'.matches('{}{}')", "(".repeat(30_000), ")".repeat(30_000));
    assert_eq!(refused(&pattern), Some(PathErrorKind::Pattern));
    // What is just allowed can be evaluated, checked and dropped on a small stack.
    for text in [
        "1".to_owned() + &"+1".repeat(190),
        "(".repeat(190) + "1" + &")".repeat(190),
        "iif(true,".repeat(90) + "1" + &")".repeat(90),
    ] {
        assert!(!value(&text).is_empty());
        let expression = Expression::compile(&text, &schema, &schema.names).unwrap();
        expression.check(&schema, schema.type_named("Patient").unwrap()).unwrap();
    }
    for (text, kind) in [
        ("a.b.", PathErrorKind::Unexpected),
        ("a b", PathErrorKind::Unexpected),
        ("'a", PathErrorKind::Unfinished),
        ("'\\q'", PathErrorKind::Escape),
        ("@2015-13", PathErrorKind::Literal),
        ("nothing()", PathErrorKind::NoSuchFunction("nothing".to_owned())),
        ("where()", PathErrorKind::Arguments),
        ("%nothing", PathErrorKind::NoSuchVariable("nothing".to_owned())),
        ("'a'.matches('(')", PathErrorKind::Pattern),
    ] {
        assert_eq!(refused(text), Some(kind), "{text}");
    }
}

#[test]
fn dates_and_units_are_reckoned_with() {
    for (text, wanted) in [
        ("@2024-01-31 + 1 month", "@2024-02-29"),
        ("@2023-01-31 + 1 month", "@2023-02-28"),
        ("@2024-02-29 + 1 year", "@2025-02-28"),
        ("@2024-03-01 - 1 day", "@2024-02-29"),
        ("@2014 + 24 months", "@2016"),
        ("@2024-12-31T23:59:59.5Z + 500 milliseconds", "@2025-01-01T00:00:00.0Z"),
        ("@T23:30 + 45 minutes", "@T00:15"),
        ("@9999-12-31 + 1 day", ""),
        ("@2024-01-01 - (-9223372036854775808 days)", ""),
        ("@2023-07-14 < @2023-07-15T00:30:00+02:00", "true"),
        ("@2023-07-15T00:30:00+02:00 = @2023-07-14T22:30:00Z", "true"),
        ("@2023-07-15T12:00:00 < @2023-07-15T13:00:00Z", ""),
        ("@2023-07-15T12:00:00 < @2023-07-17T13:00:00Z", "true"),
        ("1 'kg' = 1000 'g' and 1 'kg' > 2 '[lb_av]' and 3 '[lb_av]' > 1 'kg'", "true"),
        (
            "1 'mmol/L' = 1 'mol/m3' and 10 'mg/dL' = 100 'mg/L' and 1 'ug/mL' = 1 'mg/L'",
            "true",
        ),
        (
            "120 'mm[Hg]' > 15 'kPa' and 1 'J' = 1 'N.m' and 1 '10*3/uL' = 1 '10*9/L'",
            "true",
        ),
        ("1 '/min' = 60 '/h' and 5 '%' = 0.05 '1' and 37 'Cel' = 37.0 'Cel'", "true"),
        ("1 'kg' = 1 'm'", ""),
        ("1 year = 12 months and 1 year ~ 1 'a'", "true"),
        ("1 year = 1 'a'", ""),
        ("2 'kg' * 3 'm'", "6000 'g.m'"),
        ("10 'mg' / 2", "5 'mg'"),
    ] {
        let wanted = if text.starts_with("@T") {
            wanted.replace("@T", "@")
        } else {
            wanted.to_owned()
        };
        assert_eq!(value(text), wanted, "{text}");
    }
}

#[test]
fn narratives_that_could_do_harm_are_found() {
    let of = |inner: &str| narrative::check(&format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>"));
    assert_eq!(value("text.`div`.htmlChecks()"), "true");
    assert_eq!(of("<p style=\"x\">A &amp; <b>B</b><br/></p><!-- c -->"), None);
    assert_eq!(of("<img src=\"#a\" alt=\"x\"/>"), None);
    assert_eq!(of(" "), Some(NarrativeFault::Empty));
    assert_eq!(of("<script>x</script>"), Some(NarrativeFault::Element("script".to_owned())));
    assert_eq!(
        of("<p onclick=\"x\">x</p>"),
        Some(NarrativeFault::Attribute("onclick".to_owned()))
    );
    assert_eq!(of("<a href=\" JavaScript:x\">x</a>"), Some(NarrativeFault::Link));
    assert_eq!(of("&nbsp;"), Some(NarrativeFault::NotWellFormed));
    assert_eq!(of("<p>x"), Some(NarrativeFault::NotWellFormed));
    assert_eq!(narrative::check("<div>x</div>"), Some(NarrativeFault::Namespace));
    assert_eq!(narrative::check("x"), Some(NarrativeFault::NotWellFormed));
    let deep = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}", "<b>".repeat(100_000));
    assert_eq!(narrative::check(&deep), Some(NarrativeFault::NotWellFormed));
}
