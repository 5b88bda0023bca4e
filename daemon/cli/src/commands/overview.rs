//! `sekisho` without arguments: what can I do here, now?

use crate::airlock::At;
use crate::language::Language;
use crate::terminal::{say, say_json};
use std::fmt::Write;
use std::process::ExitCode;

/// Runs it.
pub fn run(json: bool) -> ExitCode {
    let language = Language::of_caller();
    let me = match At::default().whoami() {
        Ok(me) => me,
        Err(failure) => {
            let code = failure.report(json);
            if !json {
                let words = language.pick(
                    "without the airlock you can still: sekisho check FILE, sekisho verify BAG, sekisho why, sekisho doctor, sekisho --help\n",
                    "airlock がなくても使えるもの: sekisho check FILE, sekisho verify BAG, sekisho why, sekisho doctor, sekisho --help\n",
                );
                say(words);
            }
            return code;
        }
    };
    if json {
        return match say_json(&me) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(true),
        };
    }
    let mut out = String::new();
    let mut line = |command: &str, en: String, ja: String| {
        let _ = writeln!(out, "  {command:<24}{}", language.pick(&en, &ja));
    };
    if me.waiting > 0 {
        line(
            "sekisho review",
            format!("{} wait for your decision", me.waiting),
            format!("判断待ち {} 件", me.waiting),
        );
    } else if me.officer.is_some() {
        line("sekisho review", "nothing waits for your decision".into(), "判断待ちはありません".into());
    }
    if me.open > 0 {
        line(
            "sekisho status",
            format!("{} of your requests are open", me.open),
            format!("進行中の申請 {} 件", me.open),
        );
    }
    line(
        "sekisho check FILE",
        "may this leave? nothing is sent".into(),
        "持ち出せるか事前に判定（送信しません）".into(),
    );
    if !me.projects.is_empty() {
        let projects = me.projects.join(", ");
        line(
            "sekisho submit FILE",
            format!("ask for its release ({projects})"),
            format!("持出申請 ({projects})"),
        );
    }
    line("sekisho verify BAG", "is this release genuine?".into(), "持出フォルダの検証".into());
    line("sekisho why", "what was I denied, and what to do".into(), "拒否された操作とその対応".into());
    line("sekisho --help", "everything else".into(), "その他".into());
    let who = super::report::shown(&me.account);
    say(&match (&me.officer, language) {
        (Some(officer), Language::English) => format!("{who}, officer {officer}\n{out}"),
        (Some(officer), Language::Japanese) => format!("{who}（担当者 {officer}）\n{out}"),
        (None, _) => format!("{who}\n{out}"),
    });
    ExitCode::SUCCESS
}
