//! Reading requests, files and history back.

use super::{File, Request, Store, StoreError};
use crate::states::State;
use sekisho_policy::Verdict;
use sekisho_wire::airlock::Event;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::HashMap;

impl Store {
    /// One request.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn request(&self, id: &str) -> Result<Option<Request>, StoreError> {
        let row =
            sqlx::query("SELECT * FROM request WHERE id = $1").bind(id).fetch_optional(&self.pool).await?;
        row.as_ref().map(read_request).transpose()
    }

    /// Every request, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn all(&self) -> Result<Vec<Request>, StoreError> {
        let rows = sqlx::query("SELECT * FROM request ORDER BY number").fetch_all(&self.pool).await?;
        rows.iter().map(read_request).collect()
    }

    /// Requests in one state, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn in_state(&self, state: State) -> Result<Vec<Request>, StoreError> {
        let rows = sqlx::query("SELECT * FROM request WHERE state = $1 ORDER BY number")
            .bind(state.as_str())
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_request).collect()
    }

    /// Requests of a project whose spool entry is not cleared away yet.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn claims(&self, project: &str) -> Result<Vec<Request>, StoreError> {
        let rows = sqlx::query("SELECT * FROM request WHERE project = $1 AND spool_gone = 0 ORDER BY number")
            .bind(project)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_request).collect()
    }

    /// Files of a request, in name order.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn files(&self, id: &str) -> Result<Vec<File>, StoreError> {
        let rows = sqlx::query(
            "SELECT name, look, sha256, bytes, owner_uid FROM file WHERE request = $1 ORDER BY name",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(File {
                    name: row.try_get(0)?,
                    look: row.try_get(1)?,
                    sha256: row.try_get(2)?,
                    bytes: row.try_get::<Option<i64>, _>(3)?.and_then(|n| u64::try_from(n).ok()),
                    owner: row.try_get::<Option<i64>, _>(4)?.and_then(|n| u32::try_from(n).ok()),
                })
            })
            .collect()
    }

    /// How many result files each request has (its declaration is none).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn file_counts(&self) -> Result<HashMap<String, u64>, StoreError> {
        let rows =
            sqlx::query("SELECT file.request, COUNT(*) FROM file JOIN request ON request.id = file.request
             WHERE NOT (request.entry_kind = 'directory' AND file.name = 'request.toml') GROUP BY file.request").fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0))))
            .collect()
    }

    /// What happened to a request.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn history(&self, id: &str) -> Result<Vec<Event>, StoreError> {
        let rows =
            sqlx::query("SELECT time, kind, actor, words FROM event WHERE request = $1 ORDER BY number")
                .bind(id)
                .fetch_all(&self.pool)
                .await?;
        rows.iter()
            .map(|row| {
                Ok(Event {
                    time: row.try_get(0)?,
                    kind: row.try_get(1)?,
                    actor: row.try_get(2)?,
                    words: row.try_get(3)?,
                })
            })
            .collect()
    }

    /// How many requests are in each state, and when the oldest of them came in.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn census(&self) -> Result<Vec<(State, i64, String)>, StoreError> {
        let rows = sqlx::query("SELECT state, COUNT(*), MIN(received) FROM request GROUP BY state")
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| Ok((read_state(&row.try_get::<String, _>(0)?)?, row.try_get(1)?, row.try_get(2)?)))
            .collect()
    }
}

fn read_state(word: &str) -> Result<State, StoreError> {
    State::parse(word).ok_or_else(|| StoreError::UnknownState(word.into()))
}

fn read_request(row: &AnyRow) -> Result<Request, StoreError> {
    let document = |what| move |source| StoreError::Document { what, source };
    let report: Option<String> = row.try_get("report")?;
    let verdict: Option<String> = row.try_get("verdict")?;
    Ok(Request {
        id: row.try_get("id")?,
        project: row.try_get("project")?,
        entry: row.try_get("entry")?,
        directory: row.try_get::<String, _>("entry_kind")? == "directory",
        look: row.try_get("entry_look")?,
        requester: row.try_get("requester")?,
        uid: u32::try_from(row.try_get::<i64, _>("requester_uid")?).unwrap_or(u32::MAX),
        state: read_state(&row.try_get::<String, _>("state")?)?,
        verdict: match verdict.as_deref() {
            Some("pass") => Some(Verdict::Pass),
            Some("review") => Some(Verdict::Review),
            // Anything unknown weighs the most.
            Some(_) => Some(Verdict::Block),
            None => None,
        },
        info: serde_json::from_str(&row.try_get::<String, _>("info")?).map_err(document("info"))?,
        report: report.map(|t| serde_json::from_str(&t)).transpose().map_err(document("report"))?,
        note: row.try_get("note")?,
        officer: row.try_get("officer")?,
        statement: row.try_get("statement")?,
        signature: row.try_get("signature")?,
        retry: row.try_get::<i64, _>("retry")? != 0,
        bag: row.try_get("bag")?,
        received: row.try_get("received")?,
        updated: row.try_get("updated")?,
    })
}
