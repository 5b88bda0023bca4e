//! Which hooks this kernel has, and whether they are called the way the kernel programs expect.

use crate::layout::Kernel;
use sekisho_abi::hook::{Hook, Need};

/// Of a hook that the kernel lists nowhere.
const ABSENT: &str = "this kernel has no such hook";

/// What the loader found out about one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub hook: Hook,
    /// Can be attached here.
    pub usable: bool,
    /// If not: why, and what to do.
    pub detail: String,
    /// If this kernel has no such hook: the usable ones that see what it would see.
    pub covered_by: Vec<Hook>,
}

/// Hooks that see, on kernels which do not have this one yet, everything it sees where it exists.
const fn covering(hook: Hook) -> &'static [Hook] {
    match hook {
        // Until linux 6.2 an ACL was set and removed as the extended attribute it is stored in.
        Hook::InodeSetAcl => &[Hook::InodeSetxattr],
        Hook::InodeRemoveAcl => &[Hook::InodeRemovexattr],
        // Until linux 6.2 cutting by descriptor called the hook of cutting by path.
        Hook::FileTruncate => &[Hook::PathTruncate],
        // Until its own hook came, 32-bit controls called the one hook of all controls.
        Hook::FileIoctlCompat => &[Hook::FileIoctl],
        // `file_setattr(2)` came together with its hook (linux 6.17); until then only a control sets these flags.
        Hook::InodeFileSetattr => &[Hook::FileIoctl],
        // What a stacked filesystem maps, somebody opened and mapped there: those files are judged.
        Hook::MmapBackingFile => &[Hook::FileOpen, Hook::MmapFile],
        // It only keeps rings from the transport; what goes through a ring is judged where it lands.
        Hook::UringAllowed => &[Hook::UringSqpoll, Hook::SocketSendmsg],
        _ => &[],
    }
}

/// Argument positions the kernel programs rely on, and the structure each must point to.
fn expected(hook: Hook, idmap: bool) -> &'static [(usize, &'static str)] {
    match hook {
        Hook::FileOpen | Hook::FilePermission | Hook::FileIoctl | Hook::FileIoctlCompat | Hook::MmapFile => {
            &[(0, "file")]
        }
        Hook::KernelReadFile => &[(0, "file")],
        Hook::FileMprotect => &[(0, "vm_area_struct")],
        Hook::InodeCreate | Hook::InodeMkdir | Hook::InodeSymlink | Hook::InodeMknod => {
            &[(0, "inode"), (1, "dentry")]
        }
        Hook::InodeAllocSecurity => &[(0, "inode")],
        Hook::InodeUnlink | Hook::InodeRmdir => &[(0, "inode"), (1, "dentry")],
        Hook::InodeLink => &[(0, "dentry"), (2, "dentry")],
        Hook::InodeRename => &[(1, "dentry"), (3, "dentry")],
        Hook::InodeSetattr if idmap => &[(1, "dentry")],
        Hook::InodeSetattr | Hook::InodeFileSetattr => &[(0, "dentry")],
        Hook::InodeSetxattr | Hook::InodeRemovexattr | Hook::InodeSetAcl | Hook::InodeRemoveAcl => {
            &[(1, "dentry")]
        }
        Hook::SocketPostCreate | Hook::SocketListen | Hook::SocketAccept => &[(0, "socket")],
        Hook::SocketConnect | Hook::SocketBind => &[(0, "socket")],
        Hook::SocketSendmsg => &[(0, "socket"), (1, "msghdr")],
        Hook::UnixStreamConnect => &[(0, "sock"), (1, "sock"), (2, "sock")],
        Hook::UnixMaySend => &[(0, "socket"), (1, "socket")],
        Hook::TaskFree | Hook::TaskAlloc | Hook::PtraceAccessCheck | Hook::TaskKill => &[(0, "task_struct")],
        Hook::TaskFixSetuid => &[(0, "cred"), (1, "cred")],
        Hook::Capable => &[(0, "cred"), (1, "user_namespace")],
        Hook::SbKernMount => &[(0, "super_block")],
        Hook::MsgQueueMsgsnd
        | Hook::MsgQueueMsgctl
        | Hook::ShmShmat
        | Hook::ShmShmctl
        | Hook::SemSemop
        | Hook::SemSemctl => &[(0, "kern_ipc_perm")],
        Hook::FileReceive | Hook::FileTruncate => &[(0, "file")],
        Hook::PathTruncate => &[(0, "path")],
        Hook::MmapBackingFile => &[(0, "vm_area_struct"), (1, "file")],
        Hook::KeyAlloc => &[(0, "key")],
        Hook::KeyPermission => &[(1, "cred")],
        Hook::TaskSetrlimit | Hook::TaskSetscheduler | Hook::TaskSetnice | Hook::TaskSetioprio => {
            &[(0, "task_struct")]
        }
        Hook::FileSendSigiotask => &[(0, "task_struct")],
        Hook::SocketSetsockopt => &[(0, "socket")],
        Hook::InetConnRequest => &[(0, "sock"), (1, "sk_buff")],
        Hook::InetConnEstablished => &[(0, "sock")],
        _ => &[],
    }
}

/// Looks every hook up in the kernel's BTF.
pub fn survey(kernel: &Kernel) -> Vec<Found> {
    let idmap = setattr_idmap(kernel);
    let mut found: Vec<_> = Hook::ALL.iter().map(|&hook| look(kernel, hook, idmap)).collect();
    cover(&mut found);
    found
}

/// Says of each absent hook which usable ones stand in for it: all that it needs, or none.
fn cover(found: &mut [Found]) {
    let usable: Vec<_> = found.iter().filter(|f| f.usable).map(|f| f.hook).collect();
    for absent in found.iter_mut().filter(|f| !f.usable && f.detail == ABSENT) {
        let covering = covering(absent.hook);
        if covering.iter().all(|hook| usable.contains(hook)) {
            absent.covered_by = covering.to_vec();
        }
    }
}

/// Did `inode_setattr` gain its leading idmap (linux 6.3)?
pub fn setattr_idmap(kernel: &Kernel) -> bool {
    kernel
        .hook(Hook::InodeSetattr.name())
        .is_some_and(|arguments| arguments.get(1).is_some_and(|a| a == "dentry"))
}

fn look(kernel: &Kernel, hook: Hook, idmap: bool) -> Found {
    let Some(arguments) = kernel.hook(hook.name()) else {
        let detail = match hook.need() {
            Need::Mandatory => "this kernel has no such hook: use Debian's kernel 6.1 or later",
            Need::IfPresent => ABSENT,
        };
        return Found { hook, usable: false, detail: detail.into(), covered_by: Vec::new() };
    };
    for &(position, structure) in expected(hook, idmap) {
        let actual = arguments.get(position).map_or("", String::as_str);
        if actual != structure {
            let detail = format!(
                "argument {position} points to `{actual}`, not `{structure}`: this kernel is not supported yet"
            );
            return Found { hook, usable: false, detail, covered_by: Vec::new() };
        }
    }
    Found { hook, usable: true, detail: String::new(), covered_by: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that has every hook except these.
    fn without(absent: &[Hook]) -> Vec<Found> {
        let found = Hook::ALL.iter().map(|&hook| {
            let usable = !absent.contains(&hook);
            let detail = if usable { String::new() } else { ABSENT.into() };
            Found { hook, usable, detail, covered_by: Vec::new() }
        });
        let mut found: Vec<_> = found.collect();
        cover(&mut found);
        found
    }

    fn uncovered(found: &[Found]) -> Vec<Hook> {
        found.iter().filter(|f| !f.usable && f.covered_by.is_empty()).map(|f| f.hook).collect()
    }

    #[test]
    fn what_debian_6_1_and_6_12_lack_is_covered_by_hooks_they_have() {
        let on_6_12 = [Hook::InodeFileSetattr, Hook::UringAllowed];
        let on_6_1 = [Hook::InodeSetAcl, Hook::InodeRemoveAcl, Hook::FileTruncate, Hook::MmapBackingFile];
        assert_eq!(uncovered(&without(&on_6_12)), []);
        assert_eq!(uncovered(&without(&[on_6_12.as_slice(), &on_6_1].concat())), []);
    }

    #[test]
    fn a_hook_is_covered_by_all_that_stand_in_for_it_or_by_none() {
        assert_eq!(uncovered(&without(&[Hook::PerfEventOpen])), [Hook::PerfEventOpen]);
        let both = [Hook::InodeRemovexattr, Hook::InodeRemoveAcl];
        assert_eq!(uncovered(&without(&both)), both);
        let found = without(&[Hook::UringSqpoll, Hook::UringAllowed]);
        assert!(found.iter().all(|f| f.covered_by.is_empty()), "half of it is not enough");
    }

    #[test]
    fn a_hook_that_is_there_but_called_otherwise_is_not_covered() {
        let mut found = without(&[]);
        for f in found.iter_mut().filter(|f| f.hook == Hook::FileTruncate) {
            (f.usable, f.detail) = (false, "argument 0 points to `path`, not `file`".into());
        }
        cover(&mut found);
        assert_eq!(uncovered(&found), [Hook::FileTruncate]);
    }
}
