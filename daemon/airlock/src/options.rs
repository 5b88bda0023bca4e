//! The command line of the airlock.

use sekisho_wire::paths;
use std::path::PathBuf;
use std::time::Duration;

/// Watches the spool and runs the request workflow.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "sekisho-airlock", version)]
pub struct Options {
    /// Policy document.
    #[arg(long, default_value = paths::POLICY)]
    pub policy: PathBuf,
    /// Directory of further policy documents.
    #[arg(long, default_value = paths::POLICY_DIR)]
    pub policy_dir: PathBuf,
    /// Where `sekisho` connects.
    #[arg(long, default_value = paths::AIRLOCK_SOCKET)]
    pub socket: PathBuf,
    /// Where the notary listens.
    #[arg(long, default_value = paths::NOTARY_SOCKET)]
    pub notary_socket: PathBuf,
    /// Where systemd starts one inspector per connection.
    #[arg(long, default_value = paths::INSPECT_SOCKET)]
    pub inspect_socket: PathBuf,
    /// Start this inspector per file instead of asking systemd for one.
    #[arg(long)]
    pub inspect_program: Option<PathBuf>,
    /// Directory of the projects' spool directories.
    #[arg(long, default_value = paths::SPOOL)]
    pub spool: PathBuf,
    /// Directory of the database.
    #[arg(long, default_value = paths::AIRLOCK_STATE)]
    pub state: PathBuf,
    /// Serve metrics on this loopback address (`127.0.0.1:9465`) or unix socket (`unix:/path`).
    #[arg(long)]
    pub metrics: Option<String>,
    /// Inspectors that may run at once.
    #[arg(long, default_value_t = 2)]
    pub inspectors: usize,
    /// Seconds between two looks at the spool when nothing announces a change.
    #[arg(long, default_value_t = 3.0)]
    pub rescan: f64,
    /// Seconds a plain file must have been left alone before it is taken.
    #[arg(long, default_value_t = 1.0)]
    pub quiet_file: f64,
    /// Seconds a directory without `.ready` must have been left alone before it is taken.
    #[arg(long, default_value_t = 10.0)]
    pub quiet_directory: f64,
    /// Seconds an empty directory may stay empty before it counts as a mistake.
    #[arg(long, default_value_t = 60.0)]
    pub quiet_empty: f64,
    /// Print the states and transitions as a mermaid diagram and exit.
    #[arg(long)]
    pub states: bool,
}

impl Options {
    /// The waiting times.
    pub fn quiet(&self) -> crate::spool::Quiet {
        crate::spool::Quiet {
            file: seconds(self.quiet_file),
            directory: seconds(self.quiet_directory),
            empty: seconds(self.quiet_empty),
        }
    }

    /// Time between two looks.
    pub fn pause(&self) -> Duration {
        seconds(self.rescan).max(Duration::from_millis(50))
    }
}

fn seconds(n: f64) -> Duration {
    Duration::try_from_secs_f64(n).unwrap_or(Duration::from_secs(60))
}
