//! Tags and text of XML and HTML, without building a tree and without expanding anything: entities other than the
//! predefined and numeric ones stay as they are.

/// A piece of markup.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece<'a> {
    /// A tag that opens. Names are lower case, without their namespace.
    Open {
        /// Its name.
        name: String,
        /// Its attributes, as written.
        attributes: &'a str,
        /// It closes itself.
        closed: bool,
    },
    /// A tag that closes.
    Close(String),
    /// Text, entities resolved.
    Text(String),
    /// A comment.
    Comment(&'a str),
    /// A declaration or instruction.
    Other(&'a str),
}

/// Walks over the pieces of a text.
pub struct Pieces<'a> {
    rest: &'a str,
    /// Everything up to the closing tag of this name is text: `script`, `style`.
    raw: Option<String>,
    html: bool,
}

impl<'a> Pieces<'a> {
    /// `html`: scripts and styles hold text without tags.
    pub fn new(text: &'a str, html: bool) -> Self {
        Self { rest: text, raw: None, html }
    }
}

/// The name of a tag without namespace, lower case.
fn local(tag: &str) -> String {
    let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
    name.rsplit(':').next().unwrap_or_default().to_ascii_lowercase()
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some(name) = self.raw.take() {
            let closing = format!("</{name}");
            let at = find_any_case(self.rest, &closing).unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(at);
            self.rest = rest;
            return Some(Piece::Text(text.to_owned()));
        }
        if !self.rest.starts_with('<') {
            let at = self.rest.find('<').unwrap_or(self.rest.len());
            let (text, rest) = self.rest.split_at(at);
            self.rest = rest;
            return Some(Piece::Text(resolved(text)));
        }
        if let Some(after) = self.rest.strip_prefix("<!--") {
            let (comment, rest) = after.split_once("-->").unwrap_or((after, ""));
            self.rest = rest;
            return Some(Piece::Comment(comment));
        }
        if let Some(after) = self.rest.strip_prefix("<![CDATA[") {
            let (text, rest) = after.split_once("]]>").unwrap_or((after, ""));
            self.rest = rest;
            return Some(Piece::Text(text.to_owned()));
        }
        let end = tag_end(self.rest);
        let (tag, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix('>').unwrap_or(rest);
        let tag = &tag[1..];
        if tag.starts_with(['!', '?']) {
            return Some(Piece::Other(tag));
        }
        if let Some(name) = tag.strip_prefix('/') {
            return Some(Piece::Close(local(name)));
        }
        if !tag.starts_with(|c: char| c.is_ascii_alphabetic()) {
            // A sign that opens nothing.
            let text = format!("<{tag}{}", if rest.is_empty() { "" } else { ">" });
            return Some(Piece::Text(resolved(&text)));
        }
        let name = local(tag);
        let closed = tag.ends_with('/');
        if self.html && !closed && matches!(name.as_str(), "script" | "style") {
            self.raw = Some(name.clone());
        }
        let attributes = tag.split_once(|c: char| c.is_whitespace()).map_or("", |(_, a)| a);
        Some(Piece::Open { name, attributes, closed })
    }
}

fn find_any_case(text: &str, wanted: &str) -> Option<usize> {
    let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
    (0..=text.len().checked_sub(wanted.len())?)
        .find(|at| text[*at..*at + wanted.len()].eq_ignore_ascii_case(wanted))
}

/// Where the tag ends: at the first `>` outside quotes.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate().take(1 << 16) {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(q), b) if q == b => quote = None,
            (None, b'>') => return at,
            _ => {}
        }
    }
    // A quote that does not close for a long time: take the first sign.
    text.find('>').unwrap_or(text.len())
}

/// Attributes of a tag: names (lower case, with their namespace) and values.
pub fn attributes(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() && found.len() < 1000 {
        let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '/').unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            (value, rest) = match after.chars().next() {
                Some(q @ ('"' | '\'')) => after[1..].split_once(q).unwrap_or((&after[1..], "")),
                _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
            };
        } else if end == 0 {
            rest = rest.get(1..).unwrap_or("");
        }
        if !name.is_empty() {
            found.push((name, resolved(value)));
        }
        rest = rest.trim_start();
    }
    found
}

/// The value of the attribute with this local name.
pub fn attribute(text: &str, name: &str) -> Option<String> {
    attributes(text).into_iter().find(|(n, _)| n.rsplit(':').next() == Some(name)).map(|(_, v)| v)
}

/// The first attribute that is too long to say how something looks.
pub fn long_attribute(xml: &str) -> Option<String> {
    const LONGEST: usize = 300;
    Pieces::new(xml, false).find_map(|piece| match piece {
        Piece::Open { attributes: text, .. } if text.len() > LONGEST => {
            attributes(text).into_iter().find(|(_, v)| v.len() > LONGEST).map(|(n, v)| format!("{n}={v}"))
        }
        _ => None,
    })
}

/// Predefined and numeric entities become characters.
pub fn resolved(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        let found = end.and_then(|end| Some((end, character(&rest[1..end])?)));
        match found {
            Some((end, c)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(entity: &str) -> Option<char> {
    if let Some(number) = entity.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        // Without width: nothing to see, nothing to carry.
        return match code {
            0x200b..=0x200f | 0xfeff | 0x2060..=0x2064 => Some(' '),
            _ => char::from_u32(code),
        };
    }
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" | "ensp" | "emsp" | "thinsp" => ' ',
        "minus" => '-',
        "ndash" => '–',
        "mdash" => '—',
        "le" => '≤',
        "ge" => '≥',
        "plusmn" => '±',
        "times" => '×',
        "deg" => '°',
        "dagger" => '†',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_text_and_attributes_are_told_apart() {
        let text = "<x:Row a='1 > 0' b=\"&lt;5\" c><v>7 &#65;</v><!-- note --><br/></x:Row>";
        let pieces: Vec<Piece<'_>> = Pieces::new(text, false).collect();
        assert_eq!(pieces.len(), 7);
        let Piece::Open { name, attributes: a, closed } = &pieces[0] else { panic!("{pieces:?}") };
        assert_eq!((name.as_str(), *closed), ("row", false));
        let wanted = [("a", "1 > 0"), ("b", "<5"), ("c", "")];
        assert_eq!(attributes(a), wanted.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert_eq!(pieces[2], Piece::Text("7 A".into()));
        assert_eq!(pieces[4], Piece::Comment(" note "));
        assert_eq!(pieces[6], Piece::Close("row".into()));
    }

    #[test]
    fn entities_are_never_expanded_into_more() {
        assert_eq!(resolved("&lol9; &amp;lt; &#xZZ; &"), "&lol9; &lt; &#xZZ; &");
    }

    proptest! {
        #[test]
        fn never_panics_and_always_ends(text in "[<>a-z/!\\-&;#=\"' é\n]{0,80}", html: bool) {
            for piece in Pieces::new(&text, html) {
                if let Piece::Open { attributes: a, .. } = piece { let _ = attributes(a); }
            }
        }
    }
}
