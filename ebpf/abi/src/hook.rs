//! Every hook the gate knows, by number and name: one list for the kernel programs, the loader and the records.

macro_rules! hooks {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $need:ident;)*) => {
        /// A kernel hook.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Hook { $($(#[$doc])* $variant = $number,)* }

        impl Hook {
            /// Every hook, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The kernel's name for it, and the name of our program.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// May the gate start on a kernel that lacks it?
            #[must_use]
            pub const fn need(self) -> Need {
                match self { $(Self::$variant => Need::$need,)* }
            }

            /// The hook of a number in an event.
            #[must_use]
            pub const fn of(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

/// Whether a hook must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it a way out stays open: the gate refuses to start.
    Mandatory,
    /// Used where the kernel's BTF lists it.
    IfPresent,
}

hooks! {
    /// Opening a file.
    FileOpen = 1, "file_open", Mandatory;
    /// Each read or write through a descriptor.
    FilePermission = 2, "file_permission", Mandatory;
    /// Mapping a file.
    MmapFile = 3, "mmap_file", Mandatory;
    /// Making a mapping writable later.
    FileMprotect = 4, "file_mprotect", Mandatory;
    /// Creating a regular file.
    InodeCreate = 5, "inode_create", Mandatory;
    /// Creating a directory.
    InodeMkdir = 6, "inode_mkdir", Mandatory;
    /// Creating a symbolic link: its target is payload.
    InodeSymlink = 7, "inode_symlink", Mandatory;
    /// Creating a hard link: both homes count.
    InodeLink = 8, "inode_link", Mandatory;
    /// Renaming: both sides count.
    InodeRename = 9, "inode_rename", Mandatory;
    /// Creating a pipe, socket or device node.
    InodeMknod = 10, "inode_mknod", Mandatory;
    /// Size, mode, owner, times.
    InodeSetattr = 11, "inode_setattr", Mandatory;
    /// Extended attributes.
    InodeSetxattr = 12, "inode_setxattr", Mandatory;
    /// Creating a socket.
    SocketCreate = 13, "socket_create", Mandatory;
    /// A socket was created: it learns who made it.
    SocketPostCreate = 14, "socket_post_create", Mandatory;
    /// Connecting.
    SocketConnect = 15, "socket_connect", Mandatory;
    /// Sending.
    SocketSendmsg = 16, "socket_sendmsg", Mandatory;
    /// Binding to an address.
    SocketBind = 17, "socket_bind", Mandatory;
    /// Listening.
    SocketListen = 18, "socket_listen", Mandatory;
    /// Connecting a unix stream.
    UnixStreamConnect = 19, "unix_stream_connect", Mandatory;
    /// Sending a unix datagram.
    UnixMaySend = 20, "unix_may_send", Mandatory;
    /// A new task: it inherits the mark.
    TaskAlloc = 21, "task_alloc", Mandatory;
    /// Becoming another user.
    TaskFixSetuid = 22, "task_fix_setuid", Mandatory;
    /// Reaching into another process.
    PtraceAccessCheck = 23, "ptrace_access_check", Mandatory;
    /// Mounting.
    SbMount = 24, "sb_mount", Mandatory;
    /// Using a capability.
    Capable = 25, "capable", Mandatory;
    /// The bpf system call.
    Bpf = 26, "bpf", Mandatory;
    /// Executing: who belongs to a confined login or cgroup is marked here.
    BprmCheckSecurity = 27, "bprm_check_security", Mandatory;
    /// Executed: a role ends here.
    BprmCommittedCreds = 28, "bprm_committed_creds", Mandatory;
    /// Removing a name; also guards the gate's own pins.
    InodeUnlink = 29, "inode_unlink", Mandatory;
    /// Removing a directory.
    InodeRmdir = 30, "inode_rmdir", Mandatory;
    /// Removing an extended attribute.
    InodeRemovexattr = 31, "inode_removexattr", IfPresent;
    /// Setting an ACL (apart from extended attributes since 6.2).
    InodeSetAcl = 32, "inode_set_acl", IfPresent;
    /// Removing an ACL.
    InodeRemoveAcl = 33, "inode_remove_acl", IfPresent;
    /// Device and filesystem controls.
    FileIoctl = 34, "file_ioctl", Mandatory;
    /// The same from 32-bit programs (a hook of its own since 6.8).
    FileIoctlCompat = 35, "file_ioctl_compat", IfPresent;
    /// Accepting a connection on a socket handed down.
    SocketAccept = 36, "socket_accept", Mandatory;
    /// Signalling.
    TaskKill = 37, "task_kill", Mandatory;
    /// A filesystem made outside `mount(2)`.
    SbKernMount = 38, "sb_kern_mount", Mandatory;
    /// Remounting.
    SbRemount = 39, "sb_remount", Mandatory;
    /// Unmounting.
    SbUmount = 40, "sb_umount", Mandatory;
    /// Moving a mount.
    MoveMount = 41, "move_mount", Mandatory;
    /// Changing the root.
    SbPivotroot = 42, "sb_pivotroot", Mandatory;
    /// io_uring's polling thread.
    UringSqpoll = 43, "uring_sqpoll", IfPresent;
    /// io_uring's pass-through commands.
    UringCmd = 44, "uring_cmd", IfPresent;
    /// io_uring under borrowed credentials.
    UringOverrideCreds = 45, "uring_override_creds", IfPresent;
    /// Loading a module, a kernel or a policy from a file.
    KernelReadFile = 46, "kernel_read_file", Mandatory;
    /// The same from memory.
    KernelLoadData = 47, "kernel_load_data", Mandatory;
    /// Perf events.
    PerfEventOpen = 48, "perf_event_open", IfPresent;
    /// Message queues shared with others.
    MsgQueueMsgsnd = 49, "msg_queue_msgsnd", IfPresent;
    /// File flags set through `file_setattr(2)`.
    InodeFileSetattr = 50, "inode_file_setattr", IfPresent;
    /// Disk quotas.
    Quotactl = 51, "quotactl", IfPresent;
    /// A descriptor arrives from another process.
    FileReceive = 52, "file_receive", Mandatory;
    /// Cutting a file by its path; before 6.2 also by its descriptor.
    PathTruncate = 53, "path_truncate", Mandatory;
    /// Cutting a file by its descriptor (a hook of its own since 6.2).
    FileTruncate = 54, "file_truncate", IfPresent;
    /// A user namespace: rights to be had without having them.
    UsernsCreate = 55, "userns_create", IfPresent;
    /// What a mapping of a stacked filesystem really changes.
    MmapBackingFile = 56, "mmap_backing_file", IfPresent;
    /// Kernel memory, ports, traces: what the kernel's own lockdown names.
    LockedDown = 57, "locked_down", IfPresent;
    /// Using a key: one that outsiders can read is a mailbox.
    KeyPermission = 58, "key_permission", IfPresent;
    /// Making a key: some kinds make the kernel start a program outside the mark.
    KeyAlloc = 59, "key_alloc", IfPresent;
    /// Setting up io_uring.
    UringAllowed = 60, "uring_allowed", IfPresent;
    /// Attaching System V shared memory.
    ShmShmat = 61, "shm_shmat", IfPresent;
    /// Changing System V semaphores.
    SemSemop = 62, "sem_semop", IfPresent;
    /// Setting System V semaphores.
    SemSemctl = 63, "sem_semctl", IfPresent;
    /// A descriptor of a BPF map.
    BpfMap = 64, "bpf_map", Mandatory;
    /// A descriptor of a BPF program.
    BpfProg = 65, "bpf_prog", Mandatory;
    /// Limits of another process.
    TaskSetrlimit = 66, "task_setrlimit", IfPresent;
    /// Scheduling of another process.
    TaskSetscheduler = 67, "task_setscheduler", IfPresent;
    /// Priority of another process.
    TaskSetnice = 68, "task_setnice", IfPresent;
    /// Disk priority of another process.
    TaskSetioprio = 69, "task_setioprio", IfPresent;
    /// Signals that a descriptor sends.
    FileSendSigiotask = 70, "file_send_sigiotask", IfPresent;
    /// Socket options, some of which send packets by themselves.
    SocketSetsockopt = 71, "socket_setsockopt", IfPresent;
    /// A connection arrives: who answers it?
    InetConnRequest = 72, "inet_conn_request", Mandatory;
    /// A connection was made: who opened it, and who answered?
    InetConnEstablished = 73, "inet_conn_established", Mandatory;
    /// A task is no more.
    TaskFree = 74, "task_free", IfPresent;
    /// Controls of System V shared memory.
    ShmShmctl = 75, "shm_shmctl", IfPresent;
    /// Controls of a System V queue.
    MsgQueueMsgctl = 76, "msg_queue_msgctl", IfPresent;
    /// A program that loads a module.
    KernelModuleRequest = 77, "kernel_module_request", IfPresent;
    /// Credentials: a dying process takes some for its core.
    CredPrepare = 78, "cred_prepare", IfPresent;
    /// An inode begins: nameless memory learns who made it.
    InodeAllocSecurity = 79, "inode_alloc_security", Mandatory;
}
