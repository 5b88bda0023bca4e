//! `sekisho review`: the officer's queue, and the evidence of one request, clause by clause.

use super::report::{self, said, shown};
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

/// A clause of the guideline an officer answers for.
struct Clause {
    id: &'static str,
    en: &'static str,
    ja: &'static str,
    /// The rule that speaks to it.
    rule: &'static str,
    /// The rule decides the whole of it; otherwise its silence says little.
    whole: bool,
}

const fn clause(
    id: &'static str,
    en: &'static str,
    ja: &'static str,
    rule: &'static str,
    whole: bool,
) -> Clause {
    Clause { id, en, ja, rule, whole }
}

const CLAUSES: [Clause; 8] = [
    clause("5-4(1)", "no personal information", "個人情報に該当しない", "personal_information", false),
    clause(
        "5-4(1)(i)",
        "per-person genotypes at no more than 40 sites",
        "個人別遺伝子型は 40 座位以下",
        "individual_genotypes",
        true,
    ),
    clause(
        "5-4(2)",
        "nothing small follows from tables taken together, earlier releases included",
        "他の表や以前の持ち出しと合わせても 10 未満が分からない",
        "differencing",
        false,
    ),
    clause("5-4(2)(i)", "every count of subjects at least 10", "対象者数は 10 以上", "small_counts", true),
    clause(
        "5-4(2)(ii)",
        "frequencies from at least 10 subjects",
        "頻度は 10 人以上に基づく",
        "small_frequencies",
        true,
    ),
    clause("5-4(2)(iii)", "plots of individual features", "個人特徴の図", "individual_plots", false),
    clause("5-4(2)(iv)", "identifiers per subject", "対象者別の識別子", "identifiers", false),
    clause(
        "5-4(3)",
        "within the plan, and no more than it needs",
        "計画の範囲内かつ必要最小限",
        "plan_scope",
        false,
    ),
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
    for clause in &CLAUSES {
        known.push(clause.id);
        let evidence = found(clause.id, &findings, language).unwrap_or_else(|| silence(clause, language));
        rows.push(vec![clause.id.into(), language.pick(clause.en, clause.ja).into(), evidence]);
    }
    let mut others: Vec<&str> =
        findings.iter().map(|(_, f)| f.clause.as_str()).filter(|c| !known.contains(c)).collect();
    others.sort_unstable();
    others.dedup();
    for clause in others {
        let evidence = found(clause, &findings, language).unwrap_or_default();
        rows.push(vec![clause.into(), String::new(), evidence]);
    }
    let headings = match language {
        Language::English => ["clause", "asks", "evidence"],
        Language::Japanese => ["条項", "求めること", "根拠"],
    };
    table(&headings, &rows)
}

/// The worst point under a clause, with its place.
fn found(clause: &str, findings: &[(&str, &Finding)], language: Language) -> Option<String> {
    let here: Vec<_> = findings.iter().filter(|(_, f)| f.clause == clause).collect();
    let (file, f) = here.iter().max_by_key(|(_, f)| f.verdict)?;
    let word = match f.verdict {
        Verdict::Block => language.pick("FAIL", "不適合"),
        Verdict::Review => language.pick("your judgement", "要判断"),
        Verdict::Pass => language.pick("note", "注記"),
    };
    let place = if f.place.is_empty() { String::new() } else { format!(" {}", said(&f.place, language)) };
    let value = if f.value.is_empty() { String::new() } else { format!(" = {}", said(&f.value, language)) };
    let more = match (here.len() - 1, language) {
        (0, _) => String::new(),
        (n, Language::English) => format!(" (+{n} more)"),
        (n, Language::Japanese) => format!("（ほか {n} 件）"),
    };
    Some(format!("{word}: {file}{place}{value}{more}"))
}

/// Never a bare tick: who looked and found nothing, and whether that says everything.
fn silence(clause: &Clause, language: Language) -> String {
    let rule = clause.rule;
    match (rule.is_empty(), clause.whole, language) {
        (true, _, _) => language
            .pick("your judgement: no machine rule looked at this", "要判断: 機械による検査の対象外です")
            .into(),
        (_, true, Language::English) => format!("no finding by {rule}"),
        (_, true, Language::Japanese) => format!("{rule} による指摘なし"),
        (_, false, Language::English) => {
            format!("your judgement: no finding by {rule}, which sees only part of it")
        }
        (_, false, Language::Japanese) => format!("要判断: {rule} による指摘なし（検査できるのは一部です）"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_policy::FileReport;

    fn report(clause: &str, verdict: Verdict) -> RequestReport {
        let mut finding: Finding = serde_json::from_value(serde_json::json!({
            "rule": "r", "clause": clause, "verdict": "review", "place": "row 3", "value": "7", "limit": "10",
            "message": "m", "hint": "h"
        }))
        .unwrap();
        finding.verdict = verdict;
        let file: FileReport = serde_json::from_value(serde_json::json!({
            "path": "a.tsv", "sha256": "", "bytes": 1, "kind": "k", "verdict": "review", "coverage": "whole",
            "findings": [finding]
        }))
        .unwrap();
        RequestReport::of(vec![file])
    }

    #[test]
    fn no_clause_is_ever_ticked_off_without_saying_who_looked() {
        let text = clauses(&RequestReport::of(Vec::new()), Language::English);
        assert_eq!(text.lines().count(), CLAUSES.len());
        for line in text.lines() {
            assert!(line.contains("no finding by") || line.contains("your judgement"), "{line}");
        }
    }

    #[test]
    fn the_worst_point_of_a_clause_is_shown_with_its_place_and_unknown_clauses_too() {
        let text = clauses(&report("5-4(2)(i)", Verdict::Block), Language::English);
        assert!(text.contains("FAIL: a.tsv row 3 = 7"), "{text}");
        let text = clauses(&report("5-9", Verdict::Review), Language::Japanese);
        assert!(text.contains("5-9") && text.contains("要判断: a.tsv 3 行目 = 7"), "{text}");
    }
}
