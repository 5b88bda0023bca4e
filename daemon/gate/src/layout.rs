//! Reads the running kernel's BTF: where its fields are, which hooks it has, and how they are called.

use btf_rs::{Btf, BtfType, Type};
use std::path::Path;

/// Why the kernel's layout could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// No BTF.
    #[error("{path}: {source}\nhint: the kernel must be built with CONFIG_DEBUG_INFO_BTF=y; Debian's are")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: btf_rs::Error,
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

impl Kernel {
    /// Reads `/sys/kernel/btf/vmlinux`, or another file.
    ///
    /// # Errors
    /// [`LayoutError::Unreadable`].
    pub fn read(path: &Path) -> Result<Self, LayoutError> {
        let btf = Btf::from_file(path)
            .map_err(|source| LayoutError::Unreadable { path: path.display().to_string(), source })?;
        Ok(Self { btf })
    }

    /// Every offset the kernel programs need, by the name of its global.
    ///
    /// # Errors
    /// [`LayoutError::Field`] when a mandatory one is missing.
    pub fn offsets(&self) -> Result<Vec<(&'static str, u32)>, LayoutError> {
        let mut found = Vec::with_capacity(FIELDS.len());
        for &(global, structure, field, mandatory) in FIELDS {
            match self.offset(structure, field) {
                Some(offset) => found.push((global, offset)),
                None if mandatory => return Err(LayoutError::Field { structure, field }),
                None => {}
            }
        }
        Ok(found)
    }

    fn offset(&self, structure: &str, field: &str) -> Option<u32> {
        let types = self.btf.resolve_types_by_name(structure).ok()?;
        types.iter().filter(|t| matches!(t, Type::Struct(_))).find_map(|t| self.descend(t, field))
    }

    /// Where the sequence number of the kernel's `rename_lock` is, by its list of symbols; 0 when it does not say. The
    /// kernel programs then walk each time.
    #[must_use]
    pub fn rename_sequence(&self, symbols: &str) -> u64 {
        let types = self.btf.resolve_types_by_name("seqlock_t").unwrap_or_default();
        let lock = types.iter().find_map(|t| match t {
            Type::Typedef(named) => self.resolved(named),
            _ => None,
        });
        let Some(within) = lock.and_then(|lock| self.descend(&lock, "seqcount.seqcount.sequence")) else {
            return 0;
        };
        address_of(symbols, "rename_lock").map_or(0, |address| address + u64::from(within))
    }

    /// Follows a dotted path through members; anonymous structures and unions are transparent.
    fn descend(&self, of: &Type, path: &str) -> Option<u32> {
        let (Type::Struct(structure) | Type::Union(structure)) = of else { return None };
        let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
        for member in &structure.members {
            let at = member.bit_offset() / 8;
            let called = self.btf.resolve_name(member).unwrap_or_default();
            if called == name {
                return match rest {
                    None => Some(at),
                    Some(rest) => Some(at + self.descend(&self.resolved(member)?, rest)?),
                };
            }
            if called.is_empty()
                && let Some(inner) = self.resolved(member).and_then(|t| self.descend(&t, path))
            {
                return Some(at + inner);
            }
        }
        None
    }

    /// The type behind typedefs and qualifiers.
    fn resolved(&self, of: &dyn BtfType) -> Option<Type> {
        let mut at = self.btf.resolve_chained_type(of).ok()?;
        loop {
            at = match &at {
                Type::Typedef(t) => self.btf.resolve_chained_type(t).ok()?,
                Type::Const(t) | Type::Volatile(t) | Type::Restrict(t) => {
                    self.btf.resolve_chained_type(t).ok()?
                }
                Type::TypeTag(t) => self.btf.resolve_chained_type(t).ok()?,
                _ => return Some(at),
            };
        }
    }

    /// What a hook is called with: for each argument the structure it points to, or an empty string. `None` when
    /// the kernel has no such hook.
    pub fn hook(&self, name: &str) -> Option<Vec<String>> {
        let types = self.btf.resolve_types_by_name(&format!("bpf_lsm_{name}")).ok()?;
        let function = types.iter().find_map(|t| if let Type::Func(f) = t { Some(f) } else { None })?;
        let Type::FuncProto(prototype) = self.btf.resolve_chained_type(function).ok()? else { return None };
        Some(prototype.parameters.iter().map(|p| self.pointee(p).unwrap_or_default()).collect())
    }

    /// May task storage say that a task has no mark, although it has one? Since linux 6.2 the kernel tells programs that
    /// may interrupt each other from those that may not, and the latter always get their answer.
    pub fn storage_may_fail(&self) -> bool {
        self.btf.resolve_types_by_name("bpf_task_storage_get_recur").map_or(true, |types| types.is_empty())
    }

    /// Does the verifier believe what is read through a file's path? Since linux 6.18 the path is one of two members of a
    /// union, and it may be either.
    pub fn file_path_believed(&self) -> bool {
        let types = self.btf.resolve_types_by_name("file").unwrap_or_default();
        types.iter().any(|t| match t {
            Type::Struct(s) => {
                s.members.iter().any(|m| self.btf.resolve_name(m).is_ok_and(|n| n == "f_path"))
            }
            _ => false,
        })
    }

    fn pointee(&self, parameter: &dyn BtfType) -> Option<String> {
        let Type::Ptr(pointer) = self.resolved(parameter)? else { return None };
        let (Type::Struct(s) | Type::Union(s)) = self.resolved(&pointer)? else { return None };
        self.btf.resolve_name(&s).ok()
    }
}
