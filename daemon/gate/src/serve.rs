//! The socket: `sekisho why`, `doctor`, `policy apply`, `lockdown`. Who asks is known from the kernel, never from the
//! message. Nobody who connects and says nothing, or does not read, makes anybody else wait.

use crate::bpf::{get_mark, pidfd};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use sekisho_abi::maps::MARK_CONFINED;
use sekisho_wire::frame;
use sekisho_wire::gate::{Answer, Ask};
use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a caller may stay.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most callers at once; the oldest leaves for a new one.
const CALLERS: usize = 64;
/// Most callers of one account at once: nobody crowds out the others.
const OF_ONE: usize = 8;
/// Longest question, bytes.
const QUESTION: usize = 16 << 10;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Account, from the kernel.
    pub uid: u32,
    /// Its process.
    pub pid: u32,
    /// Does it carry the mark? Whoever cannot be looked at does.
    pub confined: bool,
}

struct Caller {
    stream: UnixStream,
    asker: Asker,
    since: Instant,
    heard: Vec<u8>,
    /// What is left to say.
    answer: Option<Vec<u8>>,
}

/// The socket and who is on it.
pub struct Server {
    listener: UnixListener,
    callers: VecDeque<Caller>,
}

impl Server {
    /// Listens; anyone may connect.
    ///
    /// # Errors
    /// The system call's.
    pub fn listen(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, callers: VecDeque::new() })
    }

    /// What to wait for: something to read here.
    pub fn waiting(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let silent = self.callers.iter().filter(|c| c.answer.is_none());
        std::iter::once(self.listener.as_fd()).chain(silent.map(|c| c.stream.as_fd()))
    }

    /// Is somebody slow to read?
    pub fn has_unread_answers(&self) -> bool {
        self.callers.iter().any(|c| c.answer.is_some())
    }

    /// Lets callers in, hears what they have said so far, answers whoever has finished. Never waits.
    pub fn serve(&mut self, tasks: BorrowedFd<'_>, mut answer: impl FnMut(Asker, Ask) -> Answer) {
        while let Ok((stream, _)) = self.listener.accept() {
            self.welcome(stream, tasks);
        }
        let now = Instant::now();
        self.callers.retain_mut(|caller| {
            now.duration_since(caller.since) < PATIENCE && caller.goes_on(&mut answer).unwrap_or(false)
        });
    }

    fn welcome(&mut self, stream: UnixStream, tasks: BorrowedFd<'_>) {
        let Ok(peer) = getsockopt(&stream, PeerCredentials) else { return };
        let (uid, pid) = (peer.uid(), peer.pid().cast_unsigned());
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let own = self.callers.iter().filter(|c| c.asker.uid == uid).count();
        if own >= OF_ONE
            && let Some(oldest) = self.callers.iter().position(|c| c.asker.uid == uid)
        {
            self.callers.remove(oldest);
        } else if self.callers.len() >= CALLERS {
            self.callers.pop_front();
        }
        let asker = Asker { uid, pid, confined: is_confined(tasks, pid) };
        self.callers.push_back(Caller {
            stream,
            asker,
            since: Instant::now(),
            heard: Vec::new(),
            answer: None,
        });
    }
}

/// A process that ended meanwhile, or cannot be looked at, counts as confined.
fn is_confined(tasks: BorrowedFd<'_>, pid: u32) -> bool {
    let mark = pidfd(pid).and_then(|handle| get_mark(tasks, handle.as_fd()));
    !matches!(mark, Ok(mark) if mark.is_none_or(|mark| mark.flags & MARK_CONFINED == 0))
}

impl Caller {
    /// False when this caller is done, or gone.
    fn goes_on(&mut self, answer: &mut impl FnMut(Asker, Ask) -> Answer) -> io::Result<bool> {
        if self.answer.is_none() {
            let Some(body) = self.hear()? else { return Ok(true) };
            let Ok(ask) = serde_json::from_slice(&body) else { return Ok(false) };
            let answer = answer(self.asker, ask);
            self.answer = Some(frame::encode(&answer).map_err(io::Error::other)?);
        }
        self.speak()
    }

    /// The question, once all of it is there.
    fn hear(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut piece = [0; 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.heard.extend_from_slice(&piece[..n]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
            if self.heard.len() > QUESTION {
                return Err(ErrorKind::InvalidData.into());
            }
        }
        let Some((header, body)) = self.heard.split_first_chunk::<4>() else { return Ok(None) };
        let length = frame::body_length(*header).map_err(io::Error::other)?;
        if length > QUESTION {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(body.get(..length).map(<[u8]>::to_vec))
    }

    fn speak(&mut self) -> io::Result<bool> {
        let Some(left) = &mut self.answer else { return Ok(true) };
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(0) => return Ok(false),
                Ok(n) => drop(left.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a map of marks everybody counts as confined, which is the point of the first test.
    fn serve(server: &mut Server) -> Option<Asker> {
        let nothing = fs::File::open("/dev/null").unwrap();
        let mut seen = None;
        server.serve(nothing.as_fd(), |asker, _| {
            seen = Some(asker);
            Answer::Why { denials: Vec::new() }
        });
        seen
    }

    fn server() -> (tempfile::TempDir, Server) {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::listen(&dir.path().join("socket")).unwrap();
        (dir, server)
    }

    fn caller(dir: &tempfile::TempDir) -> UnixStream {
        UnixStream::connect(dir.path().join("socket")).unwrap()
    }

    #[test]
    fn who_cannot_be_looked_at_counts_as_confined() {
        let (dir, mut server) = server();
        let mut stream = caller(&dir);
        frame::write(&mut stream, &Ask::Why { limit: 1 }).unwrap();
        let asker = serve(&mut server).unwrap();
        assert_eq!((asker.uid, asker.confined), (nix::unistd::getuid().as_raw(), true));
        assert!(matches!(frame::read(&mut stream).unwrap(), Answer::Why { .. }));
    }

    #[test]
    fn a_silent_caller_and_a_slow_one_make_nobody_wait() {
        let (dir, mut server) = server();
        let silent: Vec<_> = (0..100).map(|_| caller(&dir)).collect();
        let mut slow = caller(&dir);
        let question = frame::encode(&Ask::Why { limit: 1 }).unwrap();
        slow.write_all(&question[..5]).unwrap();
        let begin = Instant::now();
        assert!(serve(&mut server).is_none());
        let mut quick = caller(&dir);
        quick.write_all(&question).unwrap();
        assert!(serve(&mut server).is_some());
        assert!(matches!(frame::read(&mut quick).unwrap(), Answer::Why { .. }));
        slow.write_all(&question[5..]).unwrap();
        assert!(serve(&mut server).is_some());
        assert!(begin.elapsed() < Duration::from_secs(2));
        assert!(server.callers.len() <= OF_ONE, "one account crowds nobody out");
        drop(silent);
    }

    #[test]
    fn an_answer_that_is_not_read_waits_beside_the_others() {
        let (dir, mut server) = server();
        let mut stream = caller(&dir);
        frame::write(&mut stream, &Ask::Why { limit: 1 }).unwrap();
        let nothing = fs::File::open("/dev/null").unwrap();
        let long = "x".repeat(900_000);
        server.serve(nothing.as_fd(), |_, _| Answer::Error { message: long.clone() });
        assert!(server.has_unread_answers());
        let reader = std::thread::spawn(move || frame::read::<Answer>(&mut stream).is_ok());
        let begin = Instant::now();
        while server.has_unread_answers() && begin.elapsed() < PATIENCE {
            serve(&mut server);
        }
        assert!(reader.join().unwrap());
    }

    #[test]
    fn nonsense_ends_the_conversation() {
        let (dir, mut server) = server();
        for nonsense in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x02{}", b"\0\0\x7f\xff"] {
            let mut stream = caller(&dir);
            stream.write_all(nonsense).unwrap();
            assert!(serve(&mut server).is_none());
            assert!(server.callers.is_empty());
        }
    }
}
