//! Opening a device node, or making one.

use crate::maps::NUMBERS;
use crate::record;
use crate::subject::Policy;
use aya_ebpf::macros::cgroup_device;
use aya_ebpf::programs::DeviceContext;
use core::ptr::read_volatile;
use sekisho_abi::Subject;
use sekisho_abi::file::{Act, Object, S_IFBLK, S_IFCHR, decide, place};
use sekisho_abi::maps::{NUMBER_DEVICE, NumberKey};
use sekisho_abi::second_layer::Program;

const BLOCK: u32 = 1;
const MAKE: u32 = 1;
const WRITE: u32 = 4;

/// Whose a terminal is cannot be seen here: the first layer judges that.
#[inline(always)]
fn device(ctx: &DeviceContext, who: Subject, policy: Policy) -> i32 {
    // SAFETY: the context is the kernel's own.
    let (access, major, minor) = unsafe {
        (
            read_volatile(&raw const (*ctx.device).access_type),
            read_volatile(&raw const (*ctx.device).major),
            read_volatile(&raw const (*ctx.device).minor),
        )
    };
    let number = major << 20 | minor;
    let key = NumberKey { number: u64::from(number), epoch: policy.epoch, kind: NUMBER_DEVICE };
    let object = Object {
        mode: if access & 0xffff == BLOCK { S_IFBLK } else { S_IFCHR },
        rdev: number,
        own: true,
        // SAFETY: values are plain numbers.
        device_listed: unsafe { NUMBERS.get(&key) }.is_some(),
        ..Object::default()
    };
    let act = if access >> 16 & MAKE != 0 {
        Act::DeviceNode
    } else if access >> 16 & WRITE != 0 {
        Act::Write
    } else {
        Act::Read
    };
    let answer = decide(who, act, place(&object));
    record::number(Program::Device, answer, policy, u64::from(number))
}

layer!(cgroup_device, DeviceContext, layer_device, layer_device_unmarked, |ctx, who, policy| {
    device(ctx, who, policy)
});
