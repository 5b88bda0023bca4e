//! The one place that knows how to build, install, boot, test and bench Sekisho.
fn main() {}
