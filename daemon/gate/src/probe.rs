//! What this kernel can do, without changing anything.

use crate::attach::active_lsms;
use crate::hooks::survey;
use crate::layout::Kernel;
use sekisho_abi::hook::Need;
use serde::Serialize;
use std::path::Path;

/// The answer.
#[derive(Debug, Serialize)]
pub struct Probe {
    /// Kernel release.
    pub kernel: String,
    /// Active LSMs, comma separated; absent when securityfs is not mounted.
    pub lsms: Option<String>,
    /// Is bpf one of them?
    pub bpf_lsm: Option<bool>,
    /// Could BTF be read, and has it every field?
    pub layout: Result<usize, String>,
    /// Every hook.
    pub hooks: Vec<ProbedHook>,
    /// `full`: every hook, or others that cover it; `mandatory`: all that close known ways out; `none`: the gate refuses to start.
    pub level: &'static str,
}

/// One hook.
#[derive(Debug, Serialize)]
pub struct ProbedHook {
    /// Name.
    pub name: &'static str,
    /// Must it be there?
    pub mandatory: bool,
    /// Can it be attached here?
    pub usable: bool,
    /// If not: why.
    pub detail: String,
    /// If not: the usable hooks that see what it would see.
    pub covered_by: Vec<&'static str>,
}

/// The kernel's release.
pub fn release() -> String {
    nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default()
}

/// Looks.
pub fn probe() -> Probe {
    let lsms = active_lsms();
    let bpf_lsm = lsms.as_ref().map(|active| active.split(',').any(|lsm| lsm == "bpf"));
    let (layout, found) = match Kernel::read(Path::new("/sys/kernel/btf/vmlinux")) {
        Ok(kernel) => (kernel.offsets().map(|o| o.len()).map_err(|e| e.to_string()), survey(&kernel)),
        Err(error) => (Err(error.to_string()), Vec::new()),
    };
    let hooks: Vec<_> = found
        .into_iter()
        .map(|f| ProbedHook {
            name: f.hook.name(),
            mandatory: f.hook.need() == Need::Mandatory,
            usable: f.usable,
            covered_by: f.covered_by.iter().map(|h| h.name()).collect(),
            detail: f.detail,
        })
        .collect();
    let level = if bpf_lsm == Some(false) || layout.is_err() || hooks.iter().any(|h| h.mandatory && !h.usable)
    {
        "none"
    } else if hooks.iter().all(|h| h.usable || !h.covered_by.is_empty()) {
        "full"
    } else {
        "mandatory"
    };
    Probe { kernel: release(), lsms, bpf_lsm, layout, hooks, level }
}
