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

/// Holds a way out of every kind open, uses each again and again, and says how it went the last time. What works although
/// the round began after the order was given is a slip.
const HOLDER: &str = r#"
import os, socket, time
spool = os.open("/var/spool/sekisho/demo/.held.part", os.O_CREAT | os.O_WRONLY, 0o644)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.connect(("10.0.2.3", 53))
unix = socket.socket(socket.AF_UNIX); unix.connect("/run/systemd/journal/stdout"); unix.send(b"holder\n\n6\n0\n0\n0\n0\n")
work = os.open("/tmp/holder.work", os.O_CREAT | os.O_WRONLY, 0o644)
def tried(act):
    try:
        act(); return "ok"
    except PermissionError:
        return "denied"
    except OSError as error:
        return "errno-%d" % error.errno
rounds = slips = 0
while not os.path.exists("/tmp/held"):
    frozen = os.path.exists("/tmp/frozen")
    said = {"spool": tried(lambda: os.pwrite(spool, b"x", 0)), "udp": tried(lambda: udp.send(b"x")),
            "unix": tried(lambda: unix.send(b"x\n")), "work": tried(lambda: os.pwrite(work, b"x", 0))}
    slips += frozen and sum(said[way] != "denied" for way in ("spool", "udp", "unix"))
    rounds += 1
    words = " ".join("%s %s" % way for way in said.items())
    open("/tmp/holder.new", "w").write("%s slips %d rounds %d\n" % (words, slips, rounds)); os.rename("/tmp/holder.new", "/tmp/holder.log")
    time.sleep(0.01)
"#;

/// Writes without pause worth the name, outside and inside, and counts what should not have happened.
const HAMMER: &str = r#"
import os, sys, time
tried = landed = refused = 0
while not os.path.exists("/tmp/enough"):
    for place in ("/home/outside", "/mnt/out"):
        try:
            os.close(os.open("%s/%s-%d" % (place, sys.argv[1], tried % 8), os.O_CREAT | os.O_WRONLY, 0o644)); landed += 1
        except PermissionError:
            pass
    try:
        os.close(os.open("/tmp/%s" % sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644))
    except PermissionError:
        refused += 1
    tried += 1
    time.sleep(0.002)
    if tried % 50 == 0:
        open("/tmp/%s.part" % sys.argv[1], "w").write("tried %d landed %d refused %d end\n" % (tried, landed, refused))
        os.rename("/tmp/%s.part" % sys.argv[1], "/tmp/%s.log" % sys.argv[1])
"#;

const TABLE: &str = "{ echo ' CHR            SNP   A1   A2          MAF  NCHROBS'; for i in $(seq 0 49); do \
     awk -v i=$i 'BEGIN { printf \"   1   rs%d    A    G   %.6f     800\\n\", 1000 + i, (60 + 6 * i) / 800 }'; done; }";

/// Waits until the holder has gone round a few times more, and shows how; orders and their end.
const HOLD: &str = "rounds() { sed 's/.* //' /tmp/holder.log; }; beyond() { [ \"$(rounds)\" -gt \"$1\" ]; }\n\
     look() { until_true 120 beyond $(($(rounds) + 5)); cat /tmp/holder.log; }\n\
     order() { sekisho lockdown \"$@\"; echo code=$?; touch /tmp/frozen; look; }\n";

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
         for i in $(seq 600); do grep -q ready /tmp/threads-own.log && grep -q ready /tmp/threads-sudo.log && break; sleep 0.2; done"
    );
    let allow = "mkdir -p /etc/sekisho/policy.d; printf 'version = 1\\n[gate.network]\\nallow = [{ cidr = \"10.0.2.3/32\", protocol = \"udp\", port = 53 }]\\n' > /etc/sekisho/policy.d/50-net.toml; \
         sekisho policy apply; echo apply=$?";
    let reloads = format!(
        "{UNTIL}for i in $(seq 6); do printf \"version = 1\\n[[gate.zone]]\\npath = \\\"/opt/zone$((i % 2))\\\"\\nkind = \\\"workspace\\\"\\n\" > /etc/sekisho/policy.d/60-zone.toml; \
         sekisho policy apply > /tmp/applied || echo FAILED $i; done; cat /tmp/applied\n\
         force() {{ sekisho doctor --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"status\"][\"policy_sha256\"])'; }}; changed() {{ [ \"$(force)\" != \"$1\" ]; }}\n\
         old=$(force); rm /etc/sekisho/policy.d/60-zone.toml; systemctl reload sekisho-gate; until_true 120 changed \"$old\" && echo reloaded; cat /tmp/hammer?.log"
    );
    let bad = "printf 'version = 1\\n[gate]\\nmode = \"enforced\"\\n' > /etc/sekisho/policy.d/70-bad.toml; old=$(force); sekisho policy apply; echo bad=$?; \
         LANG=ja_JP.UTF-8 sekisho policy apply; systemctl reload sekisho-gate; sekisho policy apply > /dev/null 2>&1; echo again=$?; [ \"$(force)\" = \"$old\" ] && echo stays; \
         rm /etc/sekisho/policy.d/70-bad.toml; cat /tmp/hammer?.log";
    let force = "force() { sekisho doctor --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"status\"][\"policy_sha256\"])'; }";
    let bad = format!("{force}\n{bad}");
    let state = "sekisho status --all --json | python3 -c '\nimport json, sys\n\
         for r in json.load(sys.stdin)[\"requests\"]:\n    if r[\"entry\"] == \"table.frq\": print(r[\"request\"], r[\"state\"], r[\"note\"])\n'";
    let reached = format!("{UNTIL}reached() {{ {state} | grep -q \"$1\"; }}\n");
    let ledger = format!(
        "{UNTIL}state() {{ sekisho doctor --json | python3 -c 'import json, sys; s = json.load(sys.stdin)[\"status\"]; print(\"waiting\", s[\"waiting_records\"], \"locks\", len(s[\"locks\"]), \"problem:\", s[\"problem\"])'; }}\n\
         arrived() {{ state | grep -q '^waiting 0 '; }}\n\
         until_true 300 arrived; state; for f in $(find /var/lib/sekisho-notary/ledger -type f); do grep -aoE '\"kind\":\"(gate|release)_[a-z_]*\"' $f; done | sort | uniq -c"
    );
    // Alive, but unheard: its heartbeat grows old.
    let stopped = format!(
        "{UNTIL}systemctl kill --signal=SIGSTOP sekisho-gate; \
         old() {{ [ $(($(date +%s) - $(stat -c %Y /run/sekisho-gate/heartbeat))) -gt 25 ]; }}; until_true 120 old && echo old"
    );
    Scene::default()
        .before(&before)
        .step("threads", "root", format!("{UNTIL}touch /tmp/threads-now; until_true 120 grep -q done /tmp/threads-own.log; until_true 120 grep -q done /tmp/threads-sudo.log; cat /tmp/threads-*.log"))
        .step("doctor json", "root", "sekisho doctor --json")
        .step("allow", "root", allow)
        .step("hold", "researcher", format!("{UNTIL}{HOLD}setsid python3 /usr/local/bin/holder.py > /tmp/holder.err 2>&1 < /dev/null & {UNTIL}{HOLD}until_true 120 test -s /tmp/holder.log; look; cat /tmp/holder.err"))
        .step("freeze", "root", format!("{UNTIL}{HOLD}order user researcher --reason 'incident 7'"))
        .step("frozen", "researcher", "cp /etc/hostname /var/spool/sekisho/demo/.x; echo work > ~/work && cat ~/work; sekisho why --limit 3; LANG=ja_JP.UTF-8 sekisho why --limit 3; \
               sekisho lockdown list; sekisho lockdown lift user researcher --reason mine; echo own=$?; sudo sekisho lockdown lift user researcher --reason mine; echo sudo=$?; \
               sudo sekisho policy apply; echo apply=$?; sudo rm -rf /var/lib/sekisho-gate/lockdowns.json; sudo cat /var/lib/sekisho-gate/lockdowns.json")
        .step("others", "officer", "sekisho lockdown list; sekisho lockdown everyone --reason mine; echo code=$?")
        .step("frozen again", "root", format!("{UNTIL}{HOLD}systemctl kill --signal=SIGKILL sekisho-gate; look; until_true 500 systemctl -q is-active sekisho-gate; look; sekisho lockdown list; sekisho doctor | grep lockdown"))
        .step("thaw", "root", format!("{UNTIL}{HOLD}rm /tmp/frozen; sekisho lockdown lift user researcher --reason 'looked at'; echo code=$?; look; sekisho lockdown lift user researcher --reason twice; echo twice=$?"))
        .step("project", "root", format!("{UNTIL}{HOLD}order project demo --reason p; sekisho lockdown everyone --reason e; sekisho lockdown lift project demo --reason p; look; \
               rm /tmp/frozen; sekisho lockdown lift everyone --reason e; look; sekisho lockdown user nobody-here --reason x; echo unknown=$?; sekisho lockdown project nowhere --reason x; echo unknown=$?; touch /tmp/held"))
        .step("hammer", "researcher", format!("for n in 1 2; do setsid python3 /usr/local/bin/hammer.py hammer$n > /tmp/hammer$n.err 2>&1 < /dev/null & done; {UNTIL}until_true 120 test -s /tmp/hammer1.log; until_true 120 test -s /tmp/hammer2.log; echo started"))
        .step("reloads", "root", reloads)
        .step("bad policy", "root", bad)
        // From here on a new walk over all processes would not mark the hammers: only their marks confine them.
        .step("exempt", "root", "printf 'version = 1\\n[gate.subjects]\\nexempt_users = [\"root\", \"officer\", \"researcher\"]\\n' > /etc/sekisho/policy.d/80-exempt.toml; sekisho policy apply; echo apply=$?; sekisho doctor | grep exempt")
        .step("drop", "researcher", format!("{reached}{TABLE} > /var/spool/sekisho/demo/table.frq; until_true 300 reached ' held '; {state} | tee /tmp/request"))
        .step("stop", "root", stopped)
        .step("approve", "officer", "sekisho approve --yes --key ~/.ssh/id_ed25519 --reason 'counts checked' $(cut -d' ' -f1 /tmp/request); echo code=$?")
        .step("approve ja", "officer", "LANG=ja_JP.UTF-8 sekisho review $(cut -d' ' -f1 /tmp/request) | head -12; echo bags=$(ls /var/lib/sekisho-release/demo | wc -l)")
        .step("waits", "researcher", state)
        .step("upgrade", "root", format!("{UPGRADE}systemctl kill --signal=SIGCONT sekisho-gate; upgraded '--maps 77'"))
        .step("released", "researcher", format!("{reached}until_true 300 reached ' released '; {state}; ls /var/lib/sekisho-release/demo"))
        .step("unpinned", "root", format!("{UNTIL}rm $(ls -d /sys/fs/bpf/sekisho/links/*/file_open | tail -1); known() {{ grep -q 'still attached' /run/sekisho-gate/heartbeat; }}; until_true 120 known; \
               cat /run/sekisho-gate/heartbeat; sekisho doctor > /tmp/doctor; echo doctor=$?; grep -E 'NOT|releases' /tmp/doctor"))
        .step("downgrade", "root", format!("{UPGRADE}upgraded ''; sekisho doctor > /dev/null; echo doctor=$?"))
        .step("confined again", "root", format!("{UNTIL}rm /etc/sekisho/policy.d/80-exempt.toml; sekisho policy apply; echo apply=$?; touch /tmp/enough; gone() {{ ! pgrep -f hammer.py; }}; until_true 60 gone; \
               cat /tmp/hammer?.log /tmp/hammer?.err; find /home/outside /mnt/out -mindepth 1 -not -name lost+found; echo looked"))
        .step("silent", "researcher", "for i in $(seq 60); do (sleep 20 | nc -U /run/sekisho-gate/gate.sock > /dev/null 2>&1 &); done; sekisho doctor > /dev/null; echo doctor=$?")
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

const ALL_OPEN: &str = "spool ok udp ok unix ok work ok slips 0 ";
const ALL_FROZEN: &str = "spool denied udp denied unix denied work ok slips 0 ";

#[test]
fn lockdown_reaches_what_is_already_open_with_the_next_call_and_outlives_the_daemon() {
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
    project.has(&["code=0", ALL_OPEN]);
    assert_eq!(project.text.matches("unknown=1").count(), 2, "{}", project.text);
}

/// What each hammer counted: tried, landed outside, refused inside.
#[track_caller]
fn nothing_slipped(text: &str, at_least: u64) {
    let lines = text.lines().filter(|line| line.starts_with("tried "));
    let counts: Vec<Vec<u64>> =
        lines.map(|line| line.split(' ').filter_map(|word| word.parse().ok()).collect()).collect();
    assert_eq!(counts.len(), 2, "two writers hammered\n{text}");
    for counted in counts {
        assert!(counted[0] >= at_least && counted[1..] == [0, 0], "{text}");
    }
}

#[test]
fn reloads_under_fire_let_nothing_slip_out_and_deny_nothing_inside() {
    let played = played();
    let reloads = played.of("reloads");
    reloads
        .has(&["gate.zone: /opt/zone1 (workspace) → /opt/zone0 (workspace)", "reloaded"])
        .lacks(&["FAILED"]);
    nothing_slipped(&reloads.text, 50);
}

#[test]
fn a_bad_policy_leaves_the_old_one_in_force_and_says_where_it_is_wrong() {
    let bad = played().of("bad policy");
    bad.has(&[
        "bad=78",
        "70-bad.toml:3:8",
        "the old policy stays in force",
        "使える値",
        "again=78",
        "stays\n",
    ]);
    nothing_slipped(&bad.text, 50);
}

#[test]
fn marks_and_denials_outlive_upgrades_under_fire() {
    let played = played();
    played.of("exempt").has(&["apply=0", "+ gate.subjects.exempt_users: researcher", "researcher (1001)"]);
    // Nothing of the version before is left.
    let upgrade = played.of("upgrade");
    upgrade.has(&["restart=0", " maps-77 ", " marks-"]);
    let downgrade = played.of("downgrade");
    downgrade.has(&["restart=0", " marks-"]).lacks(&["maps-77"]);
    for said in [upgrade, downgrade] {
        assert_eq!(said.text.matches(" maps-").count(), 1, "{}", said.text);
    }
    let last = played.of("confined again");
    last.has(&["apply=0"]).lacks(&["/home/outside/", "/mnt/out/", "Traceback"]);
    assert!(last.text.ends_with("looked\n"), "{}", last.text);
    nothing_slipped(&last.text, 200);
}

#[test]
fn callers_that_say_nothing_make_nobody_wait() {
    played().of("silent").has(&["doctor=0"]);
}

#[test]
fn a_release_waits_while_the_gate_is_not_heard_and_follows_by_itself() {
    let played = played();
    played.of("drop").has(&[" held "]);
    played.of("stop").has(&["old"]);
    let approve = played.of("approve");
    approve.has(&["code=75", "your decision stands, and nothing leaves yet", "has not been heard for"]);
    played.of("waits").has(&[" releasing "]);
    played.of("approve ja").has(&["秒間応答していません", "bags=0"]);
    played.of("released").has(&[" released ", "R-"]);
}

#[test]
fn a_hook_that_somebody_took_away_is_seen_and_put_back() {
    let played = played();
    played.of("unpinned").has(&["hooks are still attached", "doctor=1", "NOT protected"]);
    played.of("downgrade").has(&["doctor=0"]);
}

#[test]
fn a_confined_root_who_wants_to_detach_is_told_that_sudo_does_not_help() {
    let words = ["Operation not permitted", "a confined session does not open the gate", "code=1"];
    played().of("detach").has(&words);
}

#[test]
fn what_the_gate_did_stands_in_the_ledger() {
    let said = played().of("ledger");
    let kinds = "started self_test policy policy_refused lockdown lockdown_lifted denials unconfined";
    for kind in kinds.split(' ') {
        said.has(&[&format!("\"kind\":\"gate_{kind}\"")]);
    }
    said.has(&["release_waits", "waiting 0 locks 0 problem: \n"]);
}
