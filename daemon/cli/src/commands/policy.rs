//! `sekisho policy`: is the policy well-formed, what in it deserves a look today, and put it into force.

use super::lockdown::{order, unexpected};
use super::{Failure, Outcome};
use crate::language::Language;
use crate::terminal::{say, say_json};
use sekisho_policy::schema::GateMode;
use sekisho_policy::{Certificate, Policy};
use sekisho_wire::config::{self, LoadError, Loaded};
use sekisho_wire::gate::{Answer, Applied, Ask};
use sekisho_wire::paths;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check the installed policy, or the files given (the first one whole, the others merged over it in order).
    Check {
        /// Policy files instead of /etc/sekisho/policy.toml and policy.d.
        files: Vec<PathBuf>,
    },
    /// Root, or the secretariat: put the installed policy into force in the gate now, and show what changes.
    Apply {
        /// The gate's socket.
        #[arg(long, default_value = paths::GATE_SOCKET, hide = true)]
        socket: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    let language = Language::of_caller();
    let files = match &args.what {
        What::Check { files } => files,
        What::Apply { socket } => return apply(socket, json, language),
    };
    let installed = files.is_empty();
    let loaded = if installed { config::load_installed() } else { config::load_files(files.clone()) };
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(LoadError::Refused(e)) if json => {
            println!(
                "{}",
                serde_json::json!({"ok": false, "error": {"code": 78, "file": e.file, "line": e.line, "column": e.column,
                    "message": e.message, "hint": e.hint, "message_ja": e.japanese.message, "hint_ja": e.japanese.hint}})
            );
            return Ok(ExitCode::from(78));
        }
        Err(e) => return Err(failure(&e, language)),
    };
    let today = jiff::Zoned::now().date();
    let notes = notes(&loaded.policy, today, installed);
    if json {
        let notes: Vec<_> = notes.iter().map(|n| serde_json::json!({"note": n.0, "note_ja": n.1})).collect();
        println!(
            "{}",
            serde_json::json!({"ok": true, "sha256": loaded.sha256, "files": loaded.files, "notes": notes})
        );
    } else {
        print(&loaded, &notes, language);
    }
    Ok(ExitCode::SUCCESS)
}

fn apply(socket: &Path, json: bool, language: Language) -> Outcome {
    match order(socket, &Ask::Apply, language)? {
        Answer::Applied(applied) if json => {
            say_json(&serde_json::json!({"ok": true, "applied": applied}))?;
            Ok(ExitCode::SUCCESS)
        }
        Answer::Applied(applied) => {
            say(&changes(&applied, language));
            Ok(ExitCode::SUCCESS)
        }
        Answer::PolicyRefused(refused) => {
            let message = language.pick(&refused.message, &refused.message_ja);
            let place = if refused.place.is_empty() { String::new() } else { format!("{}: ", refused.place) };
            let stays = language.pick("the old policy stays in force", "以前のポリシーが有効なままです");
            let hint = language.pick(&refused.hint, &refused.hint_ja);
            Err(Failure::new(78, format!("{place}{message} ({stays})"), hint))
        }
        other => Err(unexpected(&other, language)),
    }
}

fn changes(applied: &Applied, language: Language) -> String {
    let mut text = format!("{} {}\n", language.pick("in force:", "有効:"), applied.policy_sha256);
    for change in &applied.changes {
        // Writing to a String cannot fail.
        let _ = match (&change.before, &change.after) {
            (Some(before), Some(after)) => writeln!(text, "  ~ {}: {before} → {after}", change.key),
            (None, Some(after)) => writeln!(text, "  + {}: {after}", change.key),
            (Some(before), None) => writeln!(text, "  - {}: {before}", change.key),
            (None, None) => Ok(()),
        };
    }
    if applied.changes.is_empty() {
        text.push_str(language.pick("  nothing changes for the gate\n", "  関所に関する変更はありません\n"));
    }
    for warning in &applied.warnings {
        let _ = writeln!(text, "{}: {warning}", language.pick("note", "注意"));
    }
    text
}

fn failure(error: &LoadError, language: Language) -> Failure {
    if let LoadError::Refused(e) = error {
        let place = format!("{}:{}:{}", e.file, e.line, e.column);
        return Failure::new(
            78,
            format!("{place}: {}", language.pick(&e.message, &e.japanese.message)),
            language.pick(&e.hint, &e.japanese.hint),
        );
    }
    let hint = language.pick(
        "name the files: sekisho policy check policy.toml",
        "ファイルを指定してください: sekisho policy check policy.toml",
    );
    Failure::new(78, error.to_string(), hint)
}

fn print(loaded: &Loaded, notes: &[(String, String)], language: Language) {
    let p = &loaded.policy;
    println!("{}", language.pick("the policy is well-formed", "ポリシーは正しく書かれています"));
    for file in &loaded.files {
        println!("  {}", file.display());
    }
    println!("  sha256 {}", loaded.sha256);
    let counts =
        [p.projects.len(), p.institutions.len(), p.officers.len(), p.gate.zones.len(), p.deviations.len()];
    let names = [
        ("projects", "課題"),
        ("institutions", "機関"),
        ("officers", "担当者"),
        ("zones", "ゾーン"),
        ("deviations", "逸脱"),
    ];
    let line: Vec<_> =
        names.iter().zip(counts).map(|((en, ja), n)| format!("{}: {n}", language.pick(en, ja))).collect();
    println!("  {}", line.join(", "));
    for (english, japanese) in notes {
        println!("{}: {}", language.pick("note", "注意"), language.pick(english, japanese));
    }
}

/// What is allowed, but deserves a look: English and Japanese.
fn notes(p: &Policy, today: jiff::civil::Date, installed: bool) -> Vec<(String, String)> {
    let mut notes = Vec::new();
    let mut note = |english: String, japanese: String| notes.push((english, japanese));
    if p.gate.mode == GateMode::Audit {
        note(
            "gate.mode is `audit`: nothing is denied, only recorded".into(),
            "gate.mode が `audit` です。記録するだけで、何も拒否しません".into(),
        );
    }
    for d in &p.deviations {
        note(
            format!(
                "`{}` is looser than the guideline, allowed by {} on {}: {}",
                d.key, d.allowed_by, d.on, d.reason
            ),
            format!(
                "`{}` はガイドラインより緩い設定です({} が {} に許可: {})",
                d.key, d.allowed_by, d.on, d.reason
            ),
        );
    }
    for o in &p.officers {
        let (english, japanese) = match o.certificate(today) {
            Certificate::Valid => continue,
            Certificate::NotYet(day) => (format!("begins on {day}"), format!("{day} に始まります")),
            Certificate::Expired(day) => (format!("ended on {day}"), format!("{day} に終わりました")),
            Certificate::Revoked(day) => {
                (format!("was revoked on {day}"), format!("{day} に取り消されました"))
            }
        };
        note(
            format!("officer `{}` cannot decide: the certificate {english}", o.id),
            format!("担当者 `{}` は決定できません。認定は {japanese}", o.id),
        );
    }
    for project in &p.projects {
        if !project.runs_on(today) {
            note(
                format!(
                    "project `{}` runs from {} to {}, not today",
                    project.id, project.from, project.until
                ),
                format!(
                    "課題 `{}` の期間は {} から {} で、今日は含まれません",
                    project.id, project.from, project.until
                ),
            );
        }
        if !p.officers_for(project).any(|o| o.is_certified_on(today)) {
            note(
                format!(
                    "nobody can decide for project `{}`: `{}` has no certified officer",
                    project.id, project.institution
                ),
                format!(
                    "課題 `{}` を決定できる人がいません。機関 `{}` に認定された担当者がいません",
                    project.id, project.institution
                ),
            );
        }
    }
    if installed {
        for user in accounts(p) {
            if !matches!(nix::unistd::User::from_name(user), Ok(Some(_))) {
                note(
                    format!("there is no account `{user}` on this node"),
                    format!("このノードにアカウント `{user}` はありません"),
                );
            }
        }
    }
    notes
}

fn accounts(p: &Policy) -> std::collections::BTreeSet<&str> {
    let subjects = &p.gate.subjects;
    let lists = [&subjects.users, &subjects.exempt_users, &p.site.secretariat];
    let listed = lists.into_iter().flatten();
    let members = p.projects.iter().flat_map(|project| &project.members);
    listed.chain(members).chain(p.officers.iter().map(|o| &o.user)).map(String::as_str).collect()
}
