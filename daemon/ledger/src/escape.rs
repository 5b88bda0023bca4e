//! Text from users on one line, with nothing invisible in it, and back.
//!
//! `%` and every character a reader could not see or that would move others about (controls, line and paragraph
//! separators, zero-width and bidirectional marks, unusual spaces) become `%XX` per UTF-8 byte; so does a space at either
//! end. There is one escaped text for each text.

/// Escapes a text.
pub fn escape(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let edge_space = c == ' ' && (at == 0 || at == last);
        if c == '%' || edge_space || invisible(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push('%');
                out.push_str(&format!("{byte:02X}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Undoes [`escape`]; `None` for anything `escape` would not have written.
pub fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = tail;
    }
    let plain = String::from_utf8(bytes).ok()?;
    (escape(&plain) == text).then_some(plain)
}

/// Could a reader not see this character, or would it move others about?
pub(crate) fn invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ' && c != '\u{3000}')
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}' | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_seen_is_spelled_out() {
        assert_eq!(escape("a\nb"), "a%0Ab");
        assert_eq!(escape("100%"), "100%25");
        assert_eq!(escape(" x "), "%20x%20");
        assert_eq!(escape("gpj.\u{202E}exe"), "gpj.%E2%80%AEexe");
        assert_eq!(escape("頻度 表.tsv"), "頻度 表.tsv");
    }

    #[test]
    fn a_second_spelling_is_refused() {
        for text in ["%41", "%0a", "%", "%4", "%E2%80", "a\nb", " a", "%+1"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains('\n'));
            prop_assert_eq!(unescape(&escaped), Some(text));
        }
    }
}
