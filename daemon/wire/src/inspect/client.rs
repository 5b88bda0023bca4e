//! The asker's side: one inspector per file, several at once, and what becomes of one that dies.

use super::{Job, Progress};
use crate::frame::{self, FrameError};
use sekisho_policy::facts::Beside;
use sekisho_policy::{FileFacts, Policy, RequestInfo};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What the inspector's own CPU limit may overrun before the asker gives up.
const GRACE: Duration = Duration::from_secs(10);

/// An inspector waiting for its job.
pub struct Connection {
    stream: UnixStream,
    child: Option<Child>,
}

impl Connection {
    /// Connects to the socket at which systemd starts one inspector per connection.
    ///
    /// # Errors
    /// The system call's error.
    pub fn service(socket: &Path) -> std::io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(socket)?, child: None })
    }

    /// Starts an inspector of one's own, with one end of a socket pair as its descriptor 0.
    ///
    /// # Errors
    /// The system call's error.
    pub fn spawn(binary: &Path) -> std::io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(binary)
            .env_clear()
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { stream: ours, child: Some(child) })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Ended already, or overdue: either way nothing more is expected of it.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What an inspector answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The facts; after a death or time-out those of an unreadable file.
    pub facts: FileFacts,
    /// What the filtered copy holds, in words, when one was written.
    pub fixed: Option<super::Mended>,
}

/// Why an inspector did not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No inspector could be started or reached.
    #[error("inspector cannot be started: {0}")]
    Start(std::io::Error),
    /// The job or a descriptor could not be handed over.
    #[error("inspector did not take the job: {0}")]
    HandOver(std::io::Error),
    /// It ended or spoke nonsense.
    #[error("inspector died or spoke nonsense: {0}")]
    Answer(#[from] FrameError),
    /// It took too long.
    #[error("inspector took longer than {} s", .0.as_secs())]
    TimeOut(Duration),
    /// Its facts are about another file.
    #[error("inspector answered about another file")]
    Mismatch,
}

/// Has one file inspected. Blocks until the answer, the inspector's death or `patience` has passed.
///
/// # Errors
/// See [`AskError`]; [`request`] turns every one into an unreadable file.
pub fn ask(
    connection: &mut Connection,
    job: &Job,
    file: BorrowedFd<'_>,
    copy: Option<BorrowedFd<'_>>,
    patience: Duration,
    mut progress: impl FnMut(u64),
) -> Result<Answer, AskError> {
    let end = Instant::now() + patience;
    let stream = &mut connection.stream;
    stream.set_write_timeout(Some(patience)).map_err(AskError::HandOver)?;
    frame::write(stream, job)?;
    crate::descriptor::send(stream, file).map_err(AskError::HandOver)?;
    if let Some(copy) = copy.filter(|_| job.fix) {
        crate::descriptor::send(stream, copy).map_err(AskError::HandOver)?;
    }
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(AskError::TimeOut(patience));
        }
        stream.set_read_timeout(Some(left)).map_err(AskError::HandOver)?;
        match frame::read(stream) {
            Ok(Progress::Reading { bytes }) => progress(bytes),
            Ok(Progress::Done { facts, .. }) if facts.path != job.name => return Err(AskError::Mismatch),
            Ok(Progress::Done { facts, fixed }) => return Ok(Answer { facts: *facts, fixed }),
            Err(FrameError::Io(e))
                if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                return Err(AskError::TimeOut(patience));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// One file of a request, opened for reading.
pub struct Input {
    /// Its name in the report.
    pub name: String,
    /// Its bytes, seekable.
    pub file: File,
    /// Where a filtered copy may be written.
    pub copy: Option<File>,
}

/// Has every file of a request inspected, `parallel` at a time, and those a second time whose positions stand in
/// another file of the request. An inspector that fails makes its file unreadable, never the request.
pub fn request(
    connect: &(dyn Fn() -> std::io::Result<Connection> + Sync),
    inputs: &[Input],
    policy: &Policy,
    info: &RequestInfo,
    parallel: usize,
    progress: &(dyn Fn(usize, u64) + Sync),
) -> Vec<Answer> {
    let one = |index: usize, beside: Option<Beside>| {
        let input = &inputs[index];
        let job = Job {
            version: 1,
            name: input.name.clone(),
            policy: policy.clone(),
            request: info.clone(),
            fix: input.copy.is_some(),
            beside,
        };
        let patience = Duration::from_secs(policy.limits.inspect_seconds) + GRACE;
        let answer = connect().map_err(AskError::Start).and_then(|mut connection| {
            let copy = input.copy.as_ref().map(AsFd::as_fd);
            ask(&mut connection, &job, input.file.as_fd(), copy, patience, |bytes| progress(index, bytes))
        });
        answer.unwrap_or_else(|error| {
            let bytes = input.file.metadata().map_or(0, |m| m.len());
            let facts = FileFacts::unreadable(&input.name, "", bytes, &error.to_string());
            Answer { facts, fixed: None }
        })
    };
    let mut answers = each(inputs.len(), parallel, |i| one(i, None));
    let facts: Vec<FileFacts> = answers.iter().map(|a| a.facts.clone()).collect();
    let again: Vec<(usize, Beside)> =
        (0..facts.len()).filter_map(|i| Some((i, sekisho_policy::beside(policy, &facts, i)?))).collect();
    let second = each(again.len(), parallel, |i| one(again[i].0, Some(again[i].1.clone())));
    for ((index, _), answer) in again.iter().zip(second) {
        // A second look that failed does not replace a first one that succeeded.
        if answer.facts.problems.is_empty() {
            answers[*index] = answer;
        }
    }
    answers
}

/// `work(0..count)` on `parallel` threads, results in order.
fn each<T: Send>(count: usize, parallel: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = Mutex::new(0..count);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(count));
    let hand = || {
        loop {
            let index = next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
            let Some(index) = index else { break };
            let result = work(index);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..parallel.clamp(1, count.max(1)) {
            scope.spawn(hand);
        }
        hand();
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Connection, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Connection { stream: ours, child: None }, theirs)
    }

    fn judge(connect: &(dyn Fn() -> std::io::Result<Connection> + Sync), policy: &Policy) -> Answer {
        let inputs =
            [Input { name: "x.csv".into(), file: File::open("/proc/self/exe").unwrap(), copy: None }];
        let mut answers = request(connect, &inputs, policy, &RequestInfo::default(), 2, &|_, _| {});
        answers.remove(0)
    }

    #[test]
    fn an_inspector_that_dies_makes_the_file_unreadable_and_blocked() {
        let connect = || {
            let (connection, theirs) = pair();
            drop(theirs);
            Ok(connection)
        };
        let answer = judge(&connect, &Policy::default());
        let report = sekisho_policy::judge(&Policy::default(), &RequestInfo::default(), &[answer.facts]);
        assert_eq!(report.verdict, sekisho_policy::Verdict::Block);
    }

    #[test]
    fn an_inspector_that_talks_nonsense_makes_the_file_unreadable() {
        let connect = || {
            let (connection, mut theirs) = pair();
            std::io::Write::write_all(&mut theirs, b"\0\0\0\x05hello").unwrap();
            std::mem::forget(theirs);
            Ok(connection)
        };
        assert!(!judge(&connect, &Policy::default()).facts.problems.is_empty());
    }

    #[test]
    fn a_silent_inspector_is_given_up() {
        let (mut connection, _theirs) = pair();
        let job = Job {
            version: 1,
            name: "x".into(),
            policy: Policy::default(),
            request: RequestInfo::default(),
            fix: false,
            beside: None,
        };
        let file = File::open("/dev/null").unwrap();
        let result = ask(&mut connection, &job, file.as_fd(), None, Duration::from_millis(50), |_| {})
            .map(|a| a.facts);
        assert!(matches!(result, Err(AskError::TimeOut(_))), "{result:?}");
    }

    #[test]
    fn no_inspector_at_all_is_never_a_pass() {
        let connect = || Err(std::io::Error::from(std::io::ErrorKind::NotFound));
        assert!(!judge(&connect, &Policy::default()).facts.problems.is_empty());
    }
}
