use std::fmt::{Display, Write as _};

/// Writes SVG as text; everything that comes from data is escaped.
pub(crate) struct Svg {
    out: String,
}

impl Svg {
    /// Starts a drawing of this size in user units, with a title for those who do not see it.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let mut svg = Self { out: String::new() };
        let _ = write!(
            svg.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" aria-label=\"{}\">",
            escape(title)
        );
        svg
    }

    /// Adds an element without content.
    pub fn shape(&mut self, tag: &str, class: &str, attributes: &[(&str, &dyn Display)]) {
        self.open(tag, class, attributes);
        self.out.truncate(self.out.len() - 1);
        self.out.push_str("/>");
    }

    /// Adds an element that shows `hint` when pointed at.
    pub fn shape_with_hint(&mut self, tag: &str, class: &str, attributes: &[(&str, &dyn Display)], hint: &str) {
        self.open(tag, class, attributes);
        let _ = write!(self.out, "<title>{}</title></{tag}>", escape(hint));
    }

    /// Adds text; the class says how it is anchored.
    pub fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.open("text", class, &[("x", &round(x)), ("y", &round(y))]);
        self.out.push_str(&escape(text));
        self.out.push_str("</text>");
    }

    /// Adds text of a size and colour, for drawings that stand alone.
    pub fn text_of(&mut self, x: f64, y: f64, size: u32, ink: &str, text: &str) {
        let place: [(&str, &dyn Display); 5] = [
            ("x", &round(x)),
            ("y", &round(y)),
            ("font-size", &size),
            ("font-family", &"sans-serif"),
            ("fill", &ink),
        ];
        self.open("text", "", &place);
        self.out.push_str(&escape(text));
        self.out.push_str("</text>");
    }

    /// Returns the drawing.
    pub fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }

    fn open(&mut self, tag: &str, class: &str, attributes: &[(&str, &dyn Display)]) {
        let _ = write!(self.out, "<{tag}");
        if !class.is_empty() {
            let _ = write!(self.out, " class=\"{class}\"");
        }
        for (name, value) in attributes {
            let _ = write!(self.out, " {name}=\"{}\"", escape(&value.to_string()));
        }
        self.out.push('>');
    }
}

/// Rounds to a tenth of a unit: finer is not seen and makes the file larger.
pub(crate) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Escapes for XML text and attributes; characters that XML 1.0 does not allow become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
    out
}

/// Cuts a label to `max` characters, with an ellipsis.
pub(crate) fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}
