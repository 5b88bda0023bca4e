//! The node as installed: real units, real accounts, the real gate, one boot of a whole Debian per file.

// In a test, and in what serves only tests, a panic is how a claim fails.
#![allow(clippy::unwrap_used, clippy::panic)]

mod contract;
mod life;
mod life_orders;
mod scene;
mod units;
mod workflow;
