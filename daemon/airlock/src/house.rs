//! What every part of the airlock shares: the policy in force, the database, the notary, the counters.

use crate::authority::Who;
use crate::metrics::Metrics;
use crate::notary::{Notary, NotaryError};
use crate::options::Options;
use crate::store::{Request, Store, StoreError};
use jiff::Zoned;
use jiff::civil::Date;
use sekisho_wire::config::Loaded;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore};

/// Why something could not be done now. Whatever it is, the next round tries again.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The notary.
    #[error("notary: {0}")]
    Notary(#[from] NotaryError),
    /// The spool.
    #[error("spool {project}: {source}")]
    Spool {
        /// Project id.
        project: String,
        /// The system call's error.
        source: nix::errno::Errno,
    },
    /// No inspector can be started or reached.
    #[error("no inspector: {0}; hint: look at sekisho-inspect.socket")]
    Inspector(String),
    /// A worker thread ended.
    #[error("worker: {0}")]
    Worker(#[from] tokio::task::JoinError),
}

/// The shared parts.
pub struct House {
    /// Command line.
    pub options: Options,
    /// Database.
    pub store: Store,
    /// Notary.
    pub notary: Notary,
    /// Counters.
    pub metrics: Metrics,
    /// Wakes the scanner.
    pub look: Notify,
    /// Something changed while a look was under way.
    pub look_again: AtomicBool,
    /// Wakes the inspection and delivery rounds.
    pub work: Notify,
    /// Inspectors that may run at once.
    pub inspectors: Arc<Semaphore>,
    /// Spool entries that are not ready, and since when.
    pub waiting: Mutex<HashMap<(String, String), Instant>>,
    policy: RwLock<Arc<Loaded>>,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    busy: Mutex<HashSet<String>>,
}

/// A poisoned lock only means that another task died; the data behind ours is valid at every step.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl House {
    /// Puts the parts together.
    pub fn new(options: Options, policy: Loaded, store: Store, metrics: Metrics) -> Self {
        let notary = Notary::at(options.notary_socket.clone());
        let inspectors = Arc::new(Semaphore::new(options.inspectors.max(1)));
        Self {
            options,
            store,
            notary,
            metrics,
            look: Notify::new(),
            look_again: AtomicBool::new(false),
            work: Notify::new(),
            inspectors,
            waiting: Mutex::default(),
            policy: RwLock::new(Arc::new(policy)),
            locks: Mutex::default(),
            busy: Mutex::default(),
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Loaded> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a new policy in force.
    pub fn set_policy(&self, policy: Loaded) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// Only the holder moves this request. (The database compares and sets as well; this keeps the ledger free
    /// of operations that then do not happen.)
    pub async fn hold(&self, request: &str) -> OwnedMutexGuard<()> {
        let mutex = Arc::clone(lock(&self.locks).entry(request.into()).or_default());
        mutex.lock_owned().await
    }

    /// Marks a request as being worked on; `false` when it already is.
    pub fn begin(&self, request: &str) -> bool {
        lock(&self.busy).insert(request.into())
    }

    /// Ends what [`House::begin`] began.
    pub fn end(&self, request: &str) {
        lock(&self.busy).remove(request);
        lock(&self.locks).retain(|_, m| Arc::strong_count(m) > 1);
    }

    /// Counts what the notary did not do.
    pub fn count_notary<T>(&self, result: Result<T, NotaryError>) -> Result<T, NotaryError> {
        if let Err(e) = &result {
            let kind = match e {
                NotaryError::Unreachable(_) => "unreachable",
                NotaryError::Failed(_) => "failed",
                NotaryError::Gate(_) => "gate",
                NotaryError::Refused { .. } => "refused",
            };
            self.metrics.notary_errors.with_label_values(&[kind]).inc();
        }
        result
    }

    /// Puts an operation into the ledger.
    pub async fn record(
        &self,
        request: Option<&str>,
        kind: &str,
        actor: &str,
        detail: serde_json::Value,
    ) -> Result<u64, NotaryError> {
        self.count_notary(self.notary.record(request, kind, actor, detail).await)
    }

    /// The request as it is now.
    pub async fn again(&self, request: &Request) -> Result<Request, StoreError> {
        self.store.request(&request.id).await?.ok_or_else(|| StoreError::Raced(request.id.clone()))
    }
}

/// Today, where this node is.
pub fn today() -> Date {
    Zoned::now().date()
}

/// The account behind a uid.
pub async fn who(uid: u32) -> Who {
    let found = tokio::task::spawn_blocking(move || nix::unistd::User::from_uid(uid.into())).await;
    let name = found.ok().and_then(Result::ok).flatten().map(|u| u.name);
    Who { account: name.unwrap_or_else(|| format!("uid:{uid}")), uid }
}
