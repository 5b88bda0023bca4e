//! `sekisho lockdown`: freeze everything outward of a person, a project or everyone, from the next system call on.

use super::report::shown;
use super::why::unreachable;
use super::{Failure, Outcome};
use crate::language::Language;
use crate::terminal::{say, say_json};
use sekisho_wire::gate::{Answer, Ask, Lock, NotPermitted, Scope, ask};
use sekisho_wire::paths;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// The gate's socket.
    #[arg(long, default_value = paths::GATE_SOCKET, hide = true, global = true)]
    socket: PathBuf,
}

#[derive(clap::Subcommand)]
enum What {
    #[command(flatten)]
    Freeze(Whose),
    /// The lockdowns in force.
    List,
    /// End a lockdown.
    Lift {
        #[command(subcommand)]
        whose: Whose,
    },
}

#[derive(clap::Subcommand)]
enum Whose {
    /// One person, by account.
    User {
        /// The account's name.
        name: String,
        #[command(flatten)]
        why: Why,
    },
    /// Every member of a project, and whoever joins it.
    Project {
        /// The project's id in the policy.
        id: String,
        #[command(flatten)]
        why: Why,
    },
    /// Everybody confined.
    Everyone {
        #[command(flatten)]
        why: Why,
    },
}

#[derive(clap::Args)]
struct Why {
    /// For the ledger, and for whoever asks why.
    #[arg(long)]
    reason: String,
}

impl Whose {
    fn parts(&self) -> (Scope, String) {
        match self {
            Self::User { name, why } => (Scope::User { name: name.clone() }, why.reason.clone()),
            Self::Project { id, why } => (Scope::Project { id: id.clone() }, why.reason.clone()),
            Self::Everyone { why } => (Scope::Everyone, why.reason.clone()),
        }
    }
}

/// Runs the command.
pub fn run(args: &Args, json: bool) -> Outcome {
    let language = Language::of_caller();
    let question = match &args.what {
        What::Freeze(whose) => {
            let (scope, reason) = whose.parts();
            Ask::Lock { scope, reason }
        }
        What::Lift { whose } => {
            let (scope, reason) = whose.parts();
            Ask::Lift { scope, reason }
        }
        What::List => Ask::Status,
    };
    let locks = match order(&args.socket, &question, language)? {
        Answer::Locks { locks } => locks,
        Answer::Status(status) => status.locks,
        Answer::Unknown { scope } => return Err(unknown(&scope, &question, language)),
        other => return Err(unexpected(&other, language)),
    };
    if json {
        say_json(&serde_json::json!({"lockdowns": locks}))?;
    } else {
        say(&text(&locks, language));
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the gate something it does for few; its refusals become ours.
///
/// # Errors
/// 75 when the gate cannot be asked, 77 when the caller may not, 1 when it did not work.
pub fn order(socket: &Path, question: &Ask, language: Language) -> Result<Answer, Failure> {
    let answer = ask(socket, question).map_err(|error| match refused_by_kernel(&error) {
        true => not_permitted(NotPermitted::Confined, language),
        false => unreachable(socket, &error),
    })?;
    match answer {
        Answer::NotPermitted { why } => Err(not_permitted(why, language)),
        Answer::Error { message } => Err(Failure::new(1, message, "")),
        answer => Ok(answer),
    }
}

/// EPERM is the gate's word: it lets nobody confined borrow an account.
fn refused_by_kernel(error: &sekisho_wire::frame::FrameError) -> bool {
    matches!(error, sekisho_wire::frame::FrameError::Io(e) if e.raw_os_error() == Some(nix::libc::EPERM))
}

fn not_permitted(why: NotPermitted, language: Language) -> Failure {
    let (what, hint) = match why {
        NotPermitted::Account => (
            language.pick(
                "only root and the secretariat give the gate orders",
                "関所に指示できるのは root と事務局だけです",
            ),
            language.pick(
                "accounts of the secretariat stand in the policy: [site] secretariat",
                "事務局のアカウントはポリシーの [site] secretariat に記載します",
            ),
        ),
        NotPermitted::Confined => (
            language.pick(
                "a confined session gives the gate no orders, whatever account it borrows",
                "隔離されたセッションからは、どのアカウントでも関所に指示できません",
            ),
            language.pick(
                "log in as root on the console, or as a secretary whose account is exempt; sudo does not lift the mark",
                "コンソールから root で、または拘束対象外の事務局アカウントでログインしてください。sudo では解除されません",
            ),
        ),
    };
    Failure::new(77, what, hint)
}

/// An answer that does not belong to the question.
pub fn unexpected(_answer: &Answer, language: Language) -> Failure {
    Failure::new(
        75,
        language.pick("the gate gave an answer that does not fit", "関所から想定外の応答がありました"),
        language.pick("sekisho and sekisho-gate must be of the same version", "版をそろえてください"),
    )
}

fn unknown(scope: &Scope, question: &Ask, language: Language) -> Failure {
    if matches!(question, Ask::Lift { .. }) {
        let what = match language {
            Language::English => format!("there is no lockdown of {scope}"),
            Language::Japanese => format!("{} の停止措置はありません", person(scope, language)),
        };
        let hint = language
            .pick("sekisho lockdown list shows those in force", "sekisho lockdown list で確認できます");
        return Failure::new(1, what, hint);
    }
    let what = match language {
        Language::English => format!("there is no {scope} on this node"),
        Language::Japanese => format!("このノードに {} は存在しません", person(scope, language)),
    };
    let hint = language.pick(
        "accounts as in getent passwd, projects as in the policy",
        "アカウントは getent passwd、課題はポリシーの id で指定してください",
    );
    Failure::new(1, what, hint)
}

fn person(scope: &Scope, language: Language) -> String {
    match (language, scope) {
        (Language::English, _) => scope.to_string(),
        (Language::Japanese, Scope::User { name }) => format!("利用者 {name}"),
        (Language::Japanese, Scope::Project { id }) => format!("課題 {id}"),
        (Language::Japanese, Scope::Everyone) => "全員".into(),
    }
}

fn text(locks: &[Lock], language: Language) -> String {
    if locks.is_empty() {
        return format!("{}\n", language.pick("no lockdown is in force", "停止措置はありません"));
    }
    let mut text = String::new();
    for lock in locks {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", person(&lock.scope, language));
        let by = language.pick("by", "指示者");
        let _ = writeln!(text, "  {}  {by} {}  {}", lock.since, shown(&lock.by), shown(&lock.reason));
    }
    let note = language.pick(
        "nothing of theirs leaves: spool, network, terminal; work inside workspaces goes on",
        "対象者は spool・通信・端末のいずれからも持ち出せません。作業領域内の作業は続けられます",
    );
    let _ = writeln!(text, "{note}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_whom_since_when_by_whom_and_why() {
        let lock = Lock {
            scope: Scope::User { name: "taro".into() },
            accounts: vec![1001],
            since: "2026-11-22T02:00:00Z".into(),
            by: "root".into(),
            reason: "leak\u{1b}[2J suspected".into(),
        };
        for (language, whom) in [(Language::English, "user taro"), (Language::Japanese, "利用者 taro")] {
            let text = text(std::slice::from_ref(&lock), language);
            for part in [whom, "2026-11-22T02:00:00Z", "root", "suspected"] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(!text.contains('\u{1b}'), "a reason writes nothing but words on a terminal");
        }
        assert_eq!(text(&[], Language::English), "no lockdown is in force\n");
    }
}
