use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use leckwehr_crypt::{hex, sha256};
use leckwehr_pay::write_message;

use crate::model::some_orders;
use crate::{NOW, csv, orders, plan, row};

/// The package of the Python index that carries ISO 20022's schema.
const PACKAGE: &str = "sepaxml==2.7.0";
const SCHEMA: &str = "sepaxml/schemas/pain.001.001.09.xsd";
const SCHEMA_SHA256: &str = "de038b373e47b0077b1832ddd81f4b2f1eb25d35721f62da1e38b7f5a09fda24";

/// Fetches the schema once into the build's folder for tests. `Err` says what is missing.
fn schema() -> Result<PathBuf, &'static str> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pain-001-001-09");
    let path = folder.join(SCHEMA);
    if !path.exists() {
        let script = format!(
            "import glob,subprocess,sys,zipfile\n\
             subprocess.check_call([sys.executable,'-m','pip','download','-q','--no-deps','{PACKAGE}','-d',sys.argv[1]])\n\
             zipfile.ZipFile(glob.glob(sys.argv[1]+'/sepaxml-*.whl')[0]).extract('{SCHEMA}',sys.argv[1])"
        );
        fs::create_dir_all(&folder).unwrap();
        let fetched = Command::new("python3")
            .args(["-c", &script])
            .arg(&folder)
            .stdout(Stdio::null())
            .status();
        if !fetched.is_ok_and(|status| status.success()) {
            return Err("python3 with pip and the network");
        }
    }
    assert_eq!(hex(&sha256(&fs::read(&path).unwrap())), SCHEMA_SHA256, "another schema");
    Ok(path)
}

/// What `xmllint` says of a file by the schema; `None` if it is not there.
fn judge(schema: &Path, text: &str) -> Option<bool> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let mut command = Command::new("xmllint");
    command.args(["--nonet", "--noout", "--schema"]).arg(schema).arg(file.path());
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()
        .map(|status| status.success())
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the environment says whether a tool may be missing; a test says visibly that it skips"
)]
fn skip(missing: &str) {
    let required = std::env::var("LECKWEHR_REQUIRE_TOOLS").is_ok_and(|value| value == "1");
    assert!(!required, "this test needs {missing}");
    println!("SKIPPED: this test needs {missing}");
}

#[test]
fn every_file_is_valid_by_the_schema_of_iso_20022() {
    let schema = match schema() {
        Ok(schema) => schema,
        Err(missing) => return skip(missing),
    };
    let abroad = "debtor_name,debtor_iban,debtor_bic,debtor_town,debtor_country,creditor_name,creditor_iban,creditor_bic,amount,end_to_end,first_due\n\
                  Kasse,DE89370400440532013000,COBADEFFXXX,Essen,DE,Zürcher Klinik,CH9300762011623852957,UBSWCHZH80A,999999999.99,RF18-5390,2026-11-30\n";
    let names = csv(&["Ä".repeat(60), "<&>\"\"''".to_owned(), "//a".to_owned()]
        .map(|text| row(1, 1, 100, &format!("\"{text}\""), "once", "2026-11-30").replace("Name 1", &format!("\"a{text}\""))));
    let mut files = 0;
    for orders in [orders(&[("abroad.csv", abroad)]), names, some_orders(40)] {
        assert!(orders.faults.is_empty(), "{:?}", orders.faults);
        for file in plan(&orders, "2026-11-01", "2026-12-31").files {
            let text = write_message(&file, NOW);
            let Some(valid) = judge(&schema, &text) else {
                return skip("xmllint");
            };
            assert!(valid, "{text}");
            // The judge can say no.
            assert_eq!(judge(&schema, &text.replace("<PmtMtd>TRF", "<PmtMtd>TFR")), Some(false));
            files += 1;
        }
    }
    assert!(files >= 5);
    println!("{files} files valid by {SCHEMA}");
}
