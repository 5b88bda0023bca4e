//! A scene: one boot of the installed node, a row of shell steps in it, and what each of them said.
//!
//! Steps run one after the other. Root's run outside every session, unconfined; a person's through `su -l`, the road
//! a login takes. A step that leaves something running must redirect its output.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs in the guest: every step in order, each answered by one line.
const PLAY: &str = r#"
cd /tmp/in/scene || exit 70
for script in *.sh; do
    who=${script%.sh}; who=${who##*.}
    if [ "$who" = root ]; then
        timeout --kill-after=5 "$1" bash "$script" < /dev/null 2>&1 | base64 -w0 > /root/said
        code=${PIPESTATUS[0]}
    else
        timeout --kill-after=5 "$1" su -l "$who" -c "exec bash /tmp/in/scene/$script" < /dev/null 2>&1 | base64 -w0 > /root/said
        code=${PIPESTATUS[0]}
    fi
    printf '@@ %s %s %s\n' "${script%%.*}" "$code" "$(cat /root/said)"
done
"#;

/// Longest that one step may take, seconds: the gate's start alone may take two minutes under emulation, beside writers
/// that never rest, on a machine with other things to do.
const STEP: u32 = 600;

/// `cargo xtask vm run` with these arguments. It waits for its turn and makes what the lab lacks; a lab that cannot be had
/// is a failure.
pub fn vm_run(arguments: &[&str]) -> Output {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--package", "xtask", "--", "vm", "run"])
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .output()
        .unwrap()
}

/// What a step said.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Both outputs, as they came.
    pub text: String,
}

impl Said {
    /// Does every one of these words stand in it?
    #[track_caller]
    pub fn has(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.text.contains(word), "`{word}` is not in (exit {}):\n{}", self.code, self.text);
        }
        self
    }

    /// None of these may stand in it.
    #[track_caller]
    pub fn lacks(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(!self.text.contains(word), "`{word}` is in (exit {}):\n{}", self.code, self.text);
        }
        self
    }

    /// Ended with 0.
    #[track_caller]
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.code, 0, "{}", self.text);
        self
    }

    /// Ended with something else.
    #[track_caller]
    pub fn failed(&self) -> &Self {
        assert_ne!(self.code, 0, "{}", self.text);
        self
    }
}

/// A scene being written.
#[derive(Default)]
pub struct Scene {
    before: String,
    steps: Vec<(&'static str, &'static str, String)>,
}

/// A scene that was played.
pub struct Played {
    said: BTreeMap<&'static str, Said>,
    transcript: String,
}

impl Scene {
    /// What an unconfined root runs before the gate starts.
    pub fn before(mut self, script: &str) -> Self {
        script.clone_into(&mut self.before);
        self
    }

    /// One more step: its name, whose it is, and a bash script.
    pub fn step(mut self, name: &'static str, who: &'static str, script: impl Into<String>) -> Self {
        assert!(self.steps.iter().all(|(other, _, _)| *other != name), "two steps named {name}");
        self.steps.push((name, who, script.into()));
        self
    }

    /// Boots the node and plays it; `None` where there is no lab.
    pub fn play(self) -> Played {
        let place = tempfile::tempdir().unwrap();
        let scene = place.path().join("scene");
        fs::create_dir(&scene).unwrap();
        for (number, (name, who, script)) in self.steps.iter().enumerate() {
            let script = format!("# {name}\n{script}\n");
            fs::write(scene.join(format!("{number:03}.{who}.sh")), script).unwrap();
        }
        fs::write(scene.join("play"), PLAY).unwrap();
        let (scene, step) = (scene.display().to_string(), STEP.to_string());
        let play = format!("bash /tmp/in/scene/play {step}");
        let mut arguments = vec!["--root", "--timeout", "2400", "--copy", &scene];
        if !self.before.is_empty() {
            arguments.extend(["--before", &self.before]);
        }
        arguments.extend(["--", &play]);
        let output = vm_run(&arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let mut played = Played {
            said: BTreeMap::new(),
            transcript: format!("{text}\n{}", String::from_utf8_lossy(&output.stderr)),
        };
        let mut readable = String::new();
        for line in text.lines() {
            let Some(rest) = line.strip_prefix("@@ ") else { continue };
            let mut words = rest.splitn(3, ' ');
            let number: usize = words.next().unwrap().parse().unwrap();
            let code = words.next().unwrap().parse().unwrap();
            let said = Said { code, text: decoded(words.next().unwrap_or_default()) };
            let (name, who, _) = &self.steps[number];
            let _ = writeln!(readable, "--- {name} ({who}): exit {code}\n{}", said.text);
            played.said.insert(name, said);
        }
        eprintln!("{readable}");
        played
    }
}

impl Played {
    /// What the step said.
    #[track_caller]
    pub fn of(&self, name: &str) -> &Said {
        self.said.get(name).unwrap_or_else(|| panic!("step {name} did not run\n{}", self.transcript))
    }
}

/// Standard base64, as `base64 -w0` writes it.
fn decoded(text: &str) -> String {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        bits = bits << 6 | u32::from(value(byte));
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A shell function that waits: `until_true SECONDS COMMAND`, in bash. The command is tried once at least.
pub const UNTIL: &str = "until_true() { end=$((SECONDS + $1)); shift; until \"$@\"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done; }\n";
