//! Numbers for Prometheus, as a text file for the node exporter. No user, path or address is ever a label.

use crate::screen::Totals;
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use std::path::Path;

/// The gate's metrics.
pub struct Metrics {
    registry: Registry,
    /// Denials by hook and reason.
    pub denials: IntCounterVec,
    /// Records lost on their way.
    pub lost: IntGauge,
    /// Times the kernel skipped one of the gate's programs.
    pub skipped: IntGauge,
    /// Times the fall-back decided who is confined.
    pub fallback: IntGauge,
    /// Hooks attached.
    pub hooks: IntGauge,
    /// 1: enforce, 0: audit.
    pub enforcing: IntGauge,
    /// 1: the last self-test passed.
    pub self_test: IntGauge,
    /// 1: releases need not wait for the gate.
    pub sound: IntGauge,
    /// Lockdowns in force.
    pub lockdowns: IntGauge,
    /// Records that wait for the notary.
    pub waiting: IntGauge,
    /// Self-tests that failed.
    pub self_test_failures: IntCounter,
    /// Reloads that were refused.
    pub reload_failures: IntCounter,
    screen_bytes: IntGauge,
    screen_held: IntGauge,
    screen_untold: IntGauge,
    screen_sessions: IntGauge,
}

impl Metrics {
    /// All at zero.
    ///
    /// # Errors
    /// When a name is not accepted: a mistake in this file.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let denials = IntCounterVec::new(
            Opts::new(
                "sekisho_gate_denials_total",
                "Denials (in audit mode: would-be denials) seen by the daemon.",
            ),
            &["hook", "reason"],
        )?;
        registry.register(Box::new(denials.clone()))?;
        let reload_failures =
            IntCounter::new("sekisho_gate_reload_failures_total", "Policy reloads that were refused.")?;
        registry.register(Box::new(reload_failures.clone()))?;
        let self_test_failures =
            IntCounter::new("sekisho_gate_self_test_failures_total", "Self-tests that did not pass.")?;
        registry.register(Box::new(self_test_failures.clone()))?;
        Ok(Self {
            denials,
            lost: gauge(
                "sekisho_gate_events_lost",
                "Records of denials that were lost on the way to the daemon, since the maps were made.",
            )?,
            skipped: gauge(
                "sekisho_gate_hooks_skipped",
                "Times the kernel skipped one of the gate's programs because it was at work on the same processor.",
            )?,
            fallback: gauge(
                "sekisho_gate_mark_fallbacks",
                "Times uid, login uid and cgroup decided who is confined.",
            )?,
            hooks: gauge("sekisho_gate_hooks_attached", "Kernel hooks attached.")?,
            enforcing: gauge("sekisho_gate_enforcing", "1 when denials are enforced, 0 in audit mode.")?,
            self_test: gauge("sekisho_gate_self_test_passed", "1 when the last self-test passed.")?,
            sound: gauge("sekisho_gate_sound", "1 when the gate lets approved results be released.")?,
            lockdowns: gauge("sekisho_gate_lockdowns", "Lockdowns in force.")?,
            waiting: gauge("sekisho_gate_records_waiting", "Records that wait for the notary's ledger.")?,
            self_test_failures,
            reload_failures,
            screen_bytes: gauge(
                "sekisho_gate_screen_bytes",
                "Bytes that left through transports of sessions, since the maps were made.",
            )?,
            screen_held: gauge(
                "sekisho_gate_screen_held",
                "Messages refused and packets held back over the screen's budget, since the maps were made.",
            )?,
            screen_untold: gauge(
                "sekisho_gate_screen_untold_bytes",
                "Bytes that left while there was no room to note their session.",
            )?,
            screen_sessions: gauge("sekisho_gate_screen_sessions", "Sessions with bytes on their screen.")?,
            registry,
        })
    }

    /// What left on the screens.
    pub fn screen(&self, totals: Totals) {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.screen_bytes.set(number(totals.bytes));
        self.screen_held.set(number(totals.held));
        self.screen_untold.set(number(totals.untold));
        self.screen_sessions.set(number(totals.open));
    }

    /// Writes the text file in one step.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).map_err(std::io::Error::other)?;
        let part = path.with_extension("part");
        std::fs::write(&part, &text)?;
        std::fs::rename(part, path)
    }
}
