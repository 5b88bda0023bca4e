//! What the processes say to each other, and nothing else.
//!
//! Every message is one *frame*: a big-endian `u32` length, then that many bytes of JSON; see [`frame`]. File
//! descriptors travel beside a frame with `SCM_RIGHTS`; see [`descriptor`]. A peer that sends a frame over the
//! limit, or JSON that does not fit, is disconnected: nothing here guesses.
//!
//! Identity is never part of a message: it is read from the socket (`SO_PEERCRED`).

pub mod airlock;
pub mod config;
pub mod descriptor;
pub mod digest;
pub mod frame;
pub mod gate;
pub mod heartbeat;
pub mod inspect;
pub mod notary;
pub mod paths;
