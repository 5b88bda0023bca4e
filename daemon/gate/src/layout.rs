//! Reads the running kernel's BTF: where its fields are, which hooks it has, and how they are called.

use crate::btf::{Btf, Kind, Malformed, Type};
use std::collections::HashMap;
use std::path::Path;

/// Why the kernel's layout could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// No BTF.
    #[error("{path}: {source}\nhint: the kernel must be built with CONFIG_DEBUG_INFO_BTF=y; Debian's are")]
    Absent {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// BTF that is not understood.
    #[error("{path} {source}\nhint: this kernel is not supported yet; report its version")]
    Malformed {
        /// The file.
        path: String,
        /// Where.
        source: Malformed,
    },
    /// A field the gate cannot do without.
    #[error(
        "the kernel's BTF has no {structure}.{field}\nhint: this kernel is not supported yet; report its version"
    )]
    Field {
        /// Structure.
        structure: &'static str,
        /// Path of the field.
        field: &'static str,
    },
}

/// A field the kernel programs read: name of the global, structure, path of the member, mandatory.
type Wanted = (&'static str, &'static str, &'static str, bool);

/// Every offset in `ebpf/gate/src/layout.rs`.
const FIELDS: &[Wanted] = &[
    ("OFF_FILE_MODE", "file", "f_mode", true),
    ("OFF_FILE_DENTRY", "file", "f_path.dentry", true),
    ("OFF_FILE_INODE", "file", "f_inode", true),
    ("OFF_DENTRY_PARENT", "dentry", "d_parent", true),
    ("OFF_DENTRY_INODE", "dentry", "d_inode", true),
    ("OFF_DENTRY_NAME", "dentry", "d_name.name", true),
    ("OFF_INODE_SB", "inode", "i_sb", true),
    ("OFF_INODE_INO", "inode", "i_ino", true),
    ("OFF_INODE_MODE", "inode", "i_mode", true),
    ("OFF_INODE_UID", "inode", "i_uid.val", true),
    ("OFF_INODE_RDEV", "inode", "i_rdev", true),
    ("OFF_SB_DEV", "super_block", "s_dev", true),
    ("OFF_SB_MAGIC", "super_block", "s_magic", true),
    ("OFF_SB_FLAGS", "super_block", "s_flags", true),
    ("OFF_SB_ROOT", "super_block", "s_root", true),
    // Absent without CONFIG_AUDIT: then there is no login uid to judge by.
    ("OFF_TASK_LOGINUID", "task_struct", "loginuid.val", false),
    // Absent: each task is asked for its mark, which costs more and says the same.
    ("OFF_TASK_STORAGE", "task_struct", "bpf_storage", false),
    ("OFF_TASK_MM", "task_struct", "mm", true),
    ("OFF_TASK_TGID", "task_struct", "tgid", true),
    ("OFF_TASK_LEADER", "task_struct", "group_leader", true),
    ("OFF_TASK_CRED", "task_struct", "cred", true),
    ("OFF_MM_EXE_FILE", "mm_struct", "exe_file", true),
    ("OFF_CRED_UID", "cred", "uid.val", true),
    ("OFF_CRED_EUID", "cred", "euid.val", true),
    ("OFF_SOCKET_SK", "socket", "sk", true),
    ("OFF_SOCK_FAMILY", "sock", "__sk_common.skc_family", true),
    ("OFF_SOCK_NUM", "sock", "__sk_common.skc_num", true),
    ("OFF_SOCK_ADDR4", "sock", "__sk_common.skc_rcv_saddr", true),
    ("OFF_SOCK_ADDR6", "sock", "__sk_common.skc_v6_rcv_saddr", true),
    ("OFF_SOCK_NET", "sock", "__sk_common.skc_net.net", true),
    ("OFF_SOCK_PEER4", "sock", "__sk_common.skc_daddr", true),
    ("OFF_SOCK_PEER6", "sock", "__sk_common.skc_v6_daddr", true),
    ("OFF_SOCK_PEER_PORT", "sock", "__sk_common.skc_dport", true),
    ("OFF_SOCK_TYPE", "sock", "sk_type", true),
    ("OFF_NET_INUM", "net", "ns.inum", true),
    ("OFF_UNIX_ADDR", "unix_sock", "addr", true),
    ("OFF_UNIX_PEER", "unix_sock", "peer", true),
    ("OFF_UNIX_ADDRESS_NAME", "unix_address", "name", true),
    ("OFF_MSG_NAME", "msghdr", "msg_name", true),
    ("OFF_VMA_FILE", "vm_area_struct", "vm_file", true),
    ("OFF_VMA_FLAGS", "vm_area_struct", "vm_flags", true),
    ("OFF_IPC_CUID", "kern_ipc_perm", "cuid.val", true),
    ("OFF_TASK_FLAGS", "task_struct", "flags", true),
    ("OFF_TASK_REAL_CRED", "task_struct", "real_cred", true),
    ("OFF_INODE_LINKS", "inode", "i_nlink", true),
    ("OFF_INODE_GENERATION", "inode", "i_generation", true),
    ("OFF_FILE_PRIVATE", "file", "private_data", true),
    ("OFF_TTY_FILE_TTY", "tty_file_private", "tty", true),
    ("OFF_TTY_LINK", "tty_struct", "link", true),
    ("OFF_TTY_DRIVER_DATA", "tty_struct", "driver_data", true),
    ("OFF_TTY_DRIVER", "tty_struct", "driver", true),
    ("OFF_TTY_INDEX", "tty_struct", "index", true),
    ("OFF_TTY_DRIVER_MAJOR", "tty_driver", "major", true),
    ("OFF_TTY_DRIVER_FIRST", "tty_driver", "minor_start", true),
    ("OFF_TASK_SIGNAL", "task_struct", "signal", true),
    ("OFF_SIGNAL_TTY", "signal_struct", "tty", true),
    ("OFF_SKB_HEAD", "sk_buff", "head", true),
    ("OFF_SKB_NETWORK", "sk_buff", "network_header", true),
    ("OFF_SKB_TRANSPORT", "sk_buff", "transport_header", true),
    ("OFF_MSG_FLAGS", "msghdr", "msg_flags", true),
    ("OFF_PATH_DENTRY", "path", "dentry", true),
    ("OFF_TASK_FILES", "task_struct", "files", true),
    ("OFF_FILES_TABLE", "files_struct", "fdt", true),
    ("OFF_TABLE_SIZE", "fdtable", "max_fds", true),
    ("OFF_TABLE_FILES", "fdtable", "fd", true),
    ("OFF_TABLE_CLOSING", "fdtable", "close_on_exec", true),
    ("OFF_KEY_UID", "key", "uid.val", true),
    ("OFF_KEY_TYPE", "key", "type", true),
    ("OFF_KEY_TYPE_NAME", "key_type", "name", true),
];

/// Where the kernel keeps a variable of its own, by its list of symbols; `None` when it does not say, or more than once.
#[must_use]
pub fn address_of(symbols: &str, symbol: &str) -> Option<u64> {
    // Symbols of modules have a fourth word. Most lines of some hundred thousand are passed over by their end.
    let mut found = symbols.lines().filter(|line| line.ends_with(symbol)).filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [address, _, name] = words[..] else { return None };
        if name != symbol {
            return None;
        }
        u64::from_str_radix(address, 16).ok().filter(|&address| address != 0)
    });
    let address = found.next()?;
    found.next().is_none().then_some(address)
}

/// The running kernel's types.
pub struct Kernel {
    btf: Btf,
}

const STRUCT: Kind = Kind::Composite { is_struct: true };

impl Kernel {
    /// Reads `/sys/kernel/btf/vmlinux`, or another file.
    ///
    /// # Errors
    /// [`LayoutError::Absent`], [`LayoutError::Malformed`].
    pub fn read(path: &Path) -> Result<Self, LayoutError> {
        let name = || path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| LayoutError::Absent { path: name(), source })?;
        let btf = Btf::new(bytes).map_err(|source| LayoutError::Malformed { path: name(), source })?;
        Ok(Self { btf })
    }

    /// Every offset the kernel programs need, by the name of its global.
    ///
    /// # Errors
    /// [`LayoutError::Field`] when a mandatory one is missing.
    pub fn offsets(&self) -> Result<Vec<(&'static str, u32)>, LayoutError> {
        let mut found = Vec::with_capacity(FIELDS.len());
        let mut structures: HashMap<_, Vec<_>> = HashMap::new();
        for &(global, structure, field, mandatory) in FIELDS {
            let types =
                structures.entry(structure).or_insert_with(|| self.btf.named(STRUCT, structure).collect());
            match types.iter().find_map(|&t| self.descend(t, field)) {
                Some(offset) => found.push((global, offset)),
                None if mandatory => return Err(LayoutError::Field { structure, field }),
                None => {}
            }
        }
        Ok(found)
    }

    /// Where the sequence number of the kernel's `rename_lock` is, by its list of symbols; 0 when it does not say. The
    /// kernel programs then walk each time.
    #[must_use]
    pub fn rename_sequence(&self, symbols: &str) -> u64 {
        let lock = self.btf.named(Kind::Typedef, "seqlock_t").find_map(|t| self.btf.behind(t.refers_to));
        let Some(within) = lock.and_then(|lock| self.descend(lock, "seqcount.seqcount.sequence")) else {
            return 0;
        };
        address_of(symbols, "rename_lock").map_or(0, |address| address + u64::from(within))
    }

    /// Follows a dotted path through members; anonymous structures and unions are transparent.
    fn descend(&self, of: Type, path: &str) -> Option<u32> {
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        for member in self.btf.members(of) {
            if member.name == name.as_bytes() {
                return match rest {
                    None => Some(member.at),
                    Some(rest) => Some(member.at + self.descend(self.btf.behind(member.of)?, rest)?),
                };
            }
            if member.name.is_empty()
                && let Some(inner) = self.btf.behind(member.of).and_then(|t| self.descend(t, path))
            {
                return Some(member.at + inner);
            }
        }
        None
    }

    /// What a hook is called with: for each argument the structure it points to, or an empty string. `None` when
    /// the kernel has no such hook.
    pub fn hook(&self, name: &str) -> Option<Vec<String>> {
        let function = self.btf.named(Kind::Function, &format!("bpf_lsm_{name}")).next()?;
        let prototype = self.btf.get(function.refers_to)?;
        Some(self.btf.parameters(prototype).map(|p| self.pointee(p).unwrap_or_default()).collect())
    }

    /// May task storage say that a task has no mark, although it has one? Since linux 6.2 the kernel tells programs that
    /// may interrupt each other from those that may not, and the latter always get their answer.
    pub fn storage_may_fail(&self) -> bool {
        self.btf.named(Kind::Function, "bpf_task_storage_get_recur").next().is_none()
    }

    /// Does the verifier believe what is read through a file's path? Since linux 6.18 the path is one of two members of a
    /// union, and it may be either.
    pub fn file_path_believed(&self) -> bool {
        self.btf.named(STRUCT, "file").any(|t| self.btf.members(t).any(|m| m.name == b"f_path"))
    }

    fn pointee(&self, parameter: u32) -> Option<String> {
        let pointer = self.btf.behind(parameter).filter(|t| t.kind == Kind::Pointer)?;
        let structure = self.btf.behind(pointer.refers_to)?;
        let is_structure = matches!(structure.kind, Kind::Composite { .. });
        is_structure.then(|| String::from_utf8_lossy(self.btf.name(&structure)).into_owned())
    }
}
