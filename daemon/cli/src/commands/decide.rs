//! `sekisho approve` and `sekisho reject`.

use super::{Failure, Outcome};

/// Arguments of `approve`.
#[derive(clap::Args)]
pub struct ApproveArgs {}

/// Arguments of `reject`.
#[derive(clap::Args)]
pub struct RejectArgs {}

/// Approves.
pub fn approve(_args: &ApproveArgs, _json: bool) -> Outcome {
    Err(Failure::new(75, "not built yet", ""))
}

/// Rejects.
pub fn reject(_args: &RejectArgs, _json: bool) -> Outcome {
    Err(Failure::new(75, "not built yet", ""))
}
