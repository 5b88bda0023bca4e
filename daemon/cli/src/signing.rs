//! The officer's signature, made by the stock `ssh-keygen`: key file, agent and security key all work, and no key
//! ever enters this process.

use crate::commands::Failure;
use crate::language::Language;
use sekisho_ledger::{DECISION_NAMESPACE, sshsig};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Signs `statement` with `key`, or with whatever holds the private half of `public` (an OpenSSH public key line).
///
/// # Errors
/// 1 when no signature by exactly that key came out.
pub fn sign(statement: &str, public: &str, key: Option<&Path>) -> Result<String, Failure> {
    let language = Language::of_caller();
    let failed = |what: String| {
        let hint = language.pick(
            "the key must be the one the policy names for you; give it with -i, or add it to ssh-agent",
            "ポリシーに登録した鍵が必要です。-i で指定するか、ssh-agent に追加してください",
        );
        Failure::new(1, what, hint)
    };
    // With only the public half in a file, ssh-keygen turns to the agent.
    let mut public_file = None;
    let key = match key.map(Path::to_owned).or_else(|| find(public)) {
        Some(key) => key,
        None => public_file
            .insert(PublicFile::write(public).map_err(|e| failed(format!("temporary key file: {e}")))?)
            .0
            .clone(),
    };
    let mut child = Command::new("ssh-keygen")
        .args(["-Y", "sign", "-n", DECISION_NAMESPACE, "-f"])
        .arg(&key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("ssh-keygen: {e}")))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(statement.as_bytes()).map_err(|e| failed(format!("ssh-keygen: {e}")))?;
    }
    let output = child.wait_with_output().map_err(|e| failed(format!("ssh-keygen: {e}")))?;
    drop(public_file);
    if !output.status.success() {
        let what = language.pick("ssh-keygen made no signature", "ssh-keygen が署名を作れませんでした");
        return Err(failed(format!("{what} ({})", output.status)));
    }
    let signature = String::from_utf8(output.stdout).map_err(|e| failed(format!("ssh-keygen: {e}")))?;
    // Tell here and now, not after it has travelled.
    sshsig::verify(public, DECISION_NAMESPACE, statement.as_bytes(), &signature)
        .map_err(|e| failed(e.to_string()))?;
    Ok(signature)
}

/// The private key beside a `~/.ssh/*.pub` that is this public key.
fn find(public: &str) -> Option<PathBuf> {
    let wanted = sshsig::without_comment(public).ok()?;
    let home = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|u| u.dir);
    let homes = std::env::var_os("HOME").map(PathBuf::from).into_iter().chain(home);
    for home in homes {
        let Ok(entries) = std::fs::read_dir(home.join(".ssh")) else { continue };
        for path in entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "pub"))
        {
            let line = std::fs::read_to_string(&path).unwrap_or_default();
            let same = sshsig::without_comment(line.trim()).is_ok_and(|l| l == wanted);
            let private = path.with_extension("");
            if same && private.exists() {
                return Some(private);
            }
        }
    }
    None
}

/// The public key in a private directory, gone when dropped.
struct PublicFile(PathBuf);

impl PublicFile {
    fn write(public: &str) -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let nanos = jiff::Timestamp::now().as_nanosecond();
        let dir = std::env::temp_dir().join(format!("sekisho-{}-{nanos}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
        let path = dir.join("officer.pub");
        std::fs::write(&path, format!("{}\n", public.trim()))?;
        Ok(Self(path))
    }
}

impl Drop for PublicFile {
    fn drop(&mut self) {
        if let Some(dir) = self.0.parent() {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}
