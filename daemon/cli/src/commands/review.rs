//! `sekisho review`: the officer's queue, and the evidence of one request, clause by clause.

use super::report::{self, shown};
use super::{Failure, Outcome, status};
use crate::airlock::At;
use crate::language::Language;
use crate::terminal::{age, colour, say, say_json, state, table};
use sekisho_policy::{Finding, RequestReport, Verdict};
use sekisho_wire::airlock::Detail;
use std::fmt::Write;
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// The request to look at. The look is recorded.
    request: Option<String>,
    /// In the queue: also requests that are finished.
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
            say(&card(&detail, language));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let me = args.at.whoami()?;
    if me.officer.is_none() {
        return Err(Failure::new(
            77,
            language.pick(
                "your account is not a certified officer on this node",
                "このアカウントは認定を受けた担当者ではありません",
            ),
            language.pick("your own requests: sekisho status", "自分の申請は sekisho status で確認できます"),
        ));
    }
    let mut queue = args.at.list(args.all)?;
    queue.retain(|r| r.requester != me.account);
    if json {
        say_json(&serde_json::json!({"officer": me.officer, "requests": queue}))?;
        return Ok(ExitCode::SUCCESS);
    }
    if queue.is_empty() {
        say(language.pick("nothing waits for you\n", "判断待ちの申請はありません\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let headings = match language {
        Language::English => ["request", "verdict", "state", "age", "project", "requester", "files", "note"],
        Language::Japanese => ["申請", "判定", "状態", "経過", "プロジェクト", "申請者", "件数", "備考"],
    };
    // What can be decided now comes first, the oldest at the top.
    queue.sort_by_key(|r| (r.state != "held", r.received.clone()));
    let rows: Vec<Vec<String>> = queue
        .iter()
        .map(|r| {
            vec![
                r.request.clone(),
                r.verdict.clone().unwrap_or_else(|| "-".into()),
                state(&r.state, language),
                age(&r.received, language),
                r.project.clone(),
                r.requester.clone(),
                r.files.to_string(),
                r.note.clone(),
            ]
        })
        .collect();
    say(&table(&headings, &rows));
    if crate::terminal::is_watched() {
        say(language.pick("\nlook at one: sekisho review ID\n", "\n内容の確認: sekisho review ID\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The guideline's clauses an officer answers for, and which rules of this version speak to them.
const CLAUSES: [(&str, &str, &str, &[&str]); 7] = [
    ("5-4(1)", "no personal information", "個人情報に該当しない", &[]),
    (
        "5-4(1)(i)",
        "per-person genotypes at no more than 40 sites",
        "個人別遺伝子型は 40 座位以下",
        &["individual_genotypes"],
    ),
    ("5-4(2)(i)", "every count of subjects at least 10", "対象者数は 10 以上", &["small_counts"]),
    (
        "5-4(2)(ii)",
        "frequencies from at least 10 subjects",
        "頻度は 10 人以上に基づく",
        &["small_frequencies"],
    ),
    ("5-4(2)(iii)", "plots of individual features", "個人特徴の図", &[]),
    ("5-4(2)(iv)", "identifiers per subject", "対象者別の識別子", &[]),
    ("5-4(3)", "within the plan, and no more than it needs", "計画の範囲内かつ必要最小限", &[]),
];

/// Everything an officer needs to judge, on one page.
pub fn card(detail: &Detail, language: Language) -> String {
    let mut out = status::head(detail, language);
    match &detail.report {
        Some(report) => {
            out.push('\n');
            out.push_str(&clauses(report, language));
            out.push('\n');
            out.push_str(&report::render(report, language, colour()));
        }
        None => out.push_str(language.pick("\nnot inspected yet\n", "\nまだ検査されていません\n")),
    }
    out.push('\n');
    out.push_str(&status::history(detail, language));
    if detail.summary.state == "held" {
        let id = shown(&detail.summary.request);
        let block = detail.summary.verdict.as_deref() == Some("block");
        let _ = writeln!(out);
        if !block {
            let _ = writeln!(out, "sekisho approve {id}");
        }
        let _ = writeln!(out, "sekisho reject {id} --reason \"...\"");
    }
    out
}

fn clauses(report: &RequestReport, language: Language) -> String {
    let findings: Vec<(&str, &Finding)> = report
        .files
        .iter()
        .flat_map(|file| file.findings.iter().map(move |finding| (file.path.as_str(), finding)))
        .collect();
    let mut rows = Vec::new();
    let mut known = Vec::new();
    for (clause, en, ja, rules) in CLAUSES {
        known.push(clause);
        rows.push(vec![
            clause.into(),
            language.pick(en, ja).into(),
            answer(clause, rules, &findings, language),
        ]);
    }
    let mut others: Vec<&str> =
        findings.iter().map(|(_, f)| f.clause.as_str()).filter(|c| !known.contains(c)).collect();
    others.sort_unstable();
    others.dedup();
    for clause in others {
        rows.push(vec![clause.into(), String::new(), answer(clause, &["*"], &findings, language)]);
    }
    let headings = match language {
        Language::English => ["clause", "asks", "evidence"],
        Language::Japanese => ["条項", "求めること", "根拠"],
    };
    table(&headings, &rows)
}

/// Never a bare tick: what was found, or what was looked at, or that nobody looked.
fn answer(clause: &str, rules: &[&str], findings: &[(&str, &Finding)], language: Language) -> String {
    let here: Vec<_> = findings.iter().filter(|(_, f)| f.clause == clause).collect();
    let worst = here.iter().max_by_key(|(_, f)| f.verdict);
    match worst {
        Some((file, f)) => {
            let word = match f.verdict {
                Verdict::Block => language.pick("FAIL", "不適合"),
                Verdict::Review => language.pick("your judgement", "要判断"),
                Verdict::Pass => language.pick("note", "注記"),
            };
            let place = if f.place.is_empty() { String::new() } else { format!(" {}", f.place) };
            let more = match (here.len() - 1, language) {
                (0, _) => String::new(),
                (n, Language::English) => format!(" (+{n} more)"),
                (n, Language::Japanese) => format!("（ほか {n} 件）"),
            };
            let value = if f.value.is_empty() { String::new() } else { format!(" = {}", f.value) };
            format!("{word}: {file}{place}{value}{more}")
        }
        None if rules.is_empty() => language
            .pick("your judgement: no machine rule looked at this", "要判断: 機械による検査の対象外です")
            .into(),
        None => match language {
            Language::English => format!("no finding by {}", rules.join(", ")),
            Language::Japanese => format!("{} による指摘なし", rules.join(", ")),
        },
    }
}
