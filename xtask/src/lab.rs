//! The lab: one virtual machine with the product installed, and a line to run things in it.
//!
//! Every boot is fresh (overlays are thrown away) and shares nothing writable with any other, so that labs may run
//! side by side, as many as there are processors. The line is a virtio-serial port; nothing goes over the guest's network.

use crate::image::{self, Image};
use crate::kernel::Kernel;
use crate::protocol::{self, Frame, Job, Kind, Who};
use crate::{build, install, process, product, slot};
use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{ErrorKind, Read as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The first process of the guest.
const INIT: &str = include_str!("../lab/init.sh");
/// Longest the guest may take to answer: slow machines emulate slowly.
const BOOT_LIMIT: Duration = Duration::from_secs(240);

/// Longest the product may take to be up once the gate may start.
const START_LIMIT: Duration = Duration::from_secs(240);
/// Time for one more look at what is up when that time is over.
const LAST_LOOK: Duration = Duration::from_secs(20);
/// What has to be up besides the gate; a job is run without them, but not without saying so.
const DAEMONS: [&str; 4] = [
    "systemd-user-sessions.service",
    "sekisho-notary.service",
    "sekisho-airlock.service",
    "sekisho-inspect.socket",
];

/// Whether the gate runs, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Gate {
    /// The gate enforces.
    On,
    /// The gate is not started at all.
    Off,
    /// The gate decides and records, but allows.
    Audit,
}

/// What a lab is to be like.
pub(crate) struct Options {
    /// The gate.
    pub gate: Gate,
    /// Files and directories for `/tmp/in`.
    pub copy: Vec<PathBuf>,
    /// A port of 127.0.0.1 that leads to the guest's sshd.
    pub ssh_port: Option<u16>,
    /// The guest's clock counts executed instructions instead of time.
    pub counted: bool,
}

/// Everything a lab is booted from.
pub(crate) struct Parts {
    image: Image,
    kernel: Kernel,
    initrd: PathBuf,
    product: PathBuf,
}

impl Parts {
    /// Installs, builds and makes what is missing.
    pub(crate) fn prepare(series: &str, sort: image::Sort) -> Result<Self> {
        let (mut kernels, mut images) = make(&[series], &[sort])?;
        let kernel = kernels.pop().context("one kernel was asked for")?;
        let image = images.pop().context("one image was asked for")?;
        let initrd = kernel.initrd(INIT)?;
        let product = product::archive(&image)?;
        Ok(Self { image, kernel, initrd, product })
    }

    /// The image, with the lab's keys.
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }
}

/// Installs, builds and makes what labs with any of these kernels and images need.
pub(crate) fn prepare(kernels: &[impl AsRef<str> + Sync], sorts: &[image::Sort]) -> Result<()> {
    let (kernels, images) = make(kernels, sorts)?;
    kernels.iter().try_for_each(|kernel| kernel.initrd(INIT).map(drop))?;
    images.iter().try_for_each(|image| product::archive(image).map(drop))
}

/// The compiler wants the processors, images and kernels mostly the network: both at once.
fn make(series: &[impl AsRef<str> + Sync], sorts: &[image::Sort]) -> Result<(Vec<Kernel>, Vec<Image>)> {
    // The BPF linker is the release build's own matter.
    install::system()?;
    std::thread::scope(|scope| {
        let build = scope.spawn(build::release);
        let kernels = series.iter().map(|series| Kernel::fetch(series.as_ref())).collect::<Result<_>>();
        let made = kernels.and_then(|kernels| {
            let images = sorts.iter().map(|sort| Image::make(*sort)).collect::<Result<_>>()?;
            Ok((kernels, images))
        });
        build.join().map_err(|_| anyhow::anyhow!("the release build panicked"))??;
        made
    })
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With this exit code.
    Code(i32),
    /// Not within its time.
    TimedOut,
}

/// Which of a job's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// A running virtual machine; switched off when dropped.
pub(crate) struct Lab {
    qemu: Child,
    line: UnixStream,
    received: Vec<u8>,
    jobs: u32,
    gate: Gate,
    directory: tempfile::TempDir,
    _slot: fs::File,
}

impl Lab {
    /// Boots up to the moment before the gate starts.
    pub(crate) fn boot(parts: &Parts, options: &Options) -> Result<Self> {
        let slot = slot::take()?;
        let directory = tempfile::Builder::new().prefix("sekisho-vm-").tempdir()?;
        pack_run(&directory.path().join("run.tar"), options)?;
        let socket = directory.path().join("line");
        let listener = UnixListener::bind(&socket)?;
        let mut command = qemu(parts, options, directory.path());
        die_with_us(&mut command);
        let mut qemu = command
            .stdin(Stdio::null())
            .stdout(fs::File::create(directory.path().join("qemu.log"))?)
            .stderr(fs::File::options().append(true).open(directory.path().join("qemu.log"))?)
            .spawn()
            .context("qemu-system-x86_64")?;
        let line = match accept(&listener, &mut qemu) {
            Ok(line) => line,
            Err(error) => {
                let log = fs::read_to_string(directory.path().join("qemu.log")).unwrap_or_default();
                return Err(error.context(log));
            }
        };
        let mut lab =
            Self { qemu, line, received: Vec::new(), jobs: 0, gate: options.gate, directory, _slot: slot };
        match lab.receive(Instant::now() + BOOT_LIMIT)? {
            Some(Frame { kind: Kind::Hello, .. }) => Ok(lab),
            Some(frame) => bail!("the guest said {:?} before hello", frame.kind),
            None => bail!("the guest did not answer within {} s\n{}", BOOT_LIMIT.as_secs(), lab.console()),
        }
    }

    /// Lets the gate start, waits until the product is up, and makes sure that the gate is what was asked for.
    pub(crate) fn start_gate(&mut self) -> Result<()> {
        protocol::send(&mut self.line, Kind::Release, 0, &[])?;
        let gate = (self.gate != Gate::Off).then_some("sekisho-gate.service");
        let units: Vec<_> = gate.into_iter().chain(DAEMONS).collect();
        let deadline = Instant::now() + START_LIMIT;
        // One program that waits: asking again and again would take the one processor from what is being started.
        let start = format!("systemctl start {} 2> /dev/null", units.join(" "));
        self.capture(Who::Root, &start, START_LIMIT)?;
        let down = loop {
            let (ended, states) = self.capture(
                Who::Root,
                &format!("systemctl is-active {}", units.join(" ")),
                deadline.saturating_duration_since(Instant::now()).max(LAST_LOOK),
            )?;
            // No answer is no "active".
            let mut states = states.lines();
            let down: Vec<_> = units.iter().filter(|_| states.next() != Some("active")).copied().collect();
            if down.is_empty() || ended == Ended::TimedOut || Instant::now() > deadline {
                break down;
            }
            std::thread::sleep(Duration::from_millis(500));
        };
        for unit in &down {
            let journal = format!("journalctl --boot --no-pager --output=cat --lines=30 --unit={unit}");
            let (_, journal) = self.capture(Who::Root, &journal, BOOT_LIMIT)?;
            eprintln!("[lab] {unit} is not up; its journal ends with:\n{}", journal.trim_end());
        }
        if gate.is_some_and(|gate| down.contains(&gate)) {
            bail!(
                "the gate did not become ready within {} s; nothing was run unprotected",
                START_LIMIT.as_secs()
            );
        }
        Ok(())
    }

    /// Runs one job and hands its output on as it comes.
    pub(crate) fn run(
        &mut self,
        who: Who,
        argv: &[String],
        limit: Duration,
        mut sink: impl FnMut(Stream, &[u8]) -> Result<()>,
    ) -> Result<Ended> {
        self.jobs += 1;
        let id = self.jobs;
        let job = Job { who, argv: argv.to_vec() };
        protocol::send(&mut self.line, Kind::Run, id, &serde_json::to_vec(&job)?)?;
        let deadline = Instant::now() + limit;
        loop {
            let Some(Frame { kind, job, body }) = self.receive(deadline)? else {
                return Ok(Ended::TimedOut);
            };
            match kind {
                Kind::Output => sink(Stream::Output, &body)?,
                Kind::Error => sink(Stream::Error, &body)?,
                Kind::Exit if job == id => {
                    let code = body.try_into().map(i32::from_le_bytes);
                    return Ok(Ended::Code(code.map_err(|_| anyhow::anyhow!("a malformed exit code"))?));
                }
                Kind::Exit | Kind::Hello | Kind::Run | Kind::Release => {}
            }
        }
    }

    /// Runs one shell command and returns everything it printed, both outputs together.
    pub(crate) fn capture(&mut self, who: Who, script: &str, limit: Duration) -> Result<(Ended, String)> {
        let mut bytes = Vec::new();
        let ended = self.run(who, &shell(script), limit, |_, piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok((ended, String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The end of what the guest's console shows.
    pub(crate) fn console(&self) -> String {
        let bytes = fs::read(self.directory.path().join("console.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().collect();
        format!("its console ended with:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"))
    }

    /// The next frame; `None` when the deadline passed.
    fn receive(&mut self, deadline: Instant) -> Result<Option<Frame>> {
        let mut piece = [0; 64 << 10];
        loop {
            if let Some(frame) = protocol::take(&mut self.received)? {
                return Ok(Some(frame));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.line.set_read_timeout(Some(left))?;
            match self.line.read(&mut piece) {
                Ok(0) => bail!("the virtual machine went away\n{}", self.console()),
                Ok(n) => self.received.extend_from_slice(&piece[..n]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the line to the guest broke"),
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Nothing in the guest is kept, so there is nothing to shut down in order.
        let _already_gone = self.qemu.kill();
        let _already_gone = self.qemu.wait();
    }
}

/// The words that make a shell run this script.
pub(crate) fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

/// However we end, the machine ends too: an orphan would emulate on for ever.
fn die_with_us(command: &mut Command) {
    // SAFETY: prctl is async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        command.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(Into::into));
    }
}

/// Waits for QEMU to connect to the line, unless it ends first.
fn accept(listener: &UnixListener, qemu: &mut Child) -> Result<UnixStream> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((line, _)) => {
                line.set_nonblocking(false)?;
                return Ok(line);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(status) = qemu.try_wait()? {
            bail!("qemu ended at once with {status}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn qemu(parts: &Parts, options: &Options, directory: &Path) -> Command {
    // Pages are not wiped when they are given out: emulated, that is a tenth of all the work.
    let mut append =
        "console=ttyS0 rw quiet loglevel=4 panic=-1 net.ifnames=0 fsck.mode=skip nokaslr mitigations=off init_on_alloc=0 \
                      nowatchdog rcupdate.rcu_expedited=1 cryptomgr.notests systemd.show_status=false \
                      systemd.condition_needs_update=false"
            .to_owned();
    // Logins of a person wait for a queued systemd-user-sessions.service, which waits for the gate: what runs before the
    // gate would wait too. So everything above the basic system is started only when the gate may start.
    append +=
        " systemd.unit=basic.target systemd.wants=sekisho-lab.service systemd.wants=systemd-logind.service";
    if options.gate == Gate::Off {
        append += " systemd.mask=sekisho-gate.service";
    }
    let mut network = "user,id=net,restrict=on".to_owned();
    if let Some(port) = options.ssh_port {
        network += &format!(",hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:22");
    }
    let mut qemu = Command::new("qemu-system-x86_64");
    // One virtual processor of an old kind: software emulation of newer ones was seen to corrupt registers.
    // It keeps cmpxchg16b: without it, kernels since 6.18 cannot allocate task storage, so that nobody could be marked.
    qemu.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-machine",
        "pc,usb=off,vmport=off",
    ])
    .args(["-accel", "tcg,thread=single", "-smp", "1", "-cpu", "Nehalem", "-m", "2048"])
    .args(options.counted.then_some(["-icount", "shift=0,sleep=off"]).iter().flatten())
    .arg("-kernel")
    .arg(parts.kernel.image())
    .arg("-initrd")
    .arg(&parts.initrd)
    .args(["-append", &append, "-device", "virtio-rng-pci,disable-legacy=on"])
    .arg("-serial")
    .arg(format!("file:{}", directory.join("console.log").display()))
    .args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net,romfile=,disable-legacy=on"])
    .args(["-device", "virtio-serial-pci,disable-legacy=on", "-chardev"])
    .arg(format!("socket,id=line,path={}", directory.join("line").display()))
    .args(["-device", &format!("virtserialport,chardev=line,name={}", protocol::PORT)])
    .env("TMPDIR", directory);
    let disks = [
        ("root", parts.image.root(), "snapshot=on,cache=unsafe"),
        ("modules", parts.kernel.modules(), "readonly=on"),
        ("out", parts.image.out(), "snapshot=on,cache=unsafe"),
        ("product", parts.product.clone(), "readonly=on"),
        ("run", directory.join("run.tar"), "readonly=on"),
    ];
    for (name, file, how) in disks {
        let file = file.display().to_string().replace(',', ",,");
        qemu.arg("-drive").arg(format!("if=none,id={name},format=raw,file={file},{how}"));
        qemu.arg("-device").arg(format!("virtio-blk-pci,drive={name},serial={name},disable-legacy=on"));
    }
    qemu
}

/// What this one boot adds to the product: its mode, and the files to work on.
fn pack_run(archive: &Path, options: &Options) -> Result<()> {
    let stage = tempfile::tempdir()?;
    let inbox = stage.path().join("tmp/in");
    let policy = stage.path().join("etc/sekisho/policy.d");
    fs::create_dir_all(&inbox)?;
    fs::create_dir_all(&policy)?;
    if options.gate == Gate::Audit {
        fs::write(policy.join("90-lab.toml"), "version = 1\n\n[gate]\nmode = \"audit\"\n")?;
    }
    let tar = |mode: &str, owner: u32| {
        let mut tar = Command::new("tar");
        tar.args([mode, "--format=gnu", "--numeric-owner", "--mode=u+rwX,go+rX"]);
        tar.arg(format!("--owner={owner}")).arg(format!("--group={owner}")).arg("--file").arg(archive);
        tar
    };
    process::quietly(tar("--create", 0).arg("-C").arg(stage.path()).arg("etc/sekisho/policy.d"))?;
    let mut add = tar("--append", 1001);
    add.arg("--no-recursion").arg("-C").arg(stage.path()).arg("tmp/in");
    process::quietly(&mut add)?;
    let mut names = Vec::new();
    for path in &options.copy {
        let path = fs::canonicalize(path).with_context(|| format!("--copy {}", path.display()))?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            bail!("--copy {}: it has no name", path.display());
        };
        ensure!(!names.contains(&name.to_owned()), "--copy: two things named {}", name.display());
        names.push(name.to_owned());
        // Names are put below tmp/in; symbolic links inside a directory keep their targets.
        let mut add = tar("--append", 1001);
        add.args(["--transform", "flags=rSh;s,^,tmp/in/,"]).arg("-C").arg(parent).arg("--").arg(name);
        process::quietly(&mut add)?;
    }
    Ok(())
}
