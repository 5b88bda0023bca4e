//! What SAS and R print: tables between other lines. SAS puts a line of dashes under the names of columns; R prints a
//! `table` as names over numbers and a `survfit` as columns under its call. Every other line is read as text.

use super::{Inside, utf8};
use crate::number::whole;

/// The beginning that decides.
const HEAD: usize = 16 << 10;

/// Is this a print of SAS or R that no other reader takes?
pub fn plausible(head: &[u8], is_all: bool) -> bool {
    let start = &head[..head.len().min(HEAD)];
    let has = |text: &str| memchr::memmem::find(start, text.as_bytes()).is_some();
    let sas = has(" Procedure\n") || has(" Procedure\r\n") || has("The SAS System");
    let rule = crate::lines::split(start).any(|l| is_rule(&utf8(l)));
    sas && rule || has("Call: survfit(") && has("n.risk") || is_all && counted(&utf8(head)).is_some()
}

/// Reads a print that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("listing");
    let text = utf8(bytes);
    if let Some(rows) = counted(&text) {
        inside.kind = "r_table";
        inside.table("table", &rows);
        return inside;
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut prose = String::new();
    let (mut at, mut number) = (0, 0);
    while at < lines.len() {
        let table = sas(&lines, at).or_else(|| survival(&lines, at));
        let Some((rows, next)) = table else {
            // R repeats the call; a line of names above a table is part of it.
            let shown = !lines[at].trim_start().starts_with("Call:") && !is_rule(lines[at]);
            prose = prose + if shown { lines[at] } else { "" } + "\n";
            at += 1;
            continue;
        };
        number += 1;
        inside.table(format!("table {number}"), &rows);
        at = next;
    }
    inside.prose("text", &prose);
    inside
}

/// A line of dashes; SAS's own line-drawing letters are dashes, too.
fn is_rule(line: &str) -> bool {
    let bare = line.trim();
    bare.chars().count() >= 8
        && bare.chars().all(|c| matches!(c, '-' | 'ƒ' | '─' | ' '))
        && !bare.contains("  ")
}

/// Cells with two blanks or more between them.
fn cells(line: &str) -> Vec<String> {
    line.split("  ").map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect()
}

/// Names, a line of dashes, rows up to an empty line or another rule.
fn sas(lines: &[&str], at: usize) -> Option<(Vec<Vec<String>>, usize)> {
    if !is_rule(lines.get(at + 1)?) || is_rule(lines[at]) {
        return None;
    }
    let mut names = cells(lines[at]);
    for place in 1..names.len() {
        // The first of two equal names counts rows, the second adds them up.
        if names[..place].contains(&names[place]) {
            names[place] = format!("Cumulative {}", names[place]);
        }
    }
    let mut rows = vec![names];
    let mut next = at + 2;
    while let Some(line) = lines.get(next).filter(|l| !l.trim().is_empty() && !is_rule(l)) {
        rows.push(cells(line));
        next += 1;
    }
    let even = rows.len() > 1 && rows[0].len() > 1 && rows.iter().all(|r| r.len() == rows[0].len());
    even.then_some((rows, next))
}

/// The columns of R's `print(summary(survfit))`.
fn survival(lines: &[&str], at: usize) -> Option<(Vec<Vec<String>>, usize)> {
    let line = *lines.get(at)?;
    if !line.trim_start().starts_with("time") || !line.contains("n.risk") {
        return None;
    }
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut header = line.to_owned();
    for side in ["lower", "upper"] {
        for level in ["90", "95", "99"] {
            header = header.replace(&format!("{side} {level}% CI"), &format!("{side}_{level}_CI"));
        }
    }
    let mut rows = vec![words(&header)];
    let mut next = at + 1;
    while let Some(row) = lines.get(next).map(|l| words(l)).filter(|r| r.len() == rows[0].len()) {
        rows.push(row);
        next += 1;
    }
    (rows.len() > 1).then_some((rows, next))
}

/// R's `table`: a name, labels, and a whole number under each; or two names and labels on both sides. One row a cell.
fn counted(text: &str) -> Option<Vec<Vec<String>>> {
    if text.len() > HEAD {
        return None;
    }
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (first, rest) = lines.split_first()?;
    let (labels, rows) = rest.split_first()?;
    let labels = words(labels);
    if words(first).len() > 1
        || labels.len() < 2
        || labels.iter().all(|l| whole(l.as_bytes()).is_some()) && rows.len() > 1
    {
        return None;
    }
    let mut out = vec![vec!["name".to_owned(), "count".to_owned()]];
    if let [row] = rows {
        let row = words(row);
        let fits = row.len() == labels.len() && row.iter().all(|n| whole(n.as_bytes()).is_some());
        out.extend(labels.into_iter().zip(row).map(|(label, n)| vec![label, n]));
        return fits.then_some(out);
    }
    // Two names: the one of the columns stands apart from the margin.
    if !first.starts_with(' ') {
        return None;
    }
    for row in rows {
        let row = words(row);
        if row.len() != labels.len() || !row[1..].iter().all(|n| whole(n.as_bytes()).is_some()) {
            return None;
        }
        out.extend((1..row.len()).map(|c| vec![format!("{}/{}", row[0], labels[c]), row[c].clone()]));
    }
    (out.len() > 1).then_some(out)
}

#[cfg(test)]
mod tests {
    use crate::readers::testing::check;
    use sekisho_policy::Verdict;

    #[test]
    fn tables_of_r_are_counts_on_both_sides() {
        for (n, wanted) in [(7, Verdict::Block), (60, Verdict::Pass)] {
            for text in [
                format!("group\n  a   b   c \n120 {n:>3} 140 \n"),
                format!("     sex\ngroup   f   m\n    a  50  70\n    b {n:>3}  61\n"),
            ] {
                let report = check(text.as_bytes());
                assert_eq!(report.verdict, wanted, "{text}{:#?}", report.findings);
            }
        }
    }

    #[test]
    fn what_stands_beside_a_print_is_read() {
        let sas = "The FREQ Procedure\n\ngroup    Frequency     Percent\n-------------------------------\na             120       48.00\nb             130       52.00\n";
        assert_eq!(check(sas.as_bytes()).verdict, Verdict::Pass, "{:#?}", check(sas.as_bytes()).findings);
        let more = format!("{sas}\nHG00096 0 1 2 0 1 2\n");
        assert_ne!(check(more.as_bytes()).verdict, Verdict::Pass);
    }
}
