//! The witness's side of a channel: what is outside, and whether a canary is there.

use crate::scene::{Scene, number_of};
use crate::system;
use anyhow::{Context as _, Result};
use nix::unistd::chown;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Outside every zone, on the file system of the homes.
pub(crate) const OUTSIDE: &str = "/home/outside/escape";
/// The confined account.
pub(crate) const RESEARCHER: u32 = 1001;
/// Unconfined TCP and UDP peers listen here, on every address.
pub(crate) const PORT: u16 = 47_001;
/// Name of unconfined abstract unix listeners: stream and datagram.
pub(crate) const ABSTRACT: [&[u8]; 2] = [b"sekisho-escape", b"sekisho-escape-dgram"];

/// Everything that arrived anywhere, one byte after the other.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<Vec<u8>>>);

impl Inbox {
    /// Something arrived.
    pub(crate) fn put(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }

    /// Was this in it?
    pub(crate) fn has(&self, what: &[u8]) -> bool {
        contains(&self.0.lock().unwrap_or_else(PoisonError::into_inner), what)
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What the witness knows while one channel is tried.
pub(crate) struct Outside<'a> {
    /// The try.
    pub(crate) scene: &'a Scene,
    /// What arrived at any listener, queue or pipe.
    pub(crate) inbox: &'a Inbox,
    /// What the kernel answered; empty before.
    pub(crate) result: &'a str,
    /// An unconfined process of root with a buffer to write into, made anew for each phase.
    pub(crate) peer: &'a crate::peer::Peer,
}

impl Outside<'_> {
    /// A path in the channel's directory outside; as [`Scene::outside`].
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scene.outside(name)
    }

    /// The canary.
    pub(crate) fn canary(&self) -> &str {
        &self.scene.canary
    }

    /// The canary as a number; as [`Scene::number`].
    pub(crate) fn number(&self) -> u32 {
        number_of(&self.scene.canary)
    }

    /// The channel's directory with what most channels need: files that the researcher owns and anybody may write, an
    /// empty directory, and a file to be missed.
    pub(crate) fn prepare(&self) -> Result<()> {
        let dir = self.path("");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).with_context(|| format!("{}", dir.display()))?;
        open_to_all(&dir, None)?;
        for name in ["target", "own"] {
            self.file(name, "outside\n")?;
        }
        Ok(())
    }

    /// A file of the researcher's outside, open to everybody.
    pub(crate) fn file(&self, name: &str, content: &str) -> Result<()> {
        fs::write(self.path(name), content)?;
        open_to_all(&self.path(name), Some(RESEARCHER))
    }

    /// A directory of the researcher's outside, open to everybody.
    pub(crate) fn directory(&self, name: &str) -> Result<()> {
        fs::create_dir(self.path(name))?;
        open_to_all(&self.path(name), Some(RESEARCHER))
    }

    /// Is the canary in the channel's directory (names, contents, link targets, attributes), in what was lent, or in
    /// anything that arrived?
    pub(crate) fn has_canary(&self) -> bool {
        let canary = self.canary().as_bytes();
        self.inbox.has(canary)
            || tree_has(&self.path(""), canary)
            || tree_has(&Path::new(OUTSIDE).join("lent"), canary)
    }

    /// Whatever the channel asks the witness to do in the middle of its try.
    pub(crate) fn asked(&self, word: &str, about: &str) -> Result<String> {
        match word {
            "lend" => crate::lent::lend(Path::new(about)).map(|()| "done".into()),
            "begin" => crate::heir::begin(self.canary(), about),
            "peer" => Ok(self.peer.pid().to_string()),
            "fetch" => crate::wire::fetch(self.inbox, about).map(|()| "done".into()),
            "fetch_from_afar" => crate::afar::fetch(self.inbox, about).map(|()| "done".into()),
            "ask_from_afar" => crate::afar::ask(self.inbox, about).map(|()| "done".into()),
            "holds" => crate::wire::holds(self.inbox, about, self.canary()).map(|()| "done".into()),
            "module" => {
                let asked = crate::deputies::caught(crate::deputies::MODULES, about);
                Ok(if asked { "asked" } else { "nobody" }.into())
            }
            "late_service" => crate::wire::late_service(self.inbox).map(|()| "done".into()),
            "peer_buffer" => Ok(self.peer.buffer().to_string()),
            "terminal" => crate::lent::terminal(about.parse()?, self.inbox),
            other => anyhow::bail!("the witness knows no `{other}`"),
        }
    }
}

/// Mode 0777 for directories, 0666 for files; owned by whom it is said.
pub(crate) fn open_to_all(path: &Path, owner: Option<u32>) -> Result<()> {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).with_context(|| format!("{}", path.display()))?;
    if let Some(owner) = owner {
        chown(path, Some(owner.into()), Some(owner.into()))?;
    }
    Ok(())
}

/// Is it in the tree: in a name, a content, a link's target, an attribute?
pub(crate) fn tree_has(path: &Path, what: &[u8]) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    if path.file_name().is_some_and(|name| contains(name.as_bytes(), what)) {
        return true;
    }
    if contains(&system::attributes(path), what) {
        return true;
    }
    if metadata.is_symlink() {
        return fs::read_link(path).is_ok_and(|target| contains(target.as_os_str().as_bytes(), what));
    }
    if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        return entries.into_iter().any(|entry| tree_has(&entry.path(), what));
    }
    metadata.is_file() && fs::read(path).is_ok_and(|content| contains(&content, what))
}

/// Is the one in the other?
pub(crate) fn contains(text: &[u8], what: &[u8]) -> bool {
    what.is_empty() || text.windows(what.len()).any(|window| window == what)
}
