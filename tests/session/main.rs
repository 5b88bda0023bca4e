//! A person's session, by real ssh clients from outside the machine: somebody at a terminal works as ever; whatever
//! else ssh can carry works on Debian's stock configuration with the gate off, and is refused with both on.

// In a test, and in what serves only tests, a panic is how a claim fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod node;
mod screen;
mod terminal;
mod ways;

use node::{Node, Said};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use terminal::Terminal;
use ways::{Outcome, WAYS};

/// What was seen, by phase and name.
#[derive(Default)]
struct Seen {
    /// Ways with the gate off, on, and off again.
    open: BTreeMap<&'static str, Outcome>,
    held: BTreeMap<&'static str, Outcome>,
    after: BTreeMap<&'static str, Outcome>,
    /// Exempt people, with the gate on.
    officer: BTreeMap<&'static str, Said>,
    /// Everything else that was said, by name.
    said: BTreeMap<&'static str, String>,
}

const OFF: &str = "systemctl stop sekisho-gate; /usr/libexec/sekisho/sekisho-gate detach --yes; \
                   mv /etc/ssh/sshd_config.d/00-sekisho.conf /root/ && systemctl reload ssh";
const ON: &str = "mv /root/00-sekisho.conf /etc/ssh/sshd_config.d/ && systemctl reload ssh; systemctl start sekisho-gate; \
                  systemctl is-active sekisho-gate";
/// The lab's machines do without a service manager for people; Debian's do not.
const MANAGER: &str = "systemctl unmask -q user@.service";
/// Root's half of a login, and the manager, end after the session.
const OVER: &str = "for i in $(seq 1000); do loginctl --no-legend list-sessions | grep -q researcher || break; sleep 0.1; done
                    loginctl --no-legend list-sessions; last -w -n 1 researcher
                    for i in $(seq 1000); do systemctl -q is-active user@1001 || break; sleep 0.1; done
                    systemctl list-units --no-legend --plain --failed";
/// What deploy/README.md asks of an administrator.
const MOTD: &str = "sed -i 's/pam_motd.so *motd=.*/& noupdate/' /etc/pam.d/sshd /etc/pam.d/login";
const DENIALS: &str =
    "journalctl --boot --no-pager -o cat -u sekisho-gate | grep '\"message\":\"denial\"' || true";

fn seen() -> &'static Seen {
    static SEEN: OnceLock<Option<Seen>> = OnceLock::new();
    // Played once, even when it breaks off: another boot would only break off again.
    SEEN.get_or_init(|| std::panic::catch_unwind(play).ok())
        .as_ref()
        .expect("the session was played to its end")
}

fn play() -> Seen {
    let node = Node::boot("6.12");
    let mut seen = Seen::default();
    let all = |node: &Node, names: &dyn Fn(&str) -> bool| {
        let chosen = WAYS.iter().filter(|(name, _)| names(name));
        let tried = chosen.map(|(name, way)| {
            let outcome = way(node);
            eprintln!("{name}: {}", if outcome.arrived { "arrived" } else { "did not arrive" });
            (*name, outcome)
        });
        tried.collect::<BTreeMap<_, _>>()
    };
    node.root(&format!("{MANAGER}\n{MOTD}\n{}\n{OFF}", ways::preparation()));
    seen.open = all(&node, &|_| true);
    seen.said.insert("open terminal", forwarded(&node));

    seen.said.insert("gate", node.root(ON));
    work(&node, &mut seen);
    seen.held = all(&node, &|_| true);
    seen.said.insert("held terminal", forwarded(&node));
    for (name, locale) in [("english", "C.UTF-8"), ("japanese", "ja_JP.UTF-8")] {
        let mut ssh = node.client("ssh");
        ssh.env("LC_ALL", locale).args(["-q", "-o", "SendEnv=LC_ALL", "node", "cat canary"]);
        seen.said.insert(name, node::said(&mut ssh).err);
    }
    exempt(&node, &mut seen);
    idle(&node, &mut seen);
    screen::counted(&node, &mut seen.said);
    screen::budgeted(&node, &mut seen.said);
    screen::locked(&node, &mut seen.said);

    node.root(OFF);
    seen.after = all(&node, &|name| matches!(name, "ssh node cat FILE" | "scp" | "ssh -L" | "ssh -R"));
    seen
}

/// What agent and window forwarding left in the environment of a terminal.
fn forwarded(node: &Node) -> String {
    let agent = node.home.path().join("agent");
    let _absent = std::fs::remove_file(&agent);
    // ssh forwards an agent only when one answers there.
    let mut answers =
        std::process::Command::new("ssh-agent").arg("-D").arg("-a").arg(&agent).spawn().unwrap();
    while !agent.exists() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut terminal = Terminal::open(node, &["-Y", "-A"]);
    let said = terminal.ask("echo \"agent[$SSH_AUTH_SOCK] display[$DISPLAY]\"");
    terminal.type_line("exit");
    answers.kill().unwrap();
    answers.wait().unwrap();
    terminal.end();
    said
}

/// Somebody logs in, works, logs out.
fn work(node: &Node, seen: &mut Seen) {
    let before = node.root(DENIALS);
    let mut terminal = Terminal::open(node, &[]);
    let mut ask = |terminal: &mut Terminal, name, command| seen.said.insert(name, terminal.ask(command));
    ask(&mut terminal, "arithmetic", "echo $((6 * 7))");
    ask(&mut terminal, "shell", "echo $0; shopt -q login_shell && echo login");
    ask(&mut terminal, "denials at login", "sekisho why --json");
    ask(&mut terminal, "manager", "systemctl --user --wait is-system-running");
    ask(&mut terminal, "cgroup", "cat /proc/self/cgroup");
    ask(&mut terminal, "runtime", "echo $XDG_RUNTIME_DIR; touch $XDG_RUNTIME_DIR/mine && echo made");
    ask(&mut terminal, "who", "who -m; sudo id -u");
    ask(
        &mut terminal,
        "tmux",
        "tmux new-session -d 'tmux wait-for -S there; sleep 100'; tmux wait-for there; tmux list-sessions; tmux kill-server",
    );
    ask(&mut terminal, "denied", "cp canary /mnt/out/ 2>&1; sekisho why --limit 1");
    terminal.resize(33, 101);
    ask(&mut terminal, "size", "for i in $(seq 50); do stty size | grep '33 101' && break; sleep 0.1; done");
    terminal.type_line("exit 7");
    let (code, _) = terminal.end();
    seen.said.insert("code", code.to_string());
    // The next login comes after the first one's root half has ended.
    seen.said.insert("over", node.root(OVER));
    seen.said.insert("records", node.root(DENIALS)[before.len()..].to_owned());
}

fn exempt(node: &Node, seen: &mut Seen) {
    let promises = "cp /home/researcher/canary /home/officer/; chown officer: /home/officer/canary
                    for who in researcher officer root; do sshd -T -C user=$who,host=outside,addr=10.0.2.2 | sed \"s/^/$who /\"; done";
    seen.said.insert("promises", node.root(promises));
    let mut scp = node.client("scp");
    seen.officer.insert("scp", node::said(scp.args(["officer@node:canary", "officers"])));
    let mut sftp = node.client("sftp");
    seen.officer.insert("sftp", node::said(sftp.args(["-q", "officer@node:canary", "officers"])));
    seen.officer.insert("command", node.ssh(&["-l", "officer", "node", "cat canary"]));
}

/// The snippet's quarter of an hour, shortened so that it can be watched.
fn idle(node: &Node, seen: &mut Seen) {
    let set = |from: &str, to: &str| {
        let edit = format!(
            "sed -i 's/session:\\*={from}/session:*={to}/' /etc/ssh/sshd_config.d/00-sekisho.conf && systemctl reload ssh"
        );
        node.root(&edit);
    };
    set("15m", "5s");
    let mut terminal = Terminal::open(node, &[]);
    // Twice that long, with something on the screen every second.
    seen.said.insert("busy", terminal.ask("for i in $(seq 10); do printf .; sleep 1; done"));
    let (code, text) = terminal.end();
    seen.said.insert("idle", format!("{code} {text}"));
    set("5s", "15m");
}

/// What a person's service manager finds out at login that it may not do, and does without; likewise sudo and tmux.
fn is_probing(denial: &serde_json::Value) -> bool {
    let manager = matches!(denial["comm"].as_str(), Some("systemd" | "(sd-pam)"));
    let (hook, object) = (denial["hook"].as_str().unwrap(), denial["object"].as_str().unwrap());
    let known = [
        ("inode_mknod", "`chr`"),
        ("bpf", "bpf command"),
        // Automounts.
        ("cgroup/device", "10:235"),
        ("unix_stream_connect", "/run/dbus/system_bus_socket"),
        // Audit records, without being root any more.
        ("socket_create", "socket family 16"),
    ];
    // sudo and tmux look into the list of who is there, to write themselves down.
    let listed = matches!(denial["comm"].as_str(), Some("sudo" | "utempter"));
    (manager && known.iter().any(|(by, what)| hook == *by && object.contains(what)))
        || (listed && hook == "file_open" && object.starts_with("`utmp`"))
}

impl Seen {
    #[track_caller]
    fn has(&self, name: &str, words: &[&str]) {
        let text = &self.said[name];
        for word in words {
            assert!(text.contains(word), "{name}: `{word}` is not in\n{text}");
        }
    }
}

#[test]
fn every_way_carries_with_stock_sshd_and_no_gate_and_again_after() {
    let seen = seen();
    for (phase, outcomes) in [("open", &seen.open), ("after", &seen.after)] {
        assert!(!outcomes.is_empty());
        for (name, outcome) in outcomes {
            assert!(outcome.arrived, "{phase}: {name} carried nothing\n{outcome:#?}");
        }
    }
    assert!(!seen.said["open terminal"].contains("agent[]"), "{}", seen.said["open terminal"]);
    assert!(!seen.said["open terminal"].contains("display[]"), "{}", seen.said["open terminal"]);
}

#[test]
fn no_way_carries_anything_past_the_snippet_and_the_gate() {
    let seen = seen();
    seen.has("gate", &["active"]);
    assert_eq!(seen.held.len(), WAYS.len());
    for (name, outcome) in &seen.held {
        assert!(!outcome.arrived, "{name} carried the canary\n{outcome:#?}");
    }
    seen.has("held terminal", &["agent[] display[]"]);
}

#[test]
fn who_is_refused_reads_why_and_what_to_do_in_their_language() {
    let seen = seen();
    for name in ["ssh node cat FILE", "scp", "scp -O", "sftp", "rsync", "a second channel beside a terminal"]
    {
        let said = &seen.held[name].said;
        assert!(said.err.contains("sekisho submit"), "{name}\n{said:#?}");
        assert_ne!(said.code, 0, "{name}");
    }
    seen.has("english", &["refused over ssh", "sekisho submit"]);
    seen.has("japanese", &["ssh 経由では実行できません", "sekisho submit"]);
}

#[test]
fn somebody_at_a_terminal_works_as_ever() {
    let seen = seen();
    assert_eq!(seen.said["arithmetic"], "42");
    seen.has("shell", &["-bash", "login"]);
    seen.has("who", &["researcher", "pts/", "0"]);
    seen.has("tmux", &["1 windows"]);
    seen.has("denied", &["Operation not permitted", "inode_create"]);
    seen.has("size", &["33 101"]);
    assert_eq!(seen.said["code"], "7", "the shell's own exit code comes back");
}

#[test]
fn a_login_under_the_gate_gets_its_session_and_leaves_no_noise() {
    let seen = seen();
    seen.has("cgroup", &["/user.slice/user-1001.slice/session-"]);
    seen.has("runtime", &["/run/user/1001", "made"]);
    assert_eq!(seen.said["manager"], "running");
    let at_login: serde_json::Value = serde_json::from_str(&seen.said["denials at login"]).unwrap();
    let others: Vec<_> = at_login["denials"].as_array().unwrap().iter().filter(|d| !is_probing(d)).collect();
    assert!(others.is_empty(), "{others:#?}");
    let over = &seen.said["over"];
    assert!(over.contains("researcher pts/"), "the login stands in wtmp\n{over}");
    assert!(!over.contains("user@1001"), "the service manager came to a good end\n{over}");
    let records = seen.said["records"].lines().filter_map(|line| serde_json::from_str(line).ok());
    let denials: Vec<serde_json::Value> = records.filter(|record| !is_probing(record)).collect();
    assert_eq!(denials.len(), 1, "only the one that was provoked\n{denials:#?}");
}

#[test]
fn exempt_people_keep_their_clients() {
    let seen = seen();
    for (name, said) in &seen.officer {
        assert_eq!(said.code, 0, "{name} {said:#?}");
    }
    assert!(seen.officer["command"].out.contains(ways::CANARY));
}

#[test]
fn sshd_itself_says_what_the_snippet_promises() {
    let seen = seen();
    let promises = &seen.said["promises"];
    let of = |who: &str| -> Vec<String> {
        promises.lines().filter_map(|line| line.strip_prefix(&format!("{who} "))).map(str::to_owned).collect()
    };
    for line in [
        "forcecommand /usr/bin/sekisho session",
        "disableforwarding yes",
        "allowagentforwarding no",
        "allowtcpforwarding no",
        "allowstreamlocalforwarding no",
        "gatewayports no",
        "x11forwarding no",
        "permittunnel no",
        "permituserrc no",
        "permituserenvironment no",
        "clientaliveinterval 60",
        "channeltimeout session:*=15m",
    ] {
        assert!(of("researcher").iter().any(|said| said == line), "`{line}` is not in\n{promises}");
    }
    for who in ["officer", "root"] {
        assert!(of(who).iter().any(|said| said == "forcecommand none"), "{who}\n{promises}");
        assert!(of(who).iter().any(|said| said == "disableforwarding no"), "{who}\n{promises}");
    }
}

#[test]
fn an_idle_session_ends_and_a_busy_one_does_not() {
    let seen = seen();
    assert_eq!(seen.said["busy"], "..........");
    seen.has("idle", &["255 "]);
}

#[test]
fn what_a_session_shows_is_counted_for_that_session() {
    let seen = seen();
    let numbers = |name: &str| -> Vec<u64> {
        seen.said[name].split_whitespace().map(|number| number.parse().unwrap()).collect()
    };
    // The last line end is not part of what was asked for.
    assert!(numbers("shown")[0] + 1 >= screen::SHOWN, "all of it arrived: {}", seen.said["shown"]);
    let mut sessions = numbers("sessions");
    sessions.sort_unstable();
    let [quiet, loud] = sessions[..] else { panic!("two sessions: {sessions:?}") };
    // Every line grows by one byte on a terminal; encryption adds a little to each packet.
    assert!((screen::SHOWN..screen::SHOWN * 115 / 100).contains(&loud), "{loud}");
    assert!(quiet < 50_000, "{quiet}");
    let lines = seen.said["record"].lines();
    let records: Vec<serde_json::Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let recorded =
        |record: &serde_json::Value| record["ended"] == true && record["bytes"].as_u64() >= Some(loud);
    assert!(records.iter().any(recorded), "{records:#?}");
    let all = seen.said["record"].lines().find_map(|line| line.strip_prefix("sekisho_gate_screen_bytes "));
    assert!(all.unwrap().parse::<f64>().unwrap() >= loud as f64, "{}", seen.said["record"]);
}

#[test]
fn a_budget_cuts_one_accounts_session_and_no_other() {
    let seen = seen();
    let mut words = seen.said["cut"].split_whitespace().map(|word| word.parse::<u64>().unwrap());
    assert_eq!(words.next(), Some(255), "the connection ended");
    let arrived = words.next().unwrap();
    assert!((screen::BUDGET / 4..=screen::BUDGET / 2).contains(&arrived), "{arrived}");
    assert_eq!(seen.said["other"], "42");
}

#[test]
fn a_lockdown_silences_the_open_session_and_refuses_new_ones_until_lifted() {
    let seen = seen();
    assert!(!seen.said["locked"].contains("tick"), "{}", seen.said["locked"]);
    assert!(!seen.said["new login"].contains("42"), "{}", seen.said["new login"]);
    assert_eq!(seen.said["lifted"], "42");
}
