//! Asking the airlock, and turning its "no" into ours: in the caller's language, with the right exit code.

use crate::commands::Failure;
use crate::language::Language;
use sekisho_wire::airlock::{Answer, Ask, Detail, Summary, Whoami};
use sekisho_wire::{frame, paths};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where the airlock is.
#[derive(Debug, Clone, clap::Args)]
pub struct At {
    /// The airlock's socket.
    #[arg(long, value_name = "PATH", default_value = paths::AIRLOCK_SOCKET, hide = true)]
    pub socket: PathBuf,
}

impl Default for At {
    fn default() -> Self {
        Self { socket: paths::AIRLOCK_SOCKET.into() }
    }
}

/// Refusals that mean "you may not", as opposed to "the answer is no".
const NOT_PERMITTED: [&str; 6] =
    ["no_such_request", "not_an_officer", "certificate", "other_institution", "own_request", "not_yours"];

/// The gate lets nobody confined act under another person's account.
fn borrowed(language: Language) -> Failure {
    let what = language.pick(
        "the gate does not let a confined session act under another account",
        "隔離されたセッションから他人のアカウントとして操作することはできません",
    );
    let hint = language.pick(
        "run sekisho as yourself, without sudo or su; an officer logs in with their own account",
        "sudo や su を使わず、自分のアカウントで sekisho を実行してください。担当者は自分のアカウントでログインします",
    );
    Failure::new(77, what, hint)
}

impl At {
    /// Asks; a refusal is a [`Failure`].
    ///
    /// # Errors
    /// 75 when the airlock cannot be asked, 77 when the caller may not, 1 when the answer is no.
    pub fn ask(&self, ask: &Ask) -> Result<Answer, Failure> {
        let language = Language::of_caller();
        let away = |e: &dyn std::fmt::Display| {
            let what = language.pick("the airlock cannot be reached", "airlock に接続できません");
            let hint = language.pick(
                "nothing was lost: what lies in the spool is picked up later; ask the administrator to look at sekisho-airlock.service",
                "何も失われません。spool のファイルは復旧後に処理されます。sekisho-airlock.service の確認を管理者に依頼してください",
            );
            Failure::new(75, format!("{what}: {}: {e}", self.socket.display()), hint)
        };
        let mut stream = UnixStream::connect(&self.socket).map_err(|e| {
            // EPERM is the gate's word: the file system would say EACCES.
            if e.raw_os_error() == Some(nix::libc::EPERM) { borrowed(language) } else { away(&e) }
        })?;
        // A decision waits for the bag of large files.
        let patience = if matches!(ask, Ask::Decide { .. }) { 3600 } else { 90 };
        stream.set_read_timeout(Some(Duration::from_secs(patience))).map_err(|e| away(&e))?;
        stream.set_write_timeout(Some(Duration::from_secs(90))).map_err(|e| away(&e))?;
        frame::write(&mut stream, ask).map_err(|e| away(&e))?;
        match frame::read(&mut stream).map_err(|e| away(&e))? {
            Answer::Refused { reason, message, hint, message_ja, hint_ja } => {
                let code = if NOT_PERMITTED.contains(&reason.as_str()) { 77 } else { 1 };
                Err(Failure::new(
                    code,
                    both(language, &message, &message_ja),
                    both(language, &hint, &hint_ja),
                ))
            }
            Answer::Unavailable { message, hint, message_ja, hint_ja } => {
                Err(Failure::new(75, both(language, &message, &message_ja), both(language, &hint, &hint_ja)))
            }
            other => Ok(other),
        }
    }

    /// One request in full.
    ///
    /// # Errors
    /// See [`At::ask`].
    pub fn show(&self, request: &str) -> Result<Detail, Failure> {
        match self.ask(&Ask::Show { request: request.into() })? {
            Answer::Show(detail) => Ok(*detail),
            other => Err(unexpected(&other)),
        }
    }

    /// The requests the caller may see.
    ///
    /// # Errors
    /// See [`At::ask`].
    pub fn list(&self, all: bool) -> Result<Vec<Summary>, Failure> {
        match self.ask(&Ask::List { all })? {
            Answer::List { requests } => Ok(requests),
            other => Err(unexpected(&other)),
        }
    }

    /// What the caller is to this node.
    ///
    /// # Errors
    /// See [`At::ask`].
    pub fn whoami(&self) -> Result<Whoami, Failure> {
        match self.ask(&Ask::Whoami)? {
            Answer::Whoami(who) => Ok(who),
            other => Err(unexpected(&other)),
        }
    }
}

fn both(language: Language, english: &str, japanese: &str) -> String {
    let text = if japanese.is_empty() { english } else { language.pick(english, japanese) };
    // Messages may quote names that users chose.
    text.split('\n').map(crate::commands::report::shown).collect::<Vec<_>>().join("\n")
}

/// An answer that does not belong to the question.
pub fn unexpected(_answer: &Answer) -> Failure {
    let language = Language::of_caller();
    Failure::new(
        75,
        language.pick("the airlock gave an answer that does not fit", "airlock から想定外の応答がありました"),
        language.pick("sekisho and sekisho-airlock must be of the same version", "版をそろえてください"),
    )
}
