//! Canonical JSON: one text for one value, so that a digest over it means the value.
//!
//! Keys sorted by code point, no white space, everything else as `serde_json` writes it. Enough for our own types,
//! which hold no floating-point numbers.

use serde::Serialize;
use serde_json::Value;

/// The canonical JSON of a value.
///
/// # Errors
/// When the value does not serialise (a map with keys that are not text).
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    write(&serde_json::to_value(value)?, &mut text);
    Ok(text)
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            // Sorted here and not by the map: another crate's feature must not be able to change a digest.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (n, (key, value)) in entries.into_iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (n, value) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write(value, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_white_space_is_gone() {
        let value: Value =
            serde_json::from_str(r#"{ "b": [1, {"z": null, "a": "\n"}], "a": true }"#).unwrap();
        assert_eq!(to_json(&value).unwrap(), r#"{"a":true,"b":[1,{"a":"\n","z":null}]}"#);
    }
}
