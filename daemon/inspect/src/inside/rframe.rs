//! From objects of R to tables.

use super::Inside;
use super::rdata::{Object, Value};
use sekisho_policy::facts::{OpaqueKind, ProblemKind};

/// Attributes that say what an object is.
const USUAL: [&str; 9] =
    ["names", "row.names", "class", "levels", "dim", "dimnames", "tsp", "tzone", "units"];

impl Object {
    fn attribute(&self, name: &str) -> Option<&Object> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, o)| o)
    }

    fn texts(&self, name: &str) -> Vec<String> {
        match self.attribute(name).map(|o| &o.value) {
            Some(Value::Text(texts)) => texts.iter().map(|t| t.clone().unwrap_or_default()).collect(),
            _ => Vec::new(),
        }
    }

    fn is(&self, class: &str) -> bool {
        self.texts("class").iter().any(|c| c == class)
    }

    /// The values, one text each; `None`: no vector.
    fn cells(&self) -> Option<Vec<String>> {
        let levels = self.texts("levels");
        Some(match &self.value {
            Value::Whole(numbers, truth) => numbers
                .iter()
                .map(|n| match *n {
                    i32::MIN => "NA".to_owned(),
                    n if !levels.is_empty() => usize::try_from(n - 1)
                        .ok()
                        .and_then(|i| levels.get(i).cloned())
                        .unwrap_or_else(|| n.to_string()),
                    n if *truth => if n == 0 { "FALSE" } else { "TRUE" }.to_owned(),
                    n => n.to_string(),
                })
                .collect(),
            Value::Real(numbers) => {
                numbers.iter().map(|n| if n.is_nan() { "NA".to_owned() } else { n.to_string() }).collect()
            }
            Value::Text(texts) => {
                texts.iter().map(|t| t.clone().unwrap_or_else(|| "NA".to_owned())).collect()
            }
            Value::Null | Value::List(_) | Value::Named(_) | Value::Bytes(_) => return None,
        })
    }

    fn dimensions(&self) -> Vec<usize> {
        match self.attribute("dim").map(|o| &o.value) {
            Some(Value::Whole(dims, _)) => dims.iter().filter_map(|d| usize::try_from(*d).ok()).collect(),
            Some(Value::Real(dims)) => dims.iter().map(|d| *d as usize).collect(),
            _ => Vec::new(),
        }
    }

    /// Names along each dimension.
    fn dimension_names(&self) -> Vec<Vec<String>> {
        match self.attribute("dimnames").map(|o| &o.value) {
            Some(Value::List(list)) => list.iter().map(|o| o.cells().unwrap_or_default()).collect(),
            _ => Vec::new(),
        }
    }
}

/// Adds every table in an object.
pub fn tables(name: &str, object: &Object, inside: &mut Inside) {
    for (key, value) in object.attributes.iter().filter(|(k, _)| !USUAL.contains(&k.as_str())) {
        if !matches!(value.value, Value::Null) {
            inside.hidden(format!("{name}, attribute {key}"), "an attribute beside the values");
            tables(&format!("{name} @ {key}"), value, inside);
        }
    }
    match &object.value {
        Value::Null => {}
        Value::Bytes(bytes) => drop(inside.member(name, bytes.clone())),
        Value::List(columns) if object.is("data.frame") => frame(name, object, columns, inside),
        Value::List(list) => {
            let names = object.texts("names");
            for (at, one) in list.iter().enumerate() {
                let own =
                    names.get(at).filter(|n| !n.is_empty()).cloned().unwrap_or_else(|| (at + 1).to_string());
                tables(&format!("{name}${own}"), one, inside);
            }
        }
        Value::Named(pairs) => {
            pairs.iter().for_each(|(own, one)| tables(&format!("{name}${own}"), one, inside))
        }
        Value::Whole(..) | Value::Real(_) | Value::Text(_) => vector(name, object, inside),
    }
}

fn frame(name: &str, object: &Object, columns: &[Object], inside: &mut Inside) {
    let mut header = object.texts("names");
    let mut cells: Vec<Vec<String>> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        match column.cells() {
            Some(values) if column.dimensions().len() < 2 => cells.push(values),
            _ => {
                // A matrix, frame or list inside a column.
                let own = header.get(at).cloned().unwrap_or_default();
                tables(&format!("{name}${own}"), column, inside);
                cells.push(Vec::new());
            }
        }
        for (key, value) in column.attributes.iter().filter(|(k, _)| !USUAL.contains(&k.as_str())) {
            if key != "label" && key != "format.stata" && key != "format.spss" {
                inside.hidden(format!("{name}, attribute {key}"), "an attribute beside the values");
                tables(&format!("{name} @ {key}"), value, inside);
            }
        }
    }
    let rows = cells.iter().map(Vec::len).max().unwrap_or(0);
    let labels = object.texts("row.names");
    if labels.len() == rows && rows > 0 {
        header.insert(0, String::new());
        cells.insert(0, labels);
    }
    let mut table = vec![header];
    table.extend((0..rows).map(|r| cells.iter().map(|c| c.get(r).cloned().unwrap_or_default()).collect()));
    inside.table(name, &table);
}

fn vector(name: &str, object: &Object, inside: &mut Inside) {
    let Some(values) = object.cells() else {
        inside.unread(OpaqueKind::Workspace, "R data", name);
        return;
    };
    let dims = object.dimensions();
    let names = object.dimension_names();
    if dims.len() >= 2 {
        if dims.iter().try_fold(1_usize, |n, d| n.checked_mul(*d)) != Some(values.len()) {
            inside.problem(ProblemKind::NotInspected, name, "its size does not fit its dimensions");
            return;
        }
        let (rows, columns) = (dims[0].max(1), dims[1].max(1));
        // Slices of more dimensions are tables one after the other.
        for (number, slice) in values.chunks(rows * columns).enumerate() {
            let label = |d: usize, i: usize| names.get(d).and_then(|n| n.get(i)).cloned();
            let mut table = Vec::new();
            if names.get(1).is_some_and(|n| !n.is_empty()) {
                let header = (0..columns).map(|c| label(1, c).unwrap_or_default());
                table.push(std::iter::once(String::new()).chain(header).collect::<Vec<_>>());
            }
            for r in 0..rows {
                let row = (0..columns).map(|c| slice.get(c * rows + r).cloned().unwrap_or_default());
                let first = names.first().filter(|n| !n.is_empty()).and_then(|n| n.get(r)).cloned();
                let first = first.or_else(|| {
                    (!table.is_empty() && r == 0 || names.get(1).is_some_and(|n| !n.is_empty()))
                        .then(String::new)
                });
                table.push(first.into_iter().chain(row).collect());
            }
            inside.table(format!("{name}[{}]", number + 1), &table);
        }
        return;
    }
    let own = match names.first().filter(|n| !n.is_empty()) {
        Some(names) => names.clone(),
        None => object.texts("names"),
    };
    let column = if object.is("table") { "count" } else { "value" };
    let mut table = Vec::new();
    if own.len() == values.len() && !own.is_empty() {
        table.push(vec!["name".to_owned(), column.to_owned()]);
        table.extend(own.into_iter().zip(values).map(|(n, v)| vec![n, v]));
    } else if let ([text], Value::Text(_)) = (&values[..], &object.value) {
        inside.prose(name, text);
        return;
    } else {
        table.push(vec![name.to_owned()]);
        table.extend(values.into_iter().map(|v| vec![v]));
    }
    inside.table(name, &table);
}
