/// Values told of one finding.
pub const GROUNDS_MAX: usize = 16;
/// Bytes told of one value; the rest is cut.
pub const GROUND_BYTES_MAX: usize = 256;

/// Why a rule fired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grounds {
    /// Names of the selections that hold, in their order.
    pub selections: Vec<String>,
    /// Fields and values that they hold for, each once.
    pub fields: Vec<(String, String)>,
}

impl Grounds {
    pub(crate) fn push(&mut self, field: &str, value: &str) {
        if self.fields.len() >= GROUNDS_MAX
            || self
                .fields
                .iter()
                .any(|(name, told)| name == field && value.starts_with(&**told))
        {
            return;
        }
        let end = (0..=value.len().min(GROUND_BYTES_MAX))
            .rev()
            .find(|at| value.is_char_boundary(*at));
        let cut = value.get(..end.unwrap_or(0)).unwrap_or("");
        self.fields.push((field.to_owned(), cut.to_owned()));
    }
}
