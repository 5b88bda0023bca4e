//! Asking the notary. One connection per question: the notary may restart between any two.

use sekisho_wire::heartbeat::Fault;
use sekisho_wire::notary::{Answer, Ask};
use sekisho_wire::{descriptor, frame};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Copying and hashing the largest permitted file, or publishing a bag of such files, on a slow disk.
const LONG: Duration = Duration::from_secs(3600);
/// Everything else.
const SHORT: Duration = Duration::from_secs(60);

/// Why the notary did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotaryError {
    /// Nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// It answers, but failed on its side.
    #[error("{0}")]
    Failed(String),
    /// The decision stands; the release waits for the gate.
    #[error("{0}")]
    Gate(Fault),
    /// It said no, for good.
    #[error("{message}")]
    Refused {
        /// Machine-readable.
        reason: String,
        /// For people.
        message: String,
        /// The way out.
        hint: String,
    },
}

/// The notary.
#[derive(Debug, Clone)]
pub struct Notary {
    socket: PathBuf,
}

impl Notary {
    /// The notary behind this socket.
    pub fn at(socket: PathBuf) -> Self {
        Self { socket }
    }

    async fn exchange(&self, ask: Ask, descriptor: bool) -> Result<(Answer, Option<OwnedFd>), NotaryError> {
        let socket = self.socket.clone();
        let patience = if matches!(ask, Ask::TakeCustody { .. } | Ask::Decide { .. }) { LONG } else { SHORT };
        let run = move || -> Result<(Answer, Option<OwnedFd>), NotaryError> {
            let away =
                |e: &dyn std::fmt::Display| NotaryError::Unreachable(format!("{}: {e}", socket.display()));
            let mut stream = UnixStream::connect(&socket).map_err(|e| away(&e))?;
            stream.set_read_timeout(Some(patience)).map_err(|e| away(&e))?;
            stream.set_write_timeout(Some(SHORT)).map_err(|e| away(&e))?;
            frame::write(&mut stream, &ask).map_err(|e| away(&e))?;
            let answer: Answer = frame::read(&mut stream).map_err(|e| away(&e))?;
            let fd = match (&answer, descriptor) {
                (Answer::Descriptor, true) => Some(descriptor::receive(&stream).map_err(|e| away(&e))?),
                _ => None,
            };
            Ok((answer, fd))
        };
        let (answer, fd) = tokio::task::spawn_blocking(run)
            .await
            .map_err(|e| NotaryError::Unreachable(format!("asking the notary: {e}")))??;
        match answer {
            Answer::Refused { reason, message, hint } => Err(NotaryError::Refused { reason, message, hint }),
            Answer::Waits { fault } => Err(NotaryError::Gate(fault)),
            Answer::Failed { message } => Err(NotaryError::Failed(message)),
            other => Ok((other, fd)),
        }
    }

    /// Asks.
    ///
    /// # Errors
    /// See [`NotaryError`].
    pub async fn ask(&self, ask: Ask) -> Result<Answer, NotaryError> {
        Ok(self.exchange(ask, false).await?.0)
    }

    /// A read-only descriptor of a held copy.
    ///
    /// # Errors
    /// See [`NotaryError`].
    pub async fn open_held(&self, sha256: &str) -> Result<OwnedFd, NotaryError> {
        match self.exchange(Ask::OpenHeld { sha256: sha256.into() }, true).await? {
            (Answer::Descriptor, Some(fd)) => Ok(fd),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Puts an operation into the ledger; on return it is durable.
    ///
    /// # Errors
    /// See [`NotaryError`].
    pub async fn record(
        &self,
        request: Option<&str>,
        kind: &str,
        actor: &str,
        detail: serde_json::Value,
    ) -> Result<u64, NotaryError> {
        let ask = Ask::Record {
            request: request.map(str::to_owned),
            kind: kind.into(),
            actor: actor.into(),
            detail,
        };
        match self.ask(ask).await? {
            Answer::Recorded { index } => Ok(index),
            other => Err(unexpected(&other)),
        }
    }
}

/// An answer that does not belong to the question: treated as a failure, never as consent.
pub fn unexpected(answer: &Answer) -> NotaryError {
    let word = serde_json::to_value(answer).ok().and_then(|v| v["answer"].as_str().map(str::to_owned));
    NotaryError::Failed(format!("unexpected answer `{}`", word.unwrap_or_default()))
}
