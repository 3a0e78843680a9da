use crate::Target;
use crate::tree::walk;

/// FHIR XML: the document's tree, the look at a message, the narrative.
pub const TARGET: Target = Target {
    name: "fhir_xml",
    run: walk,
    seeds: &[
        r#"<Patient xmlns="http://hl7.org/fhir"><id value="1"/></Patient>"#,
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- one --><Bundle xmlns="http://hl7.org/fhir"><meta><profile value="https://example.org/P|1.2"/></meta>
<identifier><system value="urn:ietf:rfc:3986"/><value value="urn:uuid:1"/></identifier><type value="document"/>
<entry><fullUrl value="urn:uuid:2"/><resource><Patient><text><status value="generated"/>
<div xmlns="http://www.w3.org/1999/xhtml"><p>A &amp; <b>B</b><img src="a.png" alt="x"/></p></div></text>
<extension url="urn:x"><valueDecimal value="1.50"/></extension>
<name id="n"><given value="M&#xE4;x"/><given><extension url="urn:y"/></given></name></Patient></resource></entry></Bundle>"#,
        r#"<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><f:contained>
<f:Organization/></f:contained><f:text><h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:p/></h:div></f:text></f:Patient>"#,
    ],
    words: &[
        "<!DOCTYPE p [",
        "<!ENTITY a \"b\">",
        "]>",
        "&a;",
        "&amp;",
        "&#0;",
        "&#x10FFFF;",
        "&lt;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<?xml version=\"1.0\"?>",
        "<?p ?>",
        "xmlns=\"",
        "xmlns:f=\"",
        "http://hl7.org/fhir",
        "http://www.w3.org/1999/xhtml",
        " value=\"",
        " url=\"",
        " id=\"",
        "\"/>",
        "</",
        "/>",
        "<div xmlns=\"http://www.w3.org/1999/xhtml\">",
        "</div>",
        "<text>",
        "<contained>",
        "<Patient>",
        "</Patient>",
        "<a href=\"javascript:",
        "\u{feff}",
        "xml:lang",
        "encoding=\"UTF-16\"",
    ],
};
