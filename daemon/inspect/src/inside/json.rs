//! JSON and notebooks: every array of records is a table, every output of a notebook a file of its own.

use super::Inside;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sekisho_policy::facts::{OpaqueKind, ProblemKind, What};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Largest text taken apart: what it says takes many times its bytes in memory.
const MOST_BYTES: usize = 12 << 20;
/// Longest number that is read without loss.
const LONGEST_NUMBER: usize = 24;
/// Tables of one file.
const MOST_TABLES: usize = 500;

/// Does the text begin as JSON does?
pub fn plausible(head: &[u8], whole: bool) -> bool {
    let text = head.trim_ascii_start();
    if text.starts_with(b"[1] ") {
        // R prints vectors so.
        return false;
    }
    let next = text.get(1..).unwrap_or_default().trim_ascii_start().first();
    let begins = match text.first() {
        Some(b'{') => matches!(next, Some(b'"' | b'}')),
        Some(b'[') => matches!(next, Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b']')),
        _ => false,
    };
    // What is all here must also be JSON to its end.
    begins && (!whole || serde_json::Deserializer::from_slice(text).into_iter::<Value>().all(|v| v.is_ok()))
}

/// Takes a text apart.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("json");
    if bytes.len() > MOST_BYTES {
        inside.unread(OpaqueKind::Other, "JSON", format!("more than {MOST_BYTES} bytes"));
        return inside;
    }
    for unique in serde_json::Deserializer::from_slice(bytes).into_iter::<Unique>() {
        if let Err(e) = unique {
            inside.problem(ProblemKind::NotInspected, format!("line {}", e.line()), e.to_string());
            return inside;
        }
    }
    // What no number type holds is lost when numbers are read.
    let number = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E');
    if let Some(long) = bytes.split(|b| !number(b)).find(|n| n.len() > LONGEST_NUMBER) {
        let about = inside.tally.name("numbers");
        let shown = crate::readers::tally::words(long);
        inside.tally.add(What::ExtraDigits, about, || ("a number".into(), shown));
    }
    let mut values = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<Value>() {
        match value {
            Ok(value) => values.push(value),
            Err(e) => {
                inside.problem(ProblemKind::NotInspected, format!("line {}", e.line()), e.to_string());
                return inside;
            }
        }
    }
    let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
    match &value {
        Value::Object(map) if map.contains_key("nbformat") && map.contains_key("cells") => {
            inside.kind = "notebook";
            notebook(map, &mut inside);
        }
        value => walk("", value, &mut inside),
    }
    inside
}

/// A value in which no object names a key twice: one program takes the first, another the last.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Unique, A::Error> {
        let mut keys = std::collections::BTreeSet::new();
        while let Some((key, _)) = entries.next_entry::<String, Unique>()? {
            if !keys.insert(key) {
                return Err(serde::de::Error::custom("a key that is there twice"));
            }
        }
        Ok(Unique)
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) => Some(n.to_string()),
        Value::String(s) => Some(s.clone()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Text in cells is read as cells are; long text is read as text.
fn strings(place: &str, text: &str, inside: &mut Inside) {
    if text.len() > 200 {
        inside.member(place, text.as_bytes().to_vec());
    }
}

/// Every table in a value.
fn walk(place: &str, value: &Value, inside: &mut Inside) {
    if inside.members.len() >= MOST_TABLES {
        inside.problem(ProblemKind::Bomb, place, format!("more than {MOST_TABLES} tables"));
        return;
    }
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            let objects: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
            records(place, &objects, None, inside);
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_array) => {
            let rows: Vec<Vec<String>> = items
                .iter()
                .filter_map(Value::as_array)
                .map(|row| row.iter().map(|v| scalar(v).unwrap_or_default()).collect())
                .collect();
            inside.table(name(place, "rows"), &rows);
            for (at, row) in items.iter().enumerate() {
                for inner in row.as_array().into_iter().flatten().filter(|v| scalar(v).is_none()) {
                    walk(&format!("{place}[{at}]"), inner, inside);
                }
            }
        }
        Value::Array(items) => {
            let mut rows = vec![vec![name(place, "values")]];
            for (at, item) in items.iter().enumerate() {
                match scalar(item) {
                    Some(text) => {
                        strings(&format!("{place}[{at}]"), &text, inside);
                        rows.push(vec![text]);
                    }
                    None => walk(&format!("{place}[{at}]"), item, inside),
                }
            }
            if rows.len() > 1 {
                inside.table(name(place, "values"), &rows);
            }
        }
        Value::Object(map) => object(place, map, inside),
        other => inside.prose(&name(place, "value"), &scalar(other).unwrap_or_default()),
    }
}

fn name(place: &str, otherwise: &str) -> String {
    if place.is_empty() { otherwise.to_owned() } else { place.to_owned() }
}

/// Objects as rows; `keys`: names of the rows.
fn records(place: &str, objects: &[&Map<String, Value>], keys: Option<Vec<&String>>, inside: &mut Inside) {
    let mut columns: Vec<&String> = Vec::new();
    for object in objects {
        for key in object.keys() {
            if !columns.contains(&key) && columns.len() < 5000 {
                columns.push(key);
            }
        }
    }
    let mut rows = Vec::new();
    let mut header: Vec<String> = columns.iter().map(|c| (*c).clone()).collect();
    if keys.is_some() {
        header.insert(0, String::new());
    }
    rows.push(header);
    for (at, object) in objects.iter().enumerate() {
        let mut row: Vec<String> = keys.iter().filter_map(|k| k.get(at).map(|k| (*k).clone())).collect();
        for column in &columns {
            let value = object.get(*column).unwrap_or(&Value::Null);
            match scalar(value) {
                Some(text) => {
                    strings(&format!("{place}[{at}].{column}"), &text, inside);
                    row.push(text);
                }
                None => {
                    walk(&format!("{place}[{at}].{column}"), value, inside);
                    row.push(String::new());
                }
            }
        }
        rows.push(row);
    }
    inside.table(name(place, "records"), &rows);
}

/// Names of columns and rows apart from the rows, as pandas writes them; only where every cell is one value.
fn split(map: &Map<String, Value>) -> Option<Vec<Vec<String>>> {
    let texts =
        |value: Option<&Value>| value?.as_array()?.iter().map(scalar).collect::<Option<Vec<String>>>();
    let (names, data) = (texts(map.get("columns"))?, map.get("data")?.as_array()?);
    let index = texts(map.get("index")).unwrap_or_default();
    let mut rows = vec![std::iter::once(String::new()).chain(names).collect::<Vec<_>>()];
    for (at, row) in data.iter().enumerate() {
        let cells = texts(Some(row))?;
        let label = index.get(at).cloned().unwrap_or_else(|| at.to_string());
        rows.push(std::iter::once(label).chain(cells).collect());
    }
    (index.len() <= data.len()).then_some(rows)
}

fn object(place: &str, map: &Map<String, Value>, inside: &mut Inside) {
    let inner = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    let long = |v: &Value| v.as_array().is_some_and(|a| a.len() > 1 && a.iter().all(|x| scalar(x).is_some()));
    let length = map.values().find_map(|v| v.as_array().map(Vec::len)).unwrap_or(0);
    // Columns of equal length.
    let columns: Vec<(&String, &Vec<Value>)> = map
        .iter()
        .filter(|(_, v)| long(v))
        .filter_map(|(k, v)| v.as_array().filter(|a| a.len() == length).map(|a| (k, a)))
        .collect();
    if columns.len() > 1 {
        let mut rows = vec![columns.iter().map(|(k, _)| (*k).clone()).collect::<Vec<_>>()];
        rows.extend((0..length).map(|r| {
            columns.iter().map(|(_, a)| a.get(r).and_then(scalar).unwrap_or_default()).collect::<Vec<_>>()
        }));
        inside.table(name(place, "columns"), &rows);
    }
    let split = split(map);
    if let Some(rows) = &split {
        inside.table(inner("data"), rows);
    }
    // Objects of the same keys: a column or a row each.
    let objects: Vec<&Map<String, Value>> = map.values().filter_map(Value::as_object).collect();
    if objects.len() > 1
        && objects.len() == map.len()
        && objects.windows(2).all(|w| w[0].keys().eq(w[1].keys()))
    {
        let keys: Vec<&String> = map.keys().collect();
        records(place, &objects, Some(keys.clone()), inside);
        if let Some(first) = objects.first() {
            let mut rows =
                vec![std::iter::once(String::new()).chain(keys.iter().map(|k| (*k).clone())).collect()];
            rows.extend(first.keys().map(|key| {
                let cells = objects.iter().map(|o| o.get(key).and_then(scalar).unwrap_or_default());
                std::iter::once(key.clone()).chain(cells).collect::<Vec<_>>()
            }));
            inside.table(inner("turned"), &rows);
        }
        return;
    }
    let mut single = vec![vec!["name".to_owned(), "value".to_owned()]];
    for (key, value) in map {
        match scalar(value) {
            Some(text) => {
                strings(&inner(key), &text, inside);
                single.push(vec![key.clone(), text]);
            }
            None if split.is_some() && ["columns", "data", "index"].contains(&key.as_str()) => {}
            None if columns.iter().any(|(k, _)| *k == key) && columns.len() > 1 => {}
            None => walk(&inner(key), value, inside),
        }
    }
    if single.len() > 1 {
        inside.table(name(place, "values"), &single);
    }
}

/// The text of a notebook's field: one string, or lines.
fn lines(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

fn notebook(map: &Map<String, Value>, inside: &mut Inside) {
    const USUAL: [&str; 4] = ["cells", "metadata", "nbformat", "nbformat_minor"];
    for (key, value) in map.iter().filter(|(k, _)| !USUAL.contains(&k.as_str())) {
        inside.hidden(key.clone(), value.to_string());
    }
    metadata("notebook", map.get("metadata"), inside);
    let mut code = String::new();
    for (at, cell) in map.get("cells").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let place = format!("cell {}", at + 1);
        let source = lines(cell.get("source"));
        if cell.get("cell_type").and_then(Value::as_str) == Some("code") {
            code += &source;
            code.push('\n');
        } else if super::markdown::plausible(source.as_bytes()) || super::html::plausible(source.as_bytes()) {
            inside.member(format!("{place}, text"), source.into_bytes());
        } else {
            inside.prose(&format!("{place}, text"), &source);
        }
        metadata(&place, cell.get("metadata"), inside);
        if let Some(attached) =
            cell.get("attachments").filter(|a| a.as_object().is_some_and(|o| !o.is_empty()))
        {
            inside.hidden(place.clone(), "attachments");
            walk(&format!("{place}, attachments"), attached, inside);
        }
        for (number, output) in
            cell.get("outputs").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            outcome(&format!("{place}, output {}", number + 1), output, inside);
        }
    }
    if !code.trim().is_empty() {
        let about = inside.tally.name("code");
        for (at, line) in code.lines().enumerate() {
            crate::readers::text::scan::line(line.as_bytes(), at as u64 + 1, about, &mut inside.tally);
            let numbers = line
                .split(|c: char| !c.is_alphanumeric() && c != '.')
                .filter(|w| crate::readers::printed::parse(w.as_bytes()).is_some());
            if numbers.count() > 20 {
                inside.tally.add(What::UnclearText, about, || {
                    (format!("line {}", at + 1), line.chars().take(80).collect())
                });
            }
        }
    }
}

/// Settings are short.
fn metadata(place: &str, value: Option<&Value>, inside: &mut Inside) {
    let text = value.map(Value::to_string).unwrap_or_default();
    if text.len() > 1500 {
        inside.hidden(format!("{place}, metadata"), text);
    }
}

fn outcome(place: &str, output: &Value, inside: &mut Inside) {
    metadata(place, output.get("metadata"), inside);
    for key in ["text", "traceback", "evalue"] {
        let text = lines(output.get(key));
        if !text.trim().is_empty() {
            inside.member(format!("{place}, {key}"), text.into_bytes());
        }
    }
    for (kind, data) in output.get("data").and_then(Value::as_object).into_iter().flatten() {
        let place = format!("{place}, {kind}");
        let text = lines(Some(data));
        if kind.starts_with("image/") && !kind.contains("svg") {
            let packed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            match STANDARD.decode(packed) {
                Ok(bytes) => drop(inside.member(place, bytes)),
                Err(_) => inside.problem(ProblemKind::NotInspected, place, "a picture that does not decode"),
            }
        } else if data.is_string() || data.is_array() {
            // What stands for a picture where none can be shown.
            if !(text.starts_with('<') && text.len() < 120 && text.contains("Figure size")) {
                inside.member(place, text.into_bytes());
            }
        } else {
            walk(&place, data, inside);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    #[test]
    fn tables_in_json_are_judged_in_every_layout() {
        for (small, layout) in [
            (r#"[{"group":"a","n":120},{"group":"b","n":7}]"#, "records"),
            (r#"{"group":["a","b"],"n":[120,7]}"#, "columns"),
            (r#"{"columns":["group","n"],"index":[0,1],"data":[["a",120],["b",7]]}"#, "split"),
            (r#"{"n":{"a":120,"b":7},"events":{"a":40,"b":60}}"#, "by column"),
            (r#"{"result":{"table":[{"group":"a","n":120},{"group":"b","n":7}]}}"#, "nested"),
            ("{\"group\":\"a\",\"n\":120}\n{\"group\":\"b\",\"n\":7}\n", "lines"),
        ] {
            let report = check(small.as_bytes());
            assert_eq!(report.verdict, Verdict::Block, "{layout}: {:#?}", report.findings);
            let report = check(small.replace(":7", ":70").replace(",7]", ",70]").as_bytes());
            assert_ne!(report.verdict, Verdict::Block, "{layout}: {:#?}", report.findings);
        }
        let report = check(br#"[{"group":"a","n":120},{"group":"b","n":70}]"#);
        assert_eq!(report.verdict, Verdict::Pass, "{:#?}", report.findings);
    }

    #[test]
    fn a_key_twice_and_endless_digits_never_pass() {
        for text in [
            r#"[{"group":"a","n":3,"n":120},{"group":"b","n":130}]"#,
            r#"[{"group":"a","mean":0.100000000000000000000000012012},{"group":"b","mean":0.2}]"#,
        ] {
            assert_ne!(check(text.as_bytes()).verdict, Verdict::Pass, "{text}");
        }
    }

    #[test]
    fn every_output_of_a_notebook_is_a_file() {
        let notebook = |output: &str| {
            format!(
                r#"{{"cells":[{{"cell_type":"code","source":["t"],"metadata":{{}},"outputs":[{output}]}}],
                "metadata":{{}},"nbformat":4,"nbformat_minor":5}}"#
            )
        };
        let html = |n| {
            format!(
                r#"{{"output_type":"execute_result","metadata":{{}},"data":{{"text/html":
                "<table><tr><th>group</th><th>n</th></tr><tr><td>a</td><td>120</td></tr><tr><td>b</td><td>{n}</td></tr></table>"}}}}"#
            )
        };
        assert_eq!(check(notebook(&html(70)).as_bytes()).verdict, Verdict::Pass);
        assert_eq!(check(notebook(&html(7)).as_bytes()).verdict, Verdict::Block);
        let plain = r#"{"output_type":"stream","name":"stdout","text":["group  n\n","a  120\n","b  7\n"]}"#;
        assert_eq!(check(notebook(plain).as_bytes()).verdict, Verdict::Block);
    }
}
