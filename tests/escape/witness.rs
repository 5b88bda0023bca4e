//! The witness: owns the outside, sends agents to try each channel, and says what arrived.

use crate::agent::{self, Answer};
use crate::channel::{Expect, Subject};
use crate::channels;
use crate::lent;
use crate::outside::{self, Inbox, OUTSIDE, Outside};
use crate::peer::Peer;
use crate::scene::Scene;
use crate::sinks;
use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::stat::{Mode, umask};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the witness takes orders; root's alone.
const ORDERS: &str = "/run/sekisho-escape.sock";
/// Longest a canary may take to arrive where nothing stops it.
const ARRIVAL: Duration = Duration::from_secs(3);
/// Tries after which denials are fetched: the gate keeps the latest five hundred of an account.
const BATCH: usize = 40;
/// Longest the gate's daemon may take to tell what it recorded.
const RECORDS: Duration = Duration::from_secs(60);

/// What came of one channel in one phase.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    phase: String,
    channel: String,
    /// `ok`, the name of an error, or words.
    result: String,
    /// The canary is outside.
    arrived: bool,
    denials: Vec<Denial>,
    milliseconds: u64,
    #[serde(skip)]
    pid: u32,
}

/// A denial, as `sekisho why --json` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Denial {
    time: String,
    hook: String,
    reason: String,
    denied: bool,
    uid: u32,
    loginuid: u32,
    pid: u32,
    object: String,
}

/// Serves until killed.
pub(crate) fn serve() -> Result<()> {
    umask(Mode::empty());
    fs::create_dir_all(OUTSIDE)?;
    outside::open_to_all(Path::new(OUTSIDE), None)?;
    for (name, value) in [("kernel/unprivileged_bpf_disabled", "0"), ("net/ipv4/tcp_fastopen", "3")] {
        fs::write(Path::new("/proc/sys").join(name), value).with_context(|| name.to_owned())?;
    }
    let mut witness = Witness { inbox: Inbox::default(), earlier: None };
    sinks::open(&witness.inbox)?;
    let _ = fs::remove_file(ORDERS);
    let orders = UnixListener::bind(ORDERS)?;
    println!("ready");
    std::io::stdout().flush()?;
    for order in orders.incoming() {
        let mut order = order?;
        if let Err(error) = witness.obey(&mut order) {
            eprintln!("witness: {error:#}");
            let _ = writeln!(order, "{}", serde_json::json!({ "error": format!("{error:#}") }));
        }
    }
    Ok(())
}

/// Asks the witness for one phase and prints what came of it.
pub(crate) fn ask_for_phase(name: &str, only: &[String]) -> Result<()> {
    let mut stream = UnixStream::connect(ORDERS).context("the witness is not there")?;
    let words = std::iter::once(name).chain(only.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
    writeln!(stream, "{words}")?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    print!("{said}");
    ensure!(!said.contains("\n{\"error\"") && !said.starts_with("{\"error\""), "the witness failed");
    Ok(())
}

struct Witness {
    inbox: Inbox,
    /// The researcher's process from before the gate.
    earlier: Option<Agent>,
}

impl Witness {
    fn obey(&mut self, order: &mut UnixStream) -> Result<()> {
        let mut line = String::new();
        BufReader::new(order.try_clone()?).read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let phase = words.next().context("no phase")?.to_owned();
        let only: Vec<_> = words.collect();
        for outcome in self.phase(&phase, &only)? {
            writeln!(order, "{}", serde_json::to_string(&outcome)?)?;
        }
        Ok(())
    }

    fn phase(&mut self, phase: &str, only: &[&str]) -> Result<Vec<Outcome>> {
        self.inbox.clear();
        lent::renew(&self.inbox)?;
        let mut peer = Peer::start(&self.inbox)?;
        let mut agents = BTreeMap::new();
        let (mut outcomes, mut scenes) = (Vec::new(), Vec::new());
        let mut denials = Vec::new();
        let mut fetched = 0;
        let chosen: Vec<_> = channels::all()
            .filter(|e| only.is_empty() || only.contains(&e.group) || only.contains(&e.channel.name))
            .collect();
        // Logins come first: what the gate records about them is not about a channel.
        for entry in &chosen {
            let subject = entry.channel.subject;
            if subject == Subject::Earlier {
                if self.earlier.is_none() {
                    self.earlier = Some(Agent::start(subject)?);
                }
            } else if let Entry::Vacant(none) = agents.entry(subject == Subject::Root) {
                none.insert(Agent::start(subject)?);
            }
        }
        for entry in chosen {
            let channel = entry.channel;
            let scene = Scene::new(channel.name, phase)?;
            peer.renew_if_dead(&self.inbox)?;
            let outside = Outside { scene: &scene, inbox: &self.inbox, peer: &peer, result: "" };
            let prepared = outside.prepare().and_then(|()| (channel.ready)(&outside));
            let agent = match channel.subject {
                Subject::Earlier => self.earlier.as_mut(),
                subject => agents.get_mut(&(subject == Subject::Root)),
            };
            let agent = agent.context("every subject has an agent")?;
            let began = Instant::now();
            let attempted = match prepared {
                Ok(()) => agent.attempt(&outside),
                // The agent goes on with the next channel; this one counts as failed.
                Err(error) => Ok(Answer { pid: 0, result: format!("was not prepared: {error:#}") }),
            };
            let answer = match attempted {
                Ok(answer) => answer,
                Err(error) => {
                    eprintln!("witness: {}: {error:#}", channel.name);
                    *agent = Agent::start(channel.subject)?;
                    Answer { pid: agent.child.id(), result: format!("the agent was lost: {error:#}") }
                }
            };
            let outside = Outside { result: &answer.result, ..outside };
            let expected = answer.result == "ok" && matches!(channel.expect, Expect::Closed { .. });
            let mut arrived = (channel.arrived)(&outside);
            while !arrived && expected && began.elapsed() < ARRIVAL && phase != "on" {
                std::thread::sleep(Duration::from_millis(10));
                arrived = (channel.arrived)(&outside);
            }
            (channel.undo)(&outside);
            outcomes.push(Outcome {
                phase: phase.to_owned(),
                channel: channel.name.to_owned(),
                result: answer.result.clone(),
                arrived,
                denials: Vec::new(),
                milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                pid: answer.pid,
            });
            scenes.push((channel, scene));
            if phase == "on" && outcomes.len() - fetched >= BATCH {
                fetched = outcomes.len();
                fetch(&mut denials)?;
            }
        }
        if phase == "on" {
            fetch(&mut denials)?;
            assign(&mut outcomes, &denials);
            // What was slow has had its time: everything received is looked through once more.
            for (outcome, (channel, scene)) in outcomes.iter_mut().zip(&scenes) {
                let outside = Outside { scene, inbox: &self.inbox, peer: &peer, result: &outcome.result };
                let late = matches!(channel.expect, Expect::Closed { .. }) && outside.has_canary();
                outcome.arrived |= late;
            }
        }
        Ok(outcomes)
    }
}

/// Process ids only grow: what a channel and its children did lies between its id and the next channel's.
fn assign(outcomes: &mut [Outcome], denials: &[Denial]) {
    let mut end = u32::MAX;
    for outcome in outcomes.iter_mut().rev().filter(|outcome| outcome.pid != 0) {
        let end = std::mem::replace(&mut end, outcome.pid);
        outcome.denials =
            denials.iter().filter(|denial| (outcome.pid..end).contains(&denial.pid)).cloned().collect();
        outcome.denials.sort_by(|a, b| a.time.cmp(&b.time));
    }
}

/// Adds what the gate recorded about the researcher until now. A denial of our own, made last, says when all is there.
fn fetch(denials: &mut Vec<Denial>) -> Result<()> {
    #[derive(Deserialize)]
    struct Why {
        denials: Vec<Denial>,
    }
    let mark = format!("sentinel-{}", Scene::new("sentinel", "on")?.canary);
    let as_researcher = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .uid(outside::RESEARCHER)
            .gid(outside::RESEARCHER)
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .output()
            .with_context(|| program.to_owned())
    };
    let touched = as_researcher("touch", &[&format!("{OUTSIDE}/{mark}")])?;
    if touched.status.success() {
        bail!("the gate let a file be made in {OUTSIDE}: it does not enforce");
    }
    let began = Instant::now();
    loop {
        let said = as_researcher("sekisho", &["why", "--json", "--limit", "500"])?;
        // A daemon that is still starting does not answer yet.
        let why = serde_json::from_slice(&said.stdout).unwrap_or(Why { denials: Vec::new() });
        if why.denials.iter().any(|denial| denial.object.contains(&mark)) {
            for denial in why.denials {
                let known = |d: &&Denial| {
                    (d.pid, &d.hook, &d.object, &d.reason)
                        == (denial.pid, &denial.hook, &denial.object, &denial.reason)
                };
                if !denials.iter().any(|d| known(&d)) {
                    denials.push(denial);
                }
            }
            return Ok(());
        }
        ensure!(began.elapsed() < RECORDS, "the gate's daemon did not record a denial in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A confined process that tries what it is told.
struct Agent {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Agent {
    /// A login session of the researcher's, or `sudo` in one.
    fn start(subject: Subject) -> Result<Self> {
        let program = std::env::current_exe()?;
        let sudo = if subject == Subject::Root { "sudo -n " } else { "" };
        let script = format!("cd /tmp && exec {sudo}{} agent", program.display());
        let copies = lent::copies()?;
        let mut command = Command::new("su");
        command
            .args(["--login", "researcher", "--command", &script])
            .current_dir("/")
            .env_clear()
            .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // SAFETY: dup2 is async-signal-safe, and nothing else happens between fork and exec.
        unsafe {
            command.pre_exec(move || lent::install(&copies));
        }
        let mut child = command.spawn().context("su")?;
        let input = child.stdin.take().context("su has an input")?;
        let mut output = BufReader::new(child.stdout.take().context("su has an output")?);
        let mut hello = String::new();
        output.read_line(&mut hello)?;
        ensure!(hello.trim() == agent::HELLO, "an agent began with {hello:?}");
        Ok(Self { child, input, output })
    }

    fn attempt(&mut self, outside: &Outside<'_>) -> Result<Answer> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Line {
            Ask { ask: String, about: String },
            Answer(Answer),
        }
        writeln!(self.input, "{}", serde_json::to_string(outside.scene)?)?;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                bail!("it ended with {:?}", self.child.wait()?);
            }
            match serde_json::from_str(&line).with_context(|| line.clone())? {
                Line::Answer(answer) => return Ok(answer),
                Line::Ask { ask, about } => {
                    let reply = outside.asked(&ask, &about).unwrap_or_else(|error| {
                        eprintln!("witness: {}: {ask}: {error:#}", outside.scene.channel);
                        "failed".into()
                    });
                    writeln!(self.input, "{reply}")?;
                }
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
