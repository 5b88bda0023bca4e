//! `sekisho withdraw`.

use super::{Failure, Outcome};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: &Args, _json: bool) -> Outcome {
    Err(Failure::new(75, "not built yet", ""))
}
