//! `sekisho-airlock`: watches the spool and runs the life of every request.
//!
//! Invariants:
//! - It holds no key and no capability, and opens no user's file: bytes are copied by the notary and read by
//!   inspectors; what the airlock sees of a held copy is `request.toml`, through a descriptor the notary gave.
//! - A request moves only as [`states`] allows; every step is in the database before the next begins, so a crash
//!   anywhere leaves every file in exactly one state.
//! - Who asks is known from the kernel, never from a message.
//!
//! What it deliberately does not do: judge (that is `sekisho-policy`), parse content (`sekisho-inspect`), sign or
//! release (`sekisho-notary`, which believes nothing it is told here).
#![forbid(unsafe_code)]

mod authority;
mod custody;
mod decision;
mod desk;
mod house;
mod inspection;
mod metrics;
mod notary;
mod options;
mod refusal;
mod sandbox;
mod spool;
mod states;
mod store;
mod watch;

use anyhow::Context;
use clap::Parser;
use house::House;
use options::Options;
use sd_notify::NotifyState;
use sekisho_wire::config::{self, Loaded};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

/// The look at the spool, among what is being worked on.
const SCAN: &str = "scan";

fn main() -> ExitCode {
    let options = Options::parse();
    if options.states {
        print!("{}", states::mermaid());
        return ExitCode::SUCCESS;
    }
    start_log();
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::error!("{e:#}");
            ExitCode::from(if e.is::<config::LoadError>() { 78 } else { 1 })
        }
    }
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SEKISHO_LOG").unwrap_or_else(|_| "info".into());
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Under systemd the journal is the reader: one JSON object per line. At a terminal, a person.
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.json().flatten_event(true).init()
    } else {
        log.with_ansi(false).init()
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    let policy = config::load(&options.policy, &options.policy_dir)?;
    // Before the first thread: a sandbox binds the thread that enters it and those it starts later.
    sandbox::close(&options).context("sandbox")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(serve(options, policy));
    // An inspector or a long copy in flight is repeated after the next start.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}

async fn serve(options: Options, policy: Loaded) -> anyhow::Result<()> {
    let store = store::Store::open(&options.state).await.context("opening the database")?;
    let listener = desk::bind(&options.socket).with_context(|| options.socket.display().to_string())?;
    let at = options.metrics.as_deref().map(metrics::bind).transpose().context("--metrics")?;
    let pause = options.pause();
    let house = Arc::new(House::new(options, policy, store, metrics::Metrics::new()?));
    let mut watch = watch::Watch::start(&house);
    watch.follow(&house);
    tokio::spawn(desk::serve(Arc::clone(&house), listener));
    if let Some(at) = at {
        tokio::spawn(metrics::serve(Arc::clone(&house), at));
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;
    let mut tick = interval(pause);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watchdog = interval(sd_notify::watchdog_enabled().map_or(pause, |t| t / 3).max(pause / 4));
    let mut first = true;
    tell(&[NotifyState::Ready, NotifyState::Status("watching the spool")]);
    tracing::info!(policy = house.policy().sha256, "ready");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = reload.recv() => {
                refresh_policy(&house).await;
                watch.follow(&house);
            }
            _ = watchdog.tick() => alive(&house).await,
            () = house.look.notified() => rounds(&house, first).await,
            () = house.work.notified() => work(&house, first).await,
            _ = tick.tick() => {
                rounds(&house, first).await;
                first = false;
            }
        }
    }
    tell(&[NotifyState::Stopping]);
    tracing::info!("stopped");
    Ok(())
}

/// Starts a look at the spool (copying a large file takes its time: the loop does not wait for it), and whatever
/// else is to be done.
async fn rounds(house: &Arc<House>, first: bool) {
    if house.begin(SCAN) {
        let house = Arc::clone(house);
        tokio::spawn(async move {
            custody::round(&house).await;
            house.end(SCAN);
            if house.look_again.swap(false, Ordering::AcqRel) {
                house.look.notify_one();
            }
        });
    } else {
        house.look_again.store(true, Ordering::Release);
    }
    work(house, first).await;
}

async fn work(house: &Arc<House>, first: bool) {
    if let Err(e) = inspection::round(house, first).await {
        tracing::warn!("inspections: {e}");
    }
    if let Err(e) = decision::round(house).await {
        tracing::warn!("decisions: {e}");
    }
}

/// The watchdog is fed by the loop that does the work, and only while the database answers.
async fn alive(house: &House) {
    let census = match house.store.census().await {
        Ok(census) => census,
        Err(e) => {
            tracing::error!("{e}");
            tell(&[NotifyState::Status(&format!("database: {e}"))]);
            return;
        }
    };
    let held = house.store.in_state(states::State::Held).await.unwrap_or_default();
    let since: Vec<_> = held.into_iter().map(|r| r.updated).collect();
    house.metrics.census(&census, house.policy().policy.limits.decision_hours, &since);
    let words: Vec<_> = census.iter().map(|(s, n, _)| format!("{n} {}", s.as_str())).collect();
    tell(&[NotifyState::Watchdog, NotifyState::Status(&words.join(", "))]);
}

/// A bad policy changes nothing but the log: the old one stays in force.
pub(crate) async fn refresh_policy(house: &Arc<House>) {
    let (file, directory) = (house.options.policy.clone(), house.options.policy_dir.clone());
    match tokio::task::spawn_blocking(move || config::load(&file, &directory)).await {
        Ok(Ok(policy)) if policy.sha256 == house.policy().sha256 => {}
        Ok(Ok(policy)) => {
            tracing::info!(policy = policy.sha256, "policy reloaded");
            house.set_policy(policy);
        }
        Ok(Err(e)) => {
            house.metrics.policy_errors.inc();
            tracing::error!("policy not reloaded, the old one stays: {e}");
        }
        Err(e) => tracing::error!("policy not reloaded, the old one stays: {e}"),
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    if let Err(e) = sd_notify::notify(state) {
        tracing::debug!("sd_notify: {e}");
    }
}
