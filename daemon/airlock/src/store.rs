//! The database: an index over what the ledger and the archive hold, and the memory that survives a crash.
//!
//! Invariant: a request's state changes only in [`Store::advance`], which asks [`states::step`] and then compares
//! and sets in one transaction. SQL is what SQLite and PostgreSQL both take (`$1`, `RETURNING`, `BIGINT`, text).

mod kept;
mod read;

pub use kept::Compared;

use crate::states::{self, Act, Illegal, Known, State};
use jiff::Timestamp;
use sekisho_policy::{RequestInfo, RequestReport, Verdict};
use sekisho_wire::notary::Held;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, Row, SqlStr};
use std::path::Path;

/// Why the database could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The database is of a version this program does not know.
    #[error("database migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A document in the database does not read.
    #[error("database holds an unreadable {what}: {source}")]
    Document {
        /// Which.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A state in the database is not one of ours.
    #[error("database holds the unknown state `{0}`")]
    UnknownState(String),
    /// The state machine says no.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Somebody else moved the request in between.
    #[error("request {0} was changed by somebody else in the meantime")]
    Raced(String),
    /// A release of the plan came between that the report was not compared with.
    #[error("request {0} was not compared with the latest release of its plan")]
    Outdated(String),
}

/// A request as the database has it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Id, e.g. `R-000007`.
    pub id: String,
    /// Project id.
    pub project: String,
    /// Spool entry.
    pub entry: String,
    /// A directory, not a plain file.
    pub directory: bool,
    /// What the entry looked like; see [`crate::spool`].
    pub look: String,
    /// Requester's account.
    pub requester: String,
    /// Requester's uid.
    pub uid: u32,
    /// Where it is.
    pub state: State,
    /// Verdict once inspected.
    pub verdict: Option<Verdict>,
    /// What was declared.
    pub info: RequestInfo,
    /// The judgement.
    pub report: Option<RequestReport>,
    /// Why it waits, failed or was rejected.
    pub note: String,
    /// Officer id of the pending or final decision.
    pub officer: Option<String>,
    /// Signed statement.
    pub statement: Option<String>,
    /// Its signature.
    pub signature: Option<String>,
    /// Failed on our side: inspection is tried again.
    pub retry: bool,
    /// Published bag.
    pub bag: Option<String>,
    /// RFC 3339.
    pub received: String,
    /// RFC 3339.
    pub updated: String,
}

/// A file of a request as the database has it.
#[derive(Debug, Clone)]
pub struct File {
    /// Name inside the request.
    pub name: String,
    /// What it looked like in the spool.
    pub look: String,
    /// Digest of the held copy.
    pub sha256: Option<String>,
    /// Size of the held copy.
    pub bytes: Option<u64>,
    /// Owner the notary saw.
    pub owner: Option<u32>,
}

/// A new drop.
#[derive(Debug, Clone)]
pub struct Drop {
    /// Project id.
    pub project: String,
    /// Spool entry.
    pub entry: String,
    /// A directory, not a plain file.
    pub directory: bool,
    /// What it looks like.
    pub look: String,
    /// Files as (name, look).
    pub files: Vec<(String, String)>,
    /// Owner's account.
    pub requester: String,
    /// Owner's uid.
    pub uid: u32,
}

/// What changes together with a state.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// New note; the old one is always replaced.
    pub note: String,
    /// The judgement.
    pub report: Option<RequestReport>,
    /// Officer, statement, signature.
    pub decision: Option<(String, String, String)>,
    /// Failed on our side: try again later.
    pub retry: bool,
    /// Forget the stored decision.
    pub forget_decision: bool,
    /// Published bag.
    pub bag: Option<String>,
    /// What the judgement compared, and what is kept for later ones.
    pub compared: Option<Compared>,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The schema, as steps that only grow. Listed by hand: sqlx's macro would compile SQLite a second time, for the host.
fn schema() -> Migrator {
    let step = |version, name: &'static str, sql| {
        Migration::new(version, name.into(), MigrationType::Simple, SqlStr::from_static(sql), false)
    };
    Migrator::with_migrations(vec![
        step(1, "requests", include_str!("../migrations/0001_requests.sql")),
        step(2, "kept", include_str!("../migrations/0002_kept.sql")),
    ])
}

impl Store {
    /// Opens `<state>/airlock.db`, creating it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open(state: &Path) -> Result<Self, StoreError> {
        Self::connect(&format!("sqlite://{}?mode=rwc", state.join("airlock.db").display())).await
    }

    /// Opens a database by URL.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let sqlite = url.starts_with("sqlite:");
        let pool = AnyPoolOptions::new()
            // SQLite has one writer anyway; one connection turns lock errors into a queue.
            .max_connections(if sqlite { 1 } else { 8 })
            .idle_timeout(None)
            .max_lifetime(None)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        // FULL: a commit that returned survives a power cut.
                        for pragma in [
                            "PRAGMA journal_mode = WAL",
                            "PRAGMA synchronous = FULL",
                            "PRAGMA foreign_keys = ON",
                        ] {
                            sqlx::query(pragma).execute(&mut *connection).await?;
                        }
                    }
                    Ok(())
                })
            })
            .connect(url)
            .await?;
        schema().run(&pool).await?;
        Ok(Self { pool })
    }

    /// Writes down a new drop as a request in state `received`.
    ///
    /// # Errors
    /// See [`StoreError`]; the unique index refuses a second claim on the same entry.
    pub async fn receive(&self, drop: &Drop) -> Result<Request, StoreError> {
        let mut tx = self.pool.begin().await?;
        let number: i64 =
            sqlx::query("UPDATE counter SET value = value + 1 WHERE name = 'request' RETURNING value")
                .fetch_one(&mut *tx)
                .await?
                .try_get(0)?;
        let id = format!("R-{number:06}");
        let time = now();
        sqlx::query(
            "INSERT INTO request (id, number, project, entry, entry_kind, entry_look, requester, requester_uid,
             state, info, received, updated) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'received', '{}', $9, $10)",
        )
        .bind(id.as_str())
        .bind(number)
        .bind(drop.project.as_str())
        .bind(drop.entry.as_str())
        .bind(if drop.directory { "directory" } else { "file" })
        .bind(drop.look.as_str())
        .bind(drop.requester.as_str())
        .bind(i64::from(drop.uid))
        .bind(time.as_str())
        .bind(time.as_str())
        .execute(&mut *tx)
        .await?;
        for (name, look) in &drop.files {
            sqlx::query("INSERT INTO file (request, name, look) VALUES ($1, $2, $3)")
                .bind(id.as_str())
                .bind(name.as_str())
                .bind(look.as_str())
                .execute(&mut *tx)
                .await?;
        }
        add_event(&mut tx, &id, "received", "sekisho", &format!("seen in the spool as {}", drop.entry))
            .await?;
        tx.commit().await?;
        self.request(&id).await?.ok_or(StoreError::Raced(id))
    }

    /// Replaces what is known of a drop nothing of which is in custody yet.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn relook(&self, id: &str, drop: &Drop) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("UPDATE request SET entry_look = $1, entry_kind = $2, requester = $3, requester_uid = $4, updated = $5 WHERE id = $6")
            .bind(drop.look.as_str())
            .bind(if drop.directory { "directory" } else { "file" })
            .bind(drop.requester.as_str())
            .bind(i64::from(drop.uid))
            .bind(now())
            .bind(id)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM file WHERE request = $1 AND sha256 IS NULL")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        for (name, look) in &drop.files {
            sqlx::query("INSERT INTO file (request, name, look) VALUES ($1, $2, $3)")
                .bind(id)
                .bind(name.as_str())
                .bind(look.as_str())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// One file is in custody.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn custody(&self, id: &str, name: &str, held: &Held) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE file SET sha256 = $1, sha512 = $2, bytes = $3, owner_uid = $4, ledger_index = $5
             WHERE request = $6 AND name = $7",
        )
        .bind(held.sha256.as_str())
        .bind(held.sha512.as_str())
        .bind(i64::try_from(held.bytes).unwrap_or(i64::MAX))
        .bind(i64::from(held.owner_uid))
        .bind(i64::try_from(held.index).unwrap_or(i64::MAX))
        .bind(id)
        .bind(name)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The requester is who the notary saw, not who the first look suggested.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn owned_by(&self, id: &str, account: &str, uid: u32) -> Result<(), StoreError> {
        sqlx::query("UPDATE request SET requester = $1, requester_uid = $2 WHERE id = $3")
            .bind(account)
            .bind(i64::from(uid))
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// What the requester declared.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn declare(&self, id: &str, info: &RequestInfo) -> Result<(), StoreError> {
        let info =
            serde_json::to_string(info).map_err(|source| StoreError::Document { what: "info", source })?;
        sqlx::query("UPDATE request SET info = $1 WHERE id = $2")
            .bind(info)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Why it waits.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note(&self, id: &str, note: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE request SET note = $1 WHERE id = $2 AND note <> $1")
            .bind(note)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The spool entry is cleared away, or no longer this request's.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn spool_gone(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE request SET spool_gone = 1 WHERE id = $1").bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// Something that happened without changing the state.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn event(&self, id: &str, kind: &str, actor: &str, words: &str) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        add_event(&mut tx, id, kind, actor, words).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Moves a request, if the state machine allows it and nobody else moved it first.
    ///
    /// # Errors
    /// [`StoreError::Illegal`], [`StoreError::Raced`], [`StoreError::Outdated`], or the database's.
    pub async fn advance(
        &self,
        request: &Request,
        act: Act,
        known: &Known,
        actor: &str,
        words: &str,
        change: &Change,
    ) -> Result<State, StoreError> {
        let to = states::step(request.state, act, known)?;
        let mut tx = self.pool.begin().await?;
        let moved = sqlx::query(
            "UPDATE request SET state = $1, note = $2, updated = $3, retry = $4 WHERE id = $5 AND state = $6",
        )
        .bind(to.as_str())
        .bind(change.note.as_str())
        .bind(now())
        .bind(i64::from(change.retry))
        .bind(request.id.as_str())
        .bind(request.state.as_str())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if moved != 1 {
            return Err(StoreError::Raced(request.id.clone()));
        }
        match act {
            Act::Approve => kept::number(&mut tx, request).await?,
            Act::NotaryRefused => kept::unnumber(&mut tx, &request.id).await?,
            _ => {}
        }
        if let Some(compared) = &change.compared {
            kept::write(&mut tx, &request.id, compared).await?;
        }
        if let Some(report) = &change.report {
            let text = serde_json::to_string(report)
                .map_err(|source| StoreError::Document { what: "report", source })?;
            sqlx::query("UPDATE request SET report = $1, verdict = $2 WHERE id = $3")
                .bind(text)
                .bind(report.verdict.as_str())
                .bind(request.id.as_str())
                .execute(&mut *tx)
                .await?;
        }
        if change.forget_decision {
            sqlx::query(
                "UPDATE request SET officer = NULL, statement = NULL, signature = NULL WHERE id = $1",
            )
            .bind(request.id.as_str())
            .execute(&mut *tx)
            .await?;
        }
        if let Some((officer, statement, signature)) = &change.decision {
            sqlx::query("UPDATE request SET officer = $1, statement = $2, signature = $3 WHERE id = $4")
                .bind(officer.as_str())
                .bind(statement.as_str())
                .bind(signature.as_str())
                .bind(request.id.as_str())
                .execute(&mut *tx)
                .await?;
        }
        if let Some(bag) = &change.bag {
            sqlx::query("UPDATE request SET bag = $1 WHERE id = $2")
                .bind(bag.as_str())
                .bind(request.id.as_str())
                .execute(&mut *tx)
                .await?;
        }
        add_event(&mut tx, &request.id, to.as_str(), actor, words).await?;
        tx.commit().await?;
        Ok(to)
    }
}

async fn add_event(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    id: &str,
    kind: &str,
    actor: &str,
    words: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO event (request, number, time, kind, actor, words)
         SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5 FROM event WHERE request = $1",
    )
    .bind(id)
    .bind(now())
    .bind(kind)
    .bind(actor)
    .bind(words)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[cfg(test)]
#[path = "store_test.rs"]
mod test;
