//! Tells a story in the lab: shows each command and its real output, and keeps score of what was expected.

use crate::lab::{Ended, Lab, Stream, shell};
use crate::protocol::Who;
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest any single step may take.
const PATIENCE: Duration = Duration::from_secs(180);
/// Lines of output shown of one step; the rest is counted.
const LINES: usize = 32;

/// What a step must do for the story to hold.
pub(crate) enum Expect<'a> {
    /// Succeed.
    Success,
    /// Fail with EPERM: not merely "permission denied", which is the file system's word.
    Denied,
    /// End with this code and print all of these.
    Says(i32, &'a [&'a str]),
}

/// What a step printed.
pub(crate) struct Heard {
    /// Both outputs, in order of arrival.
    pub text: String,
}

/// The teller.
pub(crate) struct Narrator {
    colour: bool,
    transcript: File,
    begin: Instant,
    score: Vec<(bool, String)>,
}

impl Narrator {
    /// Begins; everything told is also written to the file named.
    pub(crate) fn new(transcript: &Path) -> Result<Self> {
        if let Some(directory) = transcript.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let file = File::create(transcript).with_context(|| format!("{}", transcript.display()))?;
        let colour = std::io::stdout().is_terminal();
        Ok(Self { colour, transcript: file, begin: Instant::now(), score: Vec::new() })
    }

    /// A new part of the story.
    pub(crate) fn chapter(&mut self, title: &str) -> Result<()> {
        self.line("1;36", &format!("\n== {title}"))
    }

    /// A sentence.
    pub(crate) fn say(&mut self, text: &str) -> Result<()> {
        self.line("3", text)
    }

    /// Runs a command in the lab, shows it with its output, and notes whether it did what was expected.
    pub(crate) fn run(
        &mut self,
        lab: &mut Lab,
        who: Who,
        claim: &str,
        script: &str,
        expect: &Expect<'_>,
    ) -> Result<Heard> {
        let sign = if who == Who::Root { '#' } else { '$' };
        self.line("1", &format!("\n{}{sign} {script}", who.account()))?;
        let mut bytes = Vec::new();
        let ended = lab.run(who, &shell(script), PATIENCE, |_, piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.show(&text)?;
        self.judge(claim, ended, &text, expect)?;
        Ok(Heard { text })
    }

    /// A confined researcher tries something forbidden, and asks why it failed: it must end in EPERM, and the answer
    /// must name the denial and the spool.
    pub(crate) fn attempt(&mut self, lab: &mut Lab, claim: &str, script: &str) -> Result<()> {
        let prompt = "researcher$ ";
        let why = "sekisho why --limit 1";
        self.line("1", &format!("\n{prompt}{script}"))?;
        // One session for both; the record is written a moment after the denial.
        let both = format!("{script}\ncode=$?; sleep 1; echo '{prompt}{why}'; {why}; exit $code");
        let (ended, text) = lab.capture(Who::Researcher, &both, PATIENCE)?;
        let (tried, explained) = text.split_once(&format!("{prompt}{why}\n")).unwrap_or((&text, ""));
        self.show(tried)?;
        self.line("1", &format!("{prompt}{why}"))?;
        self.show(explained)?;
        let denied = ended != Ended::Code(0) && tried.contains("Operation not permitted");
        let reason = explained.contains("denied: ") && explained.contains("/var/spool/sekisho");
        self.score(denied && reason, &format!("{claim}, and the reason is given"))
    }

    /// Runs a command in the lab without a word and returns its standard output, byte for byte.
    pub(crate) fn fetch(lab: &mut Lab, who: Who, script: &str) -> Result<Vec<u8>> {
        let mut output = Vec::new();
        let mut errors = Vec::new();
        let ended = lab.run(who, &shell(script), PATIENCE, |stream, piece| {
            let to = if stream == Stream::Output { &mut output } else { &mut errors };
            to.extend_from_slice(piece);
            Ok(())
        })?;
        if ended != Ended::Code(0) {
            anyhow::bail!("{script}: {ended:?}\n{}", String::from_utf8_lossy(&errors).trim_end());
        }
        Ok(output)
    }

    /// Runs a shell command on this machine, outside the lab.
    pub(crate) fn outside(&mut self, directory: &Path, claim: &str, script: &str) -> Result<()> {
        self.line("1", &format!("\noutside$ {script}"))?;
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{{ {script} ; }} 2>&1")])
            .current_dir(directory)
            .stdin(std::process::Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        self.show(&text)?;
        self.judge(claim, Ended::Code(output.status.code().unwrap_or(-1)), &text, &Expect::Success)
    }

    /// One screen: what was claimed and whether it held. True when all of it did.
    pub(crate) fn summary(mut self) -> Result<bool> {
        self.chapter("Summary")?;
        let score = std::mem::take(&mut self.score);
        for (held, claim) in &score {
            let (colour, word) = if *held { ("32", "ok    ") } else { ("1;31", "FAILED") };
            self.line(colour, &format!("{word} {claim}"))?;
        }
        let failed = score.iter().filter(|(held, _)| !held).count();
        let seconds = self.begin.elapsed().as_secs();
        self.line("1", &format!("\n{} of {} held, in {seconds} s", score.len() - failed, score.len()))?;
        Ok(failed == 0)
    }

    fn judge(&mut self, claim: &str, ended: Ended, text: &str, expect: &Expect<'_>) -> Result<()> {
        let held = match *expect {
            Expect::Success => ended == Ended::Code(0),
            Expect::Denied => ended != Ended::Code(0) && text.contains("Operation not permitted"),
            Expect::Says(code, words) => {
                ended == Ended::Code(code) && words.iter().all(|word| text.contains(word))
            }
        };
        if !held {
            let wanted = match *expect {
                Expect::Success => "exit 0".to_owned(),
                Expect::Denied => "a failure with EPERM, \"Operation not permitted\"".to_owned(),
                Expect::Says(code, words) => format!("exit {code} and the words {words:?}"),
            };
            self.line("1;31", &format!("expected {wanted}, got {ended:?}"))?;
        }
        self.score(held, claim)
    }

    fn score(&mut self, held: bool, claim: &str) -> Result<()> {
        if !held {
            self.line("1;31", &format!("FAILED: {claim}"))?;
        }
        self.score.push((held, claim.to_owned()));
        Ok(())
    }

    fn show(&mut self, text: &str) -> Result<()> {
        let lines: Vec<_> = text.lines().collect();
        for line in lines.iter().take(LINES) {
            self.line("", &format!("  {line}"))?;
        }
        if lines.len() > LINES {
            self.line("2", &format!("  … and {} more lines", lines.len() - LINES))?;
        }
        Ok(())
    }

    fn line(&mut self, colour: &str, text: &str) -> Result<()> {
        writeln!(self.transcript, "{text}")?;
        let mut out = std::io::stdout().lock();
        if self.colour && !colour.is_empty() {
            let (lead, text) = text.split_at(text.len() - text.trim_start_matches('\n').len());
            writeln!(out, "{lead}\x1b[{colour}m{text}\x1b[0m")?;
        } else {
            writeln!(out, "{text}")?;
        }
        Ok(out.flush()?)
    }
}
