//! Is this decision one that counts? A pure question over the statement, the book, the policy and the clock.
//!
//! Every check is here, once, in the order an auditor would ask: what is it, is it about what we hold, may this person,
//! and did that person sign exactly this.

use crate::accounts::Accounts;
use crate::book::{Book, Request};
use jiff::Zoned;
use sekisho_ledger::statement::{Decision, Statement};
use sekisho_ledger::{DECISION_NAMESPACE, sshsig};
use sekisho_policy::schema::{Officer, Project};
use sekisho_policy::{Certificate, RequestReport};
use sekisho_wire::config::Loaded;
use std::collections::BTreeMap;

/// A statement is signed within this many hours of its composition, or composed anew.
const FRESH_HOURS: i64 = 24;
/// How far a clock may differ, seconds.
const SKEW: i64 = 300;

/// A refusal: machine-readable reason, words, the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// E.g. `certificate_expired`.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// The way out.
    pub hint: String,
}

/// Makes a refusal.
pub fn no<T>(
    reason: &'static str,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> Result<T, Refusal> {
    Err(Refusal { reason, message: message.into(), hint: hint.into() })
}

/// What the check needs to know.
pub struct Facts<'a> {
    /// The ledger's view.
    pub book: &'a Book,
    /// The policy in force.
    pub loaded: &'a Loaded,
    /// The report the book names for the request, if there is one.
    pub report: Option<&'a RequestReport>,
    /// The node's clock and date.
    pub now: &'a Zoned,
    /// The node's accounts.
    pub accounts: &'a dyn Accounts,
}

/// Checks everything; gives the statement when the decision counts.
pub fn check(facts: &Facts<'_>, id: &str, text: &str, signature: &str) -> Result<Statement, Refusal> {
    const AGAIN: &str = "ask for the statement again and sign that one";
    let policy = &facts.loaded.policy;
    let statement = match Statement::parse(text) {
        Ok(statement) => statement,
        Err(e) => return no("statement_malformed", e.to_string(), AGAIN),
    };
    let s = &statement;
    let Some(request) = facts.book.request(id).filter(|r| !r.held.is_empty()) else {
        return no("unknown_request", format!("nothing is held for request {id}"), "check the request's id");
    };
    if s.request != id {
        return no("other_request", format!("the statement is about request {}", s.request), AGAIN);
    }
    if s.site != policy.site.name {
        return no("other_site", format!("the statement is for the node `{}`", s.site), AGAIN);
    }
    if s.project != request.project {
        return no("other_project", format!("the request belongs to project {}", request.project), AGAIN);
    }
    if let Some(kind) = &request.closed {
        return no("closed", format!("the request was {kind}"), "a new request is needed");
    }
    if request.decided.is_some() {
        return no("already_decided", "the request is decided", "a new request is needed");
    }
    over_what_is_held(facts, request, s)?;
    if s.policy_sha256 != facts.loaded.sha256 {
        return no("policy_changed", "the policy in force is not the one the statement names", AGAIN);
    }
    timely(facts, request, s)?;
    let Some(project) = policy.project(&s.project) else {
        return no("unknown_project", format!("the policy has no project {}", s.project), "see the policy");
    };
    let Some(officer) = policy.officer(&s.officer) else {
        return no("unknown_officer", format!("the policy has no officer {}", s.officer), "see the policy");
    };
    entitled(facts, request, s, project, officer)?;
    if let Err(e) = sshsig::verify(&officer.key, DECISION_NAMESPACE, text.as_bytes(), signature) {
        return no(
            "signature_invalid",
            e.to_string(),
            format!("sign with the key the policy names for officer {}", officer.id),
        );
    }
    Ok(statement)
}

/// The statement is about the bytes in custody and the report recorded over them.
fn over_what_is_held(facts: &Facts<'_>, request: &Request, s: &Statement) -> Result<(), Refusal> {
    let (Some(inspected), Some(report)) = (&request.inspected, facts.report) else {
        return no("not_inspected", "no inspection is recorded for the request", "wait for the inspection");
    };
    if s.report_sha256 != inspected.report_sha256 {
        return no("other_report", "the statement names another report", "review the request again");
    }
    let mut reported = BTreeMap::new();
    for file in &report.files {
        reported.insert(file.path.as_str(), (file.sha256.as_str(), file.bytes));
    }
    let mut signed = BTreeMap::new();
    for file in &s.files {
        signed.insert(file.name.as_str(), (file.sha256.as_str(), file.bytes));
    }
    if signed != reported {
        return no(
            "other_files",
            "the statement's files are not those of the report",
            "review the request again",
        );
    }
    for (name, (sha256, bytes)) in &signed {
        let held = request.held.get(*name).is_some_and(|h| h.sha256 == *sha256 && h.bytes == *bytes);
        if !held || !facts.book.holds(sha256) {
            let message = format!("`{}` is not in custody with this digest", name.escape_debug());
            return no("not_held", message, "review the request again");
        }
    }
    if s.verdict != inspected.verdict || s.verdict != report.verdict.as_str() {
        return no("other_verdict", "the statement names another verdict", "review the request again");
    }
    if s.decision == Decision::Approve && report.verdict == sekisho_policy::Verdict::Block {
        return no(
            "blocked",
            "the inspection blocks this request; an officer cannot lift that",
            "return it to the requester; the filtered copy may pass",
        );
    }
    Ok(())
}

fn timely(facts: &Facts<'_>, request: &Request, s: &Statement) -> Result<(), Refusal> {
    let now = facts.now.timestamp().as_second();
    if facts.book.last().is_some_and(|last| last.as_second() > now + SKEW) {
        return no(
            "clock_went_back",
            "the clock is behind the ledger's last entry, so no certificate can be judged",
            "the administrator must set the node's clock",
        );
    }
    let composed = s.time.as_second();
    let inspected = request.inspected.as_ref().map_or(i64::MIN, |i| i.time.as_second());
    if composed > now + SKEW || composed < now - FRESH_HOURS * 3600 || composed + SKEW < inspected {
        return no(
            "statement_stale",
            format!("the statement was composed at {}", s.time),
            "ask for the statement again and sign that one",
        );
    }
    Ok(())
}

/// The person may decide this request today.
fn entitled(
    facts: &Facts<'_>,
    request: &Request,
    s: &Statement,
    project: &Project,
    officer: &Officer,
) -> Result<(), Refusal> {
    if officer.institution != project.institution || s.institution != project.institution {
        return no(
            "other_institution",
            format!("officers of `{}` decide for project {}", project.institution, project.id),
            "hand the request to an officer of that institution",
        );
    }
    const RENEW: &str = "another certified officer of the institution must decide";
    match officer.certificate(facts.now.date()) {
        Certificate::Valid => {}
        Certificate::NotYet(day) => {
            return no("certificate_not_yet", format!("the certificate begins on {day}"), RENEW);
        }
        Certificate::Expired(day) => {
            return no("certificate_expired", format!("the certificate ended on {day}"), RENEW);
        }
        Certificate::Revoked(day) => {
            return no("certificate_revoked", format!("the certificate was revoked on {day}"), RENEW);
        }
    }
    let Some(requester) = facts.accounts.name(request.owner_uid) else {
        let message = format!("uid {} has no account on this node", request.owner_uid);
        return no("unknown_requester", message, "the administrator must look at the node's accounts");
    };
    if s.requester != requester {
        return no(
            "other_requester",
            format!("the files belong to `{requester}`"),
            "review the request again",
        );
    }
    if !project.has_member(&requester) {
        let message = format!("`{requester}` is not a member of project {}", project.id);
        return no("not_a_member", message, "see the policy");
    }
    let Some(uid) = facts.accounts.uid(&officer.user) else {
        let message = format!("the officer's account `{}` does not exist", officer.user);
        return no("unknown_officer", message, "the administrator must look at the node's accounts");
    };
    if uid == request.owner_uid || officer.user == requester {
        return no(
            "own_request",
            "nobody decides over a request of their own (5-5(2))",
            "another certified officer of the institution must decide",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sekisho_ledger::sshsig::SigningKey;
    use sekisho_ledger::statement::File;
    use sekisho_policy::{FileReport, Policy, Verdict};
    use sekisho_wire::digest;

    struct TwoAccounts;
    impl Accounts for TwoAccounts {
        fn name(&self, uid: u32) -> Option<String> {
            (uid == 1001).then(|| "researcher".into())
        }
        fn uid(&self, name: &str) -> Option<u32> {
            [("researcher", 1001), ("officer", 1002)]
                .into_iter()
                .find(|(n, _)| *n == name)
                .map(|(_, uid)| uid)
        }
    }

    struct Scene {
        loaded: Loaded,
        report: RequestReport,
        book: Book,
        key: SigningKey,
    }

    fn scene() -> Scene {
        let key = SigningKey::generate("t").unwrap().0;
        let text = format!(
            "version = 1\n[[institution]]\nid = \"a\"\nname = \"A\"\n\
             [[officer]]\nid = \"sato\"\nname = \"S\"\ninstitution = \"a\"\nuser = \"officer\"\n\
             certified_on = 2026-01-01\nvalid_until = 2026-12-31\nkey = \"{}\"\n\
             [[project]]\nid = \"demo\"\ntitle = \"D\"\ninstitution = \"a\"\nfrom = 2026-01-01\nuntil = 2026-12-31\nmembers = [\"researcher\"]\n",
            key.public_openssh().unwrap()
        );
        let policy = Policy::parse("p", &text).unwrap();
        let sha256 = digest::of_policy(&policy).unwrap();
        let (a, b) = ("a".repeat(64), "b".repeat(128));
        let report = RequestReport::of(vec![FileReport {
            path: "t".into(),
            sha256: a.clone(),
            bytes: 1,
            kind: String::new(),
            verdict: Verdict::Review,
            coverage: String::new(),
            coverage_ja: String::new(),
            findings: Vec::new(),
        }]);
        let mut book = Book::default();
        let entries = [
            format!(
                "{{\"kind\":\"received\",\"time\":\"2026-06-01T00:00:00Z\",\"request\":\"R-1\",\"project\":\"demo\",\"name\":\"t\",\"sha256\":\"{a}\",\"sha512\":\"{b}\",\"bytes\":1,\"owner_uid\":1001}}"
            ),
            format!(
                "{{\"kind\":\"inspected\",\"time\":\"2026-06-01T00:01:00Z\",\"request\":\"R-1\",\"verdict\":\"review\",\"report_sha256\":\"{}\",\"policy_sha256\":\"{sha256}\"}}",
                digest::of_report(&report).unwrap()
            ),
        ];
        for (n, entry) in entries.iter().enumerate() {
            book.apply(n as u64, entry.as_bytes()).unwrap();
        }
        Scene { loaded: Loaded { policy, sha256, files: Vec::new() }, report, book, key }
    }

    /// Asks on a day and hour, with a statement composed then.
    fn at(scene: &Scene, time: &str) -> Result<(), &'static str> {
        let now: Zoned = format!("{time}+09:00[+09:00]").parse().unwrap();
        let statement = Statement {
            decision: Decision::Approve,
            site: String::new(),
            request: "R-1".into(),
            project: "demo".into(),
            institution: "a".into(),
            officer: "sato".into(),
            requester: "researcher".into(),
            policy_sha256: scene.loaded.sha256.clone(),
            report_sha256: digest::of_report(&scene.report).unwrap(),
            verdict: "review".into(),
            time: now.timestamp(),
            files: vec![File { name: "t".into(), sha256: "a".repeat(64), bytes: 1 }],
            clauses: Vec::new(),
            reason: String::new(),
        };
        let text = statement.compose().unwrap();
        let signature = scene.key.sign(DECISION_NAMESPACE, text.as_bytes()).unwrap();
        let facts = Facts {
            book: &scene.book,
            loaded: &scene.loaded,
            report: Some(&scene.report),
            now: &now,
            accounts: &TwoAccounts,
        };
        check(&facts, "R-1", &text, &signature).map(drop).map_err(|r| r.reason)
    }

    #[test]
    fn the_certificate_is_judged_on_the_nodes_own_date() {
        let scene = scene();
        assert_eq!(at(&scene, "2026-06-01T12:00:00"), Ok(()));
        // Still the last day in Tokyo, and no longer: it is UTC that changes nine hours later.
        assert_eq!(at(&scene, "2026-12-31T23:59:59"), Ok(()));
        assert_eq!(at(&scene, "2027-01-01T00:00:00"), Err("certificate_expired"));
    }

    #[test]
    fn a_clock_set_back_cannot_revive_a_certificate() {
        let mut scene = scene();
        scene.book.apply(2, br#"{"kind":"viewed","time":"2027-02-01T00:00:00Z"}"#).unwrap();
        assert_eq!(at(&scene, "2026-06-01T12:00:00"), Err("clock_went_back"));
    }
}
