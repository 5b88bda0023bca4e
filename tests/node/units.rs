//! The daemons under their systemd units: who they are, what they may, how they take a bad policy, and what the gate
//! tells whom.

use crate::scene::{Played, Scene, UNTIL};
use serde_json::Value;
use std::sync::OnceLock;

/// A policy document with one mistake, on line 5.
const BAD_POLICY: &str = "mkdir -p /etc/sekisho/policy.d; printf 'version = 1\\n\\n# a typo\\n[gate]\\nmode = \"enforced\"\\n' > /etc/sekisho/policy.d/10-site.toml";
const GOOD_POLICY: &str = "printf 'version = 1\\n\\n# no typo\\n[gate]\\nmode = \"enforce\"\\n\\n[counts]\\nminimum = 12\\n' > /etc/sekisho/policy.d/10-site.toml";
/// What each daemon's journal says since the last call.
const JOURNALS: &str = "for unit in gate airlock notary; do echo \"== $unit\"; \
     journalctl --boot --no-pager -o cat --since \"$(cat /run/since)\" _SYSTEMD_UNIT=sekisho-$unit.service; done";
/// Denied as often as a ring of 1 MiB cannot hold.
const FLOOD: &str = "python3 -c '\nimport os\ndenied = 0\nfor number in range(20000):\n    try:\n        os.open(\"/home/outside/flood\", os.O_WRONLY | os.O_CREAT)\n    except PermissionError:\n        denied += 1\nprint(\"denied\", denied)'";
const RELOAD: &str = "sleep 1; date '+%F %T' > /run/since; systemctl reload sekisho-gate sekisho-airlock sekisho-notary; echo reload=$?; sleep 4\n";

fn played() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| scene().play())
}

fn scene() -> Scene {
    let status = "for unit in gate airlock notary; do pid=$(systemctl show -P MainPID sekisho-$unit); \
                  echo \"== $unit $(ps -o user:32= -p $pid)\"; \
                  grep -E '^(Uid|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/$pid/status; done";
    let inspectors = "for i in 1 2; do (sleep 6 | nc -U /run/sekisho-inspect/inspect.sock > /dev/null 2>&1 &) ; done; sleep 3; \
                      systemctl list-units --no-legend --plain 'sekisho-inspect@*'; \
                      for pid in $(pgrep -f ^/usr/libexec/sekisho/sekisho-inspect); do \
                      echo \"inspector $(awk '/^Uid:/{print $2}' /proc/$pid/status) $(awk '/^CapEff:/{print $2}' /proc/$pid/status) \
                      $(awk '/^NoNewPrivs:/{print $2}' /proc/$pid/status) $(cat /proc/$pid/cgroup)\"; done";
    Scene::default()
        .step("active", "root", "systemctl is-active sekisho-gate.service sekisho-airlock.service sekisho-notary.service sekisho-inspect.socket; systemctl --failed --no-legend --plain")
        .step("doctor", "researcher", "sekisho doctor")
        .step("doctor ja", "researcher", "LANG=ja_JP.UTF-8 sekisho doctor")
        .step("status", "root", status)
        .step("inspectors", "root", inspectors)
        .step("knock", "researcher", "nc -w 3 -U /run/sekisho-inspect/inspect.sock < /dev/null")
        .step("work", "researcher", format!("{UNTIL}printf 'hello world\\n' > /var/spool/sekisho/demo/note.txt; \
              until_true 40 sh -c 'sekisho status --all | grep -q held'; sekisho status --all"))
        .step("journals", "root", format!("date -d '1 hour ago' '+%F %T' > /run/since; {JOURNALS}"))
        .step("bad reload", "root", format!("{BAD_POLICY}\n{RELOAD}{JOURNALS}; systemctl is-active sekisho-gate sekisho-airlock sekisho-notary"))
        .step("policy check", "root", "sekisho policy check")
        .step("still closed", "researcher", "echo out > /mnt/out/x; sekisho doctor")
        .step("good reload", "root", format!("{GOOD_POLICY}\n{RELOAD}{JOURNALS}; systemctl is-active sekisho-gate sekisho-airlock sekisho-notary"))
        .step("good check", "root", "sekisho policy check")
        // Two people are denied different things.
        .step("another", "root", "useradd --uid 1003 --create-home --shell /bin/bash student && sleep 6")
        .step("first denial", "researcher", "echo out > /home/outside/mine; sudo sh -c 'echo out > /mnt/out/with-sudo'")
        .step("second denial", "student", "echo out > /home/outside/theirs")
        .step("why", "researcher", "sleep 2; sekisho why --limit 100")
        .step("why ja", "researcher", "LANG=ja_JP.UTF-8 sekisho why --limit 100")
        .step("why json", "researcher", "sekisho why --json --limit 100")
        .step("why sudo", "researcher", "sudo sekisho why --limit 100")
        .step("why another", "student", "sekisho why --limit 100")
        .step("why officer", "officer", "sekisho why --limit 100")
        // More denials than the ring holds, while nobody reads it.
        .step("asleep", "root", "kill -STOP $(systemctl show -P MainPID sekisho-gate)")
        .step("flood", "researcher", FLOOD)
        .step("awake", "root", format!("{UNTIL}date '+%F %T' > /run/since; kill -CONT $(systemctl show -P MainPID sekisho-gate); \
              until_true 120 sh -c 'sekisho doctor | grep -q \"records were lost\"'; sekisho doctor; \
              until_true 60 sh -c 'journalctl --boot -o cat --no-pager -u sekisho-gate | grep -q gate_events_lost'; {JOURNALS}"))
        // As at boot: nothing has proven itself yet, and people may not log in.
        .step("no proof", "root", "systemctl stop systemd-user-sessions sekisho-gate; rm /run/sekisho-gate/heartbeat; mv /usr/lib/sekisho /usr/lib/sekisho.away; \
              systemctl start sekisho-gate; systemctl start systemd-user-sessions; ls /run/nologin; ls /run/sekisho-gate/heartbeat")
        .step("proof", "root", format!("{UNTIL}mv /usr/lib/sekisho.away /usr/lib/sekisho; systemctl start sekisho-gate; echo start=$?; \
              ls /run/sekisho-gate/heartbeat; until_true 60 test ! -e /run/nologin; ls /run/nologin"))
}

#[test]
fn every_unit_is_up_and_doctor_agrees() {
    let played = played();
    assert_eq!(played.of("active").text, "active\n".repeat(4), "one is not active, or something failed");
    played.of("doctor").succeeded();
    played.of("doctor ja").succeeded();
    assert_ne!(played.of("doctor").text, played.of("doctor ja").text, "doctor speaks Japanese too");
}

/// The block of a daemon in what `status` or `journals` printed.
fn block<'a>(text: &'a str, unit: &str) -> &'a str {
    let start = text.find(&format!("== {unit}")).unwrap_or_else(|| panic!("no block of {unit} in\n{text}"));
    let rest = &text[start + 3..];
    rest.find("\n== ").map_or(rest, |end| &rest[..end])
}

#[test]
fn each_daemon_is_its_own_account_with_the_capabilities_of_its_task() {
    let played = played();
    let text = &played.of("status").text;
    let (airlock, notary, gate) = (block(text, "airlock"), block(text, "notary"), block(text, "gate"));
    assert!(airlock.starts_with("airlock sekisho\n"), "{airlock}");
    assert!(notary.starts_with("notary sekisho-notary\n"), "{notary}");
    assert!(gate.starts_with("gate root\n"), "{gate}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(airlock.contains(&format!("{set}:\t0000000000000000")), "the airlock has {set}\n{airlock}");
    }
    // CAP_DAC_READ_SEARCH is 2, CAP_LEASE is 28.
    assert!(notary.contains("CapEff:\t0000000010000004"), "{notary}");
    assert!(notary.contains("CapBnd:\t0000000010000004"), "{notary}");
    assert!(!gate.contains("CapBnd:\t000001ffffffffff"), "the gate's capabilities are bounded\n{gate}");
    for daemon in [airlock, notary, gate] {
        assert!(daemon.contains("NoNewPrivs:\t1"), "{daemon}");
    }
    for daemon in [airlock, notary] {
        assert!(daemon.contains("Seccomp:\t2"), "no system call filter\n{daemon}");
    }
}

#[test]
fn an_inspector_lives_per_connection_as_a_throw_away_user() {
    let played = played();
    let said = played.of("inspectors");
    let inspectors: Vec<_> = said.text.lines().filter_map(|line| line.strip_prefix("inspector ")).collect();
    assert_eq!(inspectors.len(), 2, "two connections, two inspectors\n{}", said.text);
    for inspector in &inspectors {
        let words: Vec<_> = inspector.split_whitespace().collect();
        let uid: u32 = words[0].parse().unwrap();
        assert!((61184..=65519).contains(&uid), "{uid} is not one of systemd's dynamic users");
        assert_eq!((words[1], words[2]), ("0000000000000000", "1"), "{inspector}");
        assert!(words[3].contains("sekisho-inspect.slice"), "{inspector}");
    }
    played.of("knock").failed();
}

#[test]
fn the_journal_of_every_daemon_is_json() {
    let played = played();
    played.of("work").has(&["held"]);
    for unit in ["gate", "airlock", "notary"] {
        let block = block(&played.of("journals").text, unit);
        let lines: Vec<_> = block.lines().skip(1).filter(|line| !line.is_empty()).collect();
        assert!(!lines.is_empty(), "{unit} says nothing");
        for line in lines {
            let value: Result<Value, _> = serde_json::from_str(line);
            assert!(value.is_ok_and(|value| value["level"].is_string()), "{unit}: no JSON record: {line}");
        }
    }
}

#[test]
fn a_malformed_policy_names_its_place_and_changes_nothing() {
    let played = played();
    let said = played.of("bad reload");
    said.has(&["reload=0"]);
    for unit in ["gate", "airlock", "notary"] {
        let block = block(&said.text, unit);
        for word in ["/etc/sekisho/policy.d/10-site.toml:5:8", "enforce", "audit", "old"] {
            assert!(block.contains(word), "{unit} does not say `{word}`\n{block}");
        }
        assert!(!block.contains("policy reloaded"), "{unit} took it\n{block}");
    }
    assert!(said.text.ends_with("active\nactive\nactive\n"), "a daemon is gone\n{}", said.text);
    played.of("policy check").failed().has(&["10-site.toml:5:8"]);
    played.of("still closed").succeeded().has(&["Operation not permitted"]);
    let good = played.of("good reload");
    for unit in ["gate", "airlock", "notary"] {
        let block = block(&good.text, unit);
        assert!(block.contains("policy reloaded"), "{unit} does not take the mended policy\n{block}");
    }
    played.of("good check").succeeded();
}

#[test]
fn why_tells_everyone_their_own_denials_and_nobody_elses() {
    let played = played();
    played.of("first denial").has(&["Operation not permitted"]);
    played.of("second denial").has(&["Operation not permitted"]);
    let english = played.of("why");
    english.succeeded().has(&["mine", "with-sudo", "denied", "/var/spool/sekisho/demo", "/home/researcher"]);
    english.lacks(&["theirs"]);
    let japanese = played.of("why ja");
    japanese.succeeded().has(&["mine", "with-sudo", "拒否", "/var/spool/sekisho/demo"]).lacks(&["theirs"]);
    let json: Value = serde_json::from_str(&played.of("why json").text).unwrap();
    let denials = json["denials"].as_array().unwrap();
    assert!(!denials.is_empty());
    for denial in denials {
        assert_eq!(denial["loginuid"], 1001, "somebody else's: {denial}");
    }
    played.of("why sudo").lacks(&["theirs"]);
    played.of("why another").succeeded().has(&["theirs"]).lacks(&["mine", "with-sudo"]);
    played.of("why officer").succeeded().lacks(&["mine", "theirs", "with-sudo"]);
}

#[test]
fn records_that_are_lost_are_counted_said_and_recorded_and_the_denials_stand() {
    let played = played();
    assert_eq!(played.of("flood").text, "denied 20000\n", "a full ring opened the gate");
    let said = played.of("awake");
    said.has(&["records were lost", "gate_events_lost"]);
}

#[test]
fn nobody_logs_in_before_the_gate_has_proven_itself() {
    let played = played();
    played.of("no proof").has(&["/run/nologin\n", "cannot access '/run/sekisho-gate/heartbeat'"]);
    played.of("proof").has(&["start=0", "/run/sekisho-gate/heartbeat\n", "cannot access '/run/nologin'"]);
}
