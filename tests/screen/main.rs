//! What leaves on the screen, and the second layer alone, in a whole Debian with systemd and a real ssh from outside.
//!
//! One boot per kernel: with the gate off everything that is tried succeeds; then the screen of real sessions is
//! counted, cut and slowed down; then every link of the first layer is taken away by hand, and what is left must hold.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by failing")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Before the gate: addresses of this node that are no loopback, a peer that listens there, everything tried once.
///
/// The second layer sits on users' cgroups. A login while logind still puts the last session away may get none, and
/// would stay in the cgroup of this script, where nothing is promised: it is repeated until it has one.
const BEFORE: &str = r#"
ip address add 192.0.2.7/32 dev lo; ip address add 2001:db8::7/128 dev lo nodad
sysctl -q -w net.ipv4.ping_group_range='0 2147483647'
(setsid /tmp/in/sekisho-layer serve > /tmp/serve.log 2>&1 < /dev/null &)
for i in $(seq 100); do grep -q ready /tmp/serve.log && break; sleep 0.1; done
cat > /tmp/in/login <<'END'
for i in $(seq 100); do
    su -l $1 -c "grep -q ^0::/user.slice/ /proc/self/cgroup || exit 78; $2"
    code=$?; [ $code = 78 ] || exit $code
    sleep 1
done
echo "{\"failed\":\"$1 is given no session\"}"
END
cat > /tmp/in/all <<'END'
for who in researcher officer; do sh /tmp/in/login $who "/tmp/in/sekisho-layer run $1-$who"; done
sh /tmp/in/login researcher "sudo -n /tmp/in/sekisho-layer run $1-root"
END
sh /tmp/in/all off"#;

/// From this machine: sessions that print, without a budget, over one that cuts, over one that slows down. Limits are
/// what a machine many times slower needs; nothing here waits for them.
const OUTSIDE: &str = r#"
ssh="ssh -F $SEKISHO_SSH_CONFIG"; out=$(mktemp -d); trap 'rm -r "$out"' EXIT
# NAME BYTES [SINCE]: prints in a session whose keyboard stays there until it ends; with SINCE, until it is left, soon
# after most of what an even pace of 37283 bytes a second allowed since then has arrived.
session() {
    mkfifo "$out/keys"; exec 3<> "$out/keys"; : > "$out/$1"; begin=$(date +%s); left=false
    printf 'stty -echo; head -c %s /dev/zero | base64 -w 0; exit\n' "$2" >&3
    $ssh -tt node <&3 > "$out/$1" & client=$!
    for i in $(seq 1200); do
        kill -0 $client 2> /dev/null || break
        if [ "${3-}" ] && [ "$(wc -c < "$out/$1")" -ge $(( 26000 * ($(date +%s) - $3) )) ]; then
            sleep 5; kill -0 $client && left=true; break
        fi
        sleep 0.5
    done
    kill $client 2> /dev/null; wait $client; code=$?
    exec 3>&-; rm "$out/keys"
    printf '{"screen":"%s","received":%s,"code":%s,"left":%s,"begin":%s,"end":%s}\n' \
        "$1" "$(wc -c < "$out/$1")" $code $left "$begin" "$(date +%s)"
}
budget() {
    $ssh -l root node "printf '[gate.screen]\nbytes_per_hour = $1\nover = \"$2\"\n' > /etc/sekisho/policy.d/screen.toml; sekisho policy apply" >&2 ||
        echo "{\"failed\":\"policy apply $2\"}"
}
$ssh -l root node 'mkdir -p /etc/sekisho/policy.d'
session counted 1500000
budget 2097152 cut
session cut 3000000; cut=$(date +%s)
$ssh -l root node "su -l researcher -c 'sekisho screen --json; sekisho why --json --limit 500'" | tr -d '\n'; echo
budget 268435456 throttle
$ssh -l root node 'sekisho doctor --json' | tr -d '\n'; echo
session throttled 300000000 $cut
$ssh -l root node 'rm /etc/sekisho/policy.d/screen.toml; sekisho policy apply' >&2
true"#;

/// In the guest, as root: what was recorded; then the second layer alone.
const INSIDE: &str = r#"
records=/var/lib/sekisho-gate/screen.jsonl; pins=/sys/fs/bpf/sekisho
for i in $(seq 1500); do [ "$(grep -c '"ended":true' $records)" -ge 3 ] && break; sleep 0.2; done
cat $records; grep '^sekisho_gate_screen' /run/sekisho-gate/metrics.prom | awk '{print "{\"metric\":\"" $1 "\",\"value\":" $2 "}"}'
systemctl stop sekisho-gate.service
rm -r $pins/links/*
for i in $(seq 300); do runuser -u researcher -- touch /mnt/out/first-layer-is-gone 2> /dev/null && break; sleep 0.2; done
[ -e /mnt/out/first-layer-is-gone ] || echo '{"failed":"the first layer stayed"}'
sh /tmp/in/all on
rm $pins/cgroups/*/connect4
sh /tmp/in/login researcher '/tmp/in/sekisho-layer run packet-researcher egress4'
systemctl start sekisho-gate.service
su -l researcher -c 'sekisho why --json --limit 500' | tr -d '\n'; echo
ls $pins/cgroups | sed 's/.*/{"set":"&"}/'
systemctl stop sekisho-gate.service
/usr/libexec/sekisho/sekisho-gate detach --yes >&2
sh /tmp/in/all after"#;

/// Everything the lab said, as values.
struct Heard(Vec<Value>);

impl Heard {
    fn boot(kernel: &str) -> Self {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["run", "--quiet", "--package", "xtask", "--", "vm", "run", "--root", "--kernel", kernel])
            .args(["--timeout", "1500", "--copy", env!("CARGO_BIN_EXE_sekisho-layer")])
            .args(["--before", BEFORE, "--outside", OUTSIDE, "--", INSIDE])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let heard: Vec<_> = text
            .lines()
            .flat_map(|line| {
                serde_json::Deserializer::from_str(line).into_iter::<Value>().map_while(Result::ok)
            })
            .collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!heard.is_empty(), "the lab said nothing usable\n{text}\n{errors}");
        let failed: Vec<_> = heard.iter().filter(|v| v["failed"].is_string()).collect();
        assert!(failed.is_empty(), "{failed:?}\n{errors}");
        Self(heard)
    }

    fn phase(&self, name: &str) -> BTreeMap<&str, &str> {
        let of = self.0.iter().filter(|v| v["phase"] == name);
        of.filter_map(|v| Some((v["act"].as_str()?, v["result"].as_str()?))).collect()
    }

    /// A number that was noted of a session.
    fn screen(&self, name: &str, key: &str) -> u64 {
        let found = self.0.iter().find(|v| v["screen"] == name).unwrap_or_else(|| panic!("no {name}"));
        found[key].as_u64().unwrap_or_else(|| panic!("no {key} in {found}"))
    }

    /// Records of sessions that ended, in the order in which they began: one look of the daemon may find several.
    fn ended(&self) -> Vec<&Value> {
        let mut ended: Vec<_> =
            self.0.iter().filter(|v| v["session"].is_u64() && v["ended"] == true).collect();
        ended.sort_by_key(|v| v["session"].as_u64());
        ended
    }

    fn denials(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().filter_map(|v| v["denials"].as_array()).flatten()
    }
}

fn the_screen_is_counted_cut_and_slowed_down(heard: &Heard) {
    let received = heard.screen("counted", "received");
    let sessions = heard.ended();
    assert!(sessions.len() >= 3, "{sessions:?}");
    assert!(received >= 2_000_000, "the session printed two million characters, {received} arrived");
    // What ssh adds to them: a header and a code per message.
    let counted = sessions[0]["bytes"].as_u64().unwrap();
    assert!(
        (received..received + received / 8 + 65_536).contains(&counted),
        "{counted} counted of {received}"
    );
    let metric = |name: &str| {
        heard.0.iter().find(|v| v["metric"] == name).and_then(|v| v["value"].as_u64()).unwrap_or(0)
    };
    let sum: u64 = sessions.iter().filter_map(|s| s["bytes"].as_u64()).sum();
    assert!(metric("sekisho_gate_screen_bytes") >= sum);
    assert_eq!(metric("sekisho_gate_screen_untold_bytes"), 0);

    let received = heard.screen("cut", "received");
    assert!((100_000..1_048_576).contains(&received), "half of 2 MiB may go at once; {received} arrived");
    assert_eq!(heard.screen("cut", "code"), 255, "the connection ends");
    assert!(sessions[1]["held"].as_u64().unwrap() > 0, "{:?}", sessions[1]);
    let told: Vec<_> = heard.denials().filter(|d| d["reason"] == "screen").collect();
    assert!(told.iter().any(|d| d["hook"] == "socket_sendmsg"), "sekisho why says so: {told:?}");
    let budget = heard.0.iter().find(|v| v["budget"].is_object()).unwrap();
    assert_eq!(budget["budget"]["over"], "cut");
    // What the cut left, and what came back since: 1 MiB in an hour.
    let left = budget["budget"]["left"].as_u64().unwrap();
    let since = heard.screen("throttled", "begin") - heard.screen("cut", "begin");
    assert!(left < 131_072 + since * 292, "{left} left, {since} s later");

    // 256 MiB per hour are 37283 bytes a second once the half that may go at once is spent, as it was a while ago; the
    // time for which an allowance lasts stays the same when the budget changes.
    let received = heard.screen("throttled", "received");
    let seconds = left / 291 + heard.screen("throttled", "end") - heard.screen("cut", "end");
    assert!(received > 50_000, "slow is not stopped: {received}");
    assert!(received < 37_283 * (seconds + 10), "{received} in {seconds} s");
    let record = heard.0.iter().find(|v| v["screen"] == "throttled").unwrap();
    assert_eq!(record["left"], true, "the session goes on until it is left: {record}");
    assert!(sessions[2]["held"].as_u64().unwrap() > 0, "{:?}", sessions[2]);
    assert!(metric("sekisho_gate_screen_held") > sessions[2]["held"].as_u64().unwrap());
}

/// Acts that must succeed whatever is attached.
fn is_control(act: &str) -> bool {
    act.starts_with("control_")
}

fn the_second_layer_alone_holds(heard: &Heard) {
    let mut wrong = Vec::new();
    for who in ["researcher", "root", "officer"] {
        for (phase, expected) in [("off", "ok"), ("on", "EPERM"), ("after", "ok")] {
            let results = heard.phase(&format!("{phase}-{who}"));
            assert!(results.len() >= 4, "{phase}-{who}: {results:?}");
            for (act, result) in results {
                let expected = if who == "officer" || is_control(act) { "ok" } else { expected };
                if result != expected {
                    wrong.push(format!("{act}, {who}, {phase}: {result} instead of {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(
        heard.phase("packet-researcher").get("egress4"),
        Some(&"EPERM"),
        "the packet itself is stopped"
    );
    let recorded: BTreeSet<_> = heard.denials().filter_map(|d| d["hook"].as_str()).collect();
    for program in [
        "connect4",
        "connect6",
        "sendmsg4",
        "sendmsg6",
        "bind4",
        "bind6",
        "sock_create",
        "device",
        "sysctl",
        "egress",
    ] {
        // Root's own acts are on the record of the login behind them.
        assert!(
            recorded.contains(format!("cgroup/{program}").as_str()),
            "{program} is not among {recorded:?}"
        );
    }
    let sets: BTreeSet<_> = heard.0.iter().filter_map(|v| v["set"].as_str()?.split('-').next()).collect();
    assert_eq!(sets.len(), 1, "after a start only the new generation is there: {sets:?}");
    let doctor = heard.0.iter().find(|v| v.to_string().contains("second_layer")).unwrap().to_string();
    assert!(
        doctor.contains("cgroup/line"),
        "doctor lists what watches the lines while a budget throttles: {doctor}"
    );
}

fn holds_on(kernel: &str) {
    let heard = Heard::boot(kernel);
    the_second_layer_alone_holds(&heard);
    the_screen_is_counted_cut_and_slowed_down(&heard);
}

#[test]
fn screens_are_counted_and_the_second_layer_holds_alone_on_6_1() {
    holds_on("6.1");
}

#[test]
fn screens_are_counted_and_the_second_layer_holds_alone_on_7_3() {
    holds_on("7.3");
}
