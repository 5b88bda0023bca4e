//! Scripts: program text passes when no data is written into it.

use super::scan;
use crate::lines::{self, Block};
use crate::readers::tally::{Tally, words};
use crate::readers::{Context, Flow, Found, TextReader, printed};
use sekisho_policy::facts::{Part, Statistics, What};
use sekisho_policy::schema::Policy;

/// Numbers written into one statement, or lines of numbers in a row, that make it data.
const MOST_NUMBERS: usize = 20;
const MOST_LINES: usize = 4;

const KEYWORDS: [&str; 58] = [
    "import ",
    "from ",
    "def ",
    "class ",
    "return ",
    "if ",
    "else",
    "elif ",
    "for ",
    "while ",
    "with ",
    "try:",
    "except",
    "print(",
    "library(",
    "require(",
    "function(",
    "source(",
    "use ",
    "gen ",
    "replace ",
    "local ",
    "global ",
    "foreach ",
    "forvalues ",
    "merge ",
    "rename ",
    "drop ",
    "keep ",
    "tab ",
    "twoway ",
    "graph ",
    "save ",
    "capture ",
    "cap ",
    "log ",
    "label ",
    "set ",
    "cd ",
    "echo ",
    "export ",
    "#!/",
    "done",
    "fi",
    "do ",
    "end",
    "let ",
    "const ",
    "SELECT ",
    "FROM ",
    "proc ",
    "data ",
    "run;",
    "quietly ",
    "qui ",
    "noi ",
    "stcox ",
    "regress ",
];

/// Is the text a program?
pub fn is_script(head: &[u8], whole: bool) -> bool {
    let mut all: Vec<&[u8]> = lines::split(head).filter(|l| !l.trim_ascii().is_empty()).take(400).collect();
    if !whole && all.len() < 400 {
        all.pop();
    }
    let (mut code, mut keywords) = (0, 0);
    for line in &all {
        let text = line.trim_ascii();
        let keyword = KEYWORDS
            .iter()
            .any(|k| text.starts_with(k.trim_end().as_bytes()) && text.len() >= k.trim_end().len());
        let comment = matches!(text, [b'#' | b'*' | b'%', ..] | [b'/', b'/' | b'*', ..] | [b'-', b'-', ..]);
        let shape = matches!(text.last(), Some(b'{' | b'}' | b';' | b':' | b'\\' | b',' | b')'))
            || text.ends_with(b"///")
            || memchr::memmem::find(text, b"<-").is_some()
            || memchr::memmem::find(text, b" = ").is_some()
            || memchr::memmem::find(text, b"==").is_some()
            || memchr::memmem::find(text, b"(").is_some() && memchr::memmem::find(text, b")").is_some();
        keywords += usize::from(keyword);
        code += usize::from(keyword || comment || (shape && !is_data(text)));
    }
    all.len() >= 3 && keywords >= 2 && keywords * 20 >= all.len() && code * 10 >= all.len() * 8
}

fn numbers(line: &[u8]) -> (usize, usize) {
    let parts = line.split(|b| {
        b.is_ascii_whitespace() || matches!(b, b',' | b';' | b'|' | b'[' | b']' | b'(' | b')' | b'{' | b'}')
    });
    parts
        .filter(|p| !p.is_empty())
        .fold((0, 0), |(n, all), p| (n + usize::from(printed::parse(p).is_some()), all + 1))
}

/// Mostly numbers.
fn is_data(line: &[u8]) -> bool {
    let (numbers, all) = numbers(line);
    numbers >= 2 && numbers * 10 >= all * 6
}

/// Reads a script.
pub struct Script {
    policy: Policy,
    tally: Tally,
    everything: u32,
    lines: u64,
    run: usize,
}

impl Script {
    /// A reader.
    pub fn new(context: &Context<'_>) -> Self {
        let mut tally = Tally::default();
        let everything = tally.name("");
        Self { policy: context.policy.clone(), tally, everything, lines: 0, run: 0 }
    }

    fn line(&mut self, text: &[u8], number: u64) {
        self.lines += 1;
        scan::line(text, number, self.everything, &mut self.tally);
        let (found, _) = numbers(text);
        self.run = if is_data(text) { self.run + 1 } else { 0 };
        if found > MOST_NUMBERS || self.run > MOST_LINES {
            self.tally.add(What::UnclearText, self.everything, || (format!("line {number}"), words(text)));
        }
    }
}

impl TextReader for Script {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        for (at, line) in lines::split(block.text).enumerate() {
            self.line(line, block.first + at as u64);
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let table = Statistics {
            rows: self.lines,
            clear: self.lines,
            minimum: self.policy.counts.minimum,
            subjects: String::new(),
            evidence: self.tally.evidence(),
        };
        Found {
            kind: "script".into(),
            rows: self.lines,
            unit: "lines",
            parts: vec![Part::Statistics(table)],
            problems: Vec::new(),
        }
    }

    fn fallback(&self) -> bool {
        true
    }
}
