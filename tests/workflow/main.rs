//! The main job with real daemons and real accounts: from a drop in the spool to a signed bag, and every way it
//! may not go.

// In a test, and in what serves only tests, a panic is how a claim fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod earlier;
mod node;

use node::{DUAL, ELSEWHERE, Node, OFFICER, RESEARCHER, STRANGER, acting_as, harmful, harmless};
use std::fs;
use std::time::Duration;

/// Drops a harmless file and waits until it is held.
fn held(node: &Node, name: &str) -> String {
    node.drop_file(RESEARCHER, name, &harmless());
    node.await_state(RESEARCHER, name, "held")
}

#[test]
fn a_drop_is_held_reviewed_signed_and_released() {
    let node = Node::start();
    let id = held(&node, "freq.frq");
    assert_eq!(node.spooled(), Vec::<String>::new(), "what is in custody is out of the spool");
    let queue = node.json(OFFICER, &["review"]);
    assert_eq!(queue["requests"][0]["request"], id.as_str());
    let (code, card, _) = node.sekisho(OFFICER, &["review", &id]);
    assert_eq!(code, 0);
    for part in ["5-4(2)(ii)", "freq.frq", "sha256:", RESEARCHER] {
        assert!(card.contains(part), "{part} is missing:\n{card}");
    }
    let done =
        node.json(OFFICER, &["approve", &id, "--yes", "-i", &node.key("sato"), "--reason", "large counts"]);
    assert_eq!(done["state"], "released", "{done}\n{}", node.log());
    let bag = done["bag"].as_str().unwrap();
    let check =
        node.run_as("root", "sh", &["-c", &format!("cd {bag} && sha512sum --quiet -c manifest-sha512.txt")]);
    assert!(check.status.success(), "{check:?}");
    let released = format!("{bag}/data/freq.frq");
    let found = node.run_as("root", "find", &[bag, "-name", "freq.frq"]);
    let path = String::from_utf8(found.stdout).unwrap();
    let bytes = fs::read_to_string(path.lines().next().unwrap_or(&released)).unwrap();
    assert_eq!(bytes, harmless());
    let detail = node.json(RESEARCHER, &["status", &id]);
    assert_eq!(detail["summary"]["state"], "released");
    let kinds: Vec<_> =
        detail["history"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    let looks = ["received", "inspecting", "held", "viewed", "releasing", "released"];
    assert_eq!(kinds, looks, "{detail}");
}

#[test]
fn submit_carries_purpose_and_recipient_to_the_officer_in_one_atomic_step() {
    let node = Node::start();
    let file = node.path("home").join("table.frq");
    fs::write(&file, harmless()).unwrap();
    let (file, spool) = (file.display().to_string(), node.path("spool").display().to_string());
    let args = [
        "submit",
        &file,
        "--wait",
        "--spool",
        &spool,
        "--purpose",
        "paper",
        "--recipient",
        "Journal",
        "--dataset",
        "JGAD000123",
        "--subjects",
        "400",
    ];
    let detail = node.json(RESEARCHER, &args);
    assert_eq!(detail["summary"]["state"], "held", "{detail}\n{}", node.log());
    let id = detail["summary"]["request"].as_str().unwrap();
    let seen = node.json(OFFICER, &["review", id]);
    assert_eq!(seen["info"]["purpose"], "paper");
    assert_eq!(seen["info"]["recipient"], "Journal");
    assert_eq!(seen["info"]["datasets"][0], "JGAD000123");
    assert_eq!(seen["info"]["subjects"], 400);
    assert_eq!(
        seen["report"]["files"].as_array().unwrap().len(),
        1,
        "the declaration is not a result: {seen}"
    );
    assert_eq!(node.spooled(), Vec::<String>::new());
}

#[test]
fn a_rejection_is_signed_and_its_reason_reaches_the_requester() {
    let node = Node::start();
    let id = held(&node, "a.frq");
    let (code, _, err) = node.sekisho(OFFICER, &["reject", &id, "--yes", "-i", &node.key("sato")]);
    assert_eq!(code, 1, "a rejection without a reason: {err}");
    let args = ["reject", &id, "--yes", "-i", &node.key("sato"), "--reason", "not in the plan"];
    assert_eq!(node.json(OFFICER, &args)["state"], "rejected", "{}", node.log());
    let request = node.request_of(RESEARCHER, "a.frq").unwrap();
    assert_eq!(
        (request["state"].as_str(), request["note"].as_str()),
        (Some("rejected"), Some("not in the plan"))
    );
    let (code, _, _) = node.sekisho(OFFICER, &["approve", &id, "--yes", "-i", &node.key("sato")]);
    assert_eq!(code, 1, "what is rejected stays rejected");
    assert_eq!(fs::read_dir(node.path("release")).unwrap().count(), 0);
}

#[test]
fn only_the_requester_withdraws_and_nothing_withdrawn_is_released() {
    let node = Node::start();
    let id = held(&node, "a.frq");
    let (code, _, err) = node.sekisho(OFFICER, &["withdraw", &id]);
    assert_eq!(code, 77, "{err}");
    let (code, _, _) = node.sekisho(STRANGER, &["withdraw", &id]);
    assert_eq!(code, 77);
    assert_eq!(node.json(RESEARCHER, &["withdraw", &id])["state"], "withdrawn");
    let (code, _, err) = node.sekisho(OFFICER, &["approve", &id, "--yes", "-i", &node.key("sato")]);
    assert_eq!(code, 1, "{err}");
}

#[test]
fn a_block_is_held_named_and_cannot_be_approved() {
    let node = Node::start();
    node.drop_file(RESEARCHER, "bad.frq", &harmful());
    let id = node.await_state(RESEARCHER, "bad.frq", "held");
    let detail = node.json(RESEARCHER, &["status", &id]);
    assert_eq!(detail["report"]["verdict"], "block");
    let text = detail["report"].to_string();
    assert!(text.contains("rs9999") && text.contains("5-4(2)(ii)"), "clause and place are named: {text}");
    let (code, _, err) = node.sekisho(OFFICER, &["approve", &id, "--yes", "-i", &node.key("sato")]);
    assert_eq!(code, 1);
    assert!(err.contains("block"), "{err}");
    assert_eq!(fs::read_dir(node.path("release")).unwrap().count(), 0);
}

#[test]
fn nobody_decides_about_their_own_request_nor_for_another_institution_nor_without_certificate() {
    let node = Node::start();
    node.drop_file(DUAL, "own.frq", &harmless());
    let id = node.await_state(DUAL, "own.frq", "held");
    let (code, _, err) = node.sekisho(DUAL, &["approve", &id, "--yes", "-i", &node.key("mori")]);
    assert_eq!(code, 77, "{err}");
    assert!(err.contains("own request"), "{err}");
    for (account, key) in [(ELSEWHERE, "kato"), (STRANGER, "sato"), (RESEARCHER, "sato")] {
        let (code, _, err) = node.sekisho(account, &["approve", &id, "--yes", "-i", &node.key(key)]);
        assert_eq!(code, 77, "{account}: {err}");
        let (code, out, _) = node.sekisho(account, &["status", &id]);
        assert_eq!((code, out.as_str()), (77, ""), "{account} learns nothing");
    }
    let done = node.json(OFFICER, &["approve", &id, "--yes", "-i", &node.key("sato")]);
    assert_eq!(done["state"], "released", "the other officer may: {done}\n{}", node.log());
}

#[test]
fn a_signature_of_another_key_is_refused_and_the_request_stays_held() {
    let node = Node::start();
    let id = held(&node, "a.frq");
    let key = node.path("home").join("forged");
    let key = key.display().to_string();
    let made = node.run_as(OFFICER, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key]);
    assert!(made.status.success(), "{made:?}");
    let (code, _, err) = node.sekisho(OFFICER, &["approve", &id, "--yes", "-i", &key]);
    assert_eq!(code, 1, "{err}");
    assert_eq!(node.request_of(RESEARCHER, "a.frq").unwrap()["state"], "held");
}

#[test]
fn a_half_written_file_waits_for_its_writer_and_then_goes_through() {
    let node = Node::start();
    let path = node.spool("slow.frq");
    let path = path.display();
    // The writer keeps the file open, says nothing for a while, and then finishes it.
    let line = format!("exec 3>{path}; printf half >&3; sleep 3; printf ' whole\\n' >&3");
    let mut writer = acting_as(RESEARCHER).args(["sh", "-c", &line]).spawn().unwrap();
    node.until("the request to be seen waiting", || {
        node.request_of(RESEARCHER, "slow.frq").is_some_and(|r| {
            r["state"] == "received" && r["note"].as_str().is_some_and(|n| n.contains("written"))
        })
    });
    assert!(writer.try_wait().unwrap().is_none(), "seen while the writer still writes");
    assert!(writer.wait().unwrap().success());
    let id = node.await_state(RESEARCHER, "slow.frq", "held");
    let detail = node.json(RESEARCHER, &["status", &id]);
    assert_eq!(detail["files"][0]["bytes"], "half whole\n".len(), "{detail}");
}

#[test]
fn what_cannot_be_a_request_fails_with_its_reason_and_stays_where_it_is() {
    let node = Node::start();
    node.shell(
        RESEARCHER,
        "ln -s /etc/shadow link.tsv; mkdir -p deep/er; touch deep/er/x; mkdir empty; mkfifo pipe",
    );
    node.shell(RESEARCHER, "mkdir toml; printf 'purpose = 3\\n' > toml/request.toml; echo x > toml/a.txt");
    for (entry, word) in [
        ("link.tsv", "symbolic link"),
        ("deep", "directory inside"),
        ("empty", "no result file"),
        ("pipe", "pipe"),
        ("toml", "request.toml:1:11"),
    ] {
        node.await_state(RESEARCHER, entry, "failed");
        let note = node.request_of(RESEARCHER, entry).unwrap()["note"].as_str().unwrap().to_owned();
        assert!(note.contains(word), "{entry}: {note}");
        assert!(node.spooled().contains(&entry.to_owned()), "{entry} is not lost");
    }
    // The requester mends it where it lies: the link's request tries again, the directory is a new one.
    node.drop_file(RESEARCHER, "real", &harmless());
    node.shell(
        RESEARCHER,
        "rm link.tsv; cp ../../home/real.nobody link.tsv; printf 'purpose = \"3\"\\n' > toml/request.toml",
    );
    node.await_state(RESEARCHER, "link.tsv", "held");
    node.await_state(RESEARCHER, "toml", "held");
    assert_eq!(node.requests(RESEARCHER).iter().filter(|r| r["entry"] == "link.tsv").count(), 1);
}

#[test]
fn a_drop_of_somebody_who_is_no_member_is_refused_and_kept() {
    let node = Node::start();
    node.drop_file(STRANGER, "theirs.frq", &harmless());
    node.await_state(STRANGER, "theirs.frq", "rejected");
    let request = node.request_of(STRANGER, "theirs.frq").unwrap();
    assert!(request["note"].as_str().unwrap().contains("not a member"), "{request}");
    assert_eq!(node.json(OFFICER, &["review"])["requests"].as_array().unwrap().len(), 0);
}

#[test]
fn sigkill_at_any_moment_loses_nothing_and_does_nothing_twice() {
    let mut node = Node::start();
    let names: Vec<String> = (0..12).map(|n| format!("f{n:02}.frq")).collect();
    for (n, name) in names.iter().enumerate() {
        node.drop_file(
            RESEARCHER,
            name,
            &format!("{}   1   rs7{n:03}    A    G   0.250000     800\n", harmless()),
        );
        // A different moment of custody, inspection and clearing each time.
        std::thread::sleep(Duration::from_millis(97 * n as u64 % 450));
        node.kill_airlock();
        node.start_airlock();
    }
    for name in &names {
        node.await_state(RESEARCHER, name, "held");
    }
    let requests = node.requests(RESEARCHER);
    assert_eq!(requests.len(), names.len(), "every file is in exactly one request: {requests:#?}");
    node.until("the spool to be clear", || node.spooled().is_empty());
}

#[test]
fn two_officers_racing_release_once() {
    let node = Node::start();
    for round in 0..3 {
        let name = format!("race{round}.frq");
        node.drop_file(
            RESEARCHER,
            &name,
            &format!("{}   1   rs8{round}    A    G   0.250000     800\n", harmless()),
        );
        let id = node.await_state(RESEARCHER, &name, "held");
        let (one, two) = std::thread::scope(|s| {
            let decide = |account: &'static str, key: &'static str| {
                let (node, id) = (&node, &id);
                s.spawn(move || node.sekisho(account, &["approve", id, "--yes", "-i", &node.key(key)]).0)
            };
            let (one, two) = (decide(OFFICER, "sato"), decide(DUAL, "mori"));
            (one.join().unwrap(), two.join().unwrap())
        });
        let mut codes = [one, two];
        codes.sort_unstable();
        assert_eq!(codes, [0, 1], "one of them wins\n{}", node.log());
        node.await_state(RESEARCHER, &name, "released");
    }
}

#[test]
fn without_the_notary_everything_waits_and_a_signed_decision_is_delivered_later() {
    let mut node = Node::start();
    let id = held(&node, "a.frq");
    node.kill_notary();
    // A look that cannot be recorded does not happen.
    let (code, out, _) = node.sekisho(OFFICER, &["review", &id]);
    assert_eq!((code, out.as_str()), (75, ""));
    node.drop_file(RESEARCHER, "b.frq", &harmless().replace("rs10", "rs20"));
    node.until("the drop to be seen waiting", || {
        node.request_of(RESEARCHER, "b.frq").is_some_and(|r| r["note"].as_str().unwrap().contains("notary"))
    });
    assert!(node.spooled().contains(&"b.frq".to_owned()));
    node.start_notary();
    node.await_state(RESEARCHER, "b.frq", "held");
    let done = node.json(OFFICER, &["approve", &id, "--yes", "-i", &node.key("sato")]);
    assert_eq!(done["state"], "released", "{done}");
}

#[test]
fn a_decision_signed_while_the_notary_goes_away_survives_a_crash_and_is_delivered() {
    let mut node = Node::start();
    let id = held(&node, "a.frq");
    // An ssh-keygen that waits for us between the officer's signature and the airlock's question to the notary.
    let bin = node.path("home").join("bin");
    fs::create_dir(&bin).unwrap();
    let (waiting, go) = (node.path("home").join("waiting"), node.path("home").join("go"));
    let script = format!(
        "#!/bin/sh\n/usr/bin/touch {}\nwhile [ ! -e {} ]; do sleep 0.05; done\nexec /usr/bin/ssh-keygen \"$@\"\n",
        waiting.display(),
        go.display()
    );
    fs::write(bin.join("ssh-keygen"), script).unwrap();
    node.run_as("root", "chmod", &["755", &bin.join("ssh-keygen").display().to_string()]);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let args = ["approve", &id, "--yes", "-i", &node.key("sato")].map(str::to_owned);
    let (code, _, err) = {
        let (ready, finish) = std::sync::mpsc::channel();
        std::thread::scope(|s| {
            let reader = &node;
            let officer = s.spawn(move || {
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                let out = reader.sekisho_with(OFFICER, &args, &[("PATH", &path)]);
                ready.send(()).unwrap();
                out
            });
            reader.until("the officer to sign", || waiting.exists());
            reader.stop_notary();
            fs::write(&go, "").unwrap();
            finish.recv().unwrap();
            officer.join().unwrap()
        })
    };
    assert_eq!(code, 75, "{err}");
    assert!(err.contains("stored"), "{err}");
    assert_eq!(node.request_of(RESEARCHER, "a.frq").unwrap()["state"], "releasing");
    let (code, _, _) = node.sekisho(RESEARCHER, &["withdraw", &id]);
    assert_eq!(code, 1, "what is being released cannot be withdrawn");
    node.kill_airlock();
    node.start_airlock();
    node.kill_notary();
    node.start_notary();
    node.await_state(RESEARCHER, "a.frq", "released");
}

#[test]
fn the_command_line_speaks_japanese_and_says_what_can_be_done_now() {
    let node = Node::start();
    let id = held(&node, "a.frq");
    let ja = [("LANG", "ja_JP.UTF-8")];
    let (_, out, _) = node.sekisho_with(RESEARCHER, &["status", &id], &ja);
    assert!(out.contains("判断待ち") && out.contains("申請者"), "{out}");
    let (code, _, err) = node.sekisho_with(RESEARCHER, &["approve", &id, "--yes"], &ja);
    assert_eq!(code, 77);
    assert!(err.contains("エラー") && err.contains("担当者") && err.contains("対応"), "{err}");
    let (_, card, _) = node.sekisho_with(OFFICER, &["review", &id], &ja);
    assert!(card.contains("必要最小限") && card.contains("要判断"), "{card}");
}

#[test]
fn a_statement_is_about_the_policy_of_this_moment_even_before_a_reload() {
    let node = Node::start();
    let id = held(&node, "a.frq");
    fs::write(node.path("policy.d/50-more.toml"), "[limits]\ndecision_hours = 24\n").unwrap();
    let done = node.json(OFFICER, &["approve", &id, "--yes", "-i", &node.key("sato")]);
    assert_eq!(done["state"], "released", "{done}\n{}", node.log());
}

#[test]
fn an_unconfirmed_signature_is_not_made() {
    let node = Node::start();
    let id = held(&node, "a.frq");
    let (code, out, err) = node.sekisho(OFFICER, &["approve", &id, "-i", &node.key("sato")]);
    assert_eq!(code, 2, "nobody at the terminal, no --yes: {err}");
    assert!(out.contains("sekisho decision v1") && out.contains("a.frq"), "the statement is shown: {out}");
    assert_eq!(node.request_of(RESEARCHER, "a.frq").unwrap()["state"], "held");
}

#[test]
fn a_dead_inspector_is_a_finding_and_never_a_pass() {
    let mut node = Node::prepare();
    node.inspector = Some("/bin/true".into());
    node.start_notary();
    node.start_airlock();
    node.drop_file(RESEARCHER, "a.frq", &harmless());
    let id = node.await_state(RESEARCHER, "a.frq", "held");
    let detail = node.json(RESEARCHER, &["status", &id]);
    assert_eq!(detail["report"]["verdict"], "block", "{detail}");
}

#[test]
fn inspectors_behind_a_socket_are_waited_for_and_then_used() {
    let mut node = Node::prepare();
    node.inspector = None;
    node.start_notary();
    node.start_airlock();
    node.drop_file(RESEARCHER, "a.frq", &harmless());
    // No inspector is not the file's fault: it waits, and says for what.
    node.until("the request to wait for an inspector", || {
        node.request_of(RESEARCHER, "a.frq").is_some_and(|r| {
            r["state"] == "inspecting" && r["note"].as_str().is_some_and(|n| n.contains("no inspector"))
        })
    });
    node.serve_inspectors();
    let id = node.await_state(RESEARCHER, "a.frq", "held");
    assert_eq!(node.json(RESEARCHER, &["status", &id])["report"]["verdict"], "pass");
}

#[test]
fn a_bad_policy_reload_changes_nothing_and_names_the_place() {
    let node = Node::start();
    fs::write(node.path("policy.d/90-bad.toml"), "[counts]\nminimun = 5\n").unwrap();
    node.hang_up_airlock();
    node.until("the refusal in the log", || node.log().contains("90-bad.toml:2:1"));
    held(&node, "a.frq");
    fs::write(node.path("policy.d/90-bad.toml"), "[counts]\nminimum = 12\n").unwrap();
    node.hang_up_airlock();
    node.until("the reload in the log", || node.log().contains("policy reloaded"));
}

#[test]
fn metrics_have_closed_labels_and_no_names() {
    let mut node = Node::prepare();
    let socket = node.path("run/metrics.sock").display().to_string();
    node.airlock_flags = vec!["--metrics".into(), format!("unix:{socket}")];
    node.start_notary();
    node.start_airlock();
    held(&node, "secretname.frq");
    let mut text = String::new();
    node.until("the census", || {
        use std::io::{Read, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        text.clear();
        stream.read_to_string(&mut text).unwrap();
        text.contains("sekisho_airlock_requests{state=\"held\"} 1")
    });
    assert!(text.contains("sekisho_airlock_inspections_total{verdict=\"pass\"} 1"), "{text}");
    for name in ["secretname", RESEARCHER, "R-0000"] {
        assert!(!text.contains(name), "{name} is in the metrics");
    }
}

#[test]
fn without_an_airlock_the_exit_code_is_75_and_the_way_out_is_named() {
    let node = Node::prepare();
    for args in [&["status"][..], &["review"], &["withdraw", "R-000001"]] {
        let (code, _, err) = node.sekisho(RESEARCHER, args);
        assert_eq!(code, 75, "{args:?}");
        assert!(err.contains("hint:"), "{err}");
    }
}

#[test]
fn a_name_that_could_draw_on_the_officers_terminal_never_reaches_it() {
    let node = Node::start();
    node.shell(RESEARCHER, "printf x > \"$(printf 'a\\033[2Jb.tsv')\"; mkdir d; echo y > d/t.txt");
    node.shell(RESEARCHER, "printf 'purpose = \"\\\\u001b[2J\"\\n' > d/request.toml");
    node.until("both to be seen", || node.requests(RESEARCHER).len() == 2);
    let id = node.await_state(RESEARCHER, "d", "held");
    for (account, args) in [
        (RESEARCHER, vec!["status", "--all"]),
        (RESEARCHER, vec!["status", &id]),
        (OFFICER, vec!["review", &id]),
    ] {
        let (_, out, err) = node.sekisho(account, &args);
        assert!(!out.contains('\x1b') && !err.contains('\x1b'), "{out}{err}");
        assert!(out.contains("\\u{1b}"), "{out}");
    }
}
