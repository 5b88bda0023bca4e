//! What a channel is: who tries what, what must come of it, and how the witness knows.

use crate::outside::Outside;
use crate::scene::Scene;
use nix::errno::Errno;
use serde::Serialize;

/// What came of a try, as the kernel put it.
pub(crate) type Tried = nix::Result<()>;

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    /// The researcher, in a login session begun in this phase.
    Researcher,
    /// Root, by the researcher's `sudo`.
    Root,
    /// The researcher, in a process that was there before the gate.
    Earlier,
}

/// What must come of it while the gate is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Refused with exactly this error, and recorded: by one of these hooks, for this reason.
    Closed { errno: Errno, hooks: &'static [&'static str], reason: &'static str },
    /// Works as without the gate: it leads nowhere outside, or it is meant to.
    Works { because: &'static str },
}

/// One way to try.
#[derive(Clone, Copy)]
pub(crate) struct Channel {
    /// Unique name.
    pub(crate) name: &'static str,
    /// What it tries, in one sentence without a subject.
    pub(crate) tries: &'static str,
    /// Who.
    pub(crate) subject: Subject,
    /// What must come of it.
    pub(crate) expect: Expect,
    /// Other records that are right too: which check comes first depends on the kernel.
    pub(crate) or: &'static [(&'static str, &'static str)],
    /// Refused without a word to the caller: the call succeeds, and nothing comes of it.
    pub(crate) silent: bool,
    /// Errors by which a kernel says, with the gate off, that it does not have this at all.
    pub(crate) absent: &'static [Errno],
    /// The confined side.
    pub(crate) run: fn(&Scene) -> Tried,
    /// The witness's side, before.
    pub(crate) ready: fn(&Outside<'_>) -> anyhow::Result<()>,
    /// The witness's side: did the canary arrive?
    pub(crate) arrived: fn(&Outside<'_>) -> bool,
    /// The witness's side, afterwards: undoes what worked.
    pub(crate) undo: fn(&Outside<'_>),
}

impl Channel {
    /// A way out that the gate closes with `EPERM`.
    pub(crate) const fn closed(
        name: &'static str,
        tries: &'static str,
        hooks: &'static [&'static str],
        reason: &'static str,
        run: fn(&Scene) -> Tried,
    ) -> Self {
        let expect = Expect::Closed { errno: Errno::EPERM, hooks, reason };
        Self {
            name,
            tries,
            subject: Subject::Researcher,
            expect,
            or: &[],
            silent: false,
            absent: &[],
            run,
            ready: |_| Ok(()),
            arrived: |outside| outside.has_canary(),
            undo: |_| {},
        }
    }

    /// Something that must go on working; `because` says why it is no way out.
    pub(crate) const fn works(
        name: &'static str,
        tries: &'static str,
        because: &'static str,
        run: fn(&Scene) -> Tried,
    ) -> Self {
        let expect = Expect::Works { because };
        Self { expect, arrived: |_| false, ..Self::closed(name, tries, &[], "", run) }
    }

    /// Behind `sudo`.
    pub(crate) const fn root(self) -> Self {
        Self { subject: Subject::Root, ..self }
    }

    /// By a process that was there before the gate.
    pub(crate) const fn earlier(self) -> Self {
        Self { subject: Subject::Earlier, ..self }
    }

    /// Refused with another error than `EPERM`.
    pub(crate) const fn errno(self, errno: Errno) -> Self {
        let expect = match self.expect {
            Expect::Closed { hooks, reason, .. } => Expect::Closed { errno, hooks, reason },
            works @ Expect::Works { .. } => works,
        };
        Self { expect, ..self }
    }

    /// Which check comes first depends on the kernel: these records (hook, reason) are right too.
    pub(crate) const fn or(self, or: &'static [(&'static str, &'static str)]) -> Self {
        Self { or, ..self }
    }

    /// The gate stops it where the kernel tells the caller nothing: the call succeeds, and nothing arrives.
    pub(crate) const fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    /// It carries nothing by itself; that the kernel does it at all is what must not happen.
    pub(crate) const fn deed(self) -> Self {
        Self { arrived: |outside| outside.result == "ok", ..self }
    }

    /// A kernel may lack this, and then says so by one of these errors.
    pub(crate) const fn absent(self, errors: &'static [Errno]) -> Self {
        Self { absent: errors, ..self }
    }

    /// What the witness prepares.
    pub(crate) const fn ready(self, ready: fn(&Outside<'_>) -> anyhow::Result<()>) -> Self {
        Self { ready, ..self }
    }

    /// How the witness knows, where looking for the canary in files and in everything received is not enough.
    pub(crate) const fn arrived(self, arrived: fn(&Outside<'_>) -> bool) -> Self {
        Self { arrived, ..self }
    }

    /// How the witness undoes what worked.
    pub(crate) const fn undo(self, undo: fn(&Outside<'_>)) -> Self {
        Self { undo, ..self }
    }
}

/// A channel in its group, as `list` prints it.
#[derive(Serialize)]
pub(crate) struct Described {
    channel: &'static str,
    group: &'static str,
    tries: &'static str,
    subject: Subject,
    errno: String,
    hooks: &'static [&'static str],
    reason: &'static str,
    or: &'static [(&'static str, &'static str)],
    works_because: Option<&'static str>,
    absent: Vec<String>,
}

/// A channel and the group it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// Name of the group.
    pub(crate) group: &'static str,
    /// The channel.
    pub(crate) channel: &'static Channel,
}

impl Entry {
    /// For people and the table.
    pub(crate) fn described(&self) -> Described {
        let Channel { name, tries, subject, expect, or, silent, absent, .. } = *self.channel;
        let (errno, hooks, reason, works_because): (_, &[_], _, _) = match expect {
            Expect::Closed { hooks, reason, .. } if silent => ("ok".into(), hooks, reason, None),
            Expect::Closed { errno, hooks, reason } => (format!("{errno:?}"), hooks, reason, None),
            Expect::Works { because } => ("ok".into(), &[], "", Some(because)),
        };
        let absent = absent.iter().map(|errno| format!("{errno:?}")).collect();
        Described {
            channel: name,
            group: self.group,
            tries,
            subject,
            errno,
            hooks,
            reason,
            or,
            works_because,
            absent,
        }
    }
}
