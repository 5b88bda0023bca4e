//! Merkle log, signatures and release bags: bytes in, bytes out; a verifier needs this crate alone.
#![forbid(unsafe_code)]
