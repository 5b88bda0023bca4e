//! One file per command. Each has its `Args` and a `run` that returns the exit code.
//!
//! Exit codes: 0 ok, 1 the answer is no, 2 usage, 75 daemon unreachable, 77 not permitted, 78 bad configuration.

pub mod check;
pub mod decide;
pub mod doctor;
pub mod lockdown;
pub mod overview;
pub mod policy;
pub mod report;
pub mod review;
pub mod screen;
pub mod session;
pub mod status;
pub mod submit;
pub mod verify;
pub mod why;
pub mod withdraw;

use std::process::ExitCode;

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Exit code: 1, 2, 75, 77 or 78.
    pub code: u8,
    /// What happened: lower case, no full stop.
    pub message: String,
    /// The way out.
    pub hint: String,
}

impl Failure {
    /// A failure with its exit code, what happened and the way out.
    pub fn new(code: u8, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }

    /// Prints the failure and gives its exit code.
    pub fn report(&self, json: bool) -> ExitCode {
        if json {
            println!(
                "{}",
                serde_json::json!({"error": {"message": self.message, "hint": self.hint, "code": self.code}})
            );
        } else {
            let language = crate::language::Language::of_caller();
            eprintln!("sekisho: {}: {}", language.pick("error", "エラー"), self.message);
            if !self.hint.is_empty() {
                eprintln!("{}: {}", language.pick("hint", "対応"), self.hint);
            }
        }
        ExitCode::from(self.code)
    }
}

/// What a command's `run` returns.
pub type Outcome = Result<ExitCode, Failure>;
