//! Core dumps: what a dying process leaves of its memory, and where.

use crate::channel::{Channel, Tried};
use crate::scene::{Scene, errno};
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::waitpid;
use nix::unistd::chdir;
use std::fs;

const CREATE: &[&str] = &["inode_create"];
const OUTSIDE: &str = "outside_zones";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed(
        "core_outside",
        "dies in a directory outside, and leaves its memory there",
        CREATE,
        OUTSIDE,
        |s| {
            chdir(&s.outside(""))?;
            die_with_core(s)
        },
    )
    .silent()
    .or(&[("cred_prepare", "deputy")]),
    Channel::closed(
        "core_to_program",
        "dies where the administrator has cores sent to a program",
        &["cred_prepare"],
        "deputy",
        die_with_core,
    )
    .silent()
    .ready(|o| {
        let script = format!("#!/bin/sh\ncat > {}\n", o.path("core").display());
        fs::write(o.path("handler"), script)?;
        let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
        fs::set_permissions(o.path("handler"), mode)?;
        Ok(fs::write("/proc/sys/kernel/core_pattern", format!("|{}", o.path("handler").display()))?)
    })
    .undo(|_| {
        let _ = fs::write("/proc/sys/kernel/core_pattern", "core");
    }),
    Channel::works("core_at_home", "dies at home, and leaves its memory there", "it stays in a zone", |s| {
        let own = s.inside("core");
        fs::create_dir(&own).map_err(errno)?;
        chdir(&own)?;
        die_with_core(s)?;
        let dumped = fs::read_dir(own).map_err(errno)?.count() > 0;
        if dumped { Ok(()) } else { Err(Errno::ENOENT) }
    })
    .ready(|_| Ok(fs::write("/proc/sys/kernel/core_pattern", "core")?)),
];

/// A child holds the canary in its memory and dies of a fault.
fn die_with_core(s: &Scene) -> Tried {
    let text = s.canary.clone();
    // SAFETY: this process has one thread.
    match unsafe { nix::unistd::fork() }? {
        nix::unistd::ForkResult::Child => {
            let _ = setrlimit(Resource::RLIMIT_CORE, 1 << 30, 1 << 30);
            let _ = nix::sys::prctl::set_dumpable(true);
            // SAFETY: the default action is a core dump.
            let _ = unsafe { signal(Signal::SIGABRT, SigHandler::SigDfl) };
            std::hint::black_box(&text);
            std::process::abort();
        }
        nix::unistd::ForkResult::Parent { child } => waitpid(child, None).map(drop),
    }
}
