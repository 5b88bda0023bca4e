//! Sockets that lead off the node, or to a listener that is not confined.

use crate::channel::Channel;

pub(crate) const CHANNELS: &[Channel] = &[];
