//! A node on a temporary directory: the real daemons, the real command line, real accounts, nothing installed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Accounts every Debian has. The researcher is a member of `demo`; `DUAL` is member and officer at once.
pub const RESEARCHER: &str = "nobody";
pub const OFFICER: &str = "daemon";
pub const DUAL: &str = "bin";
pub const ELSEWHERE: &str = "games";
pub const STRANGER: &str = "man";
/// The airlock's own account: no capability, no group of the project.
const AIRLOCK: &str = "backup";

const OFFICERS: [(&str, &str, &str); 3] =
    [(OFFICER, "sato", "hospital-a"), (DUAL, "mori", "hospital-a"), (ELSEWHERE, "kato", "hospital-b")];

/// The programs of this build, where every account can run them.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<tempfile::TempDir> = OnceLock::new();
    PROGRAMS
        .get_or_init(|| {
            assert!(nix::unistd::geteuid().is_root(), "acting as several accounts needs root");
            let exe = std::env::current_exe().unwrap();
            let profile = exe.ancestors().nth(2).unwrap();
            let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
            build.args(["build", "--quiet", "--bins"]);
            for package in ["sekisho", "sekisho-airlock", "sekisho-inspect", "sekisho-notary"] {
                build.args(["-p", package]);
            }
            if profile.ends_with("release") {
                build.arg("--release");
            }
            let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
            assert!(built.success(), "the programs must build");
            let dir = tempfile::tempdir().unwrap();
            open_to_all(dir.path());
            for name in ["sekisho", "sekisho-airlock", "sekisho-inspect", "sekisho-notary"] {
                fs::copy(profile.join(name), dir.path().join(name)).unwrap();
            }
            dir
        })
        .path()
}

fn account(name: &str) -> nix::unistd::User {
    nix::unistd::User::from_name(name).unwrap().unwrap()
}

/// A command that becomes this account, with none of our rights.
pub fn acting_as(name: &str) -> Command {
    let user = account(name);
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        &user.uid.to_string(),
        "--regid",
        &user.gid.to_string(),
        "--clear-groups",
        "--",
    ]);
    command
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A node. Everything ends with it.
pub struct Node {
    dir: tempfile::TempDir,
    airlock: Option<Child>,
    notary: Option<Child>,
    pub airlock_flags: Vec<String>,
    /// Started per file by the airlock itself; `None`: by whoever listens at the inspectors' socket, as installed.
    pub inspector: Option<PathBuf>,
}

impl Node {
    /// Starts one with the usual policy.
    pub fn start() -> Self {
        let mut node = Self::prepare();
        node.start_notary();
        node.start_airlock();
        node
    }

    /// Everything but the daemons.
    pub fn prepare() -> Self {
        let dir = tempfile::tempdir().unwrap();
        open_to_all(dir.path());
        let node = Self {
            dir,
            airlock: None,
            notary: None,
            airlock_flags: Vec::new(),
            inspector: Some(programs().join("sekisho-inspect")),
        };
        for name in ["run", "state", "notary", "release", "spool", "spool/demo", "policy.d", "keys", "home"] {
            fs::create_dir(node.path(name)).unwrap();
            open_to_all(&node.path(name));
        }
        // The project's members come and go here; only owners (and the airlock, which owns the directory) remove.
        let airlock = account(AIRLOCK);
        for name in ["run", "state", "spool/demo"] {
            nix::unistd::chown(&node.path(name), Some(airlock.uid), Some(airlock.gid)).unwrap();
        }
        fs::set_permissions(node.path("spool/demo"), fs::Permissions::from_mode(0o3777)).unwrap();
        fs::set_permissions(node.path("home"), fs::Permissions::from_mode(0o1777)).unwrap();
        for (name, id, _) in OFFICERS {
            let key = node.path("keys").join(id);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", id, "-f"])
                .arg(&key)
                .status()
                .unwrap();
            assert!(made.success());
            let user = account(name);
            nix::unistd::chown(&key, Some(user.uid), Some(user.gid)).unwrap();
        }
        let key = node.path("keys/signing.key");
        let made = Command::new(programs().join("sekisho-notary")).arg("keygen").arg(key).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        fs::write(node.path("policy.toml"), node.policy()).unwrap();
        node
    }

    /// The policy document.
    pub fn policy(&self) -> String {
        let mut text = format!(
            "version = 1\n[site]\nname = \"test-node\"\n\
             [[institution]]\nid = \"hospital-a\"\nname = \"Hospital A\"\n\
             [[institution]]\nid = \"hospital-b\"\nname = \"Hospital B\"\n\
             [[project]]\nid = \"demo\"\ntitle = \"Demo\"\ninstitution = \"hospital-a\"\n\
             from = 2020-01-01\nuntil = 2099-12-31\nmembers = [\"{RESEARCHER}\", \"{DUAL}\"]\n\
             [gate]\nrelease_needs = \"nothing\"\n[[deviation]]\nkey = \"gate.release_needs\"\nallowed_by = \"test\"\non = 2026-01-01\nreason = \"no gate here\"\n"
        );
        for (account, id, institution) in OFFICERS {
            let key = fs::read_to_string(self.path("keys").join(format!("{id}.pub"))).unwrap();
            text += &format!(
                "[[officer]]\nid = \"{id}\"\nname = \"{id}\"\ninstitution = \"{institution}\"\nuser = \"{account}\"\n\
                 certified_on = 2020-01-01\nvalid_until = 2099-12-31\nkey = \"{}\"\n",
                key.trim()
            );
        }
        text
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn spool(&self, name: &str) -> PathBuf {
        self.path("spool/demo").join(name)
    }

    pub fn key(&self, id: &str) -> String {
        self.path("keys").join(id).display().to_string()
    }

    pub fn start_notary(&mut self) {
        let mut command = Command::new(programs().join("sekisho-notary"));
        command
            .arg("--policy")
            .arg(self.path("policy.toml"))
            .arg("--policy-dir")
            .arg(self.path("policy.d"))
            .arg("--socket")
            .arg(self.path("run/notary.sock"))
            .arg("--spool")
            .arg(self.path("spool"))
            .arg("--state")
            .arg(self.path("notary"))
            .arg("--release")
            .arg(self.path("release"))
            .arg("--key")
            .arg(self.path("keys/signing.key"))
            .args(["--peer-user", AIRLOCK]);
        self.notary = Some(self.spawn(command, "notary.sock"));
    }

    pub fn start_airlock(&mut self) {
        let mut command = acting_as(AIRLOCK);
        command
            .arg(programs().join("sekisho-airlock"))
            .arg("--policy")
            .arg(self.path("policy.toml"))
            .arg("--policy-dir")
            .arg(self.path("policy.d"))
            .arg("--socket")
            .arg(self.path("run/airlock.sock"))
            .arg("--notary-socket")
            .arg(self.path("run/notary.sock"))
            .arg("--inspect-socket")
            .arg(self.path("run/inspect.sock"))
            .arg("--spool")
            .arg(self.path("spool"))
            .arg("--state")
            .arg(self.path("state"))
            .args([
                "--rescan",
                "0.3",
                "--quiet-file",
                "0.2",
                "--quiet-directory",
                "0.5",
                "--quiet-empty",
                "1",
            ])
            .args(&self.airlock_flags);
        if let Some(program) = &self.inspector {
            command.arg("--inspect-program").arg(program);
        }
        self.airlock = Some(self.spawn(command, "airlock.sock"));
    }

    /// Stands in for systemd: one inspector per connection, the connection as its descriptor 0.
    pub fn serve_inspectors(&self) {
        let socket = self.path("run/inspect.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let stdin = Stdio::from(std::os::fd::OwnedFd::from(stream));
                let child = acting_as(STRANGER).arg(programs().join("sekisho-inspect")).stdin(stdin).spawn();
                std::thread::spawn(move || child.unwrap().wait());
            }
        });
    }

    fn spawn(&self, mut command: Command, socket: &str) -> Child {
        let socket = self.path("run").join(socket);
        let _ = fs::remove_file(&socket);
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let child = command.stderr(log).stdout(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
        self.until("the daemon's socket", || socket.exists());
        child
    }

    /// SIGKILL, as a power cut for one process.
    pub fn kill_airlock(&mut self) {
        kill(self.airlock.take());
    }

    pub fn kill_notary(&mut self) {
        kill(self.notary.take());
    }

    /// SIGKILL without waiting for it to be gone.
    pub fn stop_notary(&self) {
        self.signal(self.notary.as_ref(), nix::sys::signal::Signal::SIGKILL);
        let socket = self.path("run/notary.sock");
        self.until("the notary to be gone", || std::os::unix::net::UnixStream::connect(&socket).is_err());
    }

    fn signal(&self, child: Option<&Child>, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.unwrap().id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    pub fn hang_up_airlock(&self) {
        self.signal(self.airlock.as_ref(), nix::sys::signal::Signal::SIGHUP);
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Runs a program as an account.
    pub fn run_as(&self, account: &str, program: &str, args: &[&str]) -> Output {
        self.run_with(account, program, args, &[])
    }

    fn run_with(&self, account: &str, program: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
        acting_as(account)
            .arg(program)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin")
            .env("HOME", "/nonexistent")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs `sekisho` as an account: exit code, standard output, standard error.
    pub fn sekisho(&self, account: &str, args: &[&str]) -> (i32, String, String) {
        self.sekisho_with(account, args, &[])
    }

    /// The same with more of an environment.
    pub fn sekisho_with(&self, account: &str, args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
        let socket = self.path("run/airlock.sock").display().to_string();
        let args: Vec<&str> = args.iter().copied().chain(["--socket", &socket]).collect();
        let program = programs().join("sekisho").display().to_string();
        let output = self.run_with(account, &program, &args, env);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// `sekisho --json …`, as a document.
    pub fn json(&self, account: &str, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = ["--json"].iter().chain(args).copied().collect();
        let (_, out, err) = self.sekisho(account, &args);
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}\n{}", self.log()))
    }

    /// A plain drop, as `cp` by that account does it.
    pub fn drop_file(&self, account: &str, name: &str, content: &str) {
        let source = self.path("home").join(format!("{name}.{account}"));
        fs::write(&source, content).unwrap();
        open_to_all(&source);
        let output = self.run_as(
            account,
            "cp",
            &[&source.display().to_string(), &self.spool(name).display().to_string()],
        );
        assert!(output.status.success(), "{output:?}");
    }

    /// Runs a shell line as an account, in the project's spool directory.
    pub fn shell(&self, account: &str, line: &str) {
        let line = format!("cd {} && {line}", self.path("spool/demo").display());
        let output = self.run_as(account, "sh", &["-c", &line]);
        assert!(output.status.success(), "{line}: {output:?}");
    }

    /// Everything the account can see, finished ones included.
    pub fn requests(&self, account: &str) -> Vec<serde_json::Value> {
        let list = self.json(account, &["status", "--all"]);
        list["requests"].as_array().unwrap_or_else(|| panic!("{list}")).clone()
    }

    /// The request that came from this spool entry.
    pub fn request_of(&self, account: &str, entry: &str) -> Option<serde_json::Value> {
        self.requests(account).into_iter().rfind(|r| r["entry"] == entry)
    }

    /// Waits until the entry's request is in a state; gives its id.
    pub fn await_state(&self, account: &str, entry: &str, state: &str) -> String {
        self.until(&format!("{entry} to be {state}"), || {
            self.request_of(account, entry).is_some_and(|r| r["state"] == state)
        });
        self.request_of(account, entry).unwrap()["request"].as_str().unwrap().to_owned()
    }

    /// Waits.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !holds() {
            if Instant::now() > end {
                let spool = self.run_as("root", "ls", &["-lAR", &self.path("spool").display().to_string()]);
                panic!("waited in vain for {what}\n{}{}", String::from_utf8_lossy(&spool.stdout), self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Names in the project's spool directory.
    pub fn spooled(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path("spool/demo"))
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn kill(child: Option<Child>) {
    if let Some(mut child) = child {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        kill(self.airlock.take());
        kill(self.notary.take());
    }
}

/// Allele frequencies of 50 sites in 400 people: nothing stands against it.
pub fn harmless() -> String {
    let mut text = String::from(" CHR            SNP   A1   A2          MAF  NCHROBS\n");
    for i in 0..50 {
        let count = 60 + i * 6;
        text += &format!("   1   rs{}    A    G   {:.6}     800\n", 1000 + i, f64::from(count) / 800.0);
    }
    text
}

/// The same with one allele that only three people carry.
pub fn harmful() -> String {
    harmless() + "   1   rs9999    A    G   0.003750     800\n"
}
