//! Unconfined services that would act for a confined caller, and helpers that the kernel itself starts.

use crate::channel::{Channel, Tried};
use crate::deputies::{self, MODULES};
use crate::scene::{Scene, errno};
use nix::errno::Errno;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;

const CONNECT: &[&str] = &["unix_stream_connect"];
const DEPUTY: &str = "deputy";

macro_rules! stream {
    ($name:literal, $tries:literal, $path:literal) => {
        Channel::closed($name, $tries, CONNECT, DEPUTY, |s| {
            let mut stream = UnixStream::connect($path).map_err(errno)?;
            stream.write_all(s.canary.as_bytes()).map_err(errno)
        })
    };
}

macro_rules! datagram {
    ($name:literal, $tries:literal, $path:literal) => {
        Channel::closed($name, $tries, &["unix_may_send"], DEPUTY, |s| {
            let socket = UnixDatagram::unbound().map_err(errno)?;
            socket.send_to(s.canary.as_bytes(), $path).map(drop).map_err(errno)
        })
    };
}

pub(crate) const CHANNELS: &[Channel] = &[
    stream!("docker", "asks docker", "/run/docker.sock"),
    stream!("containerd", "asks containerd", "/run/containerd/containerd.sock"),
    stream!("podman", "asks podman", "/run/podman/podman.sock"),
    stream!("snapd", "asks snapd", "/run/snapd.socket"),
    stream!("libvirt", "asks libvirt", "/run/libvirt/libvirt-sock"),
    stream!("cups", "prints by way of CUPS", "/run/cups/cups.sock"),
    stream!("nscd", "looks a name up by nscd", "/run/nscd/socket"),
    stream!("sssd", "looks a name up by sssd", "/var/lib/sss/pipes/nss"),
    stream!("rpcbind", "asks rpcbind", "/run/rpcbind.sock"),
    stream!("resolved", "looks a name up by systemd-resolved", "/run/systemd/resolve/io.systemd.Resolve"),
    stream!("munge", "has munge sign a credential", "/run/munge/munge.socket.2"),
    stream!("mysqld", "writes to a data base", "/run/mysqld/mysqld.sock"),
    stream!("gpg_agent", "asks somebody's gpg-agent", "/run/user/0/gnupg/S.gpg-agent"),
    stream!("ssh_agent", "asks somebody's ssh-agent, whose socket lies in /tmp", "/tmp/ssh-sekisho/agent.7"),
    stream!("screen_socket", "types into somebody's screen", "/run/screen/S-root/1.tty"),
    stream!("x11", "draws on somebody's X server, whose socket lies in /tmp", "/tmp/.X11-unix/X7"),
    stream!("wayland", "draws on somebody's Wayland display", "/tmp/wayland-7"),
    datagram!("mail_pickup", "tells a mail service that there is mail", "/run/postfix-pickup"),
    datagram!("syslog", "logs to a syslog daemon that may forward", "/run/syslog-remote"),
    Channel::closed(
        "cron_directory",
        "leaves a job in cron.d as root",
        &["inode_create"],
        "outside_zones",
        |s| fs::write(Path::new("/etc/cron.d").join(&s.canary), &s.canary).map_err(errno),
    )
    .root()
    .arrived(|outside| deputies::spooled("/etc/cron.d", outside.canary()))
    .undo(|outside| {
        let _ = fs::remove_file(Path::new("/etc/cron.d").join(outside.canary()));
    }),
    Channel::closed("system_bus", "sends a signal to everybody on the system bus", CONNECT, DEPUTY, |s| {
        s.shell("dbus-send --system --type=signal / org.example.Escape.Said string:$canary")
    }),
    Channel::closed(
        "systemd_bus",
        "sets a variable of systemd's over the system bus",
        CONNECT,
        DEPUTY,
        |s| {
            s.shell(
                "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 \
             org.freedesktop.systemd1.Manager SetEnvironment as 1 CANARY=$canary",
            )
        },
    )
    .root()
    .arrived(|outside| deputies::says(&["systemctl", "show-environment"], outside.canary()))
    .undo(|_| deputies::run(&["systemctl", "unset-environment", "CANARY"])),
    Channel::closed("systemd_private", "sets one over systemd's own socket", CONNECT, DEPUTY, |s| {
        s.shell("SYSTEMCTL_FORCE_BUS=0 systemctl set-environment CANARY=$canary")
    })
    .root()
    .arrived(|outside| deputies::says(&["systemctl", "show-environment"], outside.canary()))
    .undo(|_| deputies::run(&["systemctl", "unset-environment", "CANARY"])),
    Channel::closed("systemd_run", "has systemd run a command", CONNECT, DEPUTY, |s| {
        s.shell(&format!(
            "systemd-run --quiet --wait sh -c \"echo $canary > {}\"",
            s.outside("new").display()
        ))
    })
    .root(),
    Channel::closed("logind", "has logind tell everybody", CONNECT, DEPUTY, |s| {
        s.shell(
            "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager \
             SetWallMessage sb $canary false",
        )
    })
    .root(),
    Channel::closed("tmux_server", "has somebody's tmux run a command", CONNECT, DEPUTY, |s| {
        s.shell(&format!(
            "tmux -S /tmp/escape-tmux run-shell 'echo '$canary' > {}'",
            s.outside("new").display()
        ))
    })
    .root()
    .ready(|_| {
        deputies::run(&["tmux", "-S", "/tmp/escape-tmux", "new-session", "-d", "sleep", "1000"]);
        Ok(())
    })
    .undo(|_| deputies::run(&["tmux", "-S", "/tmp/escape-tmux", "kill-server"])),
    Channel::closed(
        "module_helper",
        "executes a file of an unknown format: the kernel asks a helper for a module named after it",
        &["kernel_module_request"],
        DEPUTY,
        module_helper,
    )
    .errno(Errno::ENOEXEC)
    // linux 6.14 no longer asks.
    .absent(&[Errno::ENOEXEC])
    .ready(|_| deputies::catch_modules())
    .arrived(|outside| deputies::caught(MODULES, &module_name(outside.number())))
    .undo(|_| deputies::leave_modules()),
];

/// Sixteen bits of a number, as the kernel asks for a module.
fn module_name(number: u32) -> String {
    format!("binfmt-{:04x}", number & 0xffff)
}

/// `ENOEXEC` where nobody was asked for help.
fn module_helper(scene: &Scene) -> Tried {
    let path = scene.inside("program");
    let [low, high, ..] = scene.number().to_le_bytes();
    fs::write(&path, [0xf7, 0x01, low, high, 0xff, 0xff]).map_err(errno)?;
    fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(errno)?;
    let executed = Command::new(&path).status().map(drop).map_err(errno);
    let _ = fs::remove_file(&path);
    match executed {
        Err(Errno::ENOEXEC) if scene.ask("module", &module_name(scene.number()))? == "asked" => Ok(()),
        other => other,
    }
}
