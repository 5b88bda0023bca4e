//! From three phases to one word. Pure: what came of a channel goes in, a cell of the table comes out.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A channel, as `sekisho-escape list` tells it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Registered {
    /// Name.
    pub(crate) channel: String,
    /// Group.
    pub(crate) group: String,
    /// What it tries.
    pub(crate) tries: String,
    /// Who tries.
    pub(crate) subject: String,
    /// The error that the gate answers with.
    pub(crate) errno: String,
    /// Hooks of which one must have recorded the denial.
    pub(crate) hooks: Vec<String>,
    /// The reason in the record.
    pub(crate) reason: String,
    /// Other records that are right too: hook and reason.
    pub(crate) or: Vec<(String, String)>,
    /// Why it must go on working.
    pub(crate) works_because: Option<String>,
    /// Errors by which a kernel says that it lacks this.
    pub(crate) absent: Vec<String>,
}

/// What came of a channel in one phase.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// `off`, `on` or `after`.
    pub(crate) phase: String,
    /// The channel.
    pub(crate) channel: String,
    /// `ok`, an error's name, or words.
    pub(crate) result: String,
    /// The canary is outside.
    pub(crate) arrived: bool,
    /// What the gate recorded meanwhile.
    pub(crate) denials: Vec<Denial>,
    /// How long it took.
    pub(crate) milliseconds: u64,
}

/// A record of the gate's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Denial {
    hook: String,
    reason: String,
    denied: bool,
    loginuid: u32,
    object: String,
}

/// The three phases.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Result3 {
    /// Before the gate.
    pub(crate) off: Option<Outcome>,
    /// With it.
    pub(crate) on: Option<Outcome>,
    /// After it was opened.
    pub(crate) after: Option<Outcome>,
}

/// All about a channel on one kernel.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The verdict.
    #[serde(serialize_with = "in_words")]
    pub(crate) cell: Cell,
    /// The channel.
    pub(crate) channel: Registered,
    /// What it rests on.
    pub(crate) results: Result3,
}

fn in_words<S: serde::Serializer>(cell: &Cell, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&match cell {
        Cell::Open(what) | Cell::Wrong(what) => format!("{cell}: {what}"),
        other => other.to_string(),
    })
}

/// The login of the confined account.
const RESEARCHER: u32 = 1001;

/// What the table says of a channel on a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Got out without the gate, and not with it.
    Closed(String),
    /// The kernel does not have it, by its own word.
    Absent(String),
    /// Must work, and does.
    Works,
    /// Got out with the gate on.
    Open(String),
    /// Anything else that was not promised.
    Wrong(String),
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A program that was refused says so in its own words.
            Self::Closed(errno) if errno == "ECHILD" => f.write_str("closed, program fails"),
            Self::Closed(errno) => write!(f, "closed {errno}"),
            Self::Absent(errno) => write!(f, "not there ({errno})"),
            Self::Works => f.write_str("works"),
            Self::Open(_) => f.write_str("**open**"),
            Self::Wrong(_) => f.write_str("**wrong**"),
        }
    }
}

/// The verdict.
pub(crate) fn judge(channel: &Registered, results: &Result3) -> Cell {
    let (Some(off), Some(on), Some(after)) = (&results.off, &results.on, &results.after) else {
        return Cell::Wrong("was not tried in all three phases".into());
    };
    let works = channel.works_because.is_some();
    // Without a gate: as the kernel has it.
    for (phase, outcome) in [("off", off), ("after", after)] {
        if outcome.result != "ok" && !channel.absent.contains(&outcome.result) {
            return Cell::Wrong(format!("{phase}: {}", outcome.result));
        }
        if outcome.arrived != (outcome.result == "ok" && !works) {
            return Cell::Wrong(format!("{phase}: {}, arrived: {}", outcome.result, outcome.arrived));
        }
    }
    if off.result != after.result {
        return Cell::Wrong(format!("off: {}, after: {}", off.result, after.result));
    }
    if on.arrived {
        return Cell::Open(format!("the canary arrived; the call said {}", on.result));
    }
    match (off.result.as_str(), on.result.as_str()) {
        ("ok", "ok") if works => Cell::Works,
        ("ok", result) if works => Cell::Wrong(format!("on: {result}; recorded: {}", recorded(on))),
        ("ok", "ok") if channel.errno == "ok" && is_recorded(channel, on) => Cell::Closed("silently".into()),
        (_, "ok") => Cell::Open("the call succeeded, although nothing arrived".into()),
        ("ok", result) if result != channel.errno => {
            Cell::Wrong(format!("on: {result}, not {}; recorded: {}", channel.errno, recorded(on)))
        }
        ("ok", _) if !is_recorded(channel, on) => Cell::Wrong(format!(
            "no record of {} for {}; recorded: {}",
            channel.hooks.join(" or "),
            channel.reason,
            recorded(on)
        )),
        ("ok", result) => Cell::Closed(result.to_owned()),
        (absent, _) => Cell::Absent(absent.to_owned()),
    }
}

fn is_recorded(channel: &Registered, outcome: &Outcome) -> bool {
    outcome.denials.iter().any(|denial| {
        denial.denied
            && denial.loginuid == RESEARCHER
            && (denial.reason == channel.reason && channel.hooks.contains(&denial.hook)
                || channel.or.iter().any(|(hook, reason)| (hook, reason) == (&denial.hook, &denial.reason)))
    })
}

fn recorded(outcome: &Outcome) -> String {
    let each = outcome.denials.iter().map(|d| format!("{} {} {}", d.hook, d.reason, d.object));
    let all = each.collect::<Vec<_>>().join("; ");
    if all.is_empty() { "nothing".into() } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel() -> Registered {
        Registered {
            channel: "c".into(),
            group: "g".into(),
            tries: "t".into(),
            subject: "researcher".into(),
            errno: "EPERM".into(),
            hooks: vec!["file_open".into()],
            reason: "outside_zones".into(),
            or: Vec::new(),
            works_because: None,
            absent: vec!["ENOSYS".into()],
        }
    }

    fn outcome(result: &str, arrived: bool) -> Option<Outcome> {
        let denial = Denial {
            hook: "file_open".into(),
            reason: "outside_zones".into(),
            denied: true,
            loginuid: RESEARCHER,
            object: String::new(),
        };
        Some(Outcome {
            phase: String::new(),
            channel: "c".into(),
            result: result.into(),
            arrived,
            denials: vec![denial],
            milliseconds: 1,
        })
    }

    fn three(off: (&str, bool), on: (&str, bool), after: (&str, bool)) -> Result3 {
        let of = |(result, arrived): (&str, bool)| outcome(result, arrived);
        Result3 { off: of(off), on: of(on), after: of(after) }
    }

    #[test]
    fn closed_means_out_without_the_gate_and_only_then() {
        let out = ("ok", true);
        let judge = |on| judge(&channel(), &three(out, on, out));
        assert_eq!(judge(("EPERM", false)), Cell::Closed("EPERM".into()));
        assert!(matches!(judge(("EACCES", false)), Cell::Wrong(_)));
        assert!(matches!(judge(("EPERM", true)), Cell::Open(_)));
        assert!(matches!(judge(("ok", false)), Cell::Open(_)));
    }

    #[test]
    fn a_channel_that_never_worked_proves_nothing() {
        let refused = ("EPERM", false);
        for (off, after) in [(refused, refused), (("ok", false), ("ok", false)), (refused, ("ok", true))] {
            assert!(matches!(judge(&channel(), &three(off, refused, after)), Cell::Wrong(_)));
        }
        let absent = three(("ENOSYS", false), ("ENOSYS", false), ("ENOSYS", false));
        assert_eq!(judge(&channel(), &absent), Cell::Absent("ENOSYS".into()));
    }

    #[test]
    fn the_record_must_name_hook_reason_and_account() {
        let out = ("ok", true);
        for spoil in [
            |d: &mut Denial| d.hook = "capable".into(),
            |d: &mut Denial| d.reason = "device".into(),
            |d: &mut Denial| d.loginuid = u32::MAX,
            |d: &mut Denial| d.denied = false,
        ] {
            let mut results = three(out, ("EPERM", false), out);
            spoil(&mut results.on.as_mut().unwrap().denials[0]);
            assert!(matches!(judge(&channel(), &results), Cell::Wrong(_)));
        }
    }

    #[test]
    fn what_must_work_works_in_every_phase() {
        let work = Registered { works_because: Some("it stays inside".into()), ..channel() };
        let fine = ("ok", false);
        assert_eq!(judge(&work, &three(fine, fine, fine)), Cell::Works);
        assert!(matches!(judge(&work, &three(fine, ("EPERM", false), fine)), Cell::Wrong(_)));
    }
}
