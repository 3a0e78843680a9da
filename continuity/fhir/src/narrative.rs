//! Narrative: which XHTML a document may show people (FHIR R4, "Narrative", rules txt-1 and txt-2).

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};

use crate::source::DEPTH_MAX;

/// What is wrong with a narrative.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NarrativeFault {
    /// Not well-formed XML of one `div`.
    #[error("not one well-formed div")]
    NotWellFormed,
    /// The `div` is not in the namespace of XHTML.
    #[error("not in the namespace of XHTML")]
    Namespace,
    /// An element that is not allowed.
    #[error("the element <{0}> is not allowed")]
    Element(String),
    /// An attribute that is not allowed.
    #[error("the attribute {0} is not allowed")]
    Attribute(String),
    /// A link or image that could run a script.
    #[error("a link that could run a script")]
    Link,
    /// Neither text nor an image.
    #[error("nothing to be read in it")]
    Empty,
}

const ELEMENTS: [&str; 67] = [
    "p",
    "br",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "a",
    "span",
    "b",
    "em",
    "i",
    "strong",
    "small",
    "big",
    "tt",
    "dfn",
    "q",
    "var",
    "abbr",
    "acronym",
    "cite",
    "blockquote",
    "hr",
    "address",
    "bdo",
    "kbd",
    "sub",
    "sup",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "pre",
    "table",
    "caption",
    "colgroup",
    "col",
    "thead",
    "tr",
    "tfoot",
    "tbody",
    "th",
    "td",
    "code",
    "samp",
    "img",
    "map",
    "area",
    "ins",
    "del",
    "s",
    "u",
    "strike",
    "font",
    "center",
    "legend",
    "fieldset",
    "label",
    "figure",
    "figcaption",
    "wbr",
    "mark",
];

const ATTRIBUTES: [&str; 66] = [
    "title",
    "style",
    "class",
    "id",
    "lang",
    "xml:lang",
    "dir",
    "accesskey",
    "tabindex",
    "span",
    "width",
    "align",
    "valign",
    "char",
    "charoff",
    "abbr",
    "axis",
    "headers",
    "scope",
    "rowspan",
    "colspan",
    "border",
    "frame",
    "rules",
    "cellpadding",
    "cellspacing",
    "summary",
    "nowrap",
    "bgcolor",
    "color",
    "face",
    "size",
    "start",
    "type",
    "value",
    "cite",
    "datetime",
    "name",
    "href",
    "target",
    "rel",
    "rev",
    "charset",
    "hreflang",
    "shape",
    "coords",
    "src",
    "alt",
    "longdesc",
    "height",
    "usemap",
    "ismap",
    "nohref",
    "compact",
    "noshade",
    "clear",
    "hspace",
    "vspace",
    "background",
    "text",
    "link",
    "alink",
    "vlink",
    "for",
    "role",
    "xml:space",
];

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// Checks the XHTML of a narrative. O(bytes); nothing means that it may be shown.
pub fn check(xhtml: &str) -> Option<NarrativeFault> {
    let mut reader = Reader::from_str(xhtml);
    let (mut depth, mut roots, mut readable) = (0_usize, 0, false);
    loop {
        let Ok(event) = reader.read_event() else {
            return Some(NarrativeFault::NotWellFormed);
        };
        match event {
            Event::Start(start) => {
                if let Some(fault) = check_element(&start, depth, &mut roots, &mut readable) {
                    return Some(fault);
                }
                depth += 1;
            }
            Event::Empty(start) => {
                if let Some(fault) = check_element(&start, depth, &mut roots, &mut readable) {
                    return Some(fault);
                }
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(text) if text.trim().is_empty() => {}
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if depth == 0 => return Some(NarrativeFault::NotWellFormed),
            Event::GeneralRef(name) if unescape(&format!("&{};", &*name)).is_err() => return Some(NarrativeFault::NotWellFormed),
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => readable = true,
            Event::DocType(_) => return Some(NarrativeFault::NotWellFormed),
            Event::Eof if depth > 0 || roots != 1 => return Some(NarrativeFault::NotWellFormed),
            Event::Eof => return (!readable).then_some(NarrativeFault::Empty),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
        }
    }
}

fn check_element(start: &BytesStart<'_>, depth: usize, roots: &mut usize, readable: &mut bool) -> Option<NarrativeFault> {
    if depth >= DEPTH_MAX {
        return Some(NarrativeFault::NotWellFormed);
    }
    let local = start.local_name();
    let name = local.as_ref();
    let prefix = start.name().prefix().map(|p| p.as_ref().to_owned());
    if depth == 0 {
        *roots += 1;
        if name != "div" || *roots > 1 {
            return Some(NarrativeFault::NotWellFormed);
        }
    } else if !ELEMENTS.contains(&name) {
        return Some(NarrativeFault::Element(name.to_owned()));
    }
    *readable |= name == "img";
    let mut declared = false;
    for (count, attribute) in start.attributes().enumerate() {
        let Ok(attribute) = attribute else {
            return Some(NarrativeFault::NotWellFormed);
        };
        let Ok(value) = unescape(&attribute.value) else {
            return Some(NarrativeFault::NotWellFormed);
        };
        let key = attribute.key.as_ref();
        if count == crate::source::ATTRIBUTES_MAX {
            return Some(NarrativeFault::NotWellFormed);
        }
        if key == "xmlns" || key.starts_with("xmlns:") {
            let of = key.strip_prefix("xmlns").and_then(|k| k.strip_prefix(':'));
            declared |= of == prefix.as_deref() && value == XHTML;
            if of == prefix.as_deref() && value != XHTML {
                return Some(NarrativeFault::Namespace);
            }
            continue;
        }
        if !ATTRIBUTES.contains(&key) {
            return Some(NarrativeFault::Attribute(key.to_owned()));
        }
        let runs = |scheme: &str| {
            value
                .trim()
                .get(..scheme.len())
                .is_some_and(|v| v.eq_ignore_ascii_case(scheme))
        };
        if matches!(key, "href" | "src" | "background" | "longdesc" | "cite") && (runs("javascript:") || runs("vbscript:")) {
            return Some(NarrativeFault::Link);
        }
    }
    // A prefix may be declared further out in the document, of which only this part is seen.
    (depth == 0 && !declared && prefix.is_none()).then_some(NarrativeFault::Namespace)
}
