//! What ssh can carry besides somebody's typing: each way brings the canary out, or it does not.

use crate::node::{Node, Said, said};
use crate::terminal::Terminal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Lies in the researcher's home, and is served on the node's loopback.
pub const CANARY: &str = "canary-5f1c";
/// What the node serves the canary on.
const SERVED: &str = "127.0.0.1:7777";

/// What became of one way.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The canary arrived here.
    pub arrived: bool,
    /// What the client said.
    pub said: Said,
}

/// A way out.
pub type Way = fn(&Node) -> Outcome;

/// Every way; the name is its command line, roughly.
pub const WAYS: &[(&str, Way)] = &[
    ("ssh node cat FILE", |node| printed(node.ssh(&["node", "cat canary"]))),
    ("ssh -t node cat FILE", |node| printed(node.ssh(&["-tt", "node", "cat canary"]))),
    ("ssh -T node < script", script),
    ("scp", |node| fetched(node, "scp", &["node:canary", "got"])),
    ("scp -O", |node| fetched(node, "scp", &["-O", "node:canary", "got"])),
    ("sftp", |node| fetched(node, "sftp", &["node:canary", "got"])),
    ("rsync", rsync),
    ("ssh -s node sftp", subsystem),
    ("ssh -L", |node| local(node, &format!("127.0.0.1:PORT:{SERVED}"), "-L", |_| {})),
    ("ssh -L to a unix socket", |node| local(node, "127.0.0.1:PORT:/run/canary.sock", "-L", |_| {})),
    ("ssh -D", |node| local(node, "127.0.0.1:PORT", "-D", socks)),
    ("ssh -W", |node| printed(node.ssh(&["-W", SERVED, "node"]))),
    ("ssh -R", remote),
    ("a second channel beside a terminal", shared),
    ("~/.ssh/rc", |node| printed(node.ssh(&["-o", "SetEnv=LC_RC=1", "node", "true"]))),
];

/// A script for root that puts the canary, its servers, `~/.ssh/rc` and an xauth that believes everything there.
pub fn preparation() -> String {
    format!(
        r#"set -e
echo {CANARY} > /home/researcher/canary
printf 'if [ -n "$LC_RC" ]; then cat canary; fi\n' > /home/researcher/.ssh/rc
chown researcher: /home/researcher/canary /home/researcher/.ssh/rc
cat > /root/serve.py <<'PY'
import socket, sys, threading
def serve(listener):
    while True:
        end, _ = listener.accept(); end.sendall(b"{CANARY}\n"); end.close()
tcp = socket.create_server(("127.0.0.1", 7777))
path = socket.socket(socket.AF_UNIX); path.bind("/run/canary.sock"); path.listen()
import os; os.chmod("/run/canary.sock", 0o666)
threading.Thread(target=serve, args=(tcp,)).start()
serve(path)
PY
systemd-run --quiet --unit=canary python3 /root/serve.py
[ -e /usr/bin/xauth ] || {{ printf '#!/bin/sh\ncat > /dev/null\n' > /usr/bin/xauth; chmod 755 /usr/bin/xauth; }}
set +e
"#
    )
}

fn printed(said: Said) -> Outcome {
    Outcome { arrived: said.out.contains(CANARY), said }
}

fn fetched(node: &Node, program: &str, arguments: &[&str]) -> Outcome {
    fetched_by(node, node.client(program).args(arguments))
}

fn fetched_by(node: &Node, command: &mut std::process::Command) -> Outcome {
    let got = node.home.path().join("got");
    let _absent = std::fs::remove_file(&got);
    let said = said(command);
    Outcome { arrived: std::fs::read_to_string(got).is_ok_and(|text| text.contains(CANARY)), said }
}

fn rsync(node: &Node) -> Outcome {
    let shell = format!("ssh -F {}", node.config.display());
    fetched_by(node, node.client("rsync").args(["-e", &shell, "node:canary", "got"]))
}

/// A shell without a terminal, told what to do on its standard input.
fn script(node: &Node) -> Outcome {
    fed(node, &["-T", "node"], b"cat canary\n")
}

/// The first packet of the sftp protocol; a server answers with its version and the names of its extensions.
fn subsystem(node: &Node) -> Outcome {
    let mut ssh = node.client("ssh");
    let piped =
        ssh.args(["-s", "node", "sftp"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // Somebody who is refused may be gone already.
    let _gone = input.write_all(&[0, 0, 0, 5, 1, 0, 0, 0, 3]);
    // A server whose client hangs up first says nothing.
    let mut answer = [0; 64];
    let n = child.stdout.as_mut().unwrap().read(&mut answer).unwrap();
    drop(input);
    let said = Said { out: String::from_utf8_lossy(&answer[..n]).into_owned(), ..ended(child) };
    Outcome { arrived: n > 4 && answer[4] == 2, said }
}

fn fed(node: &Node, arguments: &[&str], input: &[u8]) -> Outcome {
    let mut ssh = node.client("ssh");
    let piped = ssh.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // Somebody who is refused may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    printed(Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Connects as soon as somebody listens.
fn connected(port: u16, patience: Duration) -> Option<TcpStream> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
            return Some(stream);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

fn ended(mut child: Child) -> Said {
    // SIGTERM to `timeout`, which hands it on.
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
    let mut err = String::new();
    let _closed = child.stderr.take().unwrap().read_to_string(&mut err);
    Said { code: child.wait().unwrap().code().unwrap_or(-1), out: String::new(), err }
}

/// A port here that leads to the node.
fn local(node: &Node, what: &str, flag: &str, greet: fn(&mut TcpStream)) -> Outcome {
    let port = free_port();
    let what = what.replace("PORT", &port.to_string());
    let mut ssh = node.client("ssh");
    let child = ssh.args(["-N", flag, &what, "node"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut text = String::new();
    if let Some(mut stream) = connected(port, Duration::from_secs(300)) {
        greet(&mut stream);
        let mut bytes = Vec::new();
        let _closed = stream.read_to_end(&mut bytes);
        text = String::from_utf8_lossy(&bytes).into_owned();
    }
    let mut outcome = printed(Said { out: text, ..Said::default() });
    outcome.said.err = ended(child).err;
    outcome
}

/// SOCKS 4: connect to 127.0.0.1:7777.
fn socks(stream: &mut TcpStream) {
    let _gone = stream.write_all(&[4, 1, 0x1e, 0x61, 127, 0, 0, 1, 0]);
}

/// A port there that leads here: somebody on the node sends the canary into it.
fn remote(node: &Node) -> Outcome {
    let here = TcpListener::bind("127.0.0.1:0").unwrap();
    here.set_nonblocking(true).unwrap();
    let what = format!("127.0.0.1:7790:127.0.0.1:{}", here.local_addr().unwrap().port());
    let mut ssh = node.client("ssh");
    ssh.args(["-N", "-o", "ExitOnForwardFailure=yes", "-R", &what, "node"]).stderr(Stdio::piped());
    let mut child = ssh.spawn().unwrap();
    let mut text = String::new();
    // Until it arrives, or the client has been refused.
    for _ in 0..100 {
        // Root stands in for whatever of the researcher's could reach the port.
        node.root("sleep 0.5; (cat /home/researcher/canary > /dev/tcp/127.0.0.1/7790) 2> /dev/null; true");
        if let Ok((mut stream, _)) = here.accept() {
            stream.set_nonblocking(false).unwrap();
            let _closed = stream.read_to_string(&mut text);
            break;
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
    }
    let mut outcome = printed(Said { out: text, ..Said::default() });
    outcome.said = Said { out: outcome.said.out, ..ended(child) };
    outcome
}

/// One connection: somebody types in one channel, a command wants another.
fn shared(node: &Node) -> Outcome {
    let mut terminal = Terminal::open(node, &["-M", "-S", "shared"]);
    assert_eq!(terminal.ask("echo $((6 * 7))"), "42");
    let outcome = printed(node.ssh(&["-S", "shared", "node", "cat canary"]));
    terminal.type_line("exit");
    terminal.end();
    outcome
}
