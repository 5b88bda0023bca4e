//! `sekisho status`: one's requests, and what became of them.

use super::Outcome;
use super::report::{self, shown};
use crate::airlock::At;
use crate::language::Language;
use crate::terminal::{age, colour, say, say_json, size, state, table};
use sekisho_wire::airlock::{Detail, Summary};
use std::fmt::Write;
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// One request in full.
    request: Option<String>,
    /// Also requests that are finished.
    #[arg(long, short)]
    all: bool,
    #[command(flatten)]
    at: At,
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    let language = Language::of_caller();
    if let Some(request) = &args.request {
        let detail = args.at.show(request)?;
        if json {
            say_json(&detail)?;
        } else {
            say(&describe(&detail, language));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let me = args.at.whoami()?;
    let mut requests = args.at.list(args.all)?;
    // What waits for the caller as an officer is `review`'s matter.
    requests.retain(|r| r.requester == me.account);
    if json {
        say_json(&serde_json::json!({"requests": requests}))?;
    } else if requests.is_empty() {
        let none = match (args.all, language) {
            (false, Language::English) => "no open request; finished ones: sekisho status --all",
            (false, Language::Japanese) => "進行中の申請はありません。完了分は sekisho status --all",
            (true, Language::English) => "no request yet; make one: sekisho submit FILE...",
            (true, Language::Japanese) => "申請はまだありません。sekisho submit FILE... で作成できます",
        };
        say(&format!("{none}\n"));
    } else {
        say(&lines(&requests, language));
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(requests: &[Summary], language: Language) -> String {
    let headings = match language {
        Language::English => ["request", "project", "state", "verdict", "files", "age", "from", "note"],
        Language::Japanese => ["申請", "プロジェクト", "状態", "判定", "件数", "経過", "元の名前", "備考"],
    };
    let rows: Vec<Vec<String>> = requests
        .iter()
        .map(|r| {
            vec![
                r.request.clone(),
                r.project.clone(),
                state(&r.state, language),
                r.verdict.clone().unwrap_or_else(|| "-".into()),
                r.files.to_string(),
                age(&r.received, language),
                r.entry.clone(),
                r.note.clone(),
            ]
        })
        .collect();
    table(&headings, &rows)
}

/// A request in full, for its requester.
pub fn describe(detail: &Detail, language: Language) -> String {
    let mut out = head(detail, language);
    if let Some(report) = &detail.report {
        out.push('\n');
        out.push_str(&report::render(report, language, colour()));
    }
    out.push('\n');
    out.push_str(&history(detail, language));
    out
}

/// Who, where, what, why.
pub fn head(detail: &Detail, language: Language) -> String {
    let s = &detail.summary;
    let mut out = String::new();
    let mut line = |en: &str, ja: &str, text: &str| {
        if !text.is_empty() {
            let name = language.pick(en, ja);
            let gap = " ".repeat(14_usize.saturating_sub(crate::terminal::width(name)));
            let _ = writeln!(out, "{name}{gap}{}", shown(text));
        }
    };
    line("request", "申請", &s.request);
    line("project", "プロジェクト", &s.project);
    line("requester", "申請者", &s.requester);
    line("state", "状態", &state(&s.state, language));
    line("age", "経過", &age(&s.received, language));
    line("from", "元の名前", &s.entry);
    line("note", "備考", &s.note);
    line("purpose", "目的", &detail.info.purpose);
    line("context", "背景", &detail.info.context);
    line("recipient", "提供先", &detail.info.recipient);
    line("datasets", "データセット", &detail.info.datasets.join(", "));
    line("subjects", "対象者数", &detail.info.subjects.map(|n| n.to_string()).unwrap_or_default());
    line("bag", "持出フォルダ", detail.bag.as_deref().unwrap_or_default());
    for file in &detail.files {
        let digest = file.sha256.as_deref().unwrap_or("-");
        let bytes = file.bytes.map(size).unwrap_or_default();
        let declared = detail.info.files.get(&file.name).map(|f| f.description.clone()).unwrap_or_default();
        // Tells about the results, is kept with them, but does not leave.
        let declaration = file.name == "request.toml" && detail.files.len() > 1;
        let name = if declaration {
            language.pick("declaration", "申告書")
        } else {
            language.pick("file", "ファイル")
        };
        let gap = " ".repeat(14_usize.saturating_sub(crate::terminal::width(name)));
        let _ = writeln!(
            out,
            "{name}{gap}{}  {bytes}  sha256:{}  {}",
            shown(&file.name),
            shown(digest),
            shown(&declared)
        );
    }
    out
}

/// What happened so far.
pub fn history(detail: &Detail, language: Language) -> String {
    let headings = match language {
        Language::English => ["time", "event", "by", ""],
        Language::Japanese => ["時刻", "出来事", "誰が", ""],
    };
    let rows: Vec<Vec<String>> = detail
        .history
        .iter()
        .map(|e| vec![e.time.clone(), state(&e.kind, language), e.actor.clone(), e.words.clone()])
        .collect();
    table(&headings, &rows)
}
