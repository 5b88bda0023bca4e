//! The gate as the daemon holds it: the kernel's maps, the policy in force, what was proven and what was seen.

use crate::attach::skipped;
use crate::daemon::{DaemonError, Places};
use crate::denials::{History, Limiter, describe};
use crate::lockdown::Lockdowns;
use crate::loss::Loss;
use crate::marks::{Threads, since_boot};
use crate::metrics::Metrics;
use crate::node::Here;
use crate::probe::release;
use crate::records::Records;
use crate::screen::Screen;
use crate::second_layer::SecondLayer;
use crate::serve::Asker;
use crate::store::Store;
use crate::summary::Summary;
use crate::tables::{Tables, translate};
use crate::{change, marks, orders, selftest, unconfined};
use aya::maps::{MapData, PerCpuArray, RingBuf};
use jiff::Timestamp;
use sd_notify::NotifyState;
use sekisho_abi::event::Event;
use sekisho_abi::maps::{CONFIG_AUDIT, COUNT_DENIALS, COUNT_FALLBACK, COUNT_LOST};
use sekisho_abi::screen::OVER_THROTTLE;
use sekisho_wire::config::{self, Loaded};
use sekisho_wire::gate::{
    Answer, Applied, Ask, Denial, Exempt, Hook as HookState, Lock, PolicyRefused, Scope, Status, Unconfined,
};
use sekisho_wire::heartbeat::{self, Heartbeat};
use serde_json::json;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// As many records as the ring holds: whatever was in it when reading began.
pub const ALL: usize = (1 << 20) / sekisho_abi::event::SIZE;
/// Records read before something else has its turn.
pub const SOME: usize = 256;

/// Everything the daemon holds.
pub struct Gate {
    pub places: Places,
    pub store: Store,
    pub screen: Screen,
    pub second_layer: SecondLayer,
    pub tasks: MapData,
    pub threads: Threads,
    pub counters: PerCpuArray<MapData, u64>,
    pub loaded: Loaded,
    pub tables: Tables,
    pub hooks: Vec<HookState>,
    /// When the last self-test passed, and what the last one found if it did not.
    pub proven: Option<Instant>,
    pub disproof: String,
    pub limiter: Limiter,
    pub history: History,
    pub summary: Summary,
    pub loss: Loss,
    pub records: Records,
    pub locks: Lockdowns,
    pub metrics: Metrics,
    pub booted: Timestamp,
    pub boot: String,
    /// The last self-test's child: its denials are no news.
    pub prover: Option<u32>,
    /// Are its records being read now?
    pub proving: bool,
    /// The hooks that recorded something of its doing.
    pub proof: Vec<String>,
    pub exempt: Vec<Exempt>,
    pub unconfined: Vec<Unconfined>,
}

/// Puts warnings of a translation into the journal.
pub fn warn(tables: &Tables) {
    for warning in &tables.warnings {
        tracing::warn!("{warning}");
    }
}

impl Gate {
    /// `enforce` or `audit`.
    pub fn mode(&self) -> &'static str {
        if self.tables.config.flags & CONFIG_AUDIT == 0 { "enforce" } else { "audit" }
    }

    /// How many hooks.
    pub fn attached(&self) -> usize {
        self.hooks.iter().filter(|h| h.attached).count()
    }

    /// Proves that a confined process is stopped. In audit mode there is nothing to prove.
    pub fn prove(&mut self, ring: &mut RingBuf<MapData>) -> Result<(), DaemonError> {
        if self.mode() == "audit" {
            self.proven = None;
            self.disproof = "audit mode: nothing is denied, so there is nothing to prove".into();
            tracing::warn!("audit mode: everything is recorded and nothing denied");
            return Ok(());
        }
        let before = (self.proven.is_some(), self.disproof.is_empty());
        let dir = self.places.socket.parent().map(PathBuf::from).unwrap_or_default();
        match self.try_everything(&dir, ring) {
            Ok(denied) => {
                self.proven = Some(Instant::now());
                self.disproof.clear();
                tracing::info!(denied, "self-test passed");
                if before != (true, true) {
                    self.records.note("gate_self_test", json!({"passed": true, "acts_denied": denied}));
                }
                Ok(())
            }
            Err(error) => {
                self.proven = None;
                self.disproof = error.to_string();
                self.metrics.self_test_failures.inc();
                self.records.note("gate_self_test", json!({"passed": false, "found": self.disproof}));
                Err(error.into())
            }
        }
    }

    fn try_everything(
        &mut self,
        dir: &Path,
        ring: &mut RingBuf<MapData>,
    ) -> Result<usize, selftest::SelfTestError> {
        let lost = self.counter(COUNT_LOST);
        let proof = selftest::run(self.tasks.fd().as_fd(), dir)?;
        (self.prover, self.proof) = (Some(proof.pid), Vec::new());
        self.proving = true;
        self.drain(ring, Instant::now(), ALL);
        self.proving = false;
        let (recorded, lossy) = (std::mem::take(&mut self.proof), self.counter(COUNT_LOST) != lost);
        // A full ring says nothing about the hooks; what failed with EPERM did.
        proof.judge(|hook| lossy || recorded.iter().any(|seen| seen == hook))
    }

    /// Why nothing may be released now; empty when all is well.
    pub fn problem(&self) -> String {
        if !self.disproof.is_empty() && self.mode() == "enforce" {
            return self.disproof.lines().next().unwrap_or_default().to_owned();
        }
        let attached = self.attached();
        let pinned = self.places.pins().attached();
        if pinned < attached {
            return format!("{pinned} of {attached} hooks are still attached");
        }
        String::new()
    }

    /// Writes the heartbeat.
    pub fn beat(&self) {
        let frozen = self.locks.frozen();
        let beat = Heartbeat {
            boot: self.boot.clone(),
            at: heartbeat::now(),
            enforcing: self.mode() == "enforce",
            problem: self.problem(),
            all_locked: frozen.everyone,
            locked: frozen.accounts.into_iter().collect(),
        };
        let path = self.places.beside_socket("heartbeat");
        if let Err(error) = heartbeat::write(&path, &beat) {
            tracing::error!(path = %path.display(), %error, "no heartbeat: releases will wait");
        }
    }

    /// Reads the ring until it is empty, but no more than this: whoever makes records without rest, on several
    /// processors, must not keep the daemon from its heartbeat and from orders.
    pub fn drain(&mut self, ring: &mut RingBuf<MapData>, now: Instant, most: usize) {
        let mut read = 0;
        for _ in 0..most {
            let Some(item) = ring.next() else { break };
            match Event::parse(&item) {
                Some(event) => {
                    read += 1;
                    self.event(&event, now);
                }
                None => tracing::error!(bytes = item.len(), "a record of unknown size"),
            }
        }
        self.loss.read(read);
    }

    fn event(&mut self, event: &Event, now: Instant) {
        let denial = describe(event, self.booted);
        // The child's own child, which the child started from the same program, proves too.
        let proves = self.prover == Some(event.pid) || (self.proving && denial.comm == "exe");
        if proves && event.loginuid == u32::MAX && event.uid == 0 {
            self.proof.push(denial.hook);
            return;
        }
        self.metrics.denials.with_label_values(&[denial.hook.as_str(), denial.reason.as_str()]).inc();
        self.summary.add(&denial);
        if let Some(denial) = self.limiter.admit(denial, now) {
            self.keep(&denial);
        }
    }

    /// Records of repetitions whose time is up.
    pub fn flush(&mut self, now: Instant) {
        for denial in self.limiter.flush(now) {
            self.keep(&denial);
        }
    }

    fn keep(&mut self, denial: &Denial) {
        tracing::info!(
            hook = denial.hook,
            reason = denial.reason,
            denied = denial.denied,
            uid = denial.uid,
            loginuid = denial.loginuid,
            pid = denial.pid,
            comm = denial.comm,
            object = denial.object,
            repeated = denial.repeated,
            "denial"
        );
        self.history.add(denial);
    }

    /// Hands the denials since the last time to the ledger.
    pub fn summarise(&mut self) {
        if let Some(detail) = self.summary.take() {
            self.records.note("gate_denials", detail);
            self.summary.handed_over();
        }
    }

    /// Looks for records that are missing.
    pub fn look_for_loss(&mut self) {
        let (denials, full) = (self.counter(COUNT_DENIALS), self.counter(COUNT_LOST));
        if let Some(found) = self.loss.look(denials, full) {
            tracing::error!(?found, "records of denials were lost; no decision was affected");
            self.records.note("gate_events_lost", json!(found));
        }
    }

    /// Puts the policy files into force; a policy that cannot be, changes nothing.
    pub fn reload(&mut self, ring: &mut RingBuf<MapData>) -> Result<Applied, PolicyRefused> {
        let places = &self.places;
        let outcome = config::load(&places.policy, &places.policy_dir)
            .map_err(DaemonError::from)
            .and_then(|loaded| Ok((translate(&loaded.policy.gate, &Here)?, loaded)))
            .and_then(|(tables, loaded)| Ok((self.store.apply(&tables)?, tables, loaded)));
        match outcome {
            Ok((epoch, tables, loaded)) => {
                warn(&tables);
                tracing::info!(epoch, policy = loaded.sha256, "policy reloaded");
                let applied = Applied {
                    before: self.loaded.sha256.clone(),
                    policy_sha256: loaded.sha256.clone(),
                    changes: change::between(&self.loaded.policy.gate, &loaded.policy.gate),
                    warnings: tables.warnings.clone(),
                };
                self.loaded = loaded;
                let was_audit = self.mode() == "audit";
                self.tables = tables;
                self.mark();
                self.follow_locks();
                self.follow_cgroups();
                if applied.before != applied.policy_sha256 {
                    self.records.note("gate_policy", json!(applied));
                }
                self.list_unconfined();
                if was_audit != (self.mode() == "audit")
                    && let Err(error) = self.prove(ring)
                {
                    tracing::error!(%error, "the self-test failed");
                }
                self.beat();
                Ok(applied)
            }
            Err(error) => {
                self.metrics.reload_failures.inc();
                tracing::error!(%error, "the policy was refused; the old one stays in force");
                let refused = orders::refused(&error);
                self.records.note(
                    "gate_policy_refused",
                    json!({"place": refused.place, "message": refused.message,
                        "stays": self.loaded.sha256}),
                );
                Err(refused)
            }
        }
    }

    /// Marks who is there and belongs to the confined.
    pub fn mark(&self) -> usize {
        let cgroups = &self.loaded.policy.gate.subjects.cgroups;
        marks::mark_all(self.tasks.fd().as_fd(), &self.threads, &self.tables, cgroups)
    }

    /// Notes who is exempt and who runs unconfined.
    pub fn list_unconfined(&mut self) {
        let exempt = unconfined::exempt(&self.loaded.policy.gate);
        let running = unconfined::running(self.tasks.fd().as_fd());
        self.records.note(
            "gate_unconfined",
            json!({"policy_sha256": self.loaded.sha256, "exempt": exempt, "programs": running.iter()
                .map(|p| json!([p.cgroup, p.exe, p.uid, p.pid, p.processes])).collect::<Vec<_>>()}),
        );
        (self.exempt, self.unconfined) = (exempt, running);
    }

    /// Looks up again what policy names; a zone may have appeared, or been replaced.
    pub fn resolve(&mut self) {
        match translate(&self.loaded.policy.gate, &Here) {
            Ok(tables) if tables != self.tables => match self.store.apply(&tables) {
                Ok(epoch) => {
                    tracing::info!(epoch, "the node changed under the policy; zones resolved again");
                    warn(&tables);
                    self.tables = tables;
                }
                Err(error) => tracing::error!(%error, "zones could not be resolved again"),
            },
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "zones could not be resolved again"),
        }
    }

    /// The second layer goes where policy's cgroups are now; packets of transports are looked at while a budget throttles.
    pub fn follow_cgroups(&mut self) {
        let throttled = self.tables.screen.over == OVER_THROTTLE;
        self.second_layer.follow(&self.loaded.policy.gate.subjects.cgroups, throttled);
    }

    /// A counter of the kernel's, over all CPUs.
    pub fn counter(&self, slot: u32) -> u64 {
        self.counters.get(&slot, 0).map(|values| values.iter().sum()).unwrap_or(0)
    }

    /// Writes the text file for the node exporter.
    pub fn write_metrics(&self) {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let m = &self.metrics;
        m.enforcing.set(i64::from(self.mode() == "enforce"));
        m.self_test.set(i64::from(self.proven.is_some()));
        m.sound.set(i64::from(self.problem().is_empty()));
        m.lost.set(number(self.loss.total()));
        let (before, skipped) = (m.skipped.get(), number(skipped()));
        if skipped > before {
            tracing::error!(
                skipped,
                "the kernel skipped programs of the gate: what they would have judged was not"
            );
        }
        m.skipped.set(skipped);
        m.fallback.set(number(self.counter(COUNT_FALLBACK)));
        m.hooks.set(number(self.attached() as u64));
        m.screen(self.screen.totals());
        m.lockdowns.set(number(self.locks.all().len() as u64));
        m.waiting.set(number(self.records.waiting()));
        let path = self.places.beside_socket("metrics.prom");
        if let Err(error) = m.write(&path) {
            tracing::warn!(path = %path.display(), %error, "metrics were not written");
        }
    }

    /// Tells systemd, and whoever looks at the unit.
    pub fn tell(&self, ready: bool) {
        let problem = self.problem();
        let words = if problem.is_empty() {
            format!("{} of {} hooks attached, {}", self.attached(), self.hooks.len(), self.mode())
        } else {
            format!("NOT SOUND: {problem}")
        };
        let status = NotifyState::Status(&words);
        let told = if ready {
            sd_notify::notify(&[NotifyState::Ready, status])
        } else {
            sd_notify::notify(&[status])
        };
        if let Err(error) = told {
            tracing::warn!(%error, "systemd was not told");
        }
    }

    /// Answers a question.
    pub fn answer(&mut self, asker: Asker, ask: Ask, ring: &mut RingBuf<MapData>) -> Answer {
        match ask {
            Ask::Why { limit } => {
                let limit = (limit as usize).min(crate::denials::KEPT);
                Answer::Why { denials: self.history.of(asker.uid, limit) }
            }
            Ask::Screen => {
                let (sessions, budget) = self.screen.of(asker.uid, self.tables.screen, since_boot());
                Answer::Screen { sessions, budget }
            }
            Ask::Status => Answer::Status(Box::new(self.status(asker.uid))),
            Ask::Apply | Ask::Lock { .. } | Ask::Lift { .. } => self.order(asker, ask, ring),
        }
    }

    /// Who else is under lockdown is not everybody's to know.
    fn locks_shown_to(&self, uid: u32) -> Vec<Lock> {
        let all = self.locks.all().iter();
        if orders::has_authority(uid, &self.loaded.policy) {
            return all.cloned().collect();
        }
        let own = all.filter(|l| l.scope == Scope::Everyone || l.accounts.contains(&uid));
        own.map(|l| Lock {
            accounts: l.accounts.iter().copied().filter(|a| *a == uid).collect(),
            ..l.clone()
        })
        .collect()
    }

    fn status(&self, asker: u32) -> Status {
        Status {
            kernel: release(),
            mode: self.mode().into(),
            policy_sha256: self.loaded.sha256.clone(),
            hooks: self.hooks.clone(),
            self_test: self.proven.is_some(),
            denials: self.counter(COUNT_DENIALS),
            events_lost: self.loss.total(),
            hooks_skipped: skipped(),
            problem: self.problem(),
            self_test_age: self.proven.map(|at| at.elapsed().as_secs()),
            self_test_problem: self.disproof.clone(),
            locks: self.locks_shown_to(asker),
            exempt: self.exempt.clone(),
            unconfined: self.unconfined.clone(),
            waiting_records: self.records.waiting(),
            second_layer: self.second_layer.states(),
        }
    }
}
