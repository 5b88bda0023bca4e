//! Orders to the gate, and what it survives: lockdown, policy changes and upgrades under fire, threads older than the
//! gate, releases that wait for it, callers that say nothing.

use crate::scene::{Played, Scene, UNTIL};
use serde_json::Value;
use std::sync::OnceLock;

fn played() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| scene().play())
}

/// Threads that are not their process's first, waiting since before the gate.
const THREADS: &str = r#"
import os, sys, threading, time
def work(name):
    while not os.path.exists("/tmp/threads-now"):
        time.sleep(0.2)
    for place in ("/home/outside", "/mnt/out"):
        try:
            os.close(os.open(place + "/thread-" + name, os.O_CREAT | os.O_WRONLY, 0o644)); print("LANDED", name, flush=True)
        except PermissionError as error:
            print("denied", name, error.errno, flush=True)
threads = [threading.Thread(target=work, args=(sys.argv[1] + str(n),)) for n in range(3)]
for thread in threads: thread.start()
print("ready", flush=True)
for thread in threads: thread.join()
print("done", flush=True)
"#;

/// Holds a way out of every kind open, uses each again and again, and says how it went the last time.
const HOLDER: &str = r#"
import os, socket, time
spool = os.open("/var/spool/sekisho/demo/.held.part", os.O_CREAT | os.O_WRONLY, 0o644)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.connect(("10.0.2.3", 53))
unix = socket.socket(socket.AF_UNIX); unix.connect("/run/systemd/journal/stdout")
work = os.open("/tmp/holder.work", os.O_CREAT | os.O_WRONLY, 0o644)
def tried(act):
    try:
        act(); return "ok"
    except PermissionError:
        return "denied"
    except OSError as error:
        return "errno-%d" % error.errno
while not os.path.exists("/tmp/enough"):
    words = ["spool", tried(lambda: os.pwrite(spool, b"x", 0)), "udp", tried(lambda: udp.send(b"x")),
             "unix", tried(lambda: unix.send(b"x\n")), "work", tried(lambda: os.pwrite(work, b"x", 0))]
    open("/tmp/holder.new", "w").write(" ".join(words) + "\n"); os.rename("/tmp/holder.new", "/tmp/holder.log")
    time.sleep(0.1)
"#;

/// Writes as fast as it can, outside and inside, and counts what should not have happened.
const HAMMER: &str = r#"
import os, sys
tried = landed = refused = 0
while not os.path.exists("/tmp/enough"):
    for place in ("/home/outside", "/mnt/out"):
        try:
            os.close(os.open("%s/%s-%d" % (place, sys.argv[1], tried), os.O_CREAT | os.O_WRONLY, 0o644)); landed += 1
        except PermissionError:
            pass
    try:
        os.close(os.open("/tmp/%s" % sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644))
    except PermissionError:
        refused += 1
    tried += 1
    if tried % 50 == 0:
        open("/tmp/%s.part" % sys.argv[1], "w").write("tried %d landed %d refused %d end\n" % (tried, landed, refused))
        os.rename("/tmp/%s.part" % sys.argv[1], "/tmp/%s.log" % sys.argv[1])
"#;

const TABLE: &str = "{ echo ' CHR            SNP   A1   A2          MAF  NCHROBS'; for i in $(seq 0 49); do \
     awk -v i=$i 'BEGIN { printf \"   1   rs%d    A    G   %.6f     800\\n\", 1000 + i, (60 + 6 * i) / 800 }'; done; }";

/// One unit file more, so that the daemon is one whose maps have another version.
const UPGRADE: &str = "upgraded() { mkdir -p /run/systemd/system/sekisho-gate.service.d; \
     printf '[Service]\\nExecStart=\\nExecStart=/usr/libexec/sekisho/sekisho-gate run %s\\n' \"$1\" > /run/systemd/system/sekisho-gate.service.d/upgrade.conf; \
     systemctl daemon-reload; systemctl restart sekisho-gate; echo \"restart=$? $(ls /sys/fs/bpf/sekisho | tr '\\n' ' ')\"; }\n";

fn scene() -> Scene {
    let before = format!(
        "cat > /usr/local/bin/threads.py <<'PY'\n{THREADS}PY\n\
         cat > /usr/local/bin/holder.py <<'PY'\n{HOLDER}PY\n\
         cat > /usr/local/bin/hammer.py <<'PY'\n{HAMMER}PY\n\
         (setsid su -l researcher -c 'python3 /usr/local/bin/threads.py own' > /tmp/threads-own.log 2>&1 < /dev/null &)\n\
         (setsid su -l researcher -c 'sudo python3 /usr/local/bin/threads.py sudo' > /tmp/threads-sudo.log 2>&1 < /dev/null &)\n\
         for i in $(seq 300); do grep -q ready /tmp/threads-own.log && grep -q ready /tmp/threads-sudo.log && break; sleep 0.2; done"
    );
    let allow = "mkdir -p /etc/sekisho/policy.d; printf 'version = 1\\n[gate.network]\\nallow = [{ cidr = \"10.0.2.3/32\", protocol = \"udp\", port = 53 }]\\n' > /etc/sekisho/policy.d/50-net.toml; \
         sekisho policy apply; echo apply=$?";
    let reloads = "for i in $(seq 25); do printf \"version = 1\\n[[gate.zone]]\\npath = \\\"/opt/zone$((i % 2))\\\"\\nkind = \\\"workspace\\\"\\n\" > /etc/sekisho/policy.d/60-zone.toml; \
         if [ $((i % 5)) = 3 ]; then systemctl reload sekisho-gate; fi; sekisho policy apply > /tmp/applied || echo FAILED $i; done; cat /tmp/applied /tmp/hammer1.log\n";
    let bad = "printf 'version = 1\\n[gate]\\nmode = \"enforced\"\\n' > /etc/sekisho/policy.d/70-bad.toml; sekisho policy apply; echo bad=$?; \
         LANG=ja_JP.UTF-8 sekisho policy apply; systemctl reload sekisho-gate; sleep 1; rm /etc/sekisho/policy.d/70-bad.toml; cat /tmp/hammer1.log";
    let state = "sekisho status --all --json | python3 -c '\nimport json, sys\n\
         for r in json.load(sys.stdin)[\"requests\"]:\n    if r[\"entry\"] == \"table.frq\": print(r[\"request\"], r[\"state\"], r[\"note\"])\n'";
    let reached = format!("{UNTIL}reached() {{ {state} | grep -q \"$1\"; }}\n");
    let ledger = format!(
        "{UNTIL}state() {{ sekisho doctor --json | python3 -c 'import json, sys; s = json.load(sys.stdin)[\"status\"]; print(\"waiting\", s[\"waiting_records\"], \"locks\", len(s[\"locks\"]), \"problem:\", s[\"problem\"])'; }}\n\
         arrived() {{ state | grep -q '^waiting 0 '; }}\n\
         until_true 30 arrived; state; for f in $(find /var/lib/sekisho-notary/ledger -type f); do grep -aoE '\"kind\":\"(gate|release)_[a-z_]*\"' $f; done | sort | uniq -c"
    );
    Scene::default()
        .before(&before)
        .step("threads", "root", format!("{UNTIL}touch /tmp/threads-now; until_true 60 grep -q done /tmp/threads-own.log; until_true 60 grep -q done /tmp/threads-sudo.log; cat /tmp/threads-*.log"))
        .step("doctor json", "root", "sekisho doctor --json")
        .step("allow", "root", allow)
        .step("hold", "researcher", format!("{UNTIL}setsid python3 /usr/local/bin/holder.py > /tmp/holder.err 2>&1 < /dev/null & {UNTIL}until_true 30 test -s /tmp/holder.log; cat /tmp/holder.log /tmp/holder.err"))
        .step("freeze", "root", "sekisho lockdown user researcher --reason 'incident 7'; echo code=$?; sleep 1; cat /tmp/holder.log")
        .step("frozen", "researcher", "cp /etc/hostname /var/spool/sekisho/demo/.x; echo work > ~/work && cat ~/work; sekisho why --limit 3; LANG=ja_JP.UTF-8 sekisho why --limit 3; \
               sekisho lockdown list; sekisho lockdown lift user researcher --reason mine; echo own=$?; sudo sekisho lockdown lift user researcher --reason mine; echo sudo=$?; \
               sudo sekisho policy apply; echo apply=$?; sudo rm -rf /var/lib/sekisho-gate/lockdowns.json; sudo cat /var/lib/sekisho-gate/lockdowns.json")
        .step("others", "officer", "sekisho lockdown list; sekisho lockdown everyone --reason mine; echo code=$?")
        .step("frozen again", "root", "systemctl restart sekisho-gate; sleep 1; cat /tmp/holder.log; sekisho lockdown list; sekisho doctor | grep lockdown; \
               systemctl kill --signal=SIGKILL sekisho-gate; sleep 4; cat /tmp/holder.log")
        .step("thaw", "root", "sekisho lockdown lift user researcher --reason 'looked at'; echo code=$?; sleep 1; cat /tmp/holder.log; sekisho lockdown lift user researcher --reason twice; echo twice=$?")
        .step("project", "root", "sekisho lockdown project demo --reason p; sleep 1; cat /tmp/holder.log; sekisho lockdown everyone --reason e; sekisho lockdown lift project demo --reason p; sleep 1; cat /tmp/holder.log; \
               sekisho lockdown lift everyone --reason e; sleep 1; cat /tmp/holder.log; sekisho lockdown user nobody-here --reason x; echo unknown=$?; sekisho lockdown project nowhere --reason x; echo unknown=$?")
        .step("hammer", "researcher", format!("for n in 1 2; do setsid python3 /usr/local/bin/hammer.py hammer$n > /tmp/hammer$n.err 2>&1 < /dev/null & done; {UNTIL}until_true 60 test -s /tmp/hammer1.log; until_true 60 test -s /tmp/hammer2.log; echo started"))
        .step("reloads", "root", reloads)
        .step("more reloads", "root", format!("rm /etc/sekisho/policy.d/60-zone.toml; {reloads}"))
        .step("bad policy", "root", bad)
        // From here on a new walk over all processes would not mark the hammers: only their marks confine them.
        .step("exempt", "root", "printf 'version = 1\\n[gate.subjects]\\nexempt_users = [\"root\", \"officer\", \"researcher\"]\\n' > /etc/sekisho/policy.d/80-exempt.toml; sekisho policy apply; echo apply=$?; sekisho doctor | grep exempt")
        .step("upgrade", "root", format!("{UPGRADE}upgraded '--maps 77'; systemctl kill --signal=SIGKILL sekisho-gate; sleep 5; systemctl is-active sekisho-gate"))
        .step("upgrade again", "root", format!("{UPGRADE}upgraded '--maps 78'; systemctl stop sekisho-gate; sleep 1; systemctl start sekisho-gate; systemctl is-active sekisho-gate"))
        .step("downgrade", "root", format!("{UPGRADE}upgraded ''; cat /tmp/hammer1.log /tmp/hammer2.log"))
        .step("confined again", "root", "rm /etc/sekisho/policy.d/80-exempt.toml; sekisho policy apply; echo apply=$?; touch /tmp/enough; sleep 2; cat /tmp/hammer1.log /tmp/hammer2.log /tmp/hammer?.err; find /home/outside /mnt/out -mindepth 1 -not -name lost+found; echo looked")
        .step("silent", "researcher", "for i in $(seq 60); do (sleep 20 | nc -U /run/sekisho-gate/gate.sock > /dev/null 2>&1 &); done; sleep 2; \
               begin=$(date +%s%N); sekisho doctor > /dev/null; echo doctor=$?; echo milliseconds $(( ($(date +%s%N) - begin) / 1000000 ))")
        .step("drop", "researcher", format!("{reached}{TABLE} > /var/spool/sekisho/demo/table.frq; until_true 60 reached ' held '; {state}"))
        .step("stop", "root", "systemctl stop sekisho-gate; ls /run/sekisho-gate")
        .step("approve", "officer", format!("id=$({state} | cut -d' ' -f1); sekisho approve --yes --key ~/.ssh/id_ed25519 --reason 'counts checked' $id; echo code=$?; {state}"))
        .step("approve ja", "officer", format!("id=$({state} | cut -d' ' -f1); LANG=ja_JP.UTF-8 sekisho review $id | head -12; echo bags=$(ls /var/lib/sekisho-release/demo | wc -l)"))
        .step("start", "root", "systemctl start sekisho-gate; systemctl is-active sekisho-gate")
        .step("released", "researcher", format!("{reached}until_true 60 reached ' released '; {state}; ls /var/lib/sekisho-release/demo"))
        .step("unpinned", "root", "rm $(ls -d /sys/fs/bpf/sekisho/links/*/file_open | tail -1); sleep 3; cat /run/sekisho-gate/heartbeat; sekisho doctor > /tmp/doctor; echo doctor=$?; grep -E 'NOT|releases' /tmp/doctor; \
               systemctl restart sekisho-gate; sekisho doctor > /dev/null; echo doctor=$?")
        .step("detach", "researcher", "sudo /usr/libexec/sekisho/sekisho-gate detach --yes; echo code=$?")
        .step("ledger", "root", ledger)
}

#[test]
fn every_thread_of_what_ran_before_the_gate_is_confined_by_it() {
    let said = played().of("threads");
    said.lacks(&["LANDED"]);
    for thread in ["own0", "own2", "sudo0", "sudo2"] {
        assert_eq!(said.text.matches(&format!("denied {thread}")).count(), 2, "{}", said.text);
    }
}

#[test]
fn doctor_names_every_hook_who_is_exempt_and_who_runs_unconfined() {
    let json: Value = serde_json::from_str(&played().of("doctor json").text).unwrap();
    assert!(json["level"] == "full" || json["level"] == "partial", "{json}");
    let status = &json["status"];
    assert!(status["hooks"].as_array().unwrap().len() > 40);
    for hook in status["hooks"].as_array().unwrap() {
        assert!(hook["attached"] == true || !hook["detail"].as_str().unwrap().is_empty(), "{hook}");
    }
    assert!(status["exempt"].as_array().unwrap().iter().any(|e| e["name"] == "officer"));
    let programs = status["unconfined"].as_array().unwrap();
    assert!(programs.iter().any(|p| p["exe"].as_str().unwrap().ends_with("/systemd") && p["pid"] == 1));
    assert!(
        programs.iter().all(|p| !p["cgroup"].as_str().unwrap().starts_with("/user.slice/user-1001")),
        "{json}"
    );
    assert!(status["self_test_age"].is_u64());
}

const ALL_OPEN: &str = "spool ok udp ok unix ok work ok";
const ALL_FROZEN: &str = "spool denied udp denied unix denied work ok";

#[test]
fn lockdown_reaches_what_is_already_open_and_outlives_the_daemon() {
    let played = played();
    played.of("allow").has(&["apply=0", "+ gate.network.allow: udp 10.0.2.3/32 53"]);
    played.of("hold").has(&[ALL_OPEN]);
    played.of("freeze").has(&["code=0", "user researcher", "incident 7", ALL_FROZEN]);
    let frozen = played.of("frozen");
    frozen.has(&["Operation not permitted", "work\n", "frozen", "停止", "incident 7"]);
    frozen.has(&["own=77", "sudo=77", "apply=77"]).lacks(&["own=0", "sudo=0"]);
    played.of("others").has(&["no lockdown is in force", "code=77"]).lacks(&["incident 7"]);
    let again = played.of("frozen again");
    assert_eq!(again.text.matches(ALL_FROZEN).count(), 2, "{}", again.text);
    again.has(&["incident 7"]).lacks(&["spool ok", "udp ok"]);
    played.of("thaw").has(&["code=0", ALL_OPEN, "twice=1"]);
    let project = played.of("project");
    assert_eq!(project.text.matches(ALL_FROZEN).count(), 2, "{}", project.text);
    assert!(
        project.text.contains(ALL_OPEN) && project.text.matches("unknown=1").count() == 2,
        "{}",
        project.text
    );
}

fn counts(text: &str) -> Vec<Vec<u64>> {
    let lines = text.lines().filter(|line| line.starts_with("tried "));
    lines.map(|line| line.split(' ').filter_map(|word| word.parse().ok()).collect()).collect()
}

#[test]
fn fifty_reloads_let_nothing_slip_out_and_deny_nothing_inside() {
    let played = played();
    let (first, second, bad) = (played.of("reloads"), played.of("more reloads"), played.of("bad policy"));
    first.has(&["gate.zone: /opt/zone0 (workspace) → /opt/zone1 (workspace)"]).lacks(&["FAILED"]);
    second.lacks(&["FAILED"]);
    bad.has(&["bad=78", "70-bad.toml:3:8", "the old policy stays in force", "使える値"]);
    for said in [first, second, bad] {
        for counted in counts(&said.text) {
            assert!(counted[0] > 50 && counted[1..] == [0, 0], "{}", said.text);
        }
    }
}

#[test]
fn marks_and_denials_outlive_kill_restart_stop_and_upgrade() {
    let played = played();
    played.of("exempt").has(&["apply=0", "+ gate.subjects.exempt_users: researcher", "researcher (1001)"]);
    // Nothing of the version before is left, and the marks are the same ones.
    played.of("upgrade").has(&["restart=0", "links maps-77 marks-1 \nactive\n"]);
    played.of("upgrade again").has(&["restart=0", "links maps-78 marks-1 \nactive\n"]);
    played.of("downgrade").has(&["restart=0"]).lacks(&["maps-78"]);
    let last = played.of("confined again");
    last.has(&["apply=0"]);
    assert!(last.text.ends_with("looked\n"));
    let counted = counts(&last.text);
    assert_eq!(counted.len(), 2, "{}", last.text);
    for counted in counted {
        assert!(counted[0] > 500 && counted[1..] == [0, 0], "{}", last.text);
    }
    last.lacks(&["/home/outside/", "/mnt/out/", "Traceback"]);
}

#[test]
fn callers_that_say_nothing_make_nobody_wait() {
    let said = played().of("silent");
    said.has(&["doctor=0"]);
    let waited = said.text.lines().find_map(|l| l.strip_prefix("milliseconds ")).unwrap();
    assert!(waited.parse::<u64>().unwrap() < 8000, "{}", said.text);
}

#[test]
fn a_release_waits_for_the_gate_and_follows_by_itself() {
    let played = played();
    played.of("drop").has(&[" held "]);
    played.of("stop").lacks(&["heartbeat"]);
    let approve = played.of("approve");
    approve.has(&["code=75", "your decision stands, and nothing leaves yet", "no heartbeat", " releasing "]);
    played.of("approve ja").has(&["関所が動いていません", "bags=0"]);
    played.of("start").has(&["active"]);
    played.of("released").has(&[" released ", "R-"]);
}

#[test]
fn a_hook_that_somebody_took_away_is_seen_and_put_back() {
    let said = played().of("unpinned");
    said.has(&["hooks are still attached", "doctor=1", "NOT protected", "doctor=0"]);
}

#[test]
fn a_confined_root_who_wants_to_detach_is_told_that_sudo_does_not_help() {
    played().of("detach").has(&[
        "Operation not permitted",
        "a confined session does not open the gate",
        "code=1",
    ]);
}

#[test]
fn what_the_gate_did_stands_in_the_ledger() {
    let said = played().of("ledger");
    for kind in [
        "started",
        "stopped",
        "self_test",
        "policy",
        "policy_refused",
        "lockdown",
        "lockdown_lifted",
        "denials",
        "unconfined",
    ] {
        assert!(said.text.contains(&format!("\"kind\":\"gate_{kind}\"")), "{kind}: {}", said.text);
    }
    said.has(&[
        "release_waits",
        "sekisho_gate_sound 1",
        "sekisho_gate_lockdowns 0",
        "sekisho_gate_records_waiting 0",
    ]);
}
