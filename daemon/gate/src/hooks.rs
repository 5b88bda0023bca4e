//! Which hooks this kernel has, and whether they are called the way the kernel programs expect.

use crate::layout::Kernel;
use sekisho_abi::hook::{Hook, Need};

/// What the loader found out about one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub hook: Hook,
    /// Can be attached here.
    pub usable: bool,
    /// If not: why, and what to do.
    pub detail: String,
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
    Hook::ALL.iter().map(|&hook| look(kernel, hook, idmap)).collect()
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
            Need::IfPresent => "this kernel has no such hook; other hooks cover it as far as they can",
        };
        return Found { hook, usable: false, detail: detail.into() };
    };
    for &(position, structure) in expected(hook, idmap) {
        let actual = arguments.get(position).map_or("", String::as_str);
        if actual != structure {
            let detail = format!(
                "argument {position} points to `{actual}`, not `{structure}`: this kernel is not supported yet"
            );
            return Found { hook, usable: false, detail };
        }
    }
    Found { hook, usable: true, detail: String::new() }
}
