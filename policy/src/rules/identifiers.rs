//! `identifiers`, clause `5-4(2)(iv)`: JGA sample ids (`JGAN` and nine digits, formerly eleven) do not identify.
//!
//! They are allowed as ids and nothing more: what stands beside them is judged as if it stood alone, so a list of persons is
//! for the officer whatever it calls them. Every other per-subject id is for the officer too.

use crate::catalogue::reading as say;
use crate::facts::{FileFacts, Part};
use crate::{Finding, Verdict};

/// Lists of persons by their ids.
pub(super) fn judge(file: &FileFacts) -> Vec<Finding> {
    let lists = file.parts.iter().filter_map(|part| match part {
        Part::SubjectList(list) => Some(list),
        _ => None,
    });
    lists
        .map(|list| {
            let allowed = !list.first_ids.is_empty() && list.first_ids.iter().all(|id| is_jga(id));
            let words = if allowed { say::jga_list(list.rows) } else { say::subject_list(list.rows) };
            Finding::new("identifiers", "5-4(2)(iv)", Verdict::Review, words)
                .at(file.kind.clone())
                .value(list.rows)
        })
        .collect()
}

/// Is this an id that the clause allows?
pub fn is_jga(id: &str) -> bool {
    id.strip_prefix("JGAN")
        .is_some_and(|rest| matches!(rest.len(), 9 | 11) && rest.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::SubjectList;

    #[test]
    fn jgan_and_nine_or_eleven_digits_are_allowed_and_nothing_near_them() {
        for (id, allowed) in [
            ("JGAN000000001", true),
            ("JGAN00000000001", true),
            ("JGAN00000001", false),
            ("JGAN0000000001", false),
            ("JGAN000000000001", false),
            ("JGAN00000000x", false),
            ("jgan000000001", false),
            ("JGAD000000001", false),
            ("", false),
        ] {
            assert_eq!(is_jga(id), allowed, "{id}");
        }
    }

    #[test]
    fn allowed_ids_do_not_excuse_the_list_they_stand_in() {
        for id in ["JGAN000000001", "taro"] {
            let list = SubjectList { rows: 500, first_ids: vec![id.into()], columns: Vec::new() };
            let file = FileFacts { parts: vec![Part::SubjectList(list)], ..FileFacts::default() };
            let found = judge(&file);
            assert_eq!(found[0].verdict, Verdict::Review);
            assert_eq!(found[0].message.contains("JGA"), id.starts_with("JGAN"));
        }
    }
}
