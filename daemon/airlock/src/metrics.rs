//! Counters for the administrator's monitoring: closed label sets, never a user, path or request id.

use crate::house::House;
use crate::states::State;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use prometheus::{
    Encoder, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Everything counted.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// Requests per state.
    pub requests: IntGaugeVec,
    /// Age of the oldest request in a state that waits for something.
    pub oldest: GaugeVec,
    /// Requests that have waited longer for a decision than policy allows.
    pub overdue: IntGauge,
    /// Finished inspections by verdict.
    pub inspections: IntCounterVec,
    /// Inspectors that gave no facts.
    pub inspection_failures: IntCounterVec,
    /// Signed decisions taken in.
    pub decisions: IntCounterVec,
    /// Acts refused, by reason.
    pub refusals: IntCounterVec,
    /// What the notary did not do.
    pub notary_errors: IntCounterVec,
    /// Looks at the spool.
    pub scans: IntCounter,
    /// Spool directories that could not be read.
    pub scan_errors: IntCounter,
    /// Policy reloads that were refused.
    pub policy_errors: IntCounter,
}

impl Metrics {
    /// Registers everything.
    ///
    /// # Errors
    /// When a name is taken or malformed.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some("sekisho_airlock".into()), None)?;
        let counter =
            |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            requests: IntGaugeVec::new(Opts::new("requests", "Requests in each state."), &["state"])?,
            oldest: GaugeVec::new(
                Opts::new("oldest_request_age_seconds", "Age of the oldest request in each waiting state."),
                &["state"],
            )?,
            overdue: IntGauge::new("overdue_requests", "Held longer than limits.decision_hours.")?,
            inspections: counter("inspections_total", "Finished inspections by verdict.", "verdict")?,
            inspection_failures: counter(
                "inspection_failures_total",
                "Inspectors that gave no facts, by cause.",
                "cause",
            )?,
            decisions: counter("decisions_total", "Signed decisions taken in.", "decision")?,
            refusals: counter("refusals_total", "Acts refused, by reason.", "reason")?,
            notary_errors: counter(
                "notary_errors_total",
                "Questions the notary did not answer with yes.",
                "kind",
            )?,
            scans: IntCounter::new("scans_total", "Looks at the spool.")?,
            scan_errors: IntCounter::new("scan_errors_total", "Spool directories that could not be read.")?,
            policy_errors: IntCounter::new(
                "policy_errors_total",
                "Policy reloads refused; the old policy stayed.",
            )?,
            registry,
        };
        let r = &metrics.registry;
        r.register(Box::new(metrics.requests.clone()))?;
        r.register(Box::new(metrics.oldest.clone()))?;
        r.register(Box::new(metrics.overdue.clone()))?;
        for c in [
            &metrics.inspections,
            &metrics.inspection_failures,
            &metrics.decisions,
            &metrics.refusals,
            &metrics.notary_errors,
        ] {
            r.register(Box::new(c.clone()))?;
        }
        for c in [&metrics.scans, &metrics.scan_errors, &metrics.policy_errors] {
            r.register(Box::new(c.clone()))?;
        }
        // Series exist from the start, so that an alert on their change works the first time.
        for state in State::ALL {
            metrics.requests.with_label_values(&[state.as_str()]).set(0);
        }
        for verdict in ["pass", "review", "block"] {
            metrics.inspections.with_label_values(&[verdict]).reset();
        }
        for kind in ["unreachable", "failed", "refused"] {
            metrics.notary_errors.with_label_values(&[kind]).reset();
        }
        Ok(metrics)
    }

    /// Takes the census of the database over.
    pub fn census(&self, rows: &[(State, i64, String)], decision_hours: u64, held: &[String]) {
        for state in State::ALL {
            self.requests.with_label_values(&[state.as_str()]).set(0);
            if !state.is_final() {
                self.oldest.with_label_values(&[state.as_str()]).set(0.0);
            }
        }
        for (state, count, oldest) in rows {
            self.requests.with_label_values(&[state.as_str()]).set(*count);
            if !state.is_final() {
                self.oldest.with_label_values(&[state.as_str()]).set(age(oldest));
            }
        }
        let limit = decision_hours as f64 * 3600.0;
        let late = held.iter().filter(|since| age(since) > limit).count();
        self.overdue.set(i64::try_from(late).unwrap_or(i64::MAX));
    }

    fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }
}

fn age(since: &str) -> f64 {
    since.parse::<Timestamp>().map_or(0.0, |t| Timestamp::now().duration_since(t).as_secs_f64().max(0.0))
}

/// Where metrics are served.
#[derive(Debug)]
pub enum At {
    /// Loopback.
    Tcp(std::net::TcpListener),
    /// A unix socket.
    Unix(std::os::unix::net::UnixListener),
}

/// Binds `127.0.0.1:PORT`, `[::1]:PORT` or `unix:/path`; nothing that another machine could reach.
///
/// # Errors
/// When the address is not one of these, or cannot be bound.
pub fn bind(address: &str) -> std::io::Result<At> {
    let refuse = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
    if let Some(path) = address.strip_prefix("unix:") {
        crate::desk::remove_stale(Path::new(path))?;
        let listener = std::os::unix::net::UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        return Ok(At::Unix(listener));
    }
    let address: SocketAddr = address.parse().map_err(|e| refuse(format!("{address}: {e}")))?;
    if !address.ip().is_loopback() {
        return Err(refuse(format!("{address}: metrics are served on loopback or a unix socket only")));
    }
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(At::Tcp(listener))
}

/// Serves `/metrics` until the task is dropped.
pub async fn serve(house: Arc<House>, at: At) -> std::io::Result<()> {
    let router = Router::new().route("/metrics", get(move || answer(Arc::clone(&house))));
    match at {
        At::Tcp(listener) => axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await,
        At::Unix(listener) => axum::serve(tokio::net::UnixListener::from_std(listener)?, router).await,
    }
}

async fn answer(house: Arc<House>) -> Response {
    match house.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn metrics_are_refused_on_an_address_other_machines_reach() {
        for address in ["0.0.0.0:0", "192.0.2.1:9465", "[::]:0", "nonsense"] {
            assert!(bind(address).is_err(), "{address}");
        }
        assert!(bind("127.0.0.1:0").is_ok());
    }

    #[test]
    fn every_state_is_a_series_from_the_start_and_labels_are_closed() {
        let metrics = Metrics::new().unwrap();
        metrics.census(
            &[(State::Held, 2, "2026-01-01T00:00:00Z".into())],
            72,
            &["2026-01-01T00:00:00Z".into()],
        );
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for state in State::ALL {
            assert!(
                text.contains(&format!("sekisho_airlock_requests{{state=\"{}\"}}", state.as_str())),
                "{text}"
            );
        }
        assert!(text.contains("sekisho_airlock_requests{state=\"held\"} 2"));
        assert!(text.contains("sekisho_airlock_overdue_requests 1"));
    }
}
