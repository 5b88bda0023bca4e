//! `data/ro-crate-metadata.json`: the released files as a Five Safes RO-Crate.

use super::{Bag, file_name};
use serde_json::{Value, json};

/// The document, pretty-printed, with a fixed order: the same bag always has the same bytes.
pub(super) fn document(bag: &Bag) -> String {
    let s = &bag.statement;
    let ids: Vec<Value> = bag.files.iter().map(|f| json!({"@id": id(&f.name)})).collect();
    let mut graph = vec![
        json!({
            "@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}
        }),
        json!({
            "@id": "./", "@type": "Dataset", "conformsTo": {"@id": "https://w3id.org/5s-crate/0.4"},
            "name": format!("{} — {}", s.request, bag.project.name),
            "description": format!("results of project {} released from a secure analysis node after disclosure review", bag.project.id),
            "identifier": s.request, "datePublished": bag.released.to_string(),
            "license": format!("use as approved in the plan of project {}", bag.project.id),
            "hasPart": ids, "sourceOrganization": {"@id": "#project"}, "mentions": [{"@id": "#disclosure-check"}]
        }),
        json!({
            "@id": "#project", "@type": "Project", "identifier": bag.project.id, "name": bag.project.name,
            "member": [{"@id": "#requester"}], "parentOrganization": {"@id": "#institution"}
        }),
        json!({
            "@id": "#institution", "@type": "Organization", "identifier": bag.institution.id, "name": bag.institution.name
        }),
        json!({"@id": "#requester", "@type": "Person", "name": s.requester, "memberOf": {"@id": "#project"}}),
        json!({
            "@id": "#officer", "@type": "Person", "identifier": bag.officer.id, "name": bag.officer.name,
            "affiliation": {"@id": "#institution"}
        }),
        json!({
            "@id": "#disclosure-check", "@type": "AssessAction",
            "additionalType": {"@id": "https://w3id.org/shp#DisclosureCheck"},
            "name": format!("disclosure review of {}: {}, verdict {}", s.request, s.decision.as_str(), s.verdict),
            "object": {"@id": "./"}, "agent": {"@id": "#officer"}, "instrument": {"@id": "#sekisho"},
            "endTime": bag.released.to_string(), "actionStatus": "http://schema.org/CompletedActionStatus"
        }),
        json!({"@id": "#sekisho", "@type": "SoftwareApplication", "name": "Sekisho", "version": env!("CARGO_PKG_VERSION")}),
    ];
    for file in &bag.files {
        graph.push(json!({
            "@id": id(&file.name), "@type": "File", "name": file.name, "contentSize": file.bytes.to_string(),
            "sha256": file.sha256, "sha512": file.sha512
        }));
    }
    let document = json!({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph});
    format!("{document:#}\n")
}

/// A file's relative URI: its path with every byte that a URI does not take percent-encoded.
fn id(name: &str) -> String {
    let mut out = String::from("results/");
    for byte in file_name(name).bytes() {
        if byte.is_ascii_alphanumeric() || b"._-~+@,()=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
