//! `sekisho verify`: what a bag proves, and what has to be believed.

use super::{Failure, Outcome};
use crate::language::Language;
use sekisho_ledger::bag::{self, BagError, Step, Trust, Verified};
use sekisho_ledger::escape::escape;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Directory of the bag.
    bag: PathBuf,
    /// The node's public key or an `allowed_signers` file, got over another way than the bag.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    let language = Language::of_caller();
    let trust = match &args.key {
        None => Trust::InBag,
        Some(path) => Trust::Given(std::fs::read_to_string(path).map_err(|e| {
            let hint = language
                .pick("give a readable public key file", "読み取れる公開鍵ファイルを指定してください");
            Failure::new(2, format!("{}: {e}", path.display()), hint)
        })?),
    };
    if !args.bag.is_dir() {
        let message = format!(
            "{}: {}",
            args.bag.display(),
            language.pick("not a directory", "ディレクトリではありません")
        );
        let hint = language.pick(
            "name the directory that holds bagit.txt",
            "bagit.txt のあるディレクトリを指定してください",
        );
        return Err(Failure::new(2, message, hint));
    }
    match bag::verify(&args.bag, &trust) {
        Ok(verified) if json => {
            println!("{}", accepted(&verified));
            Ok(ExitCode::SUCCESS)
        }
        Ok(verified) => {
            print!("{}", words(&verified, language));
            Ok(ExitCode::SUCCESS)
        }
        Err(e) if json => {
            println!(
                "{}",
                serde_json::json!({"verified": false, "error": {"code": 1, "message": e.to_string()}})
            );
            Ok(ExitCode::from(1))
        }
        Err(e) => Err(refused(&e, language)),
    }
}

fn refused(error: &BagError, language: Language) -> Failure {
    let lead =
        language.pick("this bag is not what was released", "この bag は持ち出されたものと一致しません");
    let hint = match error {
        BagError::NodeSignature(_) => language.pick(
            "is --key the key of the node that released it? if so, do not use the bag and tell the sender",
            "--key は持ち出し元のノードの鍵ですか。そうであれば、この bag を使わず送り主に知らせてください",
        ),
        BagError::Io { .. } => language
            .pick("make the files readable and try again", "ファイルを読めるようにして再実行してください"),
        _ => language.pick(
            "do not use it; fetch the bag again, and tell the sender if that does not help",
            "使わないでください。もう一度取得し、それでも一致しなければ送り主に知らせてください",
        ),
    };
    // The bag is a stranger's: nothing in it may speak to the terminal.
    Failure::new(1, format!("{lead}: {}", escape(&error.to_string())), hint)
}

fn step(step: Step) -> (&'static str, &'static str, &'static str) {
    match step {
        Step::NodeSignature => (
            "node_signature",
            "the node's signature over the list of everything outside data/",
            "データ以外のすべての一覧に対するノードの署名",
        ),
        Step::TagFiles => (
            "tag_files",
            "every file on that list, and no other file is there",
            "一覧のすべてのファイル(ほかのファイルがないことも)",
        ),
        Step::Payload => (
            "payload",
            "every released file, and no other file is there",
            "持ち出されたすべてのファイル(ほかのファイルがないことも)",
        ),
        Step::OfficerSignature => {
            ("officer_signature", "the officer's signature over the decision", "決定に対する担当者の署名")
        }
        Step::Decision => (
            "decision",
            "the decision names exactly these files and these findings",
            "決定がこのファイルと検査結果だけを対象としていること",
        ),
        Step::Ledger => (
            "ledger",
            "the release stands in the node's ledger at its checkpoint",
            "持ち出しがノードの台帳に記録されていること",
        ),
    }
}

fn accepted(v: &Verified) -> serde_json::Value {
    let s = &v.statement;
    let files: Vec<_> = s
        .files
        .iter()
        .map(|f| {
            serde_json::json!({"name": f.name, "path": format!("data/results/{}", bag::file_name(&f.name)),
            "sha256": f.sha256, "bytes": f.bytes})
        })
        .collect();
    serde_json::json!({
        "verified": true, "steps": v.steps.iter().map(|s| step(*s).0).collect::<Vec<_>>(),
        "node_key": v.node_fingerprint, "node_key_given": v.key_given, "officer_key": v.officer_fingerprint,
        "request": s.request, "project": s.project, "site": s.site, "officer": s.officer,
        "institution": s.institution, "requester": s.requester, "verdict": s.verdict,
        "decided": s.time.to_string(), "released": v.entry.time, "ledger": v.checkpoint.origin,
        "ledger_size": v.checkpoint.size, "policy_sha256": s.policy_sha256, "files": files
    })
}

fn words(v: &Verified, language: Language) -> String {
    let pick = |english, japanese| language.pick(english, japanese);
    let s = &v.statement;
    let mut out = format!("{}\n", pick("verified:", "確認できたこと:"));
    for step_ in &v.steps {
        let (_, english, japanese) = step(*step_);
        out.push_str(&format!("  ✓ {}\n", pick(english, japanese)));
    }
    let facts = [
        ("request", "申請", format!("{} ({})", s.request, s.project)),
        ("requester", "申請者", s.requester.clone()),
        ("officer", "担当者", format!("{} ({})", s.officer, s.institution)),
        ("decided", "決定", s.time.to_string()),
        ("released", "持ち出し", v.entry.time.clone()),
        ("verdict", "判定", s.verdict.clone()),
        ("policy", "ポリシー", format!("sha256 {}", s.policy_sha256)),
        (
            "ledger",
            "台帳",
            format!("{}, {} {}", v.checkpoint.origin, v.checkpoint.size, pick("entries", "件")),
        ),
    ];
    for (english, japanese, value) in facts {
        out.push_str(&format!("  {}: {}\n", pick(english, japanese), escape(&value)));
    }
    for file in &s.files {
        out.push_str(&format!("  data/results/{}  {} bytes\n", bag::file_name(&file.name), file.bytes));
    }
    out.push_str(&format!("{}\n", pick("believed, not proven here:", "ここでは証明されず、信頼したこと:")));
    let node = if v.key_given {
        pick("the key you gave is the node's", "指定された鍵がノードの鍵であること")
    } else {
        pick(
            "the key that came with the bag is the node's: compare it with what the operator tells you, or use --key",
            "同梱の鍵がノードの鍵であること。運用者に指紋を確かめるか、--key を使ってください",
        )
    };
    out.push_str(&format!("  · {node}\n      {}\n", v.node_fingerprint));
    let officer = pick(
        "the node checked that this key belongs to a certified officer of the institution",
        "この鍵が機関の認定担当者のものであることをノードが確かめたこと",
    );
    out.push_str(&format!("  · {officer}\n      {}\n", v.officer_fingerprint));
    let ledger = pick(
        "the node shows everybody the same ledger: compare the checkpoint with the auditor's copy",
        "ノードが誰にも同じ台帳を見せていること。監査人の控えとチェックポイントを比べてください",
    );
    out.push_str(&format!("  · {ledger}\n"));
    out
}
