use toml::de::{DeTable, DeValue};

use crate::fault::{Defect, Fault, Field};
use crate::input::{Lines, whole};
use crate::order::{ORDERS_MAX, Row};

/// Reads `[[order]]` tables whose keys are the names of the fields; `[default]` holds what all of them share.
pub(crate) fn rows(file: &str, text: &str) -> Result<Vec<Row>, Fault> {
    let lines = Lines::of(text);
    let line = |offset: usize| lines.at(offset);
    let (document, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        // The parser's own words could quote a value.
        let at = error.span().map_or(0, |span| line(span.start));
        return Err(whole(file, at, Defect::NotWellFormed));
    }
    let mut shared: Vec<(Field, String)> = Vec::new();
    let mut rows = Vec::new();
    for (key, value) in document.get_ref() {
        let at = line(key.span().start);
        let name: &str = key.get_ref();
        match (name, value.get_ref()) {
            ("default", DeValue::Table(table)) => shared = values(table).ok_or_else(|| whole(file, at, Defect::Column))?,
            ("order", DeValue::Array(orders)) => {
                for order in orders {
                    let at = line(order.span().start);
                    if rows.len() == ORDERS_MAX {
                        return Err(whole(file, at, Defect::TooMany));
                    }
                    let table = order.get_ref().as_table().and_then(values);
                    rows.push(Row {
                        line: at,
                        values: table.ok_or_else(|| whole(file, at, Defect::Column))?,
                        ..Row::default()
                    });
                }
            }
            _ => return Err(whole(file, at, Defect::Column)),
        }
    }
    for row in &mut rows {
        for (field, value) in &shared {
            if row.values.iter().all(|(own, _)| own != field) {
                row.values.push((*field, value.clone()));
            }
        }
    }
    Ok(rows)
}

/// Returns the fields of a table as texts; `None` if one is not a field.
fn values(table: &DeTable<'_>) -> Option<Vec<(Field, String)>> {
    let value = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Datetime(time) => Some(time.to_string()),
        DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    };
    let fields = table.iter().map(|(key, found)| {
        let name: &str = key.get_ref();
        Some((Field::of_column(name)?, value(found.get_ref())?))
    });
    fields.collect()
}
