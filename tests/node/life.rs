//! The life and death of the gate's daemon, and every way a confined person may try to stop being confined.

use crate::scene::{Played, Scene, UNTIL};
use std::sync::OnceLock;

fn played() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| scene().play())
}

/// Writes as fast as it can, in both ways, and counts what succeeded; ends when /tmp/enough appears.
const HAMMER: &str = r#"
import os, socket, sys
landed = tried = 0
number = 0
log = open(sys.argv[1], "w")
while not os.path.exists("/tmp/enough"):
    number += 1
    for path in ("/home/outside/hammer-%d" % number, "/mnt/out/hammer-%d" % number):
        tried += 1
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
            landed += 1
        except PermissionError:
            pass
    tried += 1
    try:
        socket.create_connection(("10.0.2.2", 9), 0.2).close()
        landed += 1
    except PermissionError:
        pass
    except OSError as error:
        landed += 1
        print(error, file=log, flush=True)
    log.seek(0); print("tried", tried, "landed", landed, "end", file=log, flush=True)
"#;

/// What somebody tries who wants out; each must fail.
const TRY: &str = "echo out > /mnt/out/$1 && echo \"LANDED $1\"; echo out > /home/outside/$1 && echo \"LANDED $1\"; echo tried $1";

fn scene() -> Scene {
    // Left running by an unconfined root before the gate starts: the researcher's shell, and the researcher's root.
    let before = format!(
        "printf '%s\\n' '{TRY}' > /usr/local/bin/try-it; chmod 755 /usr/local/bin/try-it; \
         sed -i '1i #!/bin/sh' /usr/local/bin/try-it; \
         for who in early early-root; do \
         script=\"try-it $who-before; until [ -e /tmp/now ]; do sleep 0.5; done; try-it $who-after; echo done $who\"; \
         if [ $who = early-root ]; then script=\"sudo sh -c '$script'\"; fi; \
         (setsid su -l researcher -c \"$script\" > /tmp/$who.log 2>&1 < /dev/null &); done; \
         for i in $(seq 300); do grep -q tried /tmp/early.log && grep -q tried /tmp/early-root.log && break; sleep 0.2; done"
    );
    let dead = "systemctl is-active sekisho-gate; true";
    let hammer = format!(
        "cat > hammer.py <<'PY'\n{HAMMER}PY\nfor i in 1 2; do setsid python3 hammer.py /tmp/hammer.$i > /tmp/hammer.err 2>&1 < /dev/null & done; \
         {UNTIL}until_true 60 grep -qs tried /tmp/hammer.1; echo started"
    );
    Scene::default()
        .before(&before)
        .step("early", "root", format!("{UNTIL}touch /tmp/now; until_true 60 grep -q done /tmp/early.log; until_true 60 grep -q done /tmp/early-root.log; \
               cat /tmp/early.log /tmp/early-root.log; rm -f /home/outside/* /mnt/out/early* /tmp/now"))
        .step("disguises", "researcher", disguises())
        .step("deputies", "researcher", deputies())
        .step("reads", "researcher", "cat /etc/os-release | head -1; sudo id -u; echo note > ~/note && cat ~/note; tmux -V")
        .step("hammer", "researcher", hammer)
        .step("alone", "root", "mkdir -p /run/systemd/system/sekisho-gate.service.d && cd /run/systemd/system/sekisho-gate.service.d && \
               printf '[Service]\\nRestart=no\\n' > alone.conf && systemctl daemon-reload && systemctl kill --signal=SIGKILL sekisho-gate; sleep 2; systemctl is-active sekisho-gate")
        .step("denied alone", "researcher", "try-it alone; sudo try-it alone-root; sekisho why; echo why=$?; sekisho doctor; echo doctor=$?")
        .step("again", "root", "systemctl start sekisho-gate; echo start=$?; systemctl is-active sekisho-gate; sleep 3")
        .step("denied again", "researcher", "try-it again; sudo try-it again-root; sekisho doctor > /dev/null; echo doctor=$?")
        .step("restart", "root", "systemctl restart sekisho-gate; echo restart=$?")
        .step("restart again", "root", "systemctl restart sekisho-gate; echo restart=$?; systemctl is-active sekisho-gate")
        .step("stop", "root", format!("systemctl stop sekisho-gate; {dead}"))
        .step("denied stopped", "researcher", "try-it stopped; sudo try-it stopped-root")
        .step("start", "root", "systemctl start sekisho-gate; systemctl is-active sekisho-gate")
        .step("enough", "root", format!("{UNTIL}sleep 2; touch /tmp/enough; sleep 2; cat /tmp/hammer.1 /tmp/hammer.2 /tmp/hammer.err"))
        .step("outside", "root", "find /home/outside /mnt/out -mindepth 1 -not -name lost+found; echo looked")
        .step("denied last", "researcher", "try-it last; sekisho why --limit 3; echo why=$?")
}

/// Ways to become somebody else within one's own session.
fn disguises() -> String {
    [
        "sudo try-it sudo",
        "sudo -i sh -c 'try-it sudo-i'",
        "sudo su root -c 'try-it su-root'",
        "sudo su officer -c 'try-it su-officer'",
        "sudo -u officer try-it sudo-officer",
        "sudo setpriv --reuid=33 --regid=33 --clear-groups try-it setpriv",
        "sudo setsid -w try-it setsid",
        "setsid -w sh -c '(try-it daemon &) ; sleep 1'",
        "nohup try-it nohup 2>&1",
        "unshare -Ur try-it userns",
        "unshare -Urnmpf try-it all-namespaces",
        "sudo unshare -mnpuif try-it root-namespaces",
        "sudo nsenter -t 1 -a try-it nsenter",
        "sudo chroot / try-it chroot",
        "sudo sh -c 'mkdir -p /tmp/cg; echo $$ > /sys/fs/cgroup/cgroup.procs; try-it cgroup'",
        "sudo sh -c 'echo $$ > /sys/fs/cgroup/system.slice/cgroup.procs; try-it cgroup-system'",
        "sudo sh -c 'echo 0 > /proc/self/loginuid; try-it loginuid'",
        "tmux -L mine new-session -d 'try-it tmux > /tmp/tmux.log 2>&1'; sleep 2; cat /tmp/tmux.log",
        "sudo tmux -L root new-session -d 'try-it tmux-root > /tmp/tmux-root.log 2>&1'; sleep 2; cat /tmp/tmux-root.log",
        "python3 -c 'import pty; pty.spawn([\"try-it\", \"pty\"])'",
        "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=3 localhost try-it ssh-self",
    ]
    .join("\n")
}

/// Asking somebody unconfined to do it.
fn deputies() -> String {
    "asks() { timeout 20 sudo \"$@\" > /dev/null 2>&1 && echo \"OBEYED $*\"; }\n\
     asks systemd-run --wait try-it systemd-run\n\
     timeout 20 systemd-run --user --wait try-it systemd-run-user > /dev/null 2>&1 && echo OBEYED user\n\
     asks systemd-run --scope try-it scope\n\
     asks machinectl shell root@ /usr/local/bin/try-it machinectl\n\
     asks busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager Reload\n\
     asks loginctl enable-linger researcher\n\
     asks sh -c 'echo \"* * * * * root try-it cron\" > /etc/cron.d/mine'\n\
     asks sh -c 'mkdir -p /var/spool/cron/crontabs && echo \"* * * * * try-it cron\" > /var/spool/cron/crontabs/root'\n\
     asks sh -c 'printf \"[Service]\\nExecStart=try-it unit\\n\" > /etc/systemd/system/mine.service'\n\
     asks sh -c 'printf \"[Service]\\nExecStart=try-it unit\\n\" > /run/systemd/system/mine.service'\n\
     asks sh -c 'echo try-it modprobe > /proc/sys/kernel/modprobe'\n\
     asks sh -c 'echo \"|/usr/local/bin/try-it core\" > /proc/sys/kernel/core_pattern'\n\
     asks sh -c 'echo /usr/local/bin/try-it > /sys/kernel/uevent_helper'\n\
     asks sh -c 'echo \"try-it profile\" >> /root/.profile'\n\
     asks sh -c 'echo b > /proc/sysrq-trigger'\n\
     asks udevadm control --reload\n\
     echo tried; find /home/outside /mnt/out -mindepth 1 -not -name lost+found 2> /dev/null; true"
        .to_owned()
}

#[test]
fn what_the_researcher_left_running_before_the_gate_is_confined_by_it() {
    let played = played();
    let said = played.of("early");
    said.has(&["LANDED early-before", "LANDED early-root-before", "done early", "done early-root"]);
    said.lacks(&["LANDED early-after", "LANDED early-root-after"]);
}

#[test]
fn no_disguise_takes_the_mark_off() {
    let played = played();
    let said = played.of("disguises");
    said.lacks(&["LANDED"]);
    for tried in ["sudo", "su-root", "su-officer", "setsid", "daemon", "tmux", "tmux-root", "cgroup", "pty"] {
        assert!(said.text.contains(&format!("tried {tried}")), "{tried} was not tried at all\n{}", said.text);
    }
}

#[test]
fn no_deputy_does_it_for_a_confined_process() {
    let played = played();
    assert_eq!(played.of("deputies").text, "tried\n", "somebody obeyed, or something landed");
}

#[test]
fn ordinary_work_goes_on_meanwhile() {
    let played = played();
    played.of("reads").succeeded().has(&["Debian", "0\nnote\n", "tmux"]);
}

#[test]
fn the_gate_denies_without_its_daemon_and_after_its_return() {
    let played = played();
    played.of("alone").has(&["failed"]);
    let alone = played.of("denied alone");
    alone
        .has(&["tried alone", "tried alone-root", "why=75", "does not answer"])
        .lacks(&["LANDED", "doctor=0"]);
    played.of("again").has(&["start=0", "active"]);
    played.of("denied again").has(&["tried again-root", "doctor=0"]).lacks(&["LANDED"]);
    played.of("restart").has(&["restart=0"]);
    played.of("restart again").has(&["restart=0\nactive"]);
    played.of("denied last").has(&["tried last", "why=0", "last"]).lacks(&["LANDED"]);
}

#[test]
fn stopping_the_unit_opens_nothing() {
    let played = played();
    played.of("stop").has(&["inactive"]);
    played.of("denied stopped").has(&["tried stopped", "tried stopped-root"]).lacks(&["LANDED"]);
    played.of("start").has(&["active"]);
}

#[test]
fn not_one_write_lands_while_the_daemon_dies_restarts_and_stops() {
    let played = played();
    let said = played.of("enough");
    let counts: Vec<_> = said.text.lines().filter(|line| line.starts_with("tried ")).collect();
    assert_eq!(counts.len(), 2, "two writers hammered\n{}", said.text);
    for line in counts {
        let words: Vec<_> = line.split_whitespace().collect();
        let tried: u64 = words[1].parse().unwrap();
        assert!(tried > 100, "hammered {tried} times only");
        assert_eq!(words[3], "0", "{line}");
    }
    assert_eq!(played.of("outside").text, "looked\n", "something got out");
}
