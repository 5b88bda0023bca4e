//! Unconfined services that would act for a confined caller.

use crate::channel::Channel;

pub(crate) const CHANNELS: &[Channel] = &[];
