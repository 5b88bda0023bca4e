//! As many labs of this workspace at once as the machine has processors: each emulates one.
//!
//! A slot is a locked file below `target/`; the kernel gives it back however its holder ends.

use crate::build;
use anyhow::{Context as _, Result};
use std::fs::{self, File};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

/// How often a lab that waits looks for a free slot; nothing the kernel offers waits for one lock of several.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until a lab may run; it may for as long as the returned file is kept.
pub(crate) fn take() -> Result<File> {
    let directory = build::target().join("lab");
    fs::create_dir_all(&directory).with_context(|| format!("{}", directory.display()))?;
    let mut told = false;
    loop {
        for number in 0..count() {
            let path = directory.join(format!("slot-{number}"));
            let file = File::create(&path).with_context(|| format!("{}", path.display()))?;
            if file.try_lock().is_ok() {
                return Ok(file);
            }
        }
        if !told {
            eprintln!(
                "[lab] {} labs of this workspace are running already; waiting for one to end …",
                count()
            );
            told = true;
        }
        thread::sleep(LOOK);
    }
}

/// How many may run at once.
pub(crate) fn count() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}
