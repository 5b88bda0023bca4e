//! SMCL, the marks of Stata's logs: what a line looks like when Stata shows it.

/// The line as it is shown, and whether something in it is not.
pub fn shown(line: &str) -> (String, bool) {
    let (mut out, mut hidden) = (String::new(), false);
    write(line, &mut out, &mut hidden, 8);
    (out, hidden)
}

fn write(line: &str, out: &mut String, hidden: &mut bool, depth: usize) {
    let mut rest = line;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let Some(end) = closing(&rest[at..]).filter(|_| depth > 0) else {
            out.push_str(&rest[at..]);
            return;
        };
        mark(&rest[at + 1..at + end], out, hidden, depth);
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
}

/// Where the mark that begins here ends; marks may stand in marks.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

fn mark(mark: &str, out: &mut String, hidden: &mut bool, depth: usize) {
    let (head, text) = mark.split_once(':').map_or((mark, None), |(h, t)| (h, Some(t)));
    let (name, value) = head.split_once(' ').unwrap_or((head, ""));
    let number = || value.trim().parse::<usize>().unwrap_or(0).min(400);
    match name {
        "c" => out.push(match value {
            "|" => '|',
            "-" => '-',
            "-(" => '{',
            ")-" => '}',
            "'g" => '`',
            "S|" => '$',
            // Corners and crossings.
            _ => '+',
        }),
        "hline" => out.push_str(&"-".repeat(number().max(3))),
        "space" => out.push_str(&" ".repeat(number())),
        "col" => {
            let width = out.chars().count();
            out.push_str(&" ".repeat(number().saturating_sub(width + 1)));
        }
        "*" | "..." => *hidden = true,
        // Links do more than they show.
        "browse" | "stata" | "matacmd" | "dialog" | "view" if text.is_none() => *hidden = true,
        _ => {}
    }
    if head.starts_with('*') {
        *hidden = true;
    } else if let Some(text) = text {
        write(text, out, hidden, depth - 1);
    } else if !matches!(name, "c" | "hline" | "space" | "col" | "*" | "...") && mark.len() > 40 {
        *hidden = true;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn lines_look_as_stata_shows_them() {
        let shown = |line| super::shown(line).0;
        assert_eq!(shown("{txt}group {c |}{res}  9"), "group |  9");
        assert_eq!(shown("{hline 4}{c +}{hline 3}"), "----+---");
        assert_eq!(shown("{com}. tabulate x"), ". tabulate x");
        assert_eq!(shown("{bf:{ul:n}} = {res:7}"), "n = 7");
        assert!(super::shown("{* HG00096 0 1 2}").1);
        assert!(!super::shown("{txt}{sf}{ul off}").1);
    }
}
