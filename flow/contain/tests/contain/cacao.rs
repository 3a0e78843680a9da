use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, Draft, Schemas};
use leckwehr_contain::cacao::{CacaoError, export_plan, export_protocol, import};
use leckwehr_contain::{Protocol, TakedownPolicy, options, protocol_plan};
use leckwehr_incident::Timestamp;
use serde_json::{Value, json};

use crate::essen::{essen, vendor_door};

const BASE: &str = "https://raw.githubusercontent.com/oasis-open/cacao-json-schemas/main/schemas/";

/// The OASIS schemas and examples, or nothing with a word about it.
fn data() -> Option<PathBuf> {
    let named = std::env::var_os("LECKWEHR_DATA").map(PathBuf::from);
    let folder = named
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"))
        .join("cacao");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("LECKWEHR_REQUIRE_DATA").is_none(),
        "no CACAO data in {}",
        folder.display()
    );
    println!("SKIPPED: no CACAO data in {}", folder.display());
    None
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            all.extend(files(&entry));
        } else {
            all.push(entry);
        }
    }
    all.sort();
    all
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Mistakes of a playbook by the OASIS schemas: as they are (draft 7, which does not know `unevaluatedProperties`), or strictly
/// as draft 2020-12.
fn mistakes(folder: &Path, strict: bool, book: &Value) -> Option<String> {
    let mut compiler = Compiler::new();
    compiler.set_default_draft(if strict { Draft::V2020_12 } else { Draft::V7 });
    for file in files(&folder.join("schemas")) {
        let mut schema = read(&file);
        if strict {
            schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        }
        let name = file
            .strip_prefix(folder.join("schemas"))
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        compiler.add_resource(&format!("{BASE}{name}"), schema).unwrap();
    }
    let mut schemas = Schemas::new();
    let schema = compiler.compile(&format!("{BASE}playbook.json"), &mut schemas).unwrap();
    schemas.validate(book, schema).err().map(|error| format!("{error:#}"))
}

fn protocol() -> Protocol {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/protocol-essen.toml");
    Protocol::parse("protocol-essen.toml", &fs::read_to_string(path).unwrap(), &essen()).unwrap()
}

fn plan_as_playbook() -> Value {
    let estate = essen();
    let impact = vendor_door(&estate);
    let option = options(&impact, &estate, &TakedownPolicy::default()).remove(1);
    let plan = protocol_plan(&option, &impact, &estate, &protocol(), 1, &BTreeSet::new()).unwrap();
    export_plan(&plan, &estate, Timestamp(1_700_000_000_000_000_000))
}

#[test]
fn what_is_exported_is_read_again_as_it_was() {
    let protocol = protocol();
    let book = export_protocol(&protocol);
    let imported = import(&serde_json::to_vec(&book).unwrap()).unwrap();
    assert_eq!(imported.protocol.as_ref(), Some(&protocol));
    assert!(imported.not_expressed.is_empty(), "{:?}", imported.not_expressed);
    let measures: usize = protocol.clauses.values().map(|c| c.measures.len()).sum();
    assert_eq!(imported.clauses.len(), measures);
    assert_eq!(
        export_protocol(&imported.protocol.unwrap()),
        book,
        "and gives the same playbook"
    );
    let plan = import(&serde_json::to_vec(&plan_as_playbook()).unwrap()).unwrap();
    assert!(plan.protocol.is_none() && plan.clauses.len() > 12);
    assert!(
        plan.not_expressed.iter().all(|n| n.what.starts_with("targets")),
        "{:?}",
        plan.not_expressed
    );
}

/// A `command` in a command, or a property of our own outside an extension, makes this red.
#[test]
fn exports_are_valid_by_the_oasis_schemas_taken_strictly() {
    let Some(folder) = data() else { return };
    for book in [export_protocol(&protocol()), plan_as_playbook()] {
        for strict in [false, true] {
            assert_eq!(mistakes(&folder, strict, &book), None, "strict: {strict}");
        }
        let mut spoilt = book.clone();
        spoilt["colour"] = json!("red");
        assert!(mistakes(&folder, true, &spoilt).is_some(), "strict is strict");
        assert!(
            mistakes(&folder, false, &spoilt).is_none(),
            "and the schemas as they are, are not"
        );
    }
}

#[test]
fn every_valid_example_is_read_and_what_it_says_beyond_is_listed() {
    let Some(folder) = data() else { return };
    let mut read_in = 0;
    for file in files(&folder)
        .into_iter()
        .filter(|f| f.to_str().is_some_and(|f| f.contains("-examples")))
    {
        let book = read(&file);
        let valid = mistakes(&folder, false, &book).is_none();
        match import(&fs::read(&file).unwrap()) {
            Ok(imported) => {
                let kinds = book["workflow"].as_object().unwrap().values();
                let actions = kinds.filter(|s| s["type"] == "action").count();
                let unread = |n: &&leckwehr_contain::cacao::NotExpressed| n.what.contains("no way leads to");
                let unread = imported.not_expressed.iter().filter(unread).count();
                assert!(imported.clauses.len() + unread >= actions, "{}", file.display());
                for not in &imported.not_expressed {
                    assert!(
                        book.pointer(&not.place).is_some(),
                        "{}: {} leads nowhere",
                        file.display(),
                        not.place
                    );
                }
                println!(
                    "{}: {} clauses, {} not expressed",
                    file.file_name().unwrap().to_string_lossy(),
                    imported.clauses.len(),
                    imported.not_expressed.len()
                );
                read_in += usize::from(valid);
            }
            Err(error) => assert!(!valid, "{}: {error}", file.display()),
        }
    }
    assert_eq!(read_in, 8, "three of OASIS, five of SOARCA are valid");
}

#[test]
fn what_is_no_playbook_is_refused_with_its_place() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut book = export_protocol(&protocol());
        change(&mut book);
        match import(&serde_json::to_vec(&book).unwrap()) {
            Err(CacaoError::Malformed { place, .. }) => place,
            other => format!("{other:?}"),
        }
    };
    assert_eq!(refused(&|b| b["type"] = json!("identity")), "/type");
    assert_eq!(refused(&|b| b["spec_version"] = json!("1.1")), "/spec_version");
    assert_eq!(refused(&|b| b["workflow"] = json!([])), "/workflow");
    assert_eq!(refused(&|b| b["workflow_start"] = json!("start--0")), "/workflow_start");
    assert!(matches!(import(b"{"), Err(CacaoError::NotJson(_))));
    assert!(matches!(import(&vec![b' '; 17 << 20]), Err(CacaoError::TooLong)));
}
