//! The node's own programs, asked to carry something for a confined caller: those with more rights than the caller have
//! the caller's mark all the same.

use crate::channel::{Channel, Tried};
use crate::scene::Scene;
use nix::errno::Errno;
use std::fs;
use std::path::Path;

const OUTSIDE: &str = "outside_zones";
const ANY_FILE: &[&str] = &["inode_create", "file_open", "inode_rename", "inode_link"];
/// Databases that the channels below would change.
const ACCOUNTS: [&str; 4] = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"];

pub(crate) const CHANNELS: &[Channel] = &[
    changes_accounts("full_name", "changes the account's full name to the data", |s| {
        s.command("chfn", &["-r", &s.canary, "researcher"])
    }),
    changes_accounts("login_shell", "changes the account's shell to the data", |s| {
        s.command("usermod", &["-s", &format!("/tmp/{}", s.canary), "researcher"])
    }),
    changes_accounts("new_group", "makes a group whose name is the data", |s| s.command("groupadd", &[&s.canary])),
    changes_accounts("new_account", "makes an account whose name is the data", |s| {
        s.command("useradd", &["--no-create-home", &s.canary])
    }),
    Channel::closed("edit_hosts", "writes the data into the table of hosts, by sed", ANY_FILE, OUTSIDE, |s| {
        s.shell("sed -i \"1s/$/ $canary/\" /etc/hosts")
    })
    .root()
    .arrived(|o| fs::read_to_string("/etc/hosts").is_ok_and(|text| text.contains(o.canary()))),
    Channel::closed("append_to_hosts", "writes the data into the table of hosts, by tee", ANY_FILE, OUTSIDE, |s| {
        s.shell("echo \"127.0.0.9 $canary\" | tee -a /etc/hosts")
    })
    .root()
    .arrived(|o| fs::read_to_string("/etc/hosts").is_ok_and(|text| text.contains(o.canary()))),
    Channel::closed("archive_outside", "unpacks an archive outside", ANY_FILE, OUTSIDE, |s| {
        let own = s.own_file("packed")?.display().to_string();
        s.shell(&format!("tar -c {own} 2> /dev/null | tar -x -C {}", s.outside("").display()))
    })
    .or(&[("inode_mkdir", OUTSIDE)]),
    Channel::closed("copy_tree", "copies a directory outside by rsync", ANY_FILE, OUTSIDE, |s| {
        let own = s.own_file("mirrored")?.display().to_string();
        s.command("rsync", &["-a", &own, &s.outside("").display().to_string()])
    })
    .or(&[("inode_mkdir", OUTSIDE)]),
    Channel::closed("clone_repository", "clones a repository to a place outside", &["inode_mkdir"], OUTSIDE, |s| {
        let own = s.inside("repository").display().to_string();
        let outside = s.outside("clone").display().to_string();
        s.shell(&format!(
            "git init -q {own} && cd {own} && git -c user.name=x -c user.email=x commit -q --allow-empty -m $canary && \
             git clone -q --bare {own} {outside}"
        ))
    })
    .arrived(|o| o.path("clone/HEAD").exists())
    .or(&[("inode_create", OUTSIDE)]),
    Channel::closed("synchronise_name", "installs a file outside", ANY_FILE, OUTSIDE, |s| {
        let own = s.own_file("installed")?.display().to_string();
        s.command("install", &["-m", "600", &own, &s.outside("new").display().to_string()])
    }),
    Channel::works("journal", "writes into the journal", "the journal stays on the node, and is read by its administrators", |s| {
        s.command("logger", &["-t", "escape", &s.canary])
    }),
    Channel::works("name_service", "looks accounts and hosts up", "the tables are read", |s| {
        s.shell("getent passwd researcher > /dev/null && getent ahostsv4 localhost > /dev/null && id > /dev/null")
    }),
    Channel::works("repository_at_home", "makes and clones a repository at home", "it stays in a zone", |s| {
        let own = s.inside("repository").display().to_string();
        s.shell(&format!("git init -q {own} && git clone -q {own} {own}-clone 2> /dev/null"))
    }),
];

/// Root's programs that rewrite the tables of accounts. They say in their own words that they cannot.
const fn changes_accounts(name: &'static str, tries: &'static str, run: fn(&Scene) -> Tried) -> Channel {
    Channel::closed(name, tries, ANY_FILE, OUTSIDE, run)
        .root()
        .errno(Errno::ECHILD)
        .ready(|o| {
            for path in ACCOUNTS {
                fs::copy(path, kept(o, path))?;
            }
            Ok(())
        })
        .arrived(|o| {
            ACCOUNTS.iter().any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(o.canary())))
        })
        .undo(|o| {
            for path in ACCOUNTS {
                let _ = fs::copy(kept(o, path), path);
            }
        })
}

/// A copy of a table as it was.
fn kept(o: &crate::outside::Outside<'_>, path: &str) -> std::path::PathBuf {
    o.path(&Path::new(path).file_name().unwrap_or_default().to_string_lossy())
}
