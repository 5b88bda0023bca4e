//! From custody to a bag that stock tools verify, with the real notary process; and what a compromised airlock cannot do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod airlock;
mod crash;
mod custody;
mod gate;
mod house;
mod release;
mod words;
