//! What a policy file may say, and how a mistake is answered.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use jiff::civil::date;
use proptest::prelude::*;
use sekisho_policy::schema::{Weight, ZoneKind};
use sekisho_policy::{Certificate, Document, Policy, PolicyError};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDEU2O62o1JPW8xOfbN3vD1aUNvMdzCdcIyRbwNIFEhf";
const OTHER_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGKZwwYbX6qy5uM1b6zK6bPBHj3yrZgXAkgTmRt4Vfwt";

fn whole() -> String {
    format!(
        r#"version = 1
[site]
name = "node"
[[institution]]
id = "hospital-a"
name = "Hospital A"
[[officer]]
id = "sato"
name = "Sato"
institution = "hospital-a"
user = "officer"
certified_on = 2026-04-01
valid_until = 2027-03-31
key = "{KEY}"
[[project]]
id = "demo"
title = "Demo"
institution = "hospital-a"
from = 2026-04-01
until = 2027-03-31
members = ["researcher"]
[[gate.zone]]
path = "/home/researcher"
kind = "workspace"
[gate.subjects]
uid_ranges = [[1000, 59999]]
"#
    )
}

#[test]
fn a_screen_budget_that_would_lock_people_out_is_refused() {
    use sekisho_policy::schema::ScreenOver;
    let with = |screen: &str| format!("{}[gate.screen]\n{screen}\n", whole());
    for bytes in ["0", "1048575", "2000000000000"] {
        let error = refused(&with(&format!("bytes_per_hour = {bytes}")));
        assert!(error.to_string().contains("1048576"), "{error}");
    }
    let policy = Policy::parse("p.toml", &with("bytes_per_hour = 1048576\nover = \"cut\"")).unwrap();
    assert_eq!(
        (policy.gate.screen.bytes_per_hour, policy.gate.screen.over),
        (Some(1 << 20), ScreenOver::Cut)
    );
    assert_eq!(Policy::parse("p.toml", &whole()).unwrap().gate.screen.bytes_per_hour, None);
}

fn refused(text: &str) -> PolicyError {
    Policy::parse("p.toml", text).expect_err("must be refused")
}

/// The refusal of the whole policy with one line changed; checks that the place points at that line.
fn refused_with(old: &str, new: &str) -> PolicyError {
    let text = whole();
    assert!(text.contains(old), "{old}");
    let line = text[..text.find(old).unwrap()].matches('\n').count() + 1;
    let error = refused(&text.replacen(old, new, 1));
    assert_eq!((error.file.as_str(), error.line), ("p.toml", line), "{error}");
    assert!(!error.hint.is_empty() && !error.japanese.message.is_empty() && !error.japanese.hint.is_empty());
    error
}

#[test]
fn a_whole_policy_is_accepted_and_answers_questions() {
    let p = Policy::parse("p.toml", &whole()).unwrap();
    assert_eq!(p.counts.minimum, 10);
    assert_eq!(p.project("demo").unwrap().institution, "hospital-a");
    assert_eq!(p.officer_by_user("officer").unwrap().id, "sato");
    assert_eq!(p.officers_of("hospital-a").count(), 1);
    assert_eq!(p.projects_of("researcher").count(), 1);
    assert_eq!(p.gate.zones[0].kind, ZoneKind::Workspace);
}

#[test]
fn a_certificate_holds_from_its_first_to_its_last_day_and_never_once_revoked() {
    let mut officer = Policy::parse("p.toml", &whole()).unwrap().officers.remove(0);
    assert_eq!(officer.certificate(date(2026, 3, 31)), Certificate::NotYet(date(2026, 4, 1)));
    assert!(officer.is_certified_on(date(2026, 4, 1)));
    assert!(officer.is_certified_on(date(2027, 3, 31)));
    assert_eq!(officer.certificate(date(2027, 4, 1)), Certificate::Expired(date(2027, 3, 31)));
    officer.revoked_on = Some(date(2026, 6, 1));
    assert!(officer.is_certified_on(date(2026, 5, 31)));
    assert!(!officer.is_certified_on(date(2026, 6, 1)));
}

#[test]
fn an_unknown_key_is_refused_with_the_accepted_ones() {
    let e = refused("version = 1\n[counts]\nminimun = 10\n");
    assert_eq!((e.line, e.column), (3, 1));
    assert!(e.to_string().starts_with("p.toml:3:1: unknown key `minimun`\nhint: "), "{e}");
    assert!(e.hint.contains("`minimum`") && e.hint.contains("`zero`"), "{e}");
    assert!(e.japanese.message.contains("minimun"));
}

#[test]
fn a_value_outside_the_list_is_refused_with_the_list() {
    let e = refused("version = 1\n\n[gate]\nmode = \"enforec\"\n");
    assert_eq!((e.line, e.column), (4, 8));
    assert_eq!(e.hint, "accepted values: `enforce`, `audit`");
}

#[test]
fn columns_count_characters_not_bytes() {
    let e = refused("version = 1\nsite = { name = \"病院\", x = 1 }\n");
    assert_eq!((e.line, e.column), (2, 23), "{e}");
}

#[test]
fn the_version_is_required_once_and_must_be_known() {
    assert!(refused("[site]\nname = \"x\"\n").message.contains("`version` is missing"));
    let e = refused_with("version = 1", "version = 2");
    assert_eq!(e.hint, "accepted values: 1");
}

#[test]
fn mistakes_name_their_place_and_the_accepted_values() {
    let e = refused_with("institution = \"hospital-a\"\nuser", "institution = \"hospital-b\"\nuser");
    assert!(e.message.contains("hospital-b") && e.hint.contains("`hospital-a`"), "{e}");
    refused_with("until = 2027-03-31\nmembers", "until = 2025-03-31\nmembers");
    refused_with("valid_until = 2027-03-31", "valid_until = 2026-03-31");
    refused_with("path = \"/home/researcher\"", "path = \"home/researcher\"");
    refused_with("path = \"/home/researcher\"", "path = \"/home/../etc\"");
    refused_with("path = \"/home/researcher\"", "path = \"/\"");
    refused_with("uid_ranges = [[1000, 59999]]", "uid_ranges = [[0, 59999]]");
    refused_with("id = \"demo\"", "id = \"../demo\"");
    refused_with("members = [\"researcher\"]", "members = [\"\"]");
    refused_with("kind = \"workspace\"", "kind = \"work\"");
}

#[test]
fn only_ed25519_keys_are_accepted() {
    for key in [
        "ssh-ed25519 AAAA",
        "",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ] {
        let e = refused_with(&format!("key = \"{KEY}\""), &format!("key = \"{key}\""));
        assert!(e.hint.contains("sk-ssh-ed25519@openssh.com"), "{e}");
    }
    let commented = whole().replace(KEY, &format!("{KEY} sato@hospital-a"));
    Policy::parse("p.toml", &commented).unwrap();
}

#[test]
fn two_officers_share_neither_id_nor_account_nor_key() {
    let second = |id: &str, user: &str, key: &str| {
        format!(
            "{}[[officer]]\nid = \"{id}\"\nname = \"S\"\ninstitution = \"hospital-a\"\nuser = \"{user}\"\n\
             certified_on = 2026-04-01\nvalid_until = 2027-03-31\nkey = \"{key}\"\n",
            whole()
        )
    };
    Policy::parse("p.toml", &second("suzuki", "officer2", OTHER_KEY)).unwrap();
    assert!(refused(&second("sato", "officer2", OTHER_KEY)).message.contains("twice"));
    assert!(refused(&second("suzuki", "officer", OTHER_KEY)).message.contains("twice"));
    assert!(
        refused(&second("suzuki", "officer2", &format!("{KEY} other comment"))).message.contains("twice")
    );
}

#[test]
fn networks_are_checked_to_the_bit() {
    let with = |cidr: &str| {
        format!(
            "version = 1\n[gate.network]\nallow = [{{cidr = \"{cidr}\", protocol = \"tcp\", port = 443}}]\n"
        )
    };
    for good in ["10.0.0.0/8", "0.0.0.0/0", "192.168.1.1/32", "2001:db8::/32", "::/0", "::1/128"] {
        Policy::parse("p.toml", &with(good)).unwrap();
    }
    for bad in ["10.0.0.1/8", "10.0.0.0", "10.0.0.0/33", "host/8", "2001:db8::1/32", "::/129"] {
        assert_eq!(refused(&with(bad)).line, 3, "{bad}");
    }
}

#[test]
fn tightening_is_free_and_loosening_needs_a_named_deviation() {
    let with = |body: &str| Policy::parse("p.toml", &format!("version = 1\n{body}"));
    for tighter in [
        "[counts]\nminimum = 20\nzero = \"block\"",
        "[sites]\nlimit = 10",
        "[frequency]\nstraddle = \"block\"",
    ] {
        with(tighter).unwrap();
    }
    // The clause allows both readings.
    with("[frequency]\nreading = \"denominator\"").unwrap();
    let loose = [
        ("counts.minimum", "[counts]\nminimum = 9"),
        ("counts.zero", "[counts]\nzero = \"pass\""),
        ("sites.limit", "[sites]\nlimit = 41"),
        ("sites.str_loci", "[sites]\nstr_loci = 10"),
        ("frequency.straddle", "[frequency]\nstraddle = \"pass\""),
        ("numbers.significant_digits", "[numbers]\nsignificant_digits = 7"),
    ];
    for (key, body) in loose {
        let e = with(body).expect_err(key);
        assert_eq!(e.line, 3, "{e}");
        assert!(e.message.contains(key) && e.hint.contains("[[deviation]]"), "{e}");
        let named = format!(
            "{body}\n[[deviation]]\nkey = \"{key}\"\nallowed_by = \"secretariat\"\non = 2026-04-01\nreason = \"agreed\"\n"
        );
        with(&named).unwrap();
        assert!(with(&named.replace("\"secretariat\"", "\" \"")).is_err());
        assert!(with(&named.replace(&format!("\"{key}\""), "\"counts.maximum\"")).is_err());
    }
}

#[test]
fn later_documents_win_and_lists_of_entries_grow() {
    let main = whole();
    let extra = "[counts]\nminimum = 20\n[[institution]]\nid = \"b\"\nname = \"B\"\n\
                 [gate.subjects]\nuid_ranges = [[2000, 2999]]\n[[gate.zone]]\npath = \"/scratch\"\nkind = \"workspace\"\n";
    let last = "[counts]\nminimum = 30\nzero = \"block\"\n";
    let p = Policy::merge(&[
        Document { file: "policy.toml", text: &main },
        Document { file: "policy.d/10.toml", text: extra },
        Document { file: "policy.d/20.toml", text: last },
    ])
    .unwrap();
    assert_eq!((p.counts.minimum, p.counts.zero), (30, Weight::Block));
    assert_eq!(p.institutions.len(), 2);
    assert_eq!(p.gate.subjects.uid_ranges, [(2000, 2999)]);
    assert_eq!(
        p.gate.zones.iter().map(|z| z.path.as_str()).collect::<Vec<_>>(),
        ["/home/researcher", "/scratch"]
    );
    assert_eq!(p.site.name, "node");
}

#[test]
fn a_mistake_in_a_later_document_is_found_there() {
    let main = whole();
    let extra = "# a second institution\n[[institution]]\nid = \"hospital-a\"\nname = \"again\"\n";
    let e = Policy::merge(&[
        Document { file: "policy.toml", text: &main },
        Document { file: "policy.d/10.toml", text: extra },
    ])
    .unwrap_err();
    assert_eq!((e.file.as_str(), e.line, e.column), ("policy.d/10.toml", 3, 6), "{e}");
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}", tail in "(\\[|\\]|=|\"|\n|[a-z.]{1,8}|[0-9]){0,60}") {
        let _ = Policy::parse("p", &text);
        let _ = Policy::parse("p", &format!("version = 1\n{tail}"));
    }

    #[test]
    fn one_broken_byte_in_a_good_policy_is_no_panic(at in 0usize..800, with in any::<char>()) {
        let mut text: Vec<char> = whole().chars().collect();
        if at < text.len() { text[at] = with; }
        let _ = Policy::parse("p", &text.into_iter().collect::<String>());
    }
}

#[test]
fn dates_are_bare_or_text_and_survive_json() {
    let text = whole();
    let bare = Policy::parse("p.toml", &text).unwrap();
    let quoted = Policy::parse("p.toml", &text.replace("2026-04-01", "\"2026-04-01\"")).unwrap();
    assert_eq!(bare, quoted);
    let json = serde_json::to_string(&bare).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), bare);
    refused_with("until = 2027-03-31\nmembers", "until = 2027-03-31T00:00:00\nmembers");
    refused_with("until = 2027-03-31\nmembers", "until = 2027-02-30\nmembers");
    refused_with("until = 2027-03-31\nmembers", "until = \"next year\"\nmembers");
}
