use leckwehr_pay::{Defect, Every, Evidence, Input, Orders};

use crate::HEAD;

fn defect(name: &str, bytes: &[u8]) -> Option<Defect> {
    let input = Input {
        name,
        bytes,
        every: Every::Once,
    };
    Orders::default().read(&input).err().map(|fault| fault.defect)
}

const ROOT: &str = "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\">";

#[test]
fn a_billion_laughs_and_foreign_entities_are_refused_before_anything_is_expanded() {
    let mut bomb = "<!DOCTYPE lolz [<!ENTITY lol \"lol\">".to_owned();
    for n in 1..10 {
        bomb += &format!("<!ENTITY lol{n} \"&lol{};&lol{};\">", n - 1, n - 1);
    }
    let bomb = format!("{bomb}]>{ROOT}&lol9;</Document>");
    assert_eq!(defect("a.xml", bomb.as_bytes()), Some(Defect::Dtd));
    assert_eq!(
        Evidence::default().read("a.xml", bomb.as_bytes()).err().map(|f| f.defect),
        Some(Defect::Dtd)
    );
    for entity in ["&lol;", "&#0;", "&#xD800;", "&#x110000;", "&#99999999999;"] {
        assert_eq!(
            defect("a.xml", format!("{ROOT}<A>{entity}</A></Document>").as_bytes()),
            Some(Defect::Entity),
            "{entity}"
        );
    }
}

#[test]
fn depth_lengths_and_second_roots_are_limited() {
    let deep = format!("{ROOT}{}", "<a>".repeat(100_000));
    assert_eq!(defect("a.xml", deep.as_bytes()), Some(Defect::TooDeep));
    let long = format!("{ROOT}<A>{}</A></Document>", "x".repeat(5_000));
    assert_eq!(defect("a.xml", long.as_bytes()), Some(Defect::LineTooLong));
    let many: String = (0..100).map(|n| format!(" a{n}=\"\"")).collect();
    assert_eq!(
        defect("a.xml", format!("{ROOT}<A{many}/></Document>").as_bytes()),
        Some(Defect::LineTooLong)
    );
    assert_eq!(
        defect("a.xml", format!("{ROOT}</Document>{ROOT}</Document>").as_bytes()),
        Some(Defect::NotWellFormed)
    );
    assert_eq!(defect("a.xml", b"<a/>"), Some(Defect::NotMessage));
}

/// A line as long as memory allows is refused by the length of the input, and one as long as the input by the length of a row.
#[test]
fn a_line_without_end_is_refused() {
    let line = vec![b'x'; leckwehr_pay::INPUT_BYTES_MAX + 1];
    assert_eq!(defect("a.csv", &line), Some(Defect::FileTooLong));
    let mut open = HEAD.as_bytes().to_vec();
    open.push(b'"');
    open.extend(std::iter::repeat_n(b'x', 20 << 20));
    assert_eq!(defect("a.csv", &open), Some(Defect::LineTooLong));
    assert_eq!(defect("a.csv", &vec![b','; 1 << 20]), Some(Defect::RowLength));
    assert_eq!(defect("a.csv", b"debtor_name\xff"), Some(Defect::NotUtf8));
    assert_eq!(defect("a.csv", b"debtor_name,debtor_name\n"), Some(Defect::Column));
    assert_eq!(defect("a.csv", b""), Some(Defect::Missing));
    let nested = format!("a = {}", "[".repeat(100_000));
    assert_eq!(defect("a.toml", nested.as_bytes()), Some(Defect::NotWellFormed));
    assert_eq!(defect("a.toml", b"[[order]]\nkvnr = \"A123456789\""), Some(Defect::Column));
}
