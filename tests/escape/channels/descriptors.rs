//! Descriptors that somebody unconfined opened, and what can be done through them.

use crate::channel::Channel;
use crate::lent::Lent;

const WRITE: &[&str] = &["file_permission"];
const OUTSIDE: &str = "outside_zones";

pub(crate) const CHANNELS: &[Channel] = &[
    Channel::closed("write_inherited", "writes through an inherited descriptor", WRITE, OUTSIDE, |s| {
        s.write(&Lent::File.inherited()?)
    }),
    Channel::closed(
        "write_passed",
        "writes through a descriptor passed over a unix socket",
        WRITE,
        OUTSIDE,
        |s| s.write(&Lent::File.passed(s)?),
    ),
];
