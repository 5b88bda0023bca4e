//! `sekisho check`: the airlock's judgement beforehand. No daemon, no root: the inspector is run here.

use super::report;
use super::{Failure, Outcome};
use crate::language::Language;
use sekisho_policy::{Policy, RequestInfo, RequestReport, Verdict};
use sekisho_wire::inspect::{self, Answer, Connection, Input};
use sekisho_wire::{config, paths};
use std::fs::File;
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

/// Files larger than this together show how far reading is.
const WORTH_A_BAR: u64 = 32 << 20;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Policy file to judge by; without it the node's own, or the guideline's thresholds.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What you declare about the request (purpose, numbers of subjects), as in `request.toml`.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Write a filtered copy of each file that can be mended into this directory.
    #[arg(long, value_name = "DIR")]
    fix: Option<PathBuf>,
    /// Files to judge, together as one request; a directory stands for the files in it.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    let policy = policy(args.policy.as_deref())?;
    let (files, found_request) = expand(&args.files)?;
    let info = declared(args.request.as_deref().or(found_request.as_deref()))?;
    let copies = match &args.fix {
        Some(dir) => Some(Copies::new(dir, &files)?),
        None => None,
    };
    let inspector = inspector()?;
    let inputs = open(&files, copies.as_ref())?;
    let bar = Bar::new(&inputs);
    let parallel = std::thread::available_parallelism().map_or(2, usize::from);
    let connect = || Connection::spawn(&inspector);
    let answers =
        inspect::request(&connect, &inputs, &policy, &info, parallel, &|i, bytes| bar.tell(i, bytes));
    bar.clear();
    let facts: Vec<_> = answers
        .iter()
        .zip(&inputs)
        .map(|(answer, input)| {
            let mut facts = answer.facts.clone();
            if json && facts.sha256.is_empty() {
                // The inspector stops at proof; a report for programs still names the file it is about.
                facts.sha256 = digest(&input.file).unwrap_or_default();
            }
            facts
        })
        .collect();
    drop(inputs);
    let judged = sekisho_policy::judge(&policy, &info, &facts);
    let mut written = copies.map_or_else(Vec::new, |c| c.settle(&answers));
    // The copies are judged as anything else is: an offer that does not hold is said to be none.
    let again: Vec<Input> = written.iter().map(Written::input).collect::<Result<_, _>>()?;
    if !again.is_empty() {
        let answers = inspect::request(&connect, &again, &policy, &info, parallel, &|_, _| {});
        let facts: Vec<_> = answers.into_iter().map(|a| a.facts).collect();
        let reports = sekisho_policy::judge(&policy, &info, &facts).files;
        written.iter_mut().zip(reports).for_each(|(w, r)| w.verdict = r.verdict);
    }
    show(&judged, &written, json)?;
    Ok(ExitCode::from(u8::from(judged.verdict != Verdict::Pass)))
}

fn show(judged: &RequestReport, written: &[Written], json: bool) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let text = if json {
        let mut value = serde_json::to_value(judged)
            .map_err(|e| Failure::new(2, format!("report cannot be written as JSON: {e}"), ""))?;
        if !written.is_empty() {
            let list: Vec<_> = written
                .iter()
                .map(|w| {
                    serde_json::json!({
                        "of": w.of, "path": w.path, "holds": w.holds.holds, "holds_ja": w.holds.holds_ja,
                        "verdict": w.verdict,
                    })
                })
                .collect();
            value["fixed"] = serde_json::Value::Array(list);
        }
        format!("{value:#}\n")
    } else {
        let language = Language::of_caller();
        let colour = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let mut text = report::render(judged, language, colour);
        for w in written {
            let line = language.pick("filtered copy", "修正版");
            let holds = language.pick(&w.holds.holds, &w.holds.holds_ja);
            let judged = language.pick("judged again", "再検査");
            text += &format!(
                "{line}: {} → {}\n  {}\n  {judged}: {}\n",
                report::shown(&w.of),
                report::shown(&w.path.to_string_lossy()),
                report::shown(holds),
                w.verdict.as_str(),
            );
        }
        text
    };
    // A reader that has closed the pipe has seen enough; the exit code still tells.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

/// SHA-256 of a whole file.
fn digest(mut file: &File) -> std::io::Result<String> {
    file.rewind()?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => context.update(&buffer[..n]),
        }
    }
    Ok(context.finish().as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
}

fn policy(given: Option<&Path>) -> Result<Policy, Failure> {
    let refused = |e: config::LoadError| {
        let text = e.to_string();
        let (message, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
        Failure::new(
            2,
            message,
            if hint.is_empty() { "name a readable policy file with --policy" } else { hint },
        )
    };
    match given {
        // A directory that does not exist: one file alone is the policy.
        Some(path) => config::load(path, Path::new("/nonexistent")).map(|l| l.policy).map_err(refused),
        None if Path::new(paths::POLICY).exists() => {
            config::load(Path::new(paths::POLICY), Path::new(paths::POLICY_DIR))
                .map(|l| l.policy)
                .map_err(refused)
        }
        None => Ok(Policy::default()),
    }
}

fn declared(path: Option<&Path>) -> Result<RequestInfo, Failure> {
    let Some(path) = path else { return Ok(RequestInfo::default()) };
    let text = std::fs::read_to_string(path).map_err(|e| {
        Failure::new(2, format!("{}: {e}", path.display()), "name a readable request file with --request")
    })?;
    toml::from_str(&text).map_err(|e| {
        let before = e.span().map_or("", |s| &text[..s.start.min(text.len())]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        Failure::new(
            2,
            format!("{}:{line}:{column}: {}", path.display(), e.message()),
            "accepted keys: purpose, context, recipient, datasets, subjects, files",
        )
    })
}

/// Directories become their files, one level deep, in name order.
fn expand(given: &[PathBuf]) -> Result<(Vec<PathBuf>, Option<PathBuf>), Failure> {
    let unreadable = |path: &Path, e: &std::io::Error| {
        Failure::new(
            2,
            format!("{}: {e}", report::shown(&path.to_string_lossy())),
            "name files that you can read",
        )
    };
    let (mut files, mut request) = (Vec::new(), None);
    for path in given {
        let meta = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
        if !meta.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| unreadable(path, &e))? {
            inside.push(entry.map_err(|e| unreadable(path, &e))?.path());
        }
        inside.sort();
        for file in inside {
            if std::fs::metadata(&file).is_ok_and(|m| m.is_dir()) {
                return Err(Failure::new(
                    2,
                    format!("{}: a directory inside a directory", report::shown(&file.to_string_lossy())),
                    "a request is one level deep: give its files, or move them up",
                ));
            }
            if file.file_name().is_some_and(|n| n == "request.toml") {
                request = Some(file);
            } else {
                files.push(file);
            }
        }
    }
    if files.is_empty() {
        return Err(Failure::new(2, "no file to judge", "name one or more files"));
    }
    Ok((files, request))
}

fn open(files: &[PathBuf], copies: Option<&Copies>) -> Result<Vec<Input>, Failure> {
    let mut inputs = Vec::with_capacity(files.len());
    for (index, path) in files.iter().enumerate() {
        let name = path.to_string_lossy().into_owned();
        let failure = |e: &dyn std::fmt::Display, hint: &str| {
            Failure::new(2, format!("{}: {e}", report::shown(&name)), hint)
        };
        // Non-blocking, so that a named pipe without a writer does not hang the caller.
        let file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path)
            .map_err(|e| failure(&e, "name files that you can read"))?;
        let meta = file.metadata().map_err(|e| failure(&e, "name files that you can read"))?;
        if !meta.is_file() {
            return Err(failure(&"not a regular file", "save the content to a file first"));
        }
        let copy = copies.map(|c| c.create(index)).transpose()?;
        inputs.push(Input { name, file, copy });
    }
    Ok(inputs)
}

/// Beside this program (a build tree), else where it is installed.
fn inspector() -> Result<PathBuf, Failure> {
    let name = "sekisho-inspect";
    let beside = std::env::current_exe().ok().and_then(|own| own.parent().map(|dir| dir.join(name)));
    let installed = Path::new(paths::LIBEXEC).join(name);
    beside.into_iter().chain([installed]).find(|p| p.is_file()).ok_or_else(|| {
        Failure::new(
            78,
            format!("{name} is neither beside this program nor in {}", paths::LIBEXEC),
            "install the package as a whole, or build with: cargo xtask build",
        )
    })
}

/// Where filtered copies go.
struct Copies {
    targets: Vec<PathBuf>,
}

impl Copies {
    fn new(dir: &Path, files: &[PathBuf]) -> Result<Self, Failure> {
        std::fs::create_dir_all(dir).map_err(|e| {
            Failure::new(2, format!("{}: {e}", dir.display()), "name a directory you may write to with --fix")
        })?;
        let mut targets: Vec<PathBuf> = Vec::with_capacity(files.len());
        for file in files {
            let target = dir.join(file.file_name().unwrap_or(file.as_os_str()));
            if targets.contains(&target) || target.exists() {
                return Err(Failure::new(
                    2,
                    format!("{}: exists already", report::shown(&target.to_string_lossy())),
                    "name an empty directory with --fix, and files of different names",
                ));
            }
            targets.push(target);
        }
        Ok(Self { targets })
    }

    fn create(&self, index: usize) -> Result<File, Failure> {
        let path = &self.targets[index];
        std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(|e| {
            Failure::new(
                2,
                format!("{}: {e}", path.display()),
                "name a directory you may write to with --fix",
            )
        })
    }

    /// Keeps the copies that were written, takes the empty ones away.
    fn settle(self, answers: &[Answer]) -> Vec<Written> {
        let mut written = Vec::new();
        for (target, answer) in self.targets.into_iter().zip(answers) {
            match &answer.fixed {
                Some(holds) => written.push(Written {
                    of: answer.facts.path.clone(),
                    path: plain_name(target),
                    holds: holds.clone(),
                    verdict: Verdict::Block,
                }),
                None => {
                    // Ours, just created, and empty; if it is gone already that is what was wanted.
                    let _ = std::fs::remove_file(target);
                }
            }
        }
        written
    }
}

/// Copies are written uncompressed, and pictures as PNG: a `.gz` or `.jpg` that is none would mislead. Kept where the
/// plain name is taken.
fn plain_name(target: PathBuf) -> PathBuf {
    let ends = |wanted: &[&str]| {
        target.extension().is_some_and(|e| wanted.iter().any(|w| e.eq_ignore_ascii_case(w)))
    };
    let plain = if ends(&["gz", "bgz"]) {
        target.with_extension("")
    } else if ends(&["jpg", "jpeg"]) {
        target.with_extension("png")
    } else {
        return target;
    };
    // A hard link refuses to replace what is there, a rename does not.
    if std::fs::hard_link(&target, &plain).is_ok() {
        let _ = std::fs::remove_file(&target);
        return plain;
    }
    target
}

/// A filtered copy that was written.
struct Written {
    of: String,
    path: PathBuf,
    holds: inspect::Mended,
    verdict: Verdict,
}

impl Written {
    /// The copy as a file to judge, under its original's name: what was declared about that holds for the copy.
    fn input(&self) -> Result<Input, Failure> {
        let file = File::open(&self.path).map_err(|e| {
            Failure::new(
                2,
                format!("{}: {e}", self.path.display()),
                "name a directory you may read with --fix",
            )
        })?;
        Ok(Input { name: self.of.clone(), file, copy: None })
    }
}

/// How far reading is, on a terminal.
struct Bar {
    total: u64,
    read: Mutex<Vec<u64>>,
    on: bool,
}

impl Bar {
    fn new(inputs: &[Input]) -> Self {
        let total = inputs.iter().filter_map(|i| i.file.metadata().ok()).map(|m| m.len()).sum();
        let on = total > WORTH_A_BAR && std::io::stderr().is_terminal();
        Self { total, read: Mutex::new(vec![0; inputs.len()]), on }
    }

    fn tell(&self, index: usize, bytes: u64) {
        if !self.on {
            return;
        }
        let mut read = self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        read[index] = bytes;
        let done: u64 = read.iter().sum();
        let percent = done.min(self.total) * 100 / self.total.max(1);
        let filled = usize::try_from(percent / 4).unwrap_or(0);
        let bar: String = (0..25).map(|i| if i < filled { '#' } else { '-' }).collect();
        let _ =
            write!(std::io::stderr(), "\r[{bar}] {percent:3} %  {} / {} MB", done >> 20, self.total >> 20);
    }

    fn clear(&self) {
        if self.on {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
