//! The stripped copy of a notebook: its code and its text, without what running it left behind.

use sekisho_wire::inspect::Mended;
use serde_json::{Map, Value, json};

/// Code and text of a notebook; `None` when it is none.
pub fn copy(bytes: &[u8]) -> Option<(Vec<u8>, Mended)> {
    let mut notebook: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let Some(Value::Array(cells)) = notebook.remove("cells") else { return None };
    let (major, minor) = (notebook.remove("nbformat")?.as_u64()?, notebook.remove("nbformat_minor"));
    let (mut outputs, mut attached, mut settings) = (0, 0, 0);
    let mut kept = Vec::with_capacity(cells.len());
    let many = |value: Option<&Value>| match value {
        Some(Value::Array(a)) => a.len(),
        Some(Value::Object(o)) => o.len(),
        _ => 0,
    };
    for (at, cell) in cells.iter().enumerate() {
        let cell = cell.as_object()?;
        let kind = cell.get("cell_type").and_then(Value::as_str)?;
        let source = match cell.get("source") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(lines)) => lines.iter().map(Value::as_str).collect::<Option<String>>()?,
            _ => return None,
        };
        outputs += many(cell.get("outputs"));
        attached += many(cell.get("attachments"));
        settings += many(cell.get("metadata"));
        let mut new = json!({"cell_type": kind, "metadata": {}, "source": source});
        match kind {
            "code" => {
                new["outputs"] = json!([]);
                new["execution_count"] = Value::Null;
            }
            "markdown" | "raw" => {}
            _ => return None,
        }
        if minor.as_ref().and_then(Value::as_u64).is_some_and(|m| major > 4 || m >= 5) {
            new["id"] = json!(format!("cell-{}", at + 1));
        }
        kept.push(new);
    }
    // The language, without which no program opens it; as one of its names, not as anything one likes.
    let language = notebook
        .get("metadata")
        .and_then(|m| m.pointer("/language_info/name").or_else(|| m.pointer("/kernelspec/language")))
        .and_then(Value::as_str)
        .filter(|name| ["python", "R", "julia", "bash", "stata", "sas"].contains(name));
    settings += many(notebook.get("metadata"));
    let others = notebook.keys().filter(|k| *k != "metadata").count();
    let about = language.map_or_else(|| json!({}), |name| json!({"language_info": {"name": name}}));
    let new = json!({
        "cells": kept, "metadata": about, "nbformat": major, "nbformat_minor": minor.unwrap_or(Value::Null),
    });
    let words = Mended {
        holds: format!(
            "code and text of {} cells; left out: {outputs} outputs, {attached} attachments, {settings} settings, \
             {others} other things",
            cells.len()
        ),
        holds_ja: format!(
            "{} セルのコードと文章だけを残しました。除いたもの: 出力 {outputs} 件、添付 {attached} 件、設定 {settings} 件、その他 {others} 件",
            cells.len()
        ),
    };
    let mut text = serde_json::to_vec_pretty(&new).ok()?;
    text.push(b'\n');
    Some((text, words))
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::{check, fix_with};
    use sekisho_policy::{Policy, RequestInfo, Verdict};

    #[test]
    fn the_copy_of_a_notebook_has_no_outputs_and_says_so() {
        let notebook = r#"{"cells":[
            {"cell_type":"markdown","id":"NA12878","metadata":{"tags":["NA12878"]},"source":["Methods\n"],
             "attachments":{"a.png":{"image/png":"NA12878"}}},
            {"cell_type":"code","id":"x","execution_count":12878,"metadata":{},"source":["t = load()\n","t"],
             "outputs":[{"output_type":"stream","name":"stdout","text":["group  n\n","a  120\n","b  7\n"]}]}],
            "metadata":{"language_info":{"name":"python"},"widgets":{"state":"NA12878"}},"extra":"NA12878",
            "nbformat":4,"nbformat_minor":5}"#;
        let (report, copy) = fix_with(notebook.as_bytes(), &Policy::default(), &RequestInfo::default(), true);
        assert_eq!(report.verdict, Verdict::Block);
        let (holds, copy) = copy.unwrap();
        assert_eq!(
            holds,
            "code and text of 2 cells; left out: 1 outputs, 1 attachments, 3 settings, 1 other things"
        );
        let text = String::from_utf8(copy.clone()).unwrap();
        assert!(
            !text.contains("12878") && text.contains("t = load()\\nt") && text.contains("cell-2"),
            "{text}"
        );
        let again = check(&copy);
        assert_eq!(again.verdict, Verdict::Pass, "{:#?}", again.findings);
    }
}
