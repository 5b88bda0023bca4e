//! Promises, proven across rooms: see the `*.rs` test files beside this crate.
