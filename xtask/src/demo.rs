//! `cargo xtask demo`: the main job, end to end, in a real kernel, on real public data.
//!
//! Nothing is replayed: every line shown is what the command printed in the virtual machine just now. A step that does
//! not do what the story claims is named in the summary and fails the demo.

use crate::image::Sort;
use crate::lab::{Gate, Lab, Options, Parts};
use crate::narrator::{Expect, Narrator};
use crate::process;
use crate::protocol::Who::{Officer, Researcher, Root};
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const DATA: &str = "/srv/data/1000genomes-eur/EUR_subset";

/// Where the demo leaves what it printed.
pub(crate) fn transcript() -> PathBuf {
    process::workspace().join("target/demo/transcript.txt")
}

/// Plays the story; an error when any part of it did not hold.
pub(crate) fn play(kernel: &str) -> Result<()> {
    let parts = Parts::prepare(kernel, Sort::Base)?;
    let options = Options { gate: Gate::On, copy: Vec::new(), ssh_port: None, counted: false };
    let mut lab = process::step(&format!("boot Debian 12, kernel {kernel}"), || Lab::boot(&parts, &options))?;
    process::step("start the gate and the daemons", || lab.start_gate())?;
    let mut tell = Narrator::new(&transcript())?;
    node(&mut tell, &mut lab)?;
    analysis(&mut tell, &mut lab)?;
    escapes(&mut tell, &mut lab)?;
    genotypes(&mut tell, &mut lab)?;
    let request = frequencies(&mut tell, &mut lab)?;
    if let Some(request) = &request {
        decision(&mut tell, &mut lab, request)?;
        verification(&mut tell, &mut lab, request)?;
    }
    daemon_killed(&mut tell, &mut lab)?;
    if !tell.summary()? || request.is_none() {
        bail!("the story did not hold; everything it printed is in {}", transcript().display());
    }
    Ok(())
}

fn node(tell: &mut Narrator, lab: &mut Lab) -> Result<()> {
    tell.chapter("The node: Debian 12, its own kernel, Sekisho's systemd units")?;
    let units = "uname -r; systemctl --no-pager --plain --no-legend list-units 'sekisho-*.service' 'sekisho-*.socket' \
                 | grep -v lab";
    let up = Expect::Says(0, &["sekisho-gate.service", "sekisho-airlock.service", "sekisho-notary.service"]);
    tell.run(lab, Root, "the product runs under systemd", units, &up)?;
    tell.run(lab, Researcher, "doctor finds nothing missing", "sekisho doctor", &Expect::Success)?;
    Ok(())
}

fn analysis(tell: &mut Narrator, lab: &mut Lab) -> Result<()> {
    tell.chapter("The work: a researcher counts alleles in 379 people of the 1000 Genomes")?;
    let freq = format!(
        "plink1.9 --bfile {DATA} --freq --out freq > /dev/null && tail -n 5 freq.log && head -n 4 freq.frq"
    );
    tell.run(
        lab,
        Researcher,
        "an ordinary analysis runs undisturbed",
        &freq,
        &Expect::Says(0, &["NCHROBS"]),
    )?;
    let stats = format!(
        "plink1.9 --bfile {DATA} --chr 22 --recode vcf-iid bgz --out chr22 > /dev/null && \
         bcftools stats chr22.vcf.gz | grep -E 'samples|records:'"
    );
    tell.run(
        lab,
        Researcher,
        "another tool reads what the first wrote",
        &stats,
        &Expect::Says(0, &["number of records"]),
    )?;
    Ok(())
}

fn escapes(tell: &mut Narrator, lab: &mut Lab) -> Result<()> {
    tell.chapter("The attempts: every way out that is not the spool")?;
    let scp = format!("scp -o BatchMode=yes -o ConnectTimeout=5 {DATA}.bed 10.0.2.2:/tmp/");
    tell.attempt(lab, "scp is denied", &scp)?;
    let curl = "curl -v --silent --show-error --max-time 5 --upload-file freq.frq http://10.0.2.2/";
    tell.attempt(lab, "curl is denied", curl)?;
    tell.attempt(lab, "copying to another file system is denied", &format!("cp {DATA}.bed /mnt/out/"))?;
    let raw = "sudo python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'";
    tell.attempt(lab, "a raw socket is denied, even to sudo", raw)?;
    tell.attempt(lab, "a write outside the workspace is denied", "echo hello > /home/outside/note")?;
    tell.attempt(lab, "a symbolic link changes nothing", "ln -s /home/outside here && cp freq.frq here/")?;
    let nothing = "! find /home/outside /mnt/out -type f | grep .";
    tell.run(lab, Root, "nothing got out", nothing, &Expect::Success)?;
    Ok(())
}

fn genotypes(tell: &mut Narrator, lab: &mut Lab) -> Result<()> {
    tell.chapter("The spool: the genotypes themselves")?;
    let submit =
        "sekisho submit --wait --purpose 'genotypes for a colleague' --recipient 'a colleague' chr22.vcf.gz";
    let blocked = Expect::Says(1, &["5-4(1)(i)", "block"]);
    tell.run(
        lab,
        Researcher,
        "per-person genotypes are blocked, clause and numbers named",
        submit,
        &blocked,
    )?;
    Ok(())
}

/// Returns the id of the request that was held.
fn frequencies(tell: &mut Narrator, lab: &mut Lab) -> Result<Option<String>> {
    tell.chapter("The spool: the frequency table")?;
    let submit =
        "sekisho submit --wait --purpose 'allele frequencies, figure 2' --recipient 'journal' freq.frq";
    let blocked = Expect::Says(1, &["5-4(2)(ii)", "block"]);
    tell.run(lab, Researcher, "small counts are blocked", submit, &blocked)?;
    tell.say("The check offers a copy without the rows that identify people.")?;
    let fix = Expect::Says(1, &["filtered copy"]);
    tell.run(lab, Researcher, "a filtered copy is offered", "sekisho check --fix fixed freq.frq", &fix)?;
    let again =
        "sekisho submit --wait --purpose 'allele frequencies, figure 2' --recipient 'journal' fixed/freq.frq";
    let held = Expect::Says(0, &["held"]);
    let heard = tell.run(lab, Researcher, "the filtered copy is held for the officer", again, &held)?;
    let id =
        |word: &str| word.strip_prefix("R-").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let mut words = heard.text.split(|c: char| c.is_whitespace() || c == ':');
    Ok(words.find(|word| id(word)).map(str::to_owned))
}

fn decision(tell: &mut Narrator, lab: &mut Lab, request: &str) -> Result<()> {
    tell.chapter("The officer: evidence, then a signature with their own SSH key")?;
    tell.run(lab, Officer, "the officer sees the queue", "sekisho review", &Expect::Says(0, &[request]))?;
    let evidence = format!("sekisho review {request}");
    tell.run(lab, Officer, "the officer reads the evidence", &evidence, &Expect::Success)?;
    let approve = format!(
        "sekisho approve --yes --key ~/.ssh/id_ed25519 --reason 'counts checked, within the plan' {request}"
    );
    tell.run(lab, Officer, "the officer approves and signs", &approve, &Expect::Success)?;
    let bag = format!("cd /var/lib/sekisho-release/demo/{request} && find . -type f | sort");
    tell.run(
        lab,
        Researcher,
        "the bag appears",
        &bag,
        &Expect::Says(0, &["manifest-sha512.txt", "VERIFY.txt"]),
    )?;
    Ok(())
}

fn verification(tell: &mut Narrator, lab: &mut Lab, request: &str) -> Result<()> {
    tell.chapter("Outside: the recipient verifies with stock tools only")?;
    let place = process::workspace().join("target/demo/bag");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    let tar = format!("tar -C /var/lib/sekisho-release/demo/{request} -cf - .");
    let bag = match Narrator::fetch(lab, Root, &tar) {
        Ok(bytes) => bytes,
        Err(error) => return tell.say(&format!("no bag to verify: {error:#}")),
    };
    unpack(&bag, &place)?;
    let signers = Narrator::fetch(lab, Root, "cat /etc/sekisho/signing.key.allowed_signers")?;
    fs::write(place.with_file_name("allowed_signers"), signers)?;
    tell.say(
        "The bag was carried out of the machine; the site publishes its key as an allowed_signers line.",
    )?;
    let verify = "ssh-keygen -Y verify -f ../allowed_signers -I sekisho -n sekisho-release@v1 \
                  -s tagmanifest-sha512.txt.sig < tagmanifest-sha512.txt";
    tell.outside(&place, "the signature is good: ssh-keygen -Y verify", verify)?;
    let sums = "sha512sum -c --quiet tagmanifest-sha512.txt && sha512sum -c manifest-sha512.txt";
    tell.outside(&place, "every file is the signed one: sha512sum -c", sums)?;
    Ok(())
}

fn daemon_killed(tell: &mut Narrator, lab: &mut Lab) -> Result<()> {
    tell.chapter("The daemon dies: the gate does not")?;
    tell.say("systemd would start it again within a second; here it may not, so that the gate is alone.")?;
    let alone = "cd /run/systemd/system && mkdir -p sekisho-gate.service.d && cd sekisho-gate.service.d && \
                 printf '[Service]\\nRestart=no\\n' > alone.conf && systemctl daemon-reload";
    Narrator::fetch(lab, Root, alone)?;
    let kill = "systemctl kill --signal=SIGKILL sekisho-gate.service; sleep 1; \
                systemctl is-active sekisho-gate.service";
    let dead = Expect::Says(3, &["failed"]);
    tell.run(lab, Root, "the gate's daemon is killed with SIGKILL", kill, &dead)?;
    let copy = "cp freq.frq /mnt/out/";
    tell.run(lab, Researcher, "and the gate still denies", copy, &Expect::Denied)?;
    let work = "echo 'work goes on' > note && cat note";
    tell.run(lab, Researcher, "and work inside still goes on", work, &Expect::Says(0, &["work goes on"]))?;
    Ok(())
}

fn unpack(archive: &[u8], place: &Path) -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), archive)?;
    process::quietly(Command::new("tar").arg("-xf").arg(file.path()).arg("-C").arg(place)).context("the bag")
}
