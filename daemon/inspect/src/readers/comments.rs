//! Lines that readers of tables pass over: comments must not carry what tables may not.

use super::tally::{Tally, words};
use super::text::scan;
use super::{Context, Flow, Found, TextReader, printed};
use crate::lines::{Block, split};
use sekisho_policy::facts::{Part, Statistics, What};

/// Numbers in one comment that make it a row of data.
const MOST_NUMBERS: usize = 20;

/// Watches the comments of any text.
pub fn watch(context: &Context<'_>) -> Box<dyn TextReader> {
    let mut tally = Tally::default();
    let about = tally.name("comments");
    Box::new(Comments { minimum: context.policy.counts.minimum, tally, about })
}

struct Comments {
    minimum: u64,
    tally: Tally,
    about: u32,
}

impl Comments {
    fn line(&mut self, text: &[u8], number: u64) {
        let signs = text.iter().take_while(|b| **b == b'#').count();
        let text = &text[signs..];
        scan::line(text, number, self.about, &mut self.tally);
        let separators = |b: &u8| b.is_ascii_whitespace() || matches!(b, b',' | b';' | b'|' | b'#' | b':');
        let values = text.split(separators).filter(|v| !v.is_empty());
        let numbers = values.filter(|v| printed::parse(v).is_some()).count();
        if numbers > MOST_NUMBERS {
            self.tally.add(What::UnclearText, self.about, || (format!("line {number}"), words(text)));
        }
    }
}

impl TextReader for Comments {
    fn block(&mut self, block: &Block<'_>) -> Flow {
        if block.outline.is_some_and(|o| !o.hashes) {
            return Flow::More;
        }
        let text = block.text;
        let (mut counted, mut number) = (0, block.first);
        let first = text.first().filter(|b| **b == b'#').map(|_| 0);
        for at in first.into_iter().chain(memchr::memmem::find_iter(text, b"\n#").map(|at| at + 1)) {
            number += memchr::memchr_iter(b'\n', &text[counted..at]).count() as u64;
            counted = at;
            if let Some(line) = split(&text[at..]).next() {
                self.line(line, number);
            }
        }
        Flow::More
    }

    fn finish(self: Box<Self>) -> Found {
        let evidence = self.tally.evidence();
        if evidence.is_empty() {
            return Found::nothing();
        }
        let part = Part::Statistics(Statistics { minimum: self.minimum, evidence, ..Statistics::default() });
        Found { parts: vec![part], ..Found::nothing() }
    }
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    const TABLE: &str = "group,n\na,120\nb,130\n";

    #[test]
    fn comments_of_a_clean_table_may_say_how_it_was_made() {
        let text = format!("# made by table.py, 2026-01-02, 250 subjects\n{TABLE}");
        assert_eq!(check(text.as_bytes()).verdict, Verdict::Pass);
    }

    #[test]
    fn data_behind_a_comment_sign_never_passes() {
        let encoded = "QUJD".repeat(40);
        let genotypes = "0 1 2 1 ".repeat(15);
        for comment in [encoded, genotypes] {
            for text in [format!("# {comment}\n{TABLE}"), format!("{TABLE}#{comment}\n")] {
                assert_ne!(check(text.as_bytes()).verdict, Verdict::Pass, "{text}");
            }
        }
    }
}
