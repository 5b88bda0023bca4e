//! Keys that the kernel keeps: for others to read, or made by a program that the kernel runs.

use crate::channel::{Channel, Tried};
use crate::outside::Outside;
use crate::scene::Scene;
use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const KEYS: &[&str] = &["key_permission"];
/// Which check of a key comes first depends on the kernel and the key.
const KEY_TYPES: &[(&str, &str)] =
    &[("key_alloc", "deputy"), ("key_alloc", "kernel_interface"), ("key_permission", "kernel_interface")];
/// The program that the kernel runs to make keys.
const HELPER: &str = "/sbin/request-key";
/// `KEY_SPEC_PROCESS_KEYRING`.
const PROCESS_KEYRING: i32 = -2;
/// `KEY_SPEC_USER_KEYRING`.
const USER_KEYRING: i32 = -4;

pub(crate) const CHANNELS: &[Channel] = &[
    // HOLE: root's own keyring is every root process's.
    Channel::closed("key_of_root", "puts a key into the keyring of root", KEYS, "deputy", |s| {
        add_key(s, USER_KEYRING).map(drop)
    })
    .root()
    .or(KEY_TYPES)
    .arrived(|o| {
        let description = CString::new(o.canary()).unwrap_or_default();
        // SAFETY: KEYCTL_SEARCH (10) takes a keyring, two terminated strings and a destination (none).
        let found = unsafe {
            libc::syscall(libc::SYS_keyctl, 10, USER_KEYRING, c"user".as_ptr(), description.as_ptr(), 0)
        };
        found > 0
    }),
    Channel::closed(
        "key_from_helper",
        "requests a key, which has the kernel run a program as root",
        KEYS,
        "deputy",
        |s| request_key(s, c"user"),
    )
    .or(KEY_TYPES)
    .ready(install_helper)
    .undo(remove_helper),
    Channel::closed(
        "name_by_helper",
        "requests a key of name resolution, whose helper asks the network",
        KEYS,
        "deputy",
        |s| request_key(s, c"dns_resolver"),
    )
    .or(KEY_TYPES)
    .ready(|o| {
        let _ = std::process::Command::new("modprobe").arg("dns_resolver").status();
        install_helper(o)
    })
    .undo(remove_helper)
    .absent(&[Errno::ENOPKG]),
    Channel::works(
        "own_key",
        "keeps a key in its own process's keyring",
        "nobody else possesses that keyring",
        |s| add_key(s, PROCESS_KEYRING).map(drop),
    ),
];

/// Asks for a key that is not there.
fn request_key(s: &Scene, kind: &CStr) -> Tried {
    let description = CString::new(s.canary.as_str()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: three terminated strings and a keyring.
    let done = unsafe {
        libc::syscall(
            libc::SYS_request_key,
            kind.as_ptr(),
            description.as_ptr(),
            c"x".as_ptr(),
            PROCESS_KEYRING,
        )
    };
    match Errno::result(done) {
        // The helper ran, and made no key.
        Err(Errno::ENOKEY | Errno::EKEYREJECTED) => Ok(()),
        other => other.map(drop),
    }
}

/// It takes charge of the key to be made, and writes its description down.
fn install_helper(o: &Outside<'_>) -> anyhow::Result<()> {
    let script = format!(
        "#!/usr/bin/python3 -IS\n\
         import ctypes, sys\n\
         keyctl, assume, describe, key = 250, 16, 6, int(sys.argv[2])\n\
         library, text = ctypes.CDLL(None), ctypes.create_string_buffer(4096)\n\
         library.syscall(keyctl, assume, key)\n\
         length = library.syscall(keyctl, describe, key, text, 4096)\n\
         open({:?}, 'wb').write(text.raw[:max(length, 0)])\n",
        o.path("key")
    );
    fs::write(HELPER, script)?;
    Ok(fs::set_permissions(HELPER, fs::Permissions::from_mode(0o755))?)
}

fn remove_helper(_: &Outside<'_>) {
    let _ = fs::remove_file(HELPER);
}

fn add_key(s: &Scene, keyring: i32) -> nix::Result<libc::c_long> {
    let description = CString::new(s.canary.as_str()).map_err(|_| Errno::EINVAL)?;
    let payload = s.canary.as_bytes();
    // SAFETY: two terminated strings and a payload of the length given.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_add_key,
            c"user".as_ptr(),
            description.as_ptr(),
            payload.as_ptr(),
            payload.len(),
            keyring,
        )
    })
}
