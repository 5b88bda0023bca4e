//! The daemon's life: close the gate, prove it, then watch, answer and reload. Its death opens nothing.

use crate::attach::{AttachError, Pins, load};
use crate::denials::{History, Limiter, booted};
use crate::gate::{ALL, Gate, SOME, warn};
use crate::lockdown::Lockdowns;
use crate::loss::Loss;
use crate::marks::since_boot;
use crate::metrics::Metrics;
use crate::node::Here;
use crate::probe::release;
use crate::records::Records;
use crate::screen::Screen;
use crate::second_layer::SecondLayer;
use crate::selftest;
use crate::serve::Server;
use crate::store::{Store, StoreError};
use crate::summary::Summary;
use crate::tables::{TableError, translate};
use aya::maps::{Map, MapData, PerCpuArray, RingBuf};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use sekisho_wire::config::{self, LoadError};
use sekisho_wire::gate::Hook as HookState;
use sekisho_wire::heartbeat;
use serde_json::json;
use std::os::fd::{AsFd, BorrowedFd};
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
    /// The notary's socket: records go into its ledger.
    pub notary: PathBuf,
    /// Version of the maps.
    pub maps: u32,
}

impl Places {
    /// The pins.
    pub fn pins(&self) -> Pins {
        Pins::new(&self.pins).of_version(self.maps)
    }

    /// A file in the socket's directory, which no boot outlives.
    pub fn beside_socket(&self, name: &str) -> PathBuf {
        self.socket.with_file_name(name)
    }
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
const SUMMARISE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_secs(1);
/// While somebody is slow to read an answer.
const SLOW_READER: Duration = Duration::from_millis(20);

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
    let server = Server::listen(&gate.places.socket).map_err(system("listening"))?;
    gate.list_unconfined();
    gate.write_metrics();
    gate.beat();
    tracing::info!(
        kernel = release(),
        policy = gate.loaded.sha256,
        "{} of {} hooks attached, {}",
        gate.attached(),
        gate.hooks.len(),
        gate.mode()
    );
    gate.tell(true);
    watch(&mut gate, &mut ring, server, &signals);
    Ok(())
}

/// Policy, load, lockdowns, marks, attach, marks again, self-test.
fn close(places: Places) -> Result<(Gate, RingBuf<MapData>), DaemonError> {
    let loaded = config::load(&places.policy, &places.policy_dir)?;
    let tables = translate(&loaded.policy.gate, &Here)?;
    warn(&tables);
    let (pins, pins_root) = (places.pins(), places.pins.clone());
    let mut object = load(&places.object, &pins)?;
    let mut store = Store::take(&mut object.object)?;
    let locks = Lockdowns::open(places.state.join("lockdowns.json"));
    store.lock(&locks.frozen())?;
    store.apply(&tables)?;
    let booted = booted();
    let screen = Screen::take(&mut object.object, &places.state, booted)?;
    let tasks = match object.object.take_map("TASKS") {
        Some(Map::Unsupported(map)) => map,
        _ => return Err(DaemonError::Map("TASKS")),
    };
    let ring = object.object.take_map("EVENTS").ok_or(DaemonError::Map("EVENTS"))?;
    let mut ring = RingBuf::try_from(ring).map_err(|_| DaemonError::Map("EVENTS"))?;
    let counters = object.object.take_map("COUNTERS").ok_or(DaemonError::Map("COUNTERS"))?;
    let counters = PerCpuArray::try_from(counters).map_err(|_| DaemonError::Map("COUNTERS"))?;
    let mut gate = Gate {
        history: History::open(places.state.join("denials")),
        summary: Summary::open(places.state.join("summary")),
        loss: Loss::open(places.beside_socket("counted")),
        records: Records::open(places.state.join("ledger"), &places.notary),
        places,
        store,
        screen,
        second_layer: SecondLayer::none(&pins_root),
        tasks,
        threads: object.threads()?,
        counters,
        loaded,
        tables,
        hooks: Vec::new(),
        proven: None,
        disproof: String::new(),
        limiter: Limiter::default(),
        locks,
        metrics: Metrics::new()?,
        booted,
        boot: heartbeat::boot().map_err(system("boot id"))?,
        prover: None,
        proving: false,
        proof: Vec::new(),
        exempt: Vec::new(),
        unconfined: Vec::new(),
    };
    gate.follow_locks();
    // Before: no confined process gets a moment in which its role would be lost. After: whoever came in between.
    let before = gate.mark();
    let attached = object.attach()?;
    let after = gate.mark();
    tracing::info!(hooks = attached.len(), marked = before + after, "attached");
    gate.hooks = object
        .found
        .iter()
        .map(|f| HookState {
            name: f.hook.name().into(),
            attached: attached.contains(&f.hook),
            detail: f.detail.clone(),
            covered_by: f
                .covered_by
                .iter()
                .filter(|h| attached.contains(h))
                .map(|h| h.name().into())
                .collect(),
        })
        .collect();
    gate.second_layer = SecondLayer::load(object.object, &pins_root);
    gate.follow_cgroups();
    gate.records.note(
        "gate_started",
        json!({"version": env!("CARGO_PKG_VERSION"), "kernel": release(), "mode": gate.mode(),
            "policy_sha256": gate.loaded.sha256, "hooks": attached.len(), "marked": before + after,
            "absent": gate.hooks.iter().filter(|h| !h.attached).map(|h| h.name.as_str()).collect::<Vec<_>>(),
            "lockdowns": gate.locks.all().len()}),
    );
    gate.prove(&mut ring)?;
    Ok((gate, ring))
}

/// Something that is due again and again.
struct Due {
    every: Duration,
    last: Instant,
}

impl Due {
    fn every(every: Duration) -> Self {
        Self { every, last: Instant::now() }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let due = now.duration_since(self.last) >= self.every;
        if due {
            self.last = now;
        }
        due
    }
}

fn watch(gate: &mut Gate, ring: &mut RingBuf<MapData>, mut server: Server, signals: &SignalFd) {
    let (mut resolve, mut metrics, mut test) =
        (Due::every(RESOLVE), Due::every(WRITE_METRICS), Due::every(SELF_TEST));
    let (mut beat, mut summary, mut tick) =
        (Due::every(heartbeat::EVERY), Due::every(SUMMARISE), Due::every(TICK));
    loop {
        let patience = if server.has_unread_answers() { SLOW_READER } else { TICK };
        wait([ring.as_fd(), signals.as_fd()].into_iter().chain(server.waiting()), patience);
        let now = Instant::now();
        gate.drain(ring, now, SOME);
        gate.flush(now);
        // A handle of its own: answering changes the gate whose map of marks tells who asks.
        let tasks = gate.tasks.fd().as_fd().try_clone_to_owned();
        match tasks {
            Ok(tasks) => server.serve(tasks.as_fd(), |asker, ask| gate.answer(asker, ask, ring)),
            Err(error) => tracing::error!(%error, "nobody can be answered"),
        }
        while let Ok(Some(signal)) = signals.read_signal() {
            match Signal::try_from(signal.ssi_signo.cast_signed()) {
                // What was refused is in the journal and the ledger.
                Ok(Signal::SIGHUP) => drop(gate.reload(ring)),
                _ => {
                    gate.drain(ring, now, ALL);
                    gate.summarise();
                    gate.records.note("gate_stopped", json!({"stays_closed": true}));
                    // Releases wait from now on, not from when somebody notices the silence.
                    let _ = std::fs::remove_file(gate.places.beside_socket("heartbeat"));
                    tracing::info!("stopping; the gate stays closed");
                    return;
                }
            }
        }
        if resolve.is_due(now) {
            gate.resolve();
            gate.follow_cgroups();
        }
        if test.is_due(now) {
            if let Err(error) = gate.prove(ring) {
                tracing::error!(%error, "the self-test failed");
            }
            gate.tell(false);
        }
        if summary.is_due(now) {
            gate.summarise();
        }
        if tick.is_due(now) {
            gate.summary.save();
            gate.look_for_loss();
        }
        if beat.is_due(now) {
            gate.beat();
        }
        if metrics.is_due(now) {
            for session in gate.screen.look(since_boot()) {
                gate.records.note("gate_screen", json!(session));
            }
            gate.write_metrics();
        }
    }
}

fn wait<'a>(fds: impl Iterator<Item = BorrowedFd<'a>>, patience: Duration) {
    let mut polled: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let milliseconds = u16::try_from(patience.as_millis()).unwrap_or(u16::MAX);
    if let Err(error) = poll(&mut polled, PollTimeout::from(milliseconds))
        && error != nix::errno::Errno::EINTR
    {
        tracing::error!(%error, "poll");
        std::thread::sleep(TICK);
    }
}
