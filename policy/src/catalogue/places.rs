//! Places and values of findings in Japanese.
//!
//! Places and values are facts with a few words around them. The words are translated where a phrase begins, so that
//! what the file itself says stays as it is; what is not known stays as it is, too.

/// Where a phrase may begin: behind one of these, and at the beginning.
const SEPARATORS: [&str; 3] = ["; ", ": ", ", "];

/// Phrases; `#` is a number, in the same order on both sides, or with `#2` before `#1` turned round.
const PHRASES: &[(&str, &str)] = &[
    ("from line #", "# 行目以降"),
    ("line #", "# 行目"),
    ("row #", "# 行目"),
    ("column #", "# 列目"),
    ("column", "列"),
    ("byte #", "# バイト目"),
    ("page #", "# ページ目"),
    ("cell #", "セル #"),
    ("output #", "出力 #"),
    ("# persons x # sites", "# 人 × # 部位"),
    ("# persons x # variants by the header", "見出しによれば # 人 × # 変異"),
    ("# persons", "# 人"),
    ("# subjects", "# 人"),
    ("# samples", "# 検体"),
    ("# sites", "# 部位"),
    ("# of # copies", "#2 本中 #1 本"),
    ("# of # = # copies", "#2 本の #1 = #3 本"),
    ("# printed", "# と印字"),
    ("# copies", "# 本"),
    ("# of #", "#2 中 #1"),
    ("# heaps of values far apart", "離れた値のかたまりが #"),
    ("# fields", "# 項目"),
    ("# columns", "# 列"),
    ("# rows", "# 行"),
    ("# bytes", "# バイト"),
    ("no number of subjects", "対象者数がない"),
    ("damaged or cut short", "破損しているか途中で切れている"),
    ("hidden sheet", "隠しシート"),
    ("sheet ", "シート "),
    ("columns of personal attributes", "個人の属性の列"),
    ("rows that repeat them", "それを繰り返す行"),
    ("zero bytes in text", "文章の中の零バイト"),
];

/// The words of a place, a value or a limit in Japanese.
#[must_use]
pub fn in_japanese(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut may_begin = true;
    while let Some(first) = rest.chars().next() {
        if may_begin && let Some((said, used)) = PHRASES.iter().find_map(|phrase| said(phrase, rest)) {
            out.push_str(&said);
            rest = &rest[used..];
            may_begin = false;
            continue;
        }
        if let Some(separator) = SEPARATORS.iter().find(|s| rest.starts_with(**s)) {
            out.push_str(separator);
            rest = &rest[separator.len()..];
            may_begin = true;
            continue;
        }
        out.push(first);
        rest = &rest[first.len_utf8()..];
        may_begin = false;
    }
    out
}

/// The phrase in Japanese when `text` begins with it, and how long it is in `text`.
fn said(&(phrase, japanese): &(&str, &str), text: &str) -> Option<(String, usize)> {
    let mut rest = text;
    let mut numbers: Vec<&str> = Vec::new();
    for (index, words) in phrase.split('#').enumerate() {
        if index > 0 {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ',' && c != '.').unwrap_or(rest.len());
            // A comma or a full stop behind a number is not its own.
            let number = rest[..end].trim_end_matches([',', '.']);
            if !number.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            numbers.push(number);
            rest = &rest[number.len()..];
        }
        rest = rest.strip_prefix(words)?;
    }
    // Half a word is another word.
    let whole = phrase.ends_with(' ') || !rest.starts_with(|c: char| c.is_alphanumeric());
    whole.then(|| (filled(japanese, &numbers), text.len() - rest.len()))
}

/// `#` takes the next number, `#1` the first.
fn filled(japanese: &str, numbers: &[&str]) -> String {
    let mut out = String::new();
    let mut parts = japanese.split('#');
    out.push_str(parts.next().unwrap_or_default());
    for (next, part) in parts.enumerate() {
        let (index, words) = match part.strip_prefix(|c: char| c.is_ascii_digit()) {
            Some(words) => (usize::from(part.as_bytes()[0] - b'1'), words),
            None => (next, part),
        };
        out.push_str(numbers.get(index).copied().unwrap_or_default());
        out.push_str(words);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_values_are_said_in_japanese() {
        for (english, japanese) in [
            ("line 468 (rs467); line 1,569 (rs568)", "468 行目 (rs467); 1,569 行目 (rs568)"),
            ("Freq: line 14 (1st / Female), Freq", "Freq: 14 行目 (1st / Female), Freq"),
            ("0.0035 of 2,000 = 7 copies; 12 of 90 copies", "2,000 本の 0.0035 = 7 本; 90 本中 12 本"),
            ("10 subjects", "10 人"),
            ("100 persons x 64 sites (GT:AD)", "100 人 × 64 部位 (GT:AD)"),
            ("MAF: from line 1538", "MAF: 1538 行目以降"),
            ("0.582 printed, 89 of 200 copies", "0.582 と印字, 200 本中 89 本"),
            ("sheet Hidden; column 2: SAMPLE0", "シート Hidden; 2 列目: SAMPLE0"),
        ] {
            assert_eq!(in_japanese(english), japanese);
        }
    }

    #[test]
    fn what_the_file_says_stays() {
        for text in
            ["", "pipeline 3", "the line 4", "lines 5", "line x", "症例 3 人", "a#b; #", "line ", "1."]
        {
            assert_eq!(in_japanese(text), text);
        }
    }
}
