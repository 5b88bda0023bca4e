//! The signing key: an ordinary OpenSSH private key file.

use anyhow::{Context, Result, bail};
use sekisho_ledger::sshsig::SigningKey;
use sekisho_ledger::{RELEASE_NAMESPACE, note, sshsig};
use std::fs::{OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Name of the systemd credential.
const CREDENTIAL: &str = "signing.key";

/// Makes a key and prints what others need to know about it.
pub fn make(file: &Path) -> Result<()> {
    let (key, text) = SigningKey::generate("sekisho notary")?;
    let public = key.public_openssh()?;
    write(file, &text, 0o600)?;
    let beside = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    write(&beside(".pub"), &format!("{public} sekisho notary\n"), 0o644)?;
    let signers = format!("* namespaces=\"{RELEASE_NAMESPACE}\" {public}\n");
    write(&beside(".allowed_signers"), &signers, 0o644)?;
    println!("{public}");
    println!("fingerprint  {}", sshsig::fingerprint(&public)?);
    let origin = note::origin(&key.public_bytes());
    println!("ledger       {}", note::verifier_key(&origin, &key.public_bytes()));
    Ok(())
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let at = || path.display().to_string();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).with_context(at)?;
    file.set_permissions(Permissions::from_mode(mode)).with_context(at)?;
    file.write_all(text.as_bytes()).with_context(at)?;
    file.sync_all().with_context(at)
}

/// Loads the key from `given`, else from the systemd credential.
pub fn load(given: Option<&Path>) -> Result<SigningKey> {
    let credential = || Some(PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?).join(CREDENTIAL));
    let Some(path) = given.map(Path::to_owned).or_else(credential) else {
        bail!("no signing key\nhint: give --key FILE, or LoadCredential={CREDENTIAL}:FILE in the unit");
    };
    let at = || format!("signing key {}", path.display());
    let mut file = std::fs::File::open(&path).with_context(at)?;
    let mode = file.metadata().with_context(at)?.mode();
    if mode & 0o007 != 0 {
        bail!("{}: others may use it (mode {:o})\nhint: chmod 600 {}", at(), mode & 0o777, path.display());
    }
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(at)?;
    SigningKey::from_openssh(&text).with_context(at)
}
