//! `sekisho session`: what sshd starts for a confined login (`deploy/sshd`): a login shell on a terminal, or a refusal.
//!
//! This is the polite half: start-up files of the account's own shell run before it. What a session may send is
//! enforced and counted by the gate.

use super::report::shown;
use super::{Failure, Outcome};
use crate::language::Language;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// sshd puts here what the client asked to run: a command, or a subsystem's program.
const ASKED: &str = "SSH_ORIGINAL_COMMAND";

/// Runs the command; returns only when it refuses.
pub fn run() -> Outcome {
    let asked = std::env::var_os(ASKED);
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if asked.is_some() || !terminal {
        return Err(refusal(asked.as_deref(), Language::of_caller()));
    }
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh".into());
    // A leading dash makes it a login shell.
    let mut name = OsString::from("-");
    name.push(Path::new(&shell).file_name().unwrap_or(&shell));
    let error = Command::new(&shell).arg0(name).exec();
    Err(Failure::new(1, format!("{}: {error}", shell.display()), "the account's shell: getent passwd"))
}

fn refusal(asked: Option<&OsStr>, language: Language) -> Failure {
    let asked = asked.map(|asked| shown(&asked.to_string_lossy()));
    let message = match (&asked, language) {
        (Some(asked), Language::English) => {
            format!("refused over ssh: `{asked}`: a login here is for typing into a terminal")
        }
        (Some(asked), Language::Japanese) => {
            format!(
                "ssh 経由では実行できません: `{asked}`: このノードへのログインは端末での対話操作に限られます"
            )
        }
        (None, Language::English) => "refused over ssh: this session has no terminal".to_owned(),
        (None, Language::Japanese) => "端末のない ssh セッションは使えません".to_owned(),
    };
    let hint = language.pick(
        "log in with plain `ssh HOST`; to take a result out, use sekisho submit there (scp, sftp, rsync and forwarding are off)",
        "`ssh ホスト名` だけでログインしてください。結果の持ち出しはログイン後に sekisho submit で行います (scp・sftp・rsync・転送は使えません)",
    );
    Failure::new(77, message, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_what_was_asked_and_the_way_out_in_both_languages() {
        let asked = OsStr::new("scp -f data\u{1b}[2J");
        for language in [Language::English, Language::Japanese] {
            let refusal = refusal(Some(asked), language);
            assert!(refusal.message.contains("scp -f data"), "{refusal}");
            assert!(!refusal.message.contains('\u{1b}'), "the client's terminal is not ours to drive");
            assert!(refusal.hint.contains("sekisho submit"));
            assert_eq!(refusal.code, 77);
        }
    }
}
