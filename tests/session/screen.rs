//! What a session shows: counted, limited by a budget, and stopped by a lockdown.

use crate::node::Node;
use crate::terminal::Terminal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bytes shown; far more than the least budget lets go at once.
pub const SHOWN: u64 = 1_000_000;
/// The least budget policy takes; half of it may leave at once.
pub const BUDGET: u64 = 1 << 20;

/// What was said, by name.
pub type Told = BTreeMap<&'static str, String>;

/// Another confined account, whose allowance is its own.
const SECOND: &str = "useradd --uid 1003 --create-home --shell /bin/bash second && cp -r /home/researcher/.ssh /home/second/ && \
                      rm -f /home/second/.ssh/rc && chown -R second: /home/second";

/// Shows a file on a terminal: lines of 50 bytes, of which the terminal makes 51.
fn show() -> String {
    format!("yes {} | head -c {SHOWN}", "x".repeat(49))
}

fn sessions(terminal: &mut Terminal) -> Vec<u64> {
    let told: serde_json::Value = serde_json::from_str(&terminal.ask("sekisho screen --json")).unwrap();
    let sessions = told["sessions"].as_array().unwrap();
    let open = sessions.iter().filter(|session| session["ended"] == false);
    open.map(|session| session["bytes"].as_u64().unwrap()).collect()
}

/// Two sessions of one person: one shows a megabyte, the other nothing.
pub fn counted(node: &Node, told: &mut Told) {
    let (mut loud, mut quiet) = (Terminal::open(node, &[]), Terminal::open(node, &[]));
    quiet.ask("true");
    let shown = loud.ask(&show());
    told.insert("shown", shown.len().to_string());
    let open = sessions(&mut quiet);
    told.insert("sessions", open.iter().map(u64::to_string).collect::<Vec<_>>().join(" "));
    for mut terminal in [loud, quiet] {
        terminal.type_line("exit");
        terminal.end();
    }
    told.insert(
        "record",
        node.root(
            "records=/var/lib/sekisho-gate/screen.jsonl; metrics=/run/sekisho-gate/metrics.prom
             for i in $(seq 900); do grep -q '\"bytes\":[0-9]\\{7,\\},.*\"ended\":true' $records && break; sleep 0.2; done
             for i in $(seq 900); do grep -q '^sekisho_gate_screen_bytes [0-9]\\{7,\\}' $metrics && break; sleep 0.2; done
             cat $records; grep '^sekisho_gate_screen_bytes' $metrics",
        ),
    );
}

/// With a budget that cuts: one account's session ends, another account's does not notice.
pub fn budgeted(node: &Node, told: &mut Told) {
    node.root(&format!(
        "{SECOND}; printf 'version = 1\\n\\n[gate.screen]\\nbytes_per_hour = {BUDGET}\\nover = \"cut\"\\n' > /etc/sekisho/policy.d/60-screen.toml
         sekisho policy apply"
    ));
    let (mut loud, mut other) = (Terminal::open(node, &[]), Terminal::open(node, &["-l", "second"]));
    other.ask("true");
    loud.ask("true");
    loud.type_line(&show());
    let (code, text) = loud.end();
    told.insert("cut", format!("{code} {}", text.len()));
    told.insert("other", other.ask("echo $((6 * 7))"));
    other.type_line("exit");
    other.end();
    node.root("rm /etc/sekisho/policy.d/60-screen.toml; sekisho policy apply");
}

/// Somebody is watched showing things, and locked down.
pub fn locked(node: &Node, told: &mut Told) {
    let mut open = Terminal::open(node, &[]);
    open.ask("true");
    open.type_line("while :; do echo tick; sleep 0.2; done");
    open.until("tick\r\ntick");
    told.insert("lock", node.root("sekisho lockdown user researcher --reason 'a test'"));
    // What was on its way; then nothing more.
    let begin = Instant::now();
    open.during(Duration::from_secs(1));
    told.insert("locked", open.during(Duration::from_secs(5)));
    assert!(begin.elapsed() < Duration::from_secs(30));
    drop(open);
    let mut new = Terminal::open(node, &[]);
    new.type_line("echo $((6 * 7))");
    told.insert("new login", new.during(Duration::from_secs(20)));
    drop(new);
    told.insert("lift", node.root("sekisho lockdown lift user researcher --reason 'over'"));
    let mut again = Terminal::open(node, &[]);
    told.insert("lifted", again.ask("echo $((6 * 7))"));
    again.type_line("exit");
    again.end();
}
