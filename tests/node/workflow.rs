//! From the spool to a signed bag under the real gate and the real units, every odd thing a spool may hold, and what
//! neither the researcher nor the researcher's root can reach.

use crate::scene::{Played, Scene, UNTIL};
use std::sync::OnceLock;

const SPOOL: &str = "/var/spool/sekisho/demo";

fn played() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| scene().play())
}

/// Allele frequencies of 50 sites in 400 people: nothing stands against it.
const TABLE: &str = "{ echo ' CHR            SNP   A1   A2          MAF  NCHROBS'; for i in $(seq 0 49); do \
     awk -v i=$i 'BEGIN { printf \"   1   rs%d    A    G   %.6f     800\\n\", 1000 + i, (60 + 6 * i) / 800 }'; done; } > table.frq";

/// `state_of ENTRY`: the state and note of the request that came from this spool entry.
const STATE_OF: &str = r#"
state_of() { sekisho status --all --json | python3 -c '
import json, sys
for request in json.load(sys.stdin)["requests"]:
    if request["entry"] == sys.argv[1]:
        print(request["request"], request["state"], request["verdict"], request["note"])
' "$1"; }
in_state() { state_of "$1" | grep -q " $2 "; }
shown() { until_true 60 in_state "$1" "$2"; state_of "$1"; }
"#;

fn researcher(script: &str) -> String {
    format!("{UNTIL}{STATE_OF}S={SPOOL}\n{script}")
}

/// Writing, as sudo root of the researcher, to each of these places.
fn protected_places() -> String {
    // Each line: a path to write to, an existing one wherever there is one.
    let places = [
        "/etc/sekisho/policy.toml",
        "/etc/sekisho/policy.d/99-mine.toml",
        "/etc/sekisho/signing.key",
        "/var/lib/sekisho/mine",
        "/var/lib/sekisho-notary/mine",
        "/var/lib/sekisho-gate/mine",
        "/var/lib/sekisho-release/demo/mine",
        "/run/sekisho/mine",
        "/run/sekisho-gate/mine",
        "/run/sekisho-notary/mine",
        "/run/sekisho-inspect/mine",
        "/run/systemd/system/sekisho-gate.service",
        "/usr/libexec/sekisho/sekisho-gate",
        "/usr/lib/sekisho/gate.bpf.o",
        "/etc/sudoers.d/mine",
        "/etc/ld.so.preload",
    ];
    let write = format!(
        "for f in {}; do for who in '' sudo; do \
         if echo '# mine' 2>&1 | $who tee -a $f > /dev/null 2>&1; then echo \"WROTE $f as ${{who:-self}}\"; fi; done; done; ",
        places.join(" ")
    );
    // Where nothing may be taken away either.
    let remove = "for f in /etc/sekisho/policy.toml /run/sekisho/airlock.sock /run/sekisho-gate/gate.sock /var/lib/sekisho-notary \
                  $(sudo find /var/lib/sekisho /sys/fs/bpf/sekisho -maxdepth 2 | head -14); do \
                  if sudo rm -rf $f 2> /dev/null; then echo \"REMOVED $f\"; fi; \
                  if sudo mv $f $f.gone 2> /dev/null; then echo \"MOVED $f\"; fi; \
                  if sudo chmod 777 $f 2> /dev/null; then echo \"OPENED $f\"; fi; done; \
                  if sudo umount -l /sys/fs/bpf 2> /dev/null; then echo UNMOUNTED; fi; \
                  if sudo mkdir /sys/fs/bpf/sekisho/mine 2> /dev/null; then echo PINNED; fi; ";
    format!("{write}{remove}echo tried")
}

fn scene() -> Scene {
    let processes = "for unit in gate airlock notary; do pid=$(pgrep -o -f ^/usr/libexec/sekisho/sekisho-$unit) || echo \"no $unit\"; \
         for who in '' sudo; do for signal in KILL STOP HUP TERM; do \
         if $who kill -$signal $pid 2> /dev/null; then echo \"SIGNALLED $unit with $signal as ${who:-self}\"; fi; done; done; \
         if timeout 20 sudo gdb -batch -p $pid -ex 'info proc' 2>&1 | grep -q '^process'; then echo \"TRACED $unit\"; fi; \
         if timeout 5 sudo strace -p $pid 2>&1 | grep -qi attached; then echo \"TRACED $unit\"; fi; \
         if echo x 2> /dev/null | sudo tee /proc/$pid/mem > /dev/null 2>&1; then echo \"POKED $unit\"; fi; \
         if sudo sh -c \"echo 1000 > /proc/$pid/oom_score_adj\" 2> /dev/null; then echo \"MARKED FOR OOM $unit\"; fi; done; echo tried";
    let deputies = "for what in 'stop sekisho-gate' 'kill -s KILL sekisho-gate' 'disable sekisho-gate' 'mask sekisho-airlock' 'daemon-reload' 'isolate rescue.target'; do \
         if timeout 20 sudo systemctl --no-ask-password $what > /dev/null 2>&1; then echo \"SYSTEMCTL $what\"; fi; done; \
         echo tried";
    Scene::default()
        .step("prepare", "researcher", TABLE)
        .step("cp", "researcher", researcher("cp table.frq $S/plain.frq && shown plain.frq held; ls -A $S"))
        .step(
            "submit",
            "researcher",
            researcher("sekisho submit --wait --purpose 'figure 2' --recipient journal table.frq"),
        )
        .step(
            "half written",
            "researcher",
            researcher(
                "(exec 3> $S/half.frq; head -20 table.frq >&3; sleep 14; tail -n +21 table.frq >&3) > /dev/null 2>&1 & \
                 sleep 11; echo \"meanwhile: $(state_of half.frq)\"; wait; shown half.frq held; \
                 sekisho status --json $(state_of half.frq | cut -d' ' -f1) | grep -m1 bytes; stat -c 'bytes: %s' table.frq",
            ),
        )
        .step(
            "unreadable",
            "researcher",
            researcher("cp table.frq $S/closed.tmp~ && chmod 0000 $S/closed.tmp~ && mv $S/closed.tmp~ $S/closed.frq && shown closed.frq held"),
        )
        .step(
            "odd",
            "researcher",
            researcher(
                "ln -s ~/table.frq $S/link.frq; mkfifo $S/pipe.frq; ln table.frq $S/hard.frq; \
                 for f in link.frq pipe.frq hard.frq; do shown $f failed; done; ls -l $S",
            ),
        )
        .step(
            "directory",
            "researcher",
            researcher(
                "mkdir $S/pair && cp table.frq $S/pair/a.frq && cp table.frq $S/pair/b.frq && \
                 printf 'purpose = \"two tables\"\\nrecipient = \"journal\"\\nsubjects = 400\\n' > $S/pair/request.toml && touch $S/pair/.ready; \
                 shown pair held; sekisho status --json $(state_of pair | cut -d' ' -f1)",
            ),
        )
        .step(
            "spoilt declaration",
            "researcher",
            researcher(
                "mkdir $S/spoilt && cp table.frq $S/spoilt/a.frq && printf 'purpose = \"x\"\\nsubject = 400\\n' > $S/spoilt/request.toml && \
                 touch $S/spoilt/.ready; shown spoilt failed",
            ),
        )
        .step("own approval", "researcher", researcher("ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/mine; \
                 id=$(state_of pair | cut -d' ' -f1); sekisho approve --yes --key ~/.ssh/mine --reason mine $id; echo code=$?; \
                 sudo sekisho approve --yes --key ~/.ssh/mine --reason mine $id; echo code=$?; state_of pair"))
        .step("stolen hands", "researcher", researcher("id=$(state_of pair | cut -d' ' -f1); \
                 sudo -u officer sekisho approve --yes --key /home/officer/.ssh/id_ed25519 --reason mine $id; echo code=$?; state_of pair"))
        .step("review", "officer", "sekisho review && sekisho review --json | python3 -c '
import json, sys
for request in json.load(sys.stdin)[\"requests\"]:
    if request[\"entry\"] == \"pair\":
        print(request[\"request\"], file=open(\"/home/officer/request\", \"w\"))
' && sekisho review $(cat ~/request)")
        .step("approve", "officer", "sekisho approve --yes --key ~/.ssh/id_ed25519 --reason 'counts checked' $(cat ~/request); code=$?; cat ~/request; exit $code")
        .step("bag", "researcher", researcher("shown pair released; cd /var/lib/sekisho-release/demo/$(state_of pair | cut -d' ' -f1) && find . -type f | sort; \
                 sekisho verify .; echo verified=$?; sekisho verify --key /etc/sekisho/signing.key.allowed_signers .; echo verified=$?; \
                 cmp data/results/a.frq ~/table.frq && sha512sum --quiet -c manifest-sha512.txt && echo sums=good; sekisho status"))
        .step("places", "researcher", protected_places())
        .step("processes", "researcher", processes)
        .step("deputies", "researcher", deputies)
        .step("detach", "researcher", "/usr/libexec/sekisho/sekisho-gate detach --yes; echo code=$?; sudo /usr/libexec/sekisho/sekisho-gate detach --yes; echo code=$?; \
                 echo out > /mnt/out/x; sudo cp table.frq /home/outside/")
        .step("afterwards", "root", "systemctl is-active sekisho-gate sekisho-airlock sekisho-notary sekisho-inspect.socket; \
                 for unit in gate airlock notary; do echo \"restarts $(systemctl show -P NRestarts sekisho-$unit)\"; done; \
                 sekisho policy check > /dev/null && echo policy=good; find /home/outside /mnt/out -type f; ls /sys/fs/bpf/sekisho | wc -l; stat -c %A /var/lib/sekisho-notary")
        .step("journal", "root", "journalctl --boot --no-pager -o cat _SYSTEMD_UNIT=sekisho-airlock.service + _SYSTEMD_UNIT=sekisho-notary.service | tail -40")
}

#[test]
fn a_good_table_is_copied_into_the_spool_and_held() {
    let played = played();
    let said = played.of("cp");
    said.succeeded().has(&[" held pass"]).lacks(&["plain.frq\n"]);
    played.of("submit").succeeded().has(&["held"]);
}

#[test]
fn a_half_written_file_waits_for_its_writer_and_is_taken_whole() {
    let played = played();
    let said = played.of("half written");
    said.has(&["meanwhile: R-", "received", "still being written", " held pass"]);
}

#[test]
fn an_unreadable_file_is_taken_into_custody_all_the_same() {
    let played = played();
    played.of("unreadable").has(&[" held pass"]);
}

#[test]
fn links_and_pipes_are_refused_with_their_reason_and_stay_where_they_are() {
    let played = played();
    let said = played.of("odd");
    said.has(&["symbolic link", "pipe", "hard link"]);
    for line in ["link.frq -> /home/researcher/table.frq", "pipe.frq", "hard.frq"] {
        assert!(said.text.contains(line), "{line} is gone from the spool\n{}", said.text);
    }
}

#[test]
fn a_directory_is_one_request_with_its_declaration() {
    let played = played();
    played.of("directory").has(&[" held pass", "two tables", "journal", "a.frq", "b.frq"]);
    played.of("spoilt declaration").has(&["failed", "request.toml:2:1", "subjects"]);
}

#[test]
fn only_the_officer_approves_and_the_bag_is_there_for_the_researcher() {
    let played = played();
    played.of("own approval").lacks(&["code=0"]).has(&[" held pass"]);
    played.of("stolen hands").lacks(&["code=0"]).has(&[" held pass"]);
    played.of("review").succeeded().has(&["two tables", "a.frq", "b.frq", "researcher"]);
    played.of("approve").succeeded().has(&["released"]);
    let bag = played.of("bag");
    bag.succeeded().has(&[
        " released ",
        "./manifest-sha512.txt",
        "./tagmanifest-sha512.txt.sig",
        "./data/results/a.frq",
    ]);
    bag.has(&["sums=good"]).lacks(&["verified=1", "verified=2"]);
    assert_eq!(bag.text.matches("verified=0").count(), 2, "{}", bag.text);
}

#[test]
fn neither_the_researcher_nor_their_root_writes_where_sekisho_lives() {
    let played = played();
    let said = played.of("places");
    assert_eq!(said.text, "tried\n", "something gave way");
    let after = played.of("afterwards");
    after
        .has(&["active\nactive\nactive\nactive\n", "policy=good", "drwx------"])
        .lacks(&["/mnt/out/", "/home/outside/"]);
}

#[test]
fn neither_the_researcher_nor_their_root_stops_or_traces_a_daemon() {
    let played = played();
    assert_eq!(played.of("processes").text, "tried\n", "something gave way");
    assert_eq!(played.of("deputies").text, "tried\n", "something gave way");
    let after = played.of("afterwards");
    assert_eq!(after.text.matches("restarts 0").count(), 3, "a daemon was restarted\n{}", after.text);
}

#[test]
fn neither_the_researcher_nor_their_root_opens_the_gate() {
    let played = played();
    let said = played.of("detach");
    said.lacks(&["gate open", "code=0"]);
    assert!(said.text.matches("Operation not permitted").count() >= 2, "{}", said.text);
}
