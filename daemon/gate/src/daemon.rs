//! The daemon's life: close the gate, prove it, then watch, answer and reload. Its death opens nothing.

use crate::attach::{AttachError, Pins, load};
use crate::denials::{History, Limiter, booted, describe};
use crate::marks::since_boot;
use crate::metrics::Metrics;
use crate::node::Here;
use crate::probe::release;
use crate::screen::Screen;
use crate::store::{Store, StoreError};
use crate::tables::{TableError, Tables, translate};
use crate::{marks, selftest, serve};
use aya::maps::{Map, MapData, PerCpuArray, RingBuf};
use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use sd_notify::NotifyState;
use sekisho_abi::event::Event;
use sekisho_abi::maps::{CONFIG_AUDIT, COUNT_DENIALS, COUNT_FALLBACK, COUNT_LOST};
use sekisho_wire::config::{self, LoadError, Loaded};
use sekisho_wire::gate::{Answer, Ask, Denial, Hook as HookState, Status};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where things are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The policy document.
    pub policy: PathBuf,
    /// Further documents.
    pub policy_dir: PathBuf,
    /// The kernel programs.
    pub object: PathBuf,
    /// Pins in bpffs.
    pub pins: PathBuf,
    /// The socket.
    pub socket: PathBuf,
    /// Records.
    pub state: PathBuf,
}

/// Why the daemon stopped.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Loading, attaching, pinning.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The policy files.
    #[error(transparent)]
    Policy(#[from] LoadError),
    /// The policy does not fit the node.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// The maps.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The self-test.
    #[error(transparent)]
    SelfTest(#[from] selftest::SelfTestError),
    /// Something of the system.
    #[error("{step}: {source}")]
    System {
        /// Step.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A map of an unexpected kind.
    #[error("map {0} is not what this daemon expects\nhint: install object and daemon from one build")]
    Map(&'static str),
    /// Metrics.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

fn system<E: Into<std::io::Error>>(step: &'static str) -> impl Fn(E) -> DaemonError {
    move |source| DaemonError::System { step, source: source.into() }
}

/// How often what policy names is looked up again: a zone, cgroup or device may appear later.
const RESOLVE: Duration = Duration::from_secs(5);
const WRITE_METRICS: Duration = Duration::from_secs(10);
const SELF_TEST: Duration = Duration::from_secs(300);
const TICK_MS: u16 = 1000;

struct Gate {
    places: Places,
    store: Store,
    screen: Screen,
    tasks: MapData,
    counters: PerCpuArray<MapData, u64>,
    loaded: Loaded,
    tables: Tables,
    hooks: Vec<HookState>,
    self_test: bool,
    limiter: Limiter,
    history: History,
    metrics: Metrics,
    booted: Timestamp,
    /// The last self-test's child: its denials are no news.
    prover: Option<u32>,
}

/// Runs until told to stop. The gate stays closed afterwards.
///
/// # Errors
/// [`DaemonError`]: what could not be done before the node was protected.
pub fn run(places: Places) -> Result<(), DaemonError> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT] {
        signals.add(signal);
    }
    signals.thread_block().map_err(system("blocking signals"))?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(system("signalfd"))?;

    let (mut gate, mut ring) = close(places)?;
    let listener = serve::listen(&gate.places.socket).map_err(system("listening"))?;
    gate.status();
    gate.write_metrics();
    let ready = format!("{} of {} hooks attached, {}", gate.attached(), gate.hooks.len(), gate.mode());
    tracing::info!(kernel = release(), policy = gate.loaded.sha256, "{ready}");
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&ready)]) {
        tracing::warn!(%error, "systemd was not told");
    }
    watch(&mut gate, &mut ring, &listener, &signals)
}

/// Policy, load, marks, attach, marks again, self-test.
fn close(places: Places) -> Result<(Gate, RingBuf<MapData>), DaemonError> {
    let loaded = config::load(&places.policy, &places.policy_dir)?;
    let tables = translate(&loaded.policy.gate, &Here)?;
    warn(&tables);
    let pins = Pins::new(&places.pins);
    let mut object = load(&places.object, &pins)?;
    let mut store = Store::take(&mut object.object)?;
    store.apply(&tables)?;
    let booted = booted();
    let screen = Screen::take(&mut object.object, &places.state, booted)?;
    let tasks = match object.object.take_map("TASKS") {
        Some(Map::Unsupported(map)) => map,
        _ => return Err(DaemonError::Map("TASKS")),
    };
    let ring = object.object.take_map("EVENTS").ok_or(DaemonError::Map("EVENTS"))?;
    let ring = RingBuf::try_from(ring).map_err(|_| DaemonError::Map("EVENTS"))?;
    let counters = object.object.take_map("COUNTERS").ok_or(DaemonError::Map("COUNTERS"))?;
    let counters = PerCpuArray::try_from(counters).map_err(|_| DaemonError::Map("COUNTERS"))?;
    let cgroups = &loaded.policy.gate.subjects.cgroups;
    // Before: no confined process gets a moment in which its role would be lost. After: whoever came in between.
    let before = marks::mark_existing(tasks.fd().as_fd(), &tables, cgroups);
    let attached = object.attach()?;
    let after = marks::mark_existing(tasks.fd().as_fd(), &tables, cgroups);
    tracing::info!(hooks = attached.len(), marked = before + after, "attached");
    let hooks = object
        .found
        .iter()
        .map(|f| HookState {
            name: f.hook.name().into(),
            attached: attached.contains(&f.hook),
            detail: f.detail.clone(),
        })
        .collect();
    let mut gate = Gate {
        history: History::open(places.state.join("denials")),
        places,
        store,
        screen,
        tasks,
        counters,
        loaded,
        tables,
        hooks,
        self_test: false,
        limiter: Limiter::default(),
        metrics: Metrics::new()?,
        booted,
        prover: None,
    };
    gate.prove()?;
    Ok((gate, ring))
}

fn warn(tables: &Tables) {
    for warning in &tables.warnings {
        tracing::warn!("{warning}");
    }
}

fn watch(
    gate: &mut Gate,
    ring: &mut RingBuf<MapData>,
    listener: &UnixListener,
    signals: &SignalFd,
) -> Result<(), DaemonError> {
    let (mut resolved, mut wrote, mut proved) = (Instant::now(), Instant::now(), Instant::now());
    loop {
        wait(&[ring.as_fd(), listener.as_fd(), signals.as_fd()]);
        let now = Instant::now();
        while let Some(item) = ring.next() {
            match Event::parse(&item) {
                Some(event) => gate.event(&event, now),
                None => tracing::error!(bytes = item.len(), "a record of unknown size"),
            }
        }
        for denial in gate.limiter.flush(now) {
            gate.keep(&denial);
        }
        serve::serve(listener, |uid, ask| gate.answer(uid, &ask));
        while let Ok(Some(signal)) = signals.read_signal() {
            match Signal::try_from(signal.ssi_signo.cast_signed()) {
                Ok(Signal::SIGHUP) => gate.reload(),
                _ => {
                    tracing::info!("stopping; the gate stays closed");
                    return Ok(());
                }
            }
        }
        if now.duration_since(resolved) >= RESOLVE {
            resolved = now;
            gate.resolve();
        }
        if now.duration_since(proved) >= SELF_TEST {
            proved = now;
            if let Err(error) = gate.prove() {
                tracing::error!(%error, "the self-test failed");
                let _ = sd_notify::notify(&[NotifyState::Status("self-test failed: see the journal")]);
            }
        }
        if now.duration_since(wrote) >= WRITE_METRICS {
            wrote = now;
            gate.screen.look(since_boot());
            gate.write_metrics();
        }
    }
}

fn wait(fds: &[BorrowedFd<'_>]) {
    let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    if let Err(error) = poll(&mut polled, PollTimeout::from(TICK_MS))
        && error != nix::errno::Errno::EINTR
    {
        tracing::error!(%error, "poll");
        std::thread::sleep(Duration::from_millis(u64::from(TICK_MS)));
    }
}

impl Gate {
    fn mode(&self) -> &'static str {
        if self.tables.config.flags & CONFIG_AUDIT == 0 { "enforce" } else { "audit" }
    }

    fn attached(&self) -> usize {
        self.hooks.iter().filter(|h| h.attached).count()
    }

    /// Proves that a confined process is stopped. In audit mode there is nothing to prove.
    fn prove(&mut self) -> Result<(), DaemonError> {
        if self.mode() == "audit" {
            self.self_test = false;
            tracing::warn!("audit mode: everything is recorded and nothing denied");
            return Ok(());
        }
        let dir = self.places.socket.parent().map(PathBuf::from).unwrap_or_default();
        let proven = selftest::run(self.tasks.fd().as_fd(), &dir);
        self.self_test = proven.is_ok();
        let (denied, prover) = proven?;
        self.prover = Some(prover);
        tracing::info!(denied, "self-test passed");
        Ok(())
    }

    fn event(&mut self, event: &Event, now: Instant) {
        if self.prover == Some(event.pid) && event.loginuid == u32::MAX && event.uid == 0 {
            return;
        }
        let denial = describe(event, self.booted);
        self.metrics.denials.with_label_values(&[denial.hook.as_str(), denial.reason.as_str()]).inc();
        if let Some(denial) = self.limiter.admit(denial, now) {
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

    fn reload(&mut self) {
        let places = &self.places;
        let outcome = config::load(&places.policy, &places.policy_dir)
            .map_err(DaemonError::from)
            .and_then(|loaded| Ok((translate(&loaded.policy.gate, &Here)?, loaded)))
            .and_then(|(tables, loaded)| Ok((self.store.apply(&tables)?, tables, loaded)));
        match outcome {
            Ok((epoch, tables, loaded)) => {
                warn(&tables);
                tracing::info!(epoch, policy = loaded.sha256, "policy reloaded");
                self.loaded = loaded;
                self.tables = tables;
                marks::mark_existing(
                    self.tasks.fd().as_fd(),
                    &self.tables,
                    &self.loaded.policy.gate.subjects.cgroups,
                );
            }
            Err(error) => {
                self.metrics.reload_failures.inc();
                tracing::error!(%error, "the policy was refused; the old one stays in force");
            }
        }
        self.status();
    }

    /// Looks up again what policy names; a zone may have appeared, or been replaced.
    fn resolve(&mut self) {
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

    fn counter(&self, slot: u32) -> u64 {
        self.counters.get(&slot, 0).map(|values| values.iter().sum()).unwrap_or(0)
    }

    fn status(&self) {
        self.metrics.enforcing.set(i64::from(self.mode() == "enforce"));
        self.metrics.self_test.set(i64::from(self.self_test));
    }

    fn write_metrics(&self) {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.status();
        self.metrics.lost.set(number(self.counter(COUNT_LOST)));
        self.metrics.fallback.set(number(self.counter(COUNT_FALLBACK)));
        self.metrics.screen(self.screen.totals());
        self.metrics.hooks.set(number(self.attached() as u64));
        let path = self.places.socket.with_file_name("metrics.prom");
        if let Err(error) = self.metrics.write(&path) {
            tracing::warn!(path = %path.display(), %error, "metrics were not written");
        }
    }

    fn answer(&self, uid: u32, ask: &Ask) -> Answer {
        match ask {
            Ask::Why { limit } => {
                Answer::Why { denials: self.history.of(uid, (*limit as usize).min(crate::denials::KEPT)) }
            }
            Ask::Screen => {
                let (sessions, budget) = self.screen.of(uid, self.tables.screen, since_boot());
                Answer::Screen { sessions, budget }
            }
            Ask::Status => Answer::Status(Status {
                kernel: release(),
                mode: self.mode().into(),
                policy_sha256: self.loaded.sha256.clone(),
                hooks: self.hooks.clone(),
                self_test: self.self_test,
                denials: self.counter(COUNT_DENIALS),
                events_lost: self.counter(COUNT_LOST),
            }),
        }
    }
}
