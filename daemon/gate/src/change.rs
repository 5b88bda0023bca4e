//! What is different between two policies, for whoever applies one and for the ledger.

use sekisho_policy::schema::{Gate, GateMode, ZoneKind};
use sekisho_wire::gate::Change;
use std::collections::BTreeSet;

/// Everything that changes for the gate, in the order of the policy file.
pub fn between(before: &Gate, after: &Gate) -> Vec<Change> {
    let mut changes = Vec::new();
    let (old, new) = (facts(before), facts(after));
    for (key, _) in old.iter().chain(&new) {
        if changes.iter().any(|c: &Change| c.key == *key) {
            continue;
        }
        let of = |facts: &[(&'static str, String)]| -> BTreeSet<String> {
            facts.iter().filter(|(k, _)| k == key).map(|(_, v)| v.clone()).collect()
        };
        let (was, is) = (of(&old), of(&new));
        let mut gone: Vec<_> = was.difference(&is).cloned().collect();
        let mut come: Vec<_> = is.difference(&was).cloned().collect();
        // One value for another is one change.
        if let ([_], [_]) = (&*gone, &*come) {
            changes.push(Change { key: (*key).into(), before: gone.pop(), after: come.pop() });
            continue;
        }
        changes.extend(gone.into_iter().map(|v| Change { key: (*key).into(), before: Some(v), after: None }));
        changes.extend(come.into_iter().map(|v| Change { key: (*key).into(), before: None, after: Some(v) }));
    }
    changes
}

/// The gate's policy as single facts.
fn facts(gate: &Gate) -> Vec<(&'static str, String)> {
    let mode = match gate.mode {
        GateMode::Enforce => "enforce",
        GateMode::Audit => "audit",
    };
    let mut facts = vec![
        ("gate.mode", mode.to_owned()),
        ("gate.release_needs", gate.release_needs.as_str().to_owned()),
        ("gate.network.listen_loopback", gate.network.listen_loopback.to_string()),
    ];
    if let Ok(screen) = serde_json::to_value(&gate.screen)
        && let Some(keys) = screen.as_object()
    {
        facts.extend(keys.iter().filter_map(|(key, value)| {
            let key = match key.as_str() {
                "bytes_per_hour" => "gate.screen.bytes_per_hour",
                "over" => "gate.screen.over",
                _ => return None,
            };
            Some((key, value.to_string()))
        }));
    }
    let mut all = |key: &'static str, values: &mut dyn Iterator<Item = String>| {
        facts.extend(values.map(|value| (key, value)));
    };
    let (subjects, network) = (&gate.subjects, &gate.network);
    all("gate.subjects.uid_ranges", &mut subjects.uid_ranges.iter().map(|(a, b)| format!("{a}-{b}")));
    all("gate.subjects.users", &mut subjects.users.iter().cloned());
    all("gate.subjects.cgroups", &mut subjects.cgroups.iter().cloned());
    all("gate.subjects.exempt_users", &mut subjects.exempt_users.iter().cloned());
    all(
        "gate.zone",
        &mut gate.zones.iter().map(|zone| {
            let kind = match zone.kind {
                ZoneKind::Workspace => "workspace",
                ZoneKind::Spool => "spool",
            };
            let whole = if zone.whole_filesystem { ", whole filesystem" } else { "" };
            let remote = if zone.remote { ", remote" } else { "" };
            format!("{} ({kind}{whole}{remote})", zone.path)
        }),
    );
    all("gate.devices", &mut gate.devices.iter().cloned());
    all(
        "gate.network.allow",
        &mut network.allow.iter().map(|to| format!("{} {} {}", to.protocol, to.cidr, to.port)),
    );
    all("gate.network.loopback_ports", &mut network.loopback_ports.iter().map(u16::to_string));
    all("gate.network.unix", &mut network.unix.iter().cloned());
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_policy::Policy;

    #[test]
    fn each_difference_is_said_once_and_nothing_else() {
        let policy = |text: &str| Policy::parse("p", &format!("version = 1\n{text}")).unwrap().gate;
        let before = policy(
            "[gate]\nmode = \"audit\"\n[gate.subjects]\nuid_ranges = [[1000, 59999]]\nexempt_users = [\"root\"]\n\
             [[gate.zone]]\npath = \"/home\"\nkind = \"workspace\"\n",
        );
        let after = policy(
            "[gate]\nmode = \"enforce\"\n[gate.subjects]\nuid_ranges = [[1000, 59999]]\nexempt_users = [\"root\", \"officer\"]\n\
             [[gate.zone]]\npath = \"/home\"\nkind = \"workspace\"\n[[gate.zone]]\npath = \"/scratch\"\nkind = \"workspace\"\n",
        );
        let change = |key: &str, before: Option<&str>, after: Option<&str>| Change {
            key: key.into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        assert_eq!(
            between(&before, &after),
            [
                change("gate.mode", Some("audit"), Some("enforce")),
                change("gate.subjects.exempt_users", None, Some("officer")),
                change("gate.zone", None, Some("/scratch (workspace)")),
            ]
        );
        assert!(between(&after, &after).is_empty());
    }
}
