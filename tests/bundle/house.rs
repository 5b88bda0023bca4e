//! A house with a real notary process in it, in a temporary directory, without root: the test plays the airlock.

use jiff::{Timestamp, Zoned};
use sekisho_ledger::DECISION_NAMESPACE;
use sekisho_ledger::sshsig::SigningKey;
use sekisho_ledger::statement::{Decision, File, Statement};
use sekisho_policy::{FileReport, Finding, RequestReport, Verdict};
use sekisho_wire::notary::{Answer, Ask, Held};
use sekisho_wire::{config, descriptor, digest, frame};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The notary, built once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built =
            Command::new(env!("CARGO")).args(["build", "-q", "-p", "sekisho-notary"]).status().unwrap();
        assert!(built.success(), "the notary must build");
        let exe = std::env::current_exe().unwrap();
        // target/<profile>/deps/bundle-… → target/debug/sekisho-notary
        exe.ancestors().nth(3).unwrap().join("debug/sekisho-notary")
    })
}

/// The account this test runs as: it owns the spool files, so it is the requester.
pub fn me() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name
}

type Officer = (&'static str, &'static str, &'static str, i64, i64, Option<i64>);

/// Officers by id: (account, institution, first day, last day, revoked on), relative to today. Accounts every Debian has.
const OFFICERS: [Officer; 7] = [
    ("sato", "daemon", "hospital-a", -10, 10, None),
    ("suzuki", "bin", "hospital-b", -10, 10, None),
    ("expired", "sys", "hospital-a", -10, -1, None),
    ("future", "games", "hospital-a", 1, 10, None),
    ("revoked", "man", "hospital-a", -10, 10, Some(0)),
    ("lastday", "lp", "hospital-a", -10, 0, None),
    ("own", "", "hospital-a", -10, 10, None),
];

/// Custody needs no virtual machine: this node has no gate.
const NO_GATE: &str = "[gate]\nrelease_needs = \"nothing\"\n[[deviation]]\nkey = \"gate.release_needs\"\nallowed_by = \"test\"\non = 2026-01-01\nreason = \"no gate here\"\n";

/// A directory with spool, state, release and policy, and the notary that serves it.
pub struct House {
    dir: tempfile::TempDir,
    pub officers: BTreeMap<String, SigningKey>,
    process: Option<Child>,
    pub peer: u32,
    /// Largest file the notary can write, in blocks of 512 bytes.
    pub blocks: Option<u32>,
    /// Runs the notary as `nobody` with the unit's two capabilities; needs root.
    pub confined: bool,
    /// Is there a gate to wait for? Then its heartbeat is `heartbeat`.
    pub gated: bool,
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
    }
}

impl House {
    /// A house whose notary runs.
    pub fn new() -> Self {
        let mut house = Self::without_notary();
        house.start();
        house
    }

    /// A house before its notary is started.
    pub fn without_notary() -> Self {
        // Memory where there is some: the tests are about order and content, and many fsyncs are slow on a disk.
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut officers = BTreeMap::new();
        for (id, ..) in OFFICERS {
            officers.insert(id.to_owned(), SigningKey::generate(id).unwrap().0);
        }
        let house = Self {
            dir,
            officers,
            process: None,
            blocks: None,
            confined: false,
            gated: false,
            peer: nix::unistd::getuid().as_raw(),
        };
        for sub in ["spool/demo", "release", "state", "gate"] {
            fs::create_dir_all(house.path(sub)).unwrap();
        }
        house.write_policy("");
        let made =
            Command::new(program()).arg("keygen").arg(house.path("key")).stdout(Stdio::null()).status();
        assert!(made.unwrap().success());
        house
    }

    /// A path in the house.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the policy with `more` at its end.
    pub fn write_policy(&self, more: &str) {
        let today = Zoned::now().date();
        let day = |offset: i64| today.saturating_add(jiff::Span::new().days(offset));
        let mut text = format!(
            "version = 1\n[site]\nname = \"test-node\"\n\
             [[institution]]\nid = \"hospital-a\"\nname = \"Hospital A\"\n\
             [[institution]]\nid = \"hospital-b\"\nname = \"Hospital B\"\n\
             [[project]]\nid = \"demo\"\ntitle = \"Demo\"\ninstitution = \"hospital-a\"\nfrom = {}\nuntil = {}\nmembers = [\"{}\"]\n\
             [[project]]\nid = \"other\"\ntitle = \"Other\"\ninstitution = \"hospital-b\"\nfrom = {}\nuntil = {}\nmembers = [\"{}\"]\n",
            day(-10),
            day(10),
            me(),
            day(-10),
            day(10),
            me()
        );
        for (id, user, institution, from, until, revoked) in OFFICERS {
            let user = if user.is_empty() { me() } else { user.into() };
            let key = self.officers[id].public_openssh().unwrap();
            let revoked = revoked.map(|d| format!("revoked_on = {}\n", day(d))).unwrap_or_default();
            text.push_str(&format!(
                "[[officer]]\nid = \"{id}\"\nname = \"{id}\"\ninstitution = \"{institution}\"\nuser = \"{user}\"\n\
                 certified_on = {}\nvalid_until = {}\n{revoked}key = \"{key}\"\n",
                day(from),
                day(until)
            ));
        }
        if !self.gated {
            text.push_str(NO_GATE);
        }
        fs::write(self.path("policy.toml"), text + more).unwrap();
    }

    fn command(&self) -> Command {
        // As little of the disk as the test says: writes beyond fail, as on a full one.
        let mut command = Command::new(if self.confined { "setpriv" } else { "sh" });
        if self.confined {
            let two = "-all,+dac_read_search,+lease";
            let caps = ["--inh-caps", "--ambient-caps", "--bounding-set"].map(|flag| format!("{flag}={two}"));
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).args(caps).arg("sh");
        }
        let limit = self.blocks.map(|n| format!("trap '' XFSZ; ulimit -f {n}; ")).unwrap_or_default();
        command.arg("-c").arg(format!("{limit}exec \"$0\" \"$@\"")).arg(program());
        for (flag, name) in [
            ("--socket", "socket"),
            ("--state", "state"),
            ("--release", "release"),
            ("--spool", "spool"),
            ("--policy", "policy.toml"),
            ("--policy-dir", "policy.d"),
            ("--key", "key"),
            ("--heartbeat", "gate/heartbeat"),
        ] {
            command.arg(flag).arg(self.path(name));
        }
        command.arg("--peer-uid").arg(self.peer.to_string());
        command.arg("--gate-uid").arg(nix::unistd::getuid().as_raw().to_string());
        command
    }

    /// Starts the notary and waits until it answers.
    pub fn start(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        let child = self.command().stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.process = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(self.path("socket")).is_err() || !self.log().contains("serving") {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "the notary does not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Runs the notary where it must not start; gives what it said.
    pub fn refuses_to_start(&self) -> String {
        let out = self.command().output().unwrap();
        assert!(!out.status.success());
        String::from_utf8_lossy(&out.stderr).into_owned()
    }

    /// What the notary logged since it was last started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_file(self.path("log"));
        let _ = fs::remove_file(self.path("socket"));
    }

    /// The notary's process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// SIGKILL and a new start.
    pub fn restart(&mut self) {
        self.kill();
        self.start();
    }

    /// Asks; `None` when the notary went away before answering.
    pub fn try_ask(&self, ask: &Ask) -> Option<Answer> {
        let mut stream = UnixStream::connect(self.path("socket")).ok()?;
        frame::write(&mut stream, ask).ok()?;
        frame::read(&mut stream).ok()
    }

    /// Asks.
    pub fn ask(&self, ask: &Ask) -> Answer {
        self.try_ask(ask).unwrap_or_else(|| panic!("no answer: {}", self.log()))
    }

    /// Bytes of a held copy, through the passed descriptor.
    pub fn held_bytes(&self, sha256: &str) -> Vec<u8> {
        let mut stream = UnixStream::connect(self.path("socket")).unwrap();
        frame::write(&mut stream, &Ask::OpenHeld { sha256: sha256.into() }).unwrap();
        let answer: Answer = frame::read(&mut stream).unwrap();
        assert!(matches!(answer, Answer::Descriptor), "{answer:?}");
        let mut bytes = Vec::new();
        fs::File::from(descriptor::receive(&stream).unwrap()).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Takes a file below `spool/demo` into custody.
    pub fn take(&self, request: &str, name: &str) -> Answer {
        self.ask(&Ask::TakeCustody { request: request.into(), project: "demo".into(), name: name.into() })
    }

    /// Puts these files into the spool and into custody.
    pub fn custody(&self, request: &str, files: &[(&str, &[u8])]) -> Vec<Held> {
        let drop = self.path("spool/demo").join(request);
        fs::create_dir_all(&drop).unwrap();
        let take = |(name, bytes): &(&str, &[u8])| {
            fs::write(drop.join(name), bytes).unwrap();
            match self.take(request, &format!("{request}/{name}")) {
                Answer::Custody(held) => held,
                other => panic!("{other:?}"),
            }
        };
        files.iter().map(take).collect()
    }

    /// A request in custody and inspected with this verdict.
    pub fn inspected(&self, request: &str, verdict: Verdict) -> RequestReport {
        let content = format!("count\t120\t{request}\n");
        let report = report(&self.custody(request, &[("table.tsv", content.as_bytes())]), verdict);
        let answer = self.ask(&Ask::RecordInspection { request: request.into(), report: report.clone() });
        assert!(matches!(answer, Answer::Recorded { .. }), "{answer:?}");
        report
    }

    /// The statement an honest airlock would compose.
    pub fn statement(&self, request: &str, report: &RequestReport, officer: &str) -> Statement {
        let loaded = config::load(&self.path("policy.toml"), &self.path("policy.d")).unwrap();
        let files = report.files.iter();
        Statement {
            decision: Decision::Approve,
            site: "test-node".into(),
            request: request.into(),
            project: "demo".into(),
            institution: "hospital-a".into(),
            officer: officer.into(),
            requester: me(),
            policy_sha256: loaded.sha256,
            report_sha256: digest::of_report(report).unwrap(),
            verdict: report.verdict.as_str().into(),
            time: Timestamp::from_second(Timestamp::now().as_second()).unwrap(),
            files: files
                .map(|f| File { name: f.path.clone(), sha256: f.sha256.clone(), bytes: f.bytes })
                .collect(),
            clauses: vec!["5-4(2)(i)".into()],
            reason: "counts are large".into(),
        }
    }

    /// An `Ask::Decide` signed by this officer in the right namespace.
    pub fn signed(&self, statement: &Statement, officer: &str) -> Ask {
        self.signed_for(statement, officer, DECISION_NAMESPACE)
    }

    /// The same in any namespace.
    pub fn signed_for(&self, statement: &Statement, officer: &str, namespace: &str) -> Ask {
        let text = statement.compose().unwrap();
        let signature = self.officers[officer].sign(namespace, text.as_bytes()).unwrap();
        Ask::Decide { request: statement.request.clone(), statement: text, signature }
    }

    /// Every bag directory, visible or not.
    pub fn bags(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for project in fs::read_dir(self.path("release")).unwrap() {
            for bag in fs::read_dir(project.unwrap().path()).unwrap() {
                found.push(bag.unwrap().path());
            }
        }
        found.sort();
        found
    }

    /// Every entry of the ledger. Stops the notary for it, which holds the lock, and checks the whole log on the way.
    pub fn ledger(&mut self) -> Vec<serde_json::Value> {
        self.kill();
        let key = SigningKey::from_openssh(&fs::read_to_string(self.path("key")).unwrap()).unwrap();
        let origin = sekisho_ledger::note::origin(&key.public_bytes());
        let mut entries = Vec::new();
        let log = sekisho_ledger::log::Log::open(&self.path("state/ledger"), &origin, &key, |_, bytes| {
            entries.push(serde_json::from_slice(bytes).unwrap());
        });
        drop(log.unwrap());
        self.start();
        entries
    }

    /// The node's public key.
    pub fn public(&self) -> String {
        fs::read_to_string(self.path("key.pub")).unwrap()
    }
}

/// Kinds of the entries about a request, in order.
pub fn kinds(entries: &[serde_json::Value], request: &str) -> Vec<String> {
    let about = entries.iter().filter(|e| e["request"] == request);
    about.map(|e| e["kind"].as_str().unwrap().to_owned()).collect()
}

/// A report over these files with one finding of this verdict each.
pub fn report(held: &[Held], verdict: Verdict) -> RequestReport {
    let file = |h: &Held| FileReport {
        path: h.name.clone(),
        sha256: h.sha256.clone(),
        bytes: h.bytes,
        kind: "count_table".into(),
        verdict,
        coverage: "whole file: 1 line".into(),
        coverage_ja: "全体: 1 行".into(),
        findings: vec![Finding {
            rule: "small_counts".into(),
            clause: "5-4(2)(i)".into(),
            verdict,
            place: "line 1".into(),
            value: "120".into(),
            limit: "10".into(),
            message: "a count".into(),
            hint: String::new(),
            message_ja: "件数".into(),
            hint_ja: String::new(),
        }],
    };
    RequestReport::of(held.iter().map(file).collect())
}
