//! The maps. Names are a contract with the loader; all are pinned, so that marks survive the daemon.

use aya_ebpf::{
    bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, bpf_map_type},
    macros::map,
    maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, RingBuf},
};
use sekisho_abi::maps::{
    COUNTERS as COUNTER_SLOTS, Config, ConnectionKey, DestinationKey, Listener, ListenerKey, LockKey, Mark,
    NodeKey, NumberKey, SocketMark, UnixKey,
};

/// Local storage of a kernel object, defined through BTF because aya has no task storage and no clone flag.
#[repr(C)]
pub struct Storage<T, const TYPE: usize, const FLAGS: usize> {
    r#type: *const [i32; TYPE],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; FLAGS],
}

// SAFETY: the fields are a definition for the loader and are never read.
unsafe impl<T, const TYPE: usize, const FLAGS: usize> Sync for Storage<T, TYPE, FLAGS> {}

impl<T, const TYPE: usize, const FLAGS: usize> Storage<T, TYPE, FLAGS> {
    /// A definition for the loader.
    pub const fn new() -> Self {
        use core::ptr::null;
        Self { r#type: null(), key: null(), value: null(), max_entries: null(), map_flags: null() }
    }

    /// What the helpers take.
    #[inline(always)]
    pub fn as_ptr(&'static self) -> *mut core::ffi::c_void {
        core::ptr::from_ref(self).cast_mut().cast()
    }
}

/// The mark of each task.
#[unsafe(link_section = ".maps")]
#[unsafe(no_mangle)]
pub static TASKS: Storage<
    Mark,
    { bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE as usize },
    { BPF_F_NO_PREALLOC as usize },
> = Storage::new();

/// The marks once more, by address of the task, for kernels that do not always find them where they belong.
#[map]
pub static SHADOWS: HashMap<u64, Mark> = HashMap::with_max_entries(131_072, BPF_F_NO_PREALLOC);

/// Who made each socket; accepted TCP connections inherit it from their listener.
#[unsafe(link_section = ".maps")]
#[unsafe(no_mangle)]
pub static SOCKETS: Storage<
    SocketMark,
    { bpf_map_type::BPF_MAP_TYPE_SK_STORAGE as usize },
    { (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize },
> = Storage::new();

/// With each directory: the zone it lies in, and for how long that holds. Written and read as one word.
#[unsafe(link_section = ".maps")]
#[unsafe(no_mangle)]
pub static PLACES: Storage<
    u64,
    { bpf_map_type::BPF_MAP_TYPE_INODE_STORAGE as usize },
    { BPF_F_NO_PREALLOC as usize },
> = Storage::new();

/// Nameless memory that somebody confined made.
#[unsafe(link_section = ".maps")]
#[unsafe(no_mangle)]
pub static OWN_MEMORY: Storage<
    u32,
    { bpf_map_type::BPF_MAP_TYPE_INODE_STORAGE as usize },
    { BPF_F_NO_PREALLOC as usize },
> = Storage::new();

/// One number: the epoch in force.
#[map]
pub static EPOCH: Array<u32> = Array::with_max_entries(1, 0);
/// Switches, by epoch modulo 2.
#[map]
pub static CONFIG: Array<Config> = Array::with_max_entries(2, 0);
/// Zones.
#[map]
pub static ZONES: HashMap<NodeKey, u32> = HashMap::with_max_entries(4096, 0);
/// Executables of the transport.
#[map]
pub static TRANSPORTS: HashMap<NodeKey, u32> = HashMap::with_max_entries(64, 0);
/// Accounts, devices, loopback ports, cgroups.
#[map]
pub static NUMBERS: HashMap<NumberKey, u32> = HashMap::with_max_entries(16384, 0);
/// Destinations.
#[map]
pub static DESTINATIONS: LpmTrie<DestinationKey, u32> = LpmTrie::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// Unix sockets of unconfined peers that may be reached.
#[map]
pub static UNIX_PATHS: HashMap<UnixKey, u32> = HashMap::with_max_entries(1024, 0);
/// Who listened last on each TCP port. An entry pushed out means "nobody confined": denied.
#[map]
pub static LISTENERS: LruHashMap<ListenerKey, Listener> = LruHashMap::with_max_entries(16384, 0);
/// Whose way out is frozen. Outside the epochs: a reload does not lift a lock.
#[map]
pub static LOCKS: HashMap<LockKey, u32> = HashMap::with_max_entries(16384, 0);
/// One number: how many locks there are. What everybody pays for lockdown.
#[map]
pub static LOCKED: Array<u32> = Array::with_max_entries(1, 0);
/// Who is at the two ends of a TCP connection within the node. An entry pushed out means "nobody knows".
#[map]
pub static CONNECTIONS: LruHashMap<ConnectionKey, u32> = LruHashMap::with_max_entries(16384, 0);
/// Pseudo terminals (device and inode of the slave) whose other end a confined task opened.
#[map]
pub static TERMINALS: LruHashMap<NodeKey, u32> = LruHashMap::with_max_entries(4096, 0);
/// Files with several names, each of which was made inside the zones under the gate's eyes.
#[map]
pub static HOMES: LruHashMap<NodeKey, u32> = LruHashMap::with_max_entries(32768, 0);
/// Records on their way to the daemon.
#[map]
pub static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);
/// Counters that never depend on the ring.
#[map]
pub static COUNTERS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTER_SLOTS, 0);
/// Room for a unix path: too large for the stack.
#[map]
pub static SCRATCH: PerCpuArray<UnixKey> = PerCpuArray::with_max_entries(1, 0);

/// Adds one to a counter.
#[inline(always)]
pub fn count(slot: u32) {
    if let Some(counter) = COUNTERS.get_ptr_mut(slot) {
        // SAFETY: the slot is this CPU's own.
        unsafe { *counter += 1 };
    }
}
