//! What is kept of releases for the judge of later requests, and which releases a report was compared with.
//!
//! It lives in the airlock's own database, beside the states it must agree with, because that is the simplest place where
//! it cannot lag behind: what is kept of a request is written in the very transaction that stores its report, before any
//! officer can see it, and "released" is the request's own state. There is no moment at which something is visible outside
//! and unknown here, no second file to lose or to order against the first, and a failure to store is a failure to judge.
//! The notary neither reads nor needs it.
//!
//! Invariant: an approval is taken in only by a transaction that saw no release of the plan which the report was not
//! compared with ([`Store::advance`]). Two requests that are harmless one by one cannot both slip through.

use super::{Request, Store, StoreError};
use sekisho_policy::earlier::{Earlier, Kept, MOST_OF_A_PLAN, Release};
use sqlx::Row;

/// What a judgement leaves behind.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// What is kept of each file.
    pub kept: Vec<Kept>,
    /// The newest release that was looked at.
    pub with: i64,
}

impl Store {
    /// Earlier releases of a plan up to a number, and the newest number there is. Request `but` is not among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn earlier(
        &self,
        project: &str,
        but: &str,
        up_to: Option<i64>,
    ) -> Result<(Earlier, i64), StoreError> {
        let rows = sqlx::query(
            "SELECT id, release_number FROM request WHERE project = $1 AND id <> $2 AND release_number IS NOT NULL
             ORDER BY release_number DESC, number DESC",
        )
        .bind(project)
        .bind(but)
        .fetch_all(&self.pool)
        .await?;
        let (mut earlier, mut newest, mut weight) = (Earlier::default(), 0, 0_usize);
        for row in rows {
            let (id, number): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            newest = newest.max(number);
            if up_to.is_some_and(|last| number > last) {
                continue;
            }
            if weight > MOST_OF_A_PLAN {
                earlier.missing += 1;
                continue;
            }
            match self.kept(&id).await? {
                files if files.is_empty() => earlier.missing += 1,
                files => {
                    weight += files.iter().map(Kept::weight).sum::<usize>();
                    earlier.releases.push(Release { request: id, files });
                }
            }
        }
        Ok((earlier, newest))
    }

    /// The newest release of a plan, 0 when there is none. Request `but` is not among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn newest_release(&self, project: &str, but: &str) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "SELECT COALESCE(MAX(release_number), 0) FROM request WHERE project = $1 AND id <> $2",
        )
        .bind(project)
        .bind(but)
        .fetch_one(&self.pool)
        .await?;
        Ok(row.try_get(0)?)
    }

    /// What is kept of a request's files.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn kept(&self, id: &str) -> Result<Vec<Kept>, StoreError> {
        let rows = sqlx::query("SELECT facts FROM kept WHERE request = $1 ORDER BY file")
            .bind(id)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                let text: String = row.try_get(0)?;
                serde_json::from_str(&text).map_err(|source| StoreError::Document { what: "facts", source })
            })
            .collect()
    }

    /// The newest release a request's report was compared with; `None` before there is a report.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn compared_with(&self, id: &str) -> Result<Option<i64>, StoreError> {
        let row = sqlx::query("SELECT compared_with FROM request WHERE id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// A held request was compared with releases up to this one, and its report still says all there is to say.
    ///
    /// # Errors
    /// See [`StoreError`]; somebody moved it in the meantime.
    pub async fn still_stands(&self, request: &Request, with: i64) -> Result<(), StoreError> {
        let moved = sqlx::query("UPDATE request SET compared_with = $1 WHERE id = $2 AND state = $3")
            .bind(with)
            .bind(request.id.as_str())
            .bind(request.state.as_str())
            .execute(&self.pool)
            .await?
            .rows_affected();
        if moved == 1 { Ok(()) } else { Err(StoreError::Raced(request.id.clone())) }
    }
}

/// Stores what a judgement leaves behind.
pub(super) async fn write(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    id: &str,
    compared: &Compared,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM kept WHERE request = $1").bind(id).execute(&mut **tx).await?;
    for (file, kept) in compared.kept.iter().enumerate() {
        let text =
            serde_json::to_string(kept).map_err(|source| StoreError::Document { what: "facts", source })?;
        sqlx::query("INSERT INTO kept (request, file, facts) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(i64::try_from(file).unwrap_or(i64::MAX))
            .bind(text)
            .execute(&mut **tx)
            .await?;
    }
    sqlx::query("UPDATE request SET compared_with = $1 WHERE id = $2")
        .bind(compared.with)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Gives an approval its number, unless a release of the plan came between that its report was not compared with.
pub(super) async fn number(
    tx: &mut sqlx::Transaction<'_, sqlx::Any>,
    request: &Request,
) -> Result<(), StoreError> {
    // The counter's row is locked until the end: of two approvals at once, the second sees the first.
    let number: i64 =
        sqlx::query("UPDATE counter SET value = value + 1 WHERE name = 'release' RETURNING value")
            .fetch_one(&mut **tx)
            .await?
            .try_get(0)?;
    let unseen: i64 = sqlx::query(
        "SELECT COUNT(*) FROM request AS this LEFT JOIN request AS other
             ON other.project = this.project AND other.id <> this.id AND other.release_number > this.compared_with
         WHERE this.id = $1 AND (this.compared_with IS NULL OR other.id IS NOT NULL
             OR NOT EXISTS (SELECT 1 FROM kept WHERE kept.request = this.id))",
    )
    .bind(request.id.as_str())
    .fetch_one(&mut **tx)
    .await?
    .try_get(0)?;
    if unseen > 0 {
        return Err(StoreError::Outdated(request.id.clone()));
    }
    sqlx::query("UPDATE request SET release_number = $1 WHERE id = $2")
        .bind(number)
        .bind(request.id.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes the number back: nothing left.
pub(super) async fn unnumber(tx: &mut sqlx::Transaction<'_, sqlx::Any>, id: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE request SET release_number = NULL WHERE id = $1").bind(id).execute(&mut **tx).await?;
    Ok(())
}
