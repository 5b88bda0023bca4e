//! `sekisho submit`: files into the spool as one request, in one atomic step, and what becomes of it.
//!
//! The request is written into a hidden directory of the spool and renamed: the airlock never sees half of it.

use super::report::shown;
use super::{Failure, Outcome, status};
use crate::airlock::At;
use crate::language::Language;
use crate::terminal::{ask, can_ask, is_watched, say, say_json, state};
use jiff::Timestamp;
use sekisho_policy::RequestInfo;
use sekisho_wire::airlock::{Ask, Detail, Whoami};
use sekisho_wire::paths;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Time between two questions while waiting.
const PAUSE: Duration = Duration::from_millis(300);
/// How long the airlock may take to see the request before we stop waiting for its id.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Project; not needed when you are a member of one only.
    #[arg(long)]
    project: Option<String>,
    /// Why the results should leave.
    #[arg(long)]
    purpose: Option<String>,
    /// Who will receive them.
    #[arg(long)]
    recipient: Option<String>,
    /// What the officer should know to judge them.
    #[arg(long)]
    context: Option<String>,
    /// Id of a dataset the results were made from; may be given several times.
    #[arg(long, value_name = "ID")]
    dataset: Vec<String>,
    /// Number of subjects behind files that carry no number of their own.
    #[arg(long, value_name = "N")]
    subjects: Option<u64>,
    /// Wait until the request is inspected (what happens at a terminal anyway).
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Return as soon as the files are in the spool.
    #[arg(long)]
    no_wait: bool,
    /// Directory of the projects' spool directories.
    #[arg(long, value_name = "DIR", default_value = paths::SPOOL, hide = true)]
    spool: PathBuf,
    #[command(flatten)]
    at: At,
    /// Files, or a directory of files; a `request.toml` among them declares what the flags do not.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    let language = Language::of_caller();
    let me = args.at.whoami()?;
    let (files, declaration) = gather(&args.files, language)?;
    let project = project(args, &me, language)?;
    let info = declare(args, declaration.as_deref(), language)?;
    let entry = place(&args.spool.join(&project), &files, &info, language)?;
    // A hint only: the airlock would see it anyway.
    let _ = args.at.ask(&Ask::Rescan);
    let Some(id) = find(args, &me, &entry)? else {
        let text = language.pick(
            "in the spool; sekisho status shows it soon",
            "spool に置きました。まもなく sekisho status に表示されます",
        );
        return finish(
            json,
            &serde_json::json!({"request": null, "entry": entry, "state": "received"}),
            text,
            0,
        );
    };
    let wait = args.wait || (is_watched() && !args.no_wait);
    if !wait {
        let text = match language {
            Language::English => format!("{id}: received; follow it with: sekisho status {id}"),
            Language::Japanese => format!("{id}: 受け付けました。状況は sekisho status {id}"),
        };
        return finish(
            json,
            &serde_json::json!({"request": id, "entry": entry, "state": "received"}),
            &text,
            0,
        );
    }
    let detail = follow(args, &id, json, language)?;
    let good = detail.summary.state == "held" && detail.summary.verdict.as_deref() != Some("block");
    if json {
        say_json(&detail)?;
    } else {
        say(&status::describe(&detail, language));
        let blocked = detail.summary.state == "held" && !good;
        say(match (good, blocked) {
            (true, _) => language.pick(
                "\nheld: an officer decides now; follow it with: sekisho status\n",
                "\n担当者の判断を待っています。状況は sekisho status で確認できます\n",
            ),
            (_, true) => language.pick(
                "\nheld, but no officer can approve it as it is: withdraw it, mend the file (sekisho check --fix DIR), submit that\n",
                "\nこのままでは承認されません。取り下げて (sekisho withdraw)、修正版 (sekisho check --fix DIR) を申請してください\n",
            ),
            _ => "",
        });
    }
    Ok(ExitCode::from(u8::from(!good)))
}

fn finish(json: bool, value: &serde_json::Value, text: &str, code: u8) -> Outcome {
    if json {
        say_json(value)?;
    } else {
        say(&format!("{text}\n"));
    }
    Ok(ExitCode::from(code))
}

/// Files as (name inside the request, where it is now).
type Files = Vec<(String, PathBuf)>;

fn usage(message: String, hint: &str) -> Failure {
    Failure::new(2, message, hint)
}

/// The files, one level deep, and the declaration among them.
fn gather(given: &[PathBuf], language: Language) -> Result<(Files, Option<PathBuf>), Failure> {
    let mut paths = Vec::new();
    for path in given {
        let failed = |e: &std::io::Error| {
            let hint = language.pick("name files that you can read", "読み取れるファイルを指定してください");
            usage(format!("{}: {e}", shown(&path.to_string_lossy())), hint)
        };
        if std::fs::metadata(path).map_err(|e| failed(&e))?.is_dir() {
            for entry in std::fs::read_dir(path).map_err(|e| failed(&e))? {
                paths.push(entry.map_err(|e| failed(&e))?.path());
            }
        } else {
            paths.push(path.clone());
        }
    }
    paths.sort();
    let (mut files, mut declaration) = (Files::new(), None);
    for path in paths {
        let display = shown(&path.to_string_lossy());
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let odd = name.is_empty() || shown(&name) != name;
        if odd || name.starts_with('.') || name.ends_with('~') || name.ends_with(".part") {
            let hint = language.pick(
                "rename it: no leading dot, no trailing ~ or .part, no invisible characters",
                "名前を変更してください（先頭の「.」、末尾の「~」「.part」、不可視文字は使えません）",
            );
            return Err(usage(
                format!("{display}: {}", language.pick("not a name for a release", "持ち出せない名前です")),
                hint,
            ));
        }
        if !std::fs::metadata(&path).is_ok_and(|m| m.is_file()) {
            let hint =
                language.pick("a request is one level of regular files", "通常ファイルのみ、1 階層です");
            return Err(usage(
                format!("{display}: {}", language.pick("not a regular file", "通常ファイルではありません")),
                hint,
            ));
        }
        if name == "request.toml" {
            declaration = Some(path);
        } else if files.iter().any(|(n, _)| *n == name) {
            let hint = language.pick("rename one of them", "どちらかの名前を変更してください");
            return Err(usage(
                format!(
                    "{display}: {}",
                    language.pick("two files have this name", "同名のファイルがあります")
                ),
                hint,
            ));
        } else {
            files.push((name, path));
        }
    }
    if files.is_empty() {
        return Err(usage(language.pick("no file to submit", "申請するファイルがありません").into(), ""));
    }
    Ok((files, declaration))
}

fn project(args: &Args, me: &Whoami, language: Language) -> Result<String, Failure> {
    let mine = me.projects.join(", ");
    let refuse = |what: String| {
        let hint = match language {
            Language::English if mine.is_empty() => {
                "your account is in no project of this node; ask the administrator".into()
            }
            Language::Japanese if mine.is_empty() => {
                "このアカウントが属するプロジェクトがありません。管理者に連絡してください".into()
            }
            Language::English => format!("yours are: {mine}"),
            Language::Japanese => format!("所属プロジェクト: {mine}"),
        };
        Failure::new(77, what, hint)
    };
    let chosen = match (&args.project, &me.projects[..]) {
        (Some(project), _) => project.clone(),
        (None, [only]) => only.clone(),
        (None, []) => {
            return Err(refuse(
                language.pick("you are a member of no project", "所属プロジェクトがありません").into(),
            ));
        }
        (None, _) if can_ask() => match language {
            Language::English => ask(&format!("project ({mine}):"))?,
            Language::Japanese => ask(&format!("プロジェクト ({mine}):"))?,
        },
        (None, _) => {
            return Err(usage(
                language.pick("which project?", "プロジェクトを指定してください").into(),
                &format!("--project: {mine}"),
            ));
        }
    };
    if me.projects.contains(&chosen) {
        Ok(chosen)
    } else {
        Err(refuse(match language {
            Language::English => format!("you are not a member of project {}", shown(&chosen)),
            Language::Japanese => format!("プロジェクト {} のメンバーではありません", shown(&chosen)),
        }))
    }
}

/// What the flags say, else `request.toml`, else the person at the terminal.
fn declare(args: &Args, file: Option<&Path>, language: Language) -> Result<RequestInfo, Failure> {
    let mut info = match file {
        None => RequestInfo::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| usage(format!("{}: {e}", shown(&path.to_string_lossy())), ""))?;
            toml::from_str(&text).map_err(|e| {
                let line = text[..e.span().map_or(0, |s| s.start).min(text.len())].matches('\n').count() + 1;
                usage(
                    format!("{}:{line}: {}", shown(&path.to_string_lossy()), shown(e.message())),
                    "accepted keys: purpose, context, recipient, datasets, subjects, files",
                )
            })?
        }
    };
    let fill = |slot: &mut String, flag: &Option<String>, en: &str, ja: &str| -> Result<(), Failure> {
        match flag {
            Some(text) => slot.clone_from(text),
            None if slot.is_empty() && can_ask() => *slot = ask(language.pick(en, ja))?,
            None => {}
        }
        Ok(())
    };
    fill(
        &mut info.purpose,
        &args.purpose,
        "purpose (why should these results leave?):",
        "目的（なぜ持ち出すか）:",
    )?;
    fill(&mut info.recipient, &args.recipient, "recipient (who will receive them?):", "提供先:")?;
    fill(
        &mut info.context,
        &args.context,
        "context (what should the officer know? may stay empty):",
        "背景（審査に必要な情報、空欄可）:",
    )?;
    if !args.dataset.is_empty() {
        info.datasets.clone_from(&args.dataset);
    } else if info.datasets.is_empty() && can_ask() {
        let line = ask(language.pick("dataset ids, separated by spaces:", "データセット ID（空白区切り）:"))?;
        info.datasets = line.split_whitespace().map(str::to_owned).collect();
    }
    info.subjects = args.subjects.or(info.subjects);
    Ok(info)
}

/// Writes everything into a hidden directory and renames it: one atomic step.
fn place(
    spool: &Path,
    files: &[(String, PathBuf)],
    info: &RequestInfo,
    language: Language,
) -> Result<String, Failure> {
    let failed = |path: &Path, e: &std::io::Error| {
        let hint = language.pick(
            "the spool belongs to the project's group: are you in it, and is the disk full?",
            "spool はプロジェクトのグループのものです。グループ所属と空き容量を確認してください",
        );
        Failure::new(1, format!("{}: {e}", shown(&path.to_string_lossy())), hint)
    };
    let time = Timestamp::now();
    let name = format!("submit-{}-{}", time.strftime("%Y%m%dT%H%M%SZ"), std::process::id());
    let hidden = spool.join(format!(".{name}"));
    std::fs::create_dir(&hidden).map_err(|e| failed(&hidden, &e))?;
    let result = fill(&hidden, files, info).and_then(|()| std::fs::rename(&hidden, spool.join(&name)));
    if let Err(e) = result {
        // Ours, and no use to anybody half full.
        let _ = std::fs::remove_dir_all(&hidden);
        return Err(failed(&hidden, &e));
    }
    Ok(name)
}

fn fill(hidden: &Path, files: &[(String, PathBuf)], info: &RequestInfo) -> std::io::Result<()> {
    // The airlock lists and clears this directory as an account of its own. Who may come here at all is decided by
    // the spool directory above, which is closed to everybody but the project's members and the airlock.
    std::fs::set_permissions(hidden, std::fs::Permissions::from_mode(0o777))?;
    let create =
        |name: &str| OpenOptions::new().write(true).create_new(true).mode(0o640).open(hidden.join(name));
    for (name, path) in files {
        let mut target = create(name)?;
        std::io::copy(&mut File::open(path)?, &mut target)?;
        target.sync_all()?;
    }
    let text = toml::to_string_pretty(info).map_err(std::io::Error::other)?;
    create("request.toml")?.write_all(text.as_bytes())?;
    create(".ready")?.sync_all()?;
    File::open(hidden)?.sync_all()
}

/// The id the airlock gave our spool entry.
fn find(args: &Args, me: &Whoami, entry: &str) -> Result<Option<String>, Failure> {
    let until = Instant::now() + SEEN_WITHIN;
    loop {
        let found = args.at.list(true)?.into_iter().find(|r| r.entry == entry && r.requester == me.account);
        if let Some(request) = found {
            return Ok(Some(request.request));
        }
        if Instant::now() > until {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Shows the request's way until somebody has to decide, or nothing more will happen.
fn follow(args: &Args, id: &str, json: bool, language: Language) -> Result<Detail, Failure> {
    let mut last = String::new();
    loop {
        let detail = args.at.show(id)?;
        let now = &detail.summary;
        let line = if now.note.is_empty() || now.state != "received" {
            state(&now.state, language)
        } else {
            format!("{} ({})", state(&now.state, language), shown(&now.note))
        };
        if line != last && !json {
            eprintln!("{id}: {line}");
            last = line;
        }
        if !matches!(now.state.as_str(), "received" | "inspecting") {
            return Ok(detail);
        }
        std::thread::sleep(PAUSE);
    }
}
