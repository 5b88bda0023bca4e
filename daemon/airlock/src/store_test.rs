//! The database: compare and set, claims, history; on a real SQLite file.

use super::*;
use sqlx::Row;

fn drop_of(entry: &str) -> Drop {
    Drop {
        project: "demo".into(),
        entry: entry.into(),
        directory: false,
        look: "1".into(),
        files: vec![(entry.into(), "1".into())],
        requester: "kato".into(),
        uid: 1000,
    }
}

fn held(name: &str) -> Held {
    Held {
        request: "R-000001".into(),
        name: name.into(),
        sha256: "a".repeat(64),
        sha512: "b".repeat(128),
        bytes: 5,
        owner_uid: 1000,
        index: 7,
    }
}

fn ready() -> Known {
    Known { files_held: true, some_held: true, member: Some(true), ..Known::default() }
}

async fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    (dir, store)
}

#[tokio::test]
async fn ids_count_up_and_survive_a_new_start() {
    let (dir, store) = store().await;
    assert_eq!(store.receive(&drop_of("a")).await.unwrap().id, "R-000001");
    drop(store);
    let store = Store::open(dir.path()).await.unwrap();
    assert_eq!(store.receive(&drop_of("b")).await.unwrap().id, "R-000002");
    assert_eq!(store.all().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_entry_belongs_to_one_request_until_it_is_cleared() {
    let (_dir, store) = store().await;
    let first = store.receive(&drop_of("a")).await.unwrap();
    assert!(store.receive(&drop_of("a")).await.is_err());
    assert_eq!(store.claims("demo").await.unwrap().len(), 1);
    store.spool_gone(&first.id).await.unwrap();
    assert_eq!(store.receive(&drop_of("a")).await.unwrap().id, "R-000002", "a refused claim burns no id");
}

#[tokio::test]
async fn of_two_that_move_a_request_at_once_one_is_told_so() {
    let (_dir, store) = store().await;
    let seen = store.receive(&drop_of("a")).await.unwrap();
    store.custody(&seen.id, "a", &held("a")).await.unwrap();
    let step = || store.advance(&seen, Act::CustodyComplete, ready_ref(), "sekisho", "", &NOTHING);
    assert_eq!(step().await.unwrap(), State::Inspecting);
    assert!(matches!(step().await, Err(StoreError::Raced(_))));
    let kinds: Vec<_> = store.history(&seen.id).await.unwrap().into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["received", "inspecting"], "what did not happen leaves no trace");
}

static NOTHING: Change = Change {
    note: String::new(),
    report: None,
    decision: None,
    retry: false,
    forget_decision: false,
    bag: None,
    compared: None,
};

fn ready_ref() -> &'static Known {
    static READY: std::sync::OnceLock<Known> = std::sync::OnceLock::new();
    READY.get_or_init(ready)
}

#[tokio::test]
async fn what_the_state_machine_refuses_changes_nothing() {
    let (_dir, store) = store().await;
    let seen = store.receive(&drop_of("a")).await.unwrap();
    let refused = store.advance(&seen, Act::NotaryReleased, ready_ref(), "x", "", &NOTHING).await;
    assert!(matches!(refused, Err(StoreError::Illegal(_))));
    assert_eq!(store.request(&seen.id).await.unwrap().unwrap().state, State::Received);
}

#[tokio::test]
async fn everything_written_is_read_back() {
    let (_dir, store) = store().await;
    let seen = store.receive(&drop_of("a")).await.unwrap();
    store.custody(&seen.id, "a", &held("a")).await.unwrap();
    let info = RequestInfo { purpose: "日本語 'quoted'".into(), ..RequestInfo::default() };
    store.declare(&seen.id, &info).await.unwrap();
    store.owned_by(&seen.id, "mori", 1001).await.unwrap();
    let report = RequestReport { verdict: Verdict::Review, files: Vec::new() };
    let change = Change {
        note: "n".into(),
        report: Some(report.clone()),
        decision: Some(("sato".into(), "text".into(), "sig".into())),
        ..Change::default()
    };
    store.advance(&seen, Act::CustodyComplete, ready_ref(), "sekisho", "", &change).await.unwrap();
    let now = store.request(&seen.id).await.unwrap().unwrap();
    assert_eq!((now.info, now.report, now.verdict), (info, Some(report), Some(Verdict::Review)));
    assert_eq!((now.requester.as_str(), now.uid, now.note.as_str()), ("mori", 1001, "n"));
    assert_eq!((now.officer.as_deref(), now.signature.as_deref()), (Some("sato"), Some("sig")));
    let files = store.files(&seen.id).await.unwrap();
    assert_eq!((files[0].bytes, files[0].owner), (Some(5), Some(1000)));
    let census = store.census().await.unwrap();
    assert_eq!((census[0].0, census[0].1), (State::Inspecting, 1));
    assert_eq!(store.file_counts().await.unwrap()[&seen.id], 1);
}

#[tokio::test]
async fn commits_survive_a_power_cut() {
    let (_dir, store) = store().await;
    let row = sqlx::query("PRAGMA synchronous").fetch_one(&store.pool).await.unwrap();
    assert_eq!(Row::get::<i64, _>(&row, 0), 2, "FULL");
    let row = sqlx::query("PRAGMA journal_mode").fetch_one(&store.pool).await.unwrap();
    assert_eq!(Row::get::<String, _>(&row, 0), "wal");
}

/// Brings a new request of the plan to `held`; what is kept of it has one table with these numbers.
async fn held_with(store: &Store, entry: &str, with: i64, files: usize) -> Request {
    let seen = store.receive(&drop_of(entry)).await.unwrap();
    store.custody(&seen.id, entry, &held(entry)).await.unwrap();
    store.advance(&seen, Act::CustodyComplete, ready_ref(), "sekisho", "", &NOTHING).await.unwrap();
    let seen = store.request(&seen.id).await.unwrap().unwrap();
    let kept = sekisho_policy::earlier::Kept { name: entry.into(), whole: true, ..Default::default() };
    let change = Change {
        report: Some(RequestReport { verdict: Verdict::Pass, files: Vec::new() }),
        compared: Some(Compared { kept: vec![kept; files], with }),
        ..Change::default()
    };
    let known = Known { report_recorded: true, verdict: Some(Verdict::Pass), ..ready() };
    store.advance(&seen, Act::Inspected, &known, "sekisho", "", &change).await.unwrap();
    store.request(&seen.id).await.unwrap().unwrap()
}

async fn approve(store: &Store, request: &Request) -> Result<State, StoreError> {
    let known = Known {
        verdict: Some(Verdict::Pass),
        signed: true,
        officer_may_decide: true,
        compared: true,
        ..ready()
    };
    store.advance(request, Act::Approve, &known, "sato", "", &NOTHING).await
}

#[tokio::test]
async fn of_two_requests_that_did_not_see_each_other_only_one_is_approved() {
    let (_dir, store) = store().await;
    let (a, b) = (held_with(&store, "a", 0, 1).await, held_with(&store, "b", 0, 1).await);
    assert_eq!(approve(&store, &a).await.unwrap(), State::Releasing);
    // Whatever the caller claims to know.
    assert!(matches!(approve(&store, &b).await, Err(StoreError::Outdated(_))));
    assert_eq!(store.request(&b.id).await.unwrap().unwrap().state, State::Held);
    let newest = store.newest_release("demo", &b.id).await.unwrap();
    store.still_stands(&b, newest).await.unwrap();
    assert_eq!(approve(&store, &b).await.unwrap(), State::Releasing);
}

#[tokio::test]
async fn what_left_is_known_to_the_next_judgement_from_the_approval_on() {
    let (dir, store) = store().await;
    let a = held_with(&store, "a", 0, 2).await;
    assert_eq!(store.earlier("demo", "R-000009", None).await.unwrap().0.releases, []);
    approve(&store, &a).await.unwrap();
    drop(store);
    let store = Store::open(dir.path()).await.unwrap();
    let (earlier, newest) = store.earlier("demo", "R-000009", None).await.unwrap();
    assert_eq!((earlier.releases.len(), earlier.releases[0].files.len(), newest), (1, 2, 1));
    assert_eq!(store.earlier("other", "R-000009", None).await.unwrap().0.releases, [], "another plan");
    assert_eq!(store.earlier("demo", &a.id, None).await.unwrap().0.releases, [], "not beside itself");
    assert_eq!(store.earlier("demo", "R-000009", Some(0)).await.unwrap().0.releases, [], "as it was before");
}

#[tokio::test]
async fn a_release_the_notary_refused_never_happened() {
    let (_dir, store) = store().await;
    let a = held_with(&store, "a", 0, 1).await;
    approve(&store, &a).await.unwrap();
    let a = store.request(&a.id).await.unwrap().unwrap();
    let refused = Known { notary_refused: true, ..Known::default() };
    store.advance(&a, Act::NotaryRefused, &refused, "notary", "", &NOTHING).await.unwrap();
    assert_eq!(store.earlier("demo", "R-000009", None).await.unwrap().0, Default::default());
}

#[tokio::test]
async fn nothing_is_approved_of_which_nothing_is_kept() {
    let (_dir, store) = store().await;
    let a = held_with(&store, "a", 0, 0).await;
    assert!(matches!(approve(&store, &a).await, Err(StoreError::Outdated(_))));
}

#[tokio::test]
async fn a_release_without_kept_facts_is_counted_as_missing() {
    let (_dir, store) = store().await;
    let a = held_with(&store, "a", 0, 1).await;
    approve(&store, &a).await.unwrap();
    sqlx::query("DELETE FROM kept").execute(&store.pool).await.unwrap();
    let (earlier, _) = store.earlier("demo", "R-000009", None).await.unwrap();
    assert_eq!((earlier.missing, earlier.releases.len()), (1, 0));
}
