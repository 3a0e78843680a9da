use serde_json::Value as Json;

use crate::{FieldNames, Fields, FieldsFull, Value};

/// Reads one JSON object; nesting is dissolved into dotted names.
///
/// # Errors
/// Why the line is no such record.
pub(crate) fn read(line: &[u8], names: &mut FieldNames, fields: &mut Fields) -> Result<(), &'static str> {
    let value: Json = serde_json::from_slice(line).map_err(|_| "not JSON")?;
    let Json::Object(object) = value else {
        return Err("not a JSON object");
    };
    for (name, value) in object {
        add(&name, &value, names, fields).map_err(FieldsFull::reason)?;
    }
    Ok(())
}

fn add(name: &str, value: &Json, names: &mut FieldNames, fields: &mut Fields) -> Result<(), FieldsFull> {
    let mut push = |value| {
        let id = names.intern(name);
        fields.push(id, value)
    };
    match value {
        Json::Null => push(Value::Null),
        Json::Bool(b) => push(Value::Bool(*b)),
        Json::Number(n) => push(Value::Number(&n.to_string())),
        Json::String(s) => push(Value::Text(s)),
        Json::Array(items) => items.iter().try_for_each(|item| add(name, item, names, fields)),
        Json::Object(object) => {
            let mut members = object.iter();
            members.try_for_each(|(key, item)| add(&format!("{name}.{key}"), item, names, fields))
        }
    }
}
