//! The desk: what `sekisho` may ask, who is asking, and the answer.
//!
//! Identity comes from the socket. Every refused act and every look of an officer is in the ledger before the
//! answer leaves; if it cannot be, the answer is "not now".

use crate::authority::{Seat, Who, certified, may_decide, seat};
use crate::decision::{self, No, Outcome};
use crate::house::{House, today, who};
use crate::refusal::Refusal;
use crate::spool::DECLARATION;
use crate::states::State;
use crate::store::Request;
use jiff::Timestamp;
use sekisho_ledger::statement::Decision;
use sekisho_wire::airlock::{Answer, Ask, Detail, HeldFile, Summary, Whoami};
use sekisho_wire::frame;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Largest question: a statement over a hundred files with long names is far below it.
const ASK_LIMIT: usize = 2 << 20;
/// How long a silent connection is kept.
const IDLE: Duration = Duration::from_secs(120);
/// Connections served at once.
const CONNECTIONS: usize = 128;

/// Removes a socket a former process left behind; refuses to remove anything else.
///
/// # Errors
/// When something that is not a socket is in the way.
pub fn remove_stale(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(m) if m.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            "something that is no socket is there",
        )),
    }
}

/// Binds the socket. Anyone may connect: what they may do is decided per question.
///
/// # Errors
/// The system call's.
pub fn bind(path: &Path) -> std::io::Result<UnixListener> {
    remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Serves until the task is dropped.
pub async fn serve(house: Arc<House>, listener: UnixListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let house = Arc::clone(&house);
                tokio::spawn(async move {
                    if let Err(e) = talk(&house, stream).await {
                        tracing::debug!("connection: {e}");
                    }
                    drop(place);
                });
            }
            Err(e) => {
                tracing::warn!("accept: {e}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn talk(house: &Arc<House>, mut stream: UnixStream) -> std::io::Result<()> {
    let who = who(stream.peer_cred()?.uid()).await;
    loop {
        let body = match tokio::time::timeout(IDLE, read(&mut stream)).await {
            Ok(Ok(Some(body))) => body,
            Ok(Ok(None)) | Err(_) => return Ok(()),
            Ok(Err(e)) => return Err(e),
        };
        let answer = match serde_json::from_slice::<Ask>(&body) {
            Ok(ask) => answer(house, &who, ask).await,
            Err(e) => Refusal::Message(e.to_string()).answer(),
        };
        let frame = frame::encode(&answer).map_err(std::io::Error::other)?;
        tokio::time::timeout(IDLE, stream.write_all(&frame)).await??;
    }
}

async fn read(stream: &mut UnixStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut header = [0; 4];
    if stream.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..]).await?;
    let length = frame::body_length(header).map_err(std::io::Error::other)?;
    if length > ASK_LIMIT {
        return Err(std::io::Error::other("question too long"));
    }
    let mut body = Vec::new();
    stream.take(length as u64).read_to_end(&mut body).await?;
    if body.len() == length { Ok(Some(body)) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

async fn answer(house: &Arc<House>, who: &Who, ask: Ask) -> Answer {
    let (act, request) = name(&ask);
    match serve_one(house, who, ask).await {
        Ok(answer) => answer,
        Err(No::Unavailable(unavailable)) => unavailable.answer(),
        Err(No::Refused(refusal)) => {
            house.metrics.refusals.with_label_values(&[refusal.reason()]).inc();
            tracing::info!(account = who.account, act, reason = refusal.reason(), "refused");
            // The notary has recorded its own refusals; ours go into the ledger before they are told.
            if !matches!(refusal, Refusal::Notary(..)) {
                let detail =
                    serde_json::json!({"act": act, "reason": refusal.reason(), "message": refusal.english()});
                if let Err(e) = house.record(request.as_deref(), "refused", &who.account, detail).await {
                    tracing::error!(account = who.account, act, "a refusal is not in the ledger: {e}");
                }
            }
            refusal.answer()
        }
    }
}

fn name(ask: &Ask) -> (&'static str, Option<String>) {
    match ask {
        Ask::List { .. } => ("list", None),
        Ask::Show { request } => ("show", Some(request.clone())),
        Ask::Statement { request, .. } => ("statement", Some(request.clone())),
        Ask::Decide { request, .. } => ("decide", Some(request.clone())),
        Ask::Withdraw { request } => ("withdraw", Some(request.clone())),
        Ask::Rescan => ("rescan", None),
        Ask::Whoami => ("whoami", None),
    }
}

async fn serve_one(house: &Arc<House>, who: &Who, ask: Ask) -> Outcome<Answer> {
    match ask {
        Ask::List { all } => list(house, who, all).await,
        Ask::Show { request } => show(house, who, &request).await,
        Ask::Statement { request, decision, reason } => {
            // The notary follows the files; a statement that names an older policy would be refused there.
            crate::refresh_policy(house).await;
            let loaded = house.policy();
            let decision: Decision = decision.parse().map_err(|_| Refusal::NotADecision(decision))?;
            let request = visible(house, who, &request).await?;
            let officer = may_decide(&loaded.policy, who, request.of(), today())?;
            let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH);
            let statement = decision::compose(&loaded, &request, officer, decision, &reason, now)?;
            let detail = serde_json::json!({"officer": officer.id, "what": "statement", "decision": decision.as_str()});
            house.record(Some(&request.id), "viewed", &who.account, detail).await?;
            Ok(Answer::Statement { statement, key: officer.key.clone() })
        }
        Ask::Decide { request, statement, signature } => {
            let request = visible(house, who, &request).await?;
            let (state, bag) = decision::decide(house, who, &request.id, &statement, &signature).await?;
            Ok(Answer::Done { request: request.id, state: state.as_str().into(), bag })
        }
        Ask::Withdraw { request } => {
            let request = visible(house, who, &request).await?;
            let state = decision::withdraw(house, who, &request.id).await?;
            Ok(Answer::Done { request: request.id, state: state.as_str().into(), bag: None })
        }
        Ask::Rescan => {
            house.look.notify_one();
            Ok(Answer::Rescanned)
        }
        Ask::Whoami => whoami(house, who).await,
    }
}

/// The request, if the asker may know that it exists.
async fn visible(house: &House, who: &Who, id: &str) -> Outcome<Request> {
    let loaded = house.policy();
    match house.store.request(id).await? {
        Some(request) if seat(&loaded.policy, who, request.of(), today()) != Seat::Stranger => Ok(request),
        _ => {
            Err(Refusal::NoSuchRequest(id.chars().filter(|c| c.is_ascii_graphic()).take(40).collect()).into())
        }
    }
}

fn summary(request: &Request, files: u64) -> Summary {
    Summary {
        request: request.id.clone(),
        project: request.project.clone(),
        requester: request.requester.clone(),
        state: request.state.as_str().into(),
        verdict: request.verdict.map(|v| v.as_str().into()),
        files,
        entry: request.entry.clone(),
        received: request.received.clone(),
        note: request.note.clone(),
    }
}

async fn list(house: &House, who: &Who, all: bool) -> Outcome<Answer> {
    let loaded = house.policy();
    let counts = house.store.file_counts().await?;
    let mut requests = Vec::new();
    for request in house.store.all().await? {
        let open = all || !request.state.is_final();
        if open && seat(&loaded.policy, who, request.of(), today()) != Seat::Stranger {
            requests.push(summary(&request, counts.get(&request.id).copied().unwrap_or(0)));
        }
    }
    Ok(Answer::List { requests })
}

async fn show(house: &House, who: &Who, id: &str) -> Outcome<Answer> {
    let loaded = house.policy();
    let request = visible(house, who, id).await?;
    if let Seat::Officer(officer) = seat(&loaded.policy, who, request.of(), today()) {
        let detail =
            serde_json::json!({"officer": officer.id, "what": "request", "state": request.state.as_str()});
        house.record(Some(id), "viewed", &who.account, detail).await?;
        house.store.event(id, "viewed", &who.account, "looked at by an officer").await?;
    }
    let files = house.store.files(id).await?;
    let results = files.iter().filter(|f| !(request.directory && f.name == DECLARATION)).count() as u64;
    Ok(Answer::Show(Box::new(Detail {
        summary: summary(&request, results),
        info: request.info,
        files: files
            .into_iter()
            .map(|f| HeldFile { name: f.name, sha256: f.sha256, bytes: f.bytes })
            .collect(),
        report: request.report,
        history: house.store.history(id).await?,
        bag: request.bag,
    })))
}

async fn whoami(house: &House, who: &Who) -> Outcome<Answer> {
    let loaded = house.policy();
    let officer = certified(&loaded.policy, who, today()).ok();
    let (mut open, mut waiting) = (0, 0);
    for request in house.store.all().await? {
        match seat(&loaded.policy, who, request.of(), today()) {
            Seat::Requester if !request.state.is_final() => open += 1,
            Seat::Officer(_) if request.state == State::Held => waiting += 1,
            _ => {}
        }
    }
    Ok(Answer::Whoami(Whoami {
        account: who.account.clone(),
        projects: loaded
            .policy
            .projects_of(&who.account)
            .filter(|p| p.runs_on(today()))
            .map(|p| p.id.clone())
            .collect(),
        officer: officer.map(|o| o.id.clone()),
        open,
        waiting,
    }))
}
