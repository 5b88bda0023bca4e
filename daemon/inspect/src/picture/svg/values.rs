//! The form of every value a drawing may hold. What does not have it is not copied.

use std::collections::{BTreeMap, BTreeSet};

/// Significant digits of a number in a drawing: a tenth of a pixel on a screen.
const DIGITS: i32 = 4;
/// Colours of a drawing before they are called a code; beyond, the copy has 6 steps a channel.
pub const MOST_COLOURS: usize = 216;
/// Rules and classes of a style sheet.
const MOST_RULES: usize = 60;

/// Attributes whose values are numbers, with units, path commands or transformations between them.
const NUMBERS: [&str; 52] = [
    "x",
    "y",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "width",
    "height",
    "x1",
    "x2",
    "y1",
    "y2",
    "dx",
    "dy",
    "fx",
    "fy",
    "points",
    "d",
    "transform",
    "viewBox",
    "offset",
    "stroke-width",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-miterlimit",
    "opacity",
    "fill-opacity",
    "stroke-opacity",
    "stop-opacity",
    "font-size",
    "rotate",
    "textLength",
    "letter-spacing",
    "word-spacing",
    "line-height",
    "gradientTransform",
    "patternTransform",
    "refX",
    "refY",
    "markerWidth",
    "markerHeight",
    "version",
    "font-weight",
    "font",
    "orient",
    "baseline-shift",
    "stroke-opacity",
    "startOffset",
    "pathLength",
    "text-indent",
    "flood-opacity",
];
const COLOURS: [&str; 5] = ["fill", "stroke", "stop-color", "color", "background-color"];
const WORDS: [&str; 29] = [
    "text-anchor",
    "font-style",
    "font-family",
    "stroke-linecap",
    "stroke-linejoin",
    "fill-rule",
    "clip-rule",
    "dominant-baseline",
    "alignment-baseline",
    "gradientUnits",
    "clipPathUnits",
    "patternUnits",
    "markerUnits",
    "spreadMethod",
    "preserveAspectRatio",
    "lengthAdjust",
    "white-space",
    "font-stretch",
    "font-variant",
    "text-rendering",
    "shape-rendering",
    "overflow",
    "text-decoration",
    "vector-effect",
    "display",
    "visibility",
    "mix-blend-mode",
    "pointer-events",
    "text-align",
];
const LINKS: [&str; 5] = ["clip-path", "mask", "marker-start", "marker-mid", "marker-end"];
const PIECES: [&str; 26] = [
    "px",
    "pt",
    "em",
    "ex",
    "in",
    "cm",
    "mm",
    "pc",
    "deg",
    "none",
    "auto",
    "normal",
    "bold",
    "bolder",
    "lighter",
    "translate",
    "scale",
    "rotate",
    "matrix",
    "skewX",
    "skewY",
    "translateX",
    "translateY",
    "baseline",
    "sub",
    "super",
];

/// What has been met so far.
pub struct Values {
    /// Names that are referred to, and the numbers they become.
    names: BTreeMap<String, usize>,
    classes: BTreeSet<String>,
    colours: BTreeSet<[u8; 3]>,
    /// Colours are rounded.
    coarse: bool,
    /// Numbers that had more digits.
    pub rounded: u64,
    /// One of them.
    pub example: String,
}

impl Values {
    /// Nothing met yet.
    pub fn new(names: BTreeMap<String, usize>, coarse: bool) -> Self {
        Self {
            names,
            coarse,
            classes: BTreeSet::new(),
            colours: BTreeSet::new(),
            rounded: 0,
            example: String::new(),
        }
    }

    /// Different colours met.
    pub fn colours(&self) -> usize {
        self.colours.len()
    }

    /// Does this attribute make its element one that is not seen?
    pub fn invisible(&self, element: &str, name: &str, value: &str) -> bool {
        if name == "style" {
            return declarations(value).any(|(n, v)| self.invisible(element, &n, v));
        }
        let value = value.trim().to_ascii_lowercase();
        let zero =
            || value.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<f64>().is_ok_and(|v| v < 0.02);
        match name {
            "display" => value == "none",
            "visibility" => value == "hidden" || value == "collapse",
            "opacity" => zero(),
            "fill-opacity" if matches!(element, "text" | "tspan") => zero(),
            "font-size" => value
                .trim_end_matches(|c: char| c.is_ascii_alphabetic())
                .parse::<f64>()
                .is_ok_and(|v| v < 0.5),
            "fill" if matches!(element, "text" | "tspan") => {
                matches!(value.as_str(), "none" | "transparent" | "white" | "#fff" | "#ffffff")
            }
            _ => false,
        }
    }

    /// The attribute as it is copied, with a space before it; empty when it is understood and says nothing.
    pub fn attribute(&mut self, element: &str, name: &str, value: &str) -> Option<String> {
        match name {
            "xmlns" => (value == "http://www.w3.org/2000/svg").then(String::new),
            "xmlns:xlink" => (value == "http://www.w3.org/1999/xlink").then(String::new),
            "xml:space" => matches!(value, "preserve" | "default").then(|| format!(" xml:space=\"{value}\"")),
            "baseprofile" => matches!(value, "full" | "tiny" | "basic").then(String::new),
            "type" if element == "style" => (value == "text/css").then(String::new),
            "id" => self.names.get(value).map(|number| format!(" id=\"i{number}\"")),
            "href" | "xlink:href" => {
                let number = self.names.get(value.strip_prefix('#')?)?;
                Some(format!(" xlink:href=\"#i{number}\""))
            }
            "class" => self.class(value).map(|good| format!(" class=\"{good}\"")),
            "style" => {
                let good = self.declared(value)?;
                Some(if good.is_empty() { good } else { format!(" style=\"{good}\"") })
            }
            _ => self.property(name, value).map(|(name, good)| format!(" {name}=\"{good}\"")),
        }
    }

    /// A property, as attribute or in a style: its proper spelling and value.
    fn property(&mut self, name: &str, value: &str) -> Option<(&'static str, String)> {
        let named =
            |list: &'static [&'static str]| list.iter().copied().find(|n| n.eq_ignore_ascii_case(name));
        let value = value.trim();
        if let Some(name) = named(&NUMBERS) {
            return Some((name, self.numbers(value, name == "d")?));
        }
        if let Some(name) = named(&COLOURS) {
            return Some((name, self.colour(value)?));
        }
        if let Some(name) = named(&LINKS) {
            return Some((name, if value == "none" { value.to_owned() } else { self.link(value)? }));
        }
        let name = named(&WORDS)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | ',' | '\'' | '"');
        let length = if name == "font-family" { 120 } else { 30 };
        (value.len() <= length && value.chars().all(plain)).then(|| (name, value.replace('"', "'")))
    }

    fn link(&self, value: &str) -> Option<String> {
        let inner = value.strip_prefix("url(")?.strip_suffix(')')?.trim_matches(['"', '\'']);
        Some(format!("url(#i{})", self.names.get(inner.strip_prefix('#')?)?))
    }

    fn class(&mut self, value: &str) -> Option<String> {
        for class in value.split_whitespace() {
            let plain =
                class.len() <= 24 && class.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
            if !plain || (self.classes.len() >= MOST_RULES && !self.classes.contains(class)) {
                return None;
            }
            self.classes.insert(class.to_owned());
        }
        Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// A list of declarations; `None` when one of them is not understood.
    fn declared(&mut self, value: &str) -> Option<String> {
        let mut good = Vec::new();
        for (name, value) in declarations(value) {
            let (name, value) = self.property(&name, value)?;
            good.push(format!("{name}:{value}"));
        }
        Some(good.join(";"))
    }

    /// A style sheet: what of it is copied, and what is not understood.
    pub fn sheet(&mut self, text: &str) -> (String, Vec<String>) {
        let (mut css, mut odd) = (String::new(), Vec::new());
        for (number, rule) in text.split('}').enumerate() {
            let rule = rule.trim();
            if rule.is_empty() {
                continue;
            }
            let parts = rule.split_once('{').filter(|(selector, _)| {
                let plain = |c: char| {
                    c.is_ascii_alphabetic() || matches!(c, ' ' | '.' | ',' | '*' | '-' | '_' | '\n')
                };
                selector.len() <= 200 && selector.chars().all(plain)
            });
            match parts.and_then(|(selector, body)| Some((selector, self.declared(body)?))) {
                Some((selector, body)) if number < MOST_RULES => {
                    css +=
                        &format!("{}{{{body}}}", selector.split_whitespace().collect::<Vec<_>>().join(" "));
                }
                _ => odd.push(rule.to_owned()),
            }
        }
        (css, odd)
    }

    /// Numbers rounded, with what may stand between them.
    fn numbers(&mut self, value: &str, path: bool) -> Option<String> {
        let mut out = String::with_capacity(value.len());
        let mut rest = value;
        let mut after_number = false;
        // The flags of an arc are one digit each, and nothing need stand behind them.
        let (mut arc, mut nth) = (false, 0);
        while let Some(first) = rest.chars().next() {
            if first.is_ascii_digit() || matches!(first, '-' | '+' | '.') {
                let flag = arc && matches!(nth % 7, 3 | 4);
                if flag && !matches!(first, '0' | '1') {
                    return None;
                }
                let end = if flag { 1 } else { number_end(rest)? };
                nth += 1;
                let (number, next) = rest.split_at(end);
                let text = self.rounded(number)?;
                if after_number && !text.starts_with('-') {
                    out.push(' ');
                }
                out += &text;
                (rest, after_number) = (next, true);
            } else if first.is_ascii_alphabetic() {
                let length = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
                let (word, next) = rest.split_at(if path { 1 } else { length });
                let known = if path { "MmLlHhVvCcSsQqTtAaZz".contains(word) } else { PIECES.contains(&word) };
                if !known {
                    return None;
                }
                (arc, nth) = (matches!(word, "A" | "a"), 0);
                out += word;
                (rest, after_number) = (next, false);
            } else if matches!(first, ' ' | ',' | '\n' | '\r' | '\t') {
                rest = rest.trim_start_matches([' ', ',', '\n', '\r', '\t']);
                if !out.is_empty() && !rest.is_empty() && !path {
                    out.push(' ');
                    after_number = false;
                }
            } else if matches!(first, '(' | ')' | '%') && !path {
                out.push(first);
                (rest, after_number) = (&rest[1..], false);
            } else {
                return None;
            }
        }
        Some(out)
    }

    fn rounded(&mut self, number: &str) -> Option<String> {
        let value: f64 = number.parse().ok().filter(|v: &f64| v.is_finite() && v.abs() < 1e9)?;
        if value.abs() < 1e-6 {
            if number.len() > 8 {
                self.rounded += 1;
            }
            return Some("0".into());
        }
        let places = (DIGITS - 1 - value.abs().log10().floor() as i32).clamp(-9, 9);
        let scale = 10_f64.powi(places);
        let near = (value * scale).round() / scale;
        let mut text = format!("{near:.*}", usize::try_from(places).unwrap_or(0));
        if text.contains('.') {
            text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        }
        let digits = |t: &str| {
            let mantissa = t.split(['e', 'E']).next().unwrap_or_default();
            let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            all.trim_start_matches('0').len()
        };
        if (near - value).abs() > 0.0 || (number.contains('.') && digits(number) > digits(&text) + 4) {
            self.rounded += 1;
            if self.example.is_empty() {
                self.example = number.chars().take(40).collect();
            }
        }
        Some(text)
    }

    fn colour(&mut self, value: &str) -> Option<String> {
        if value.starts_with("url(") {
            return self.link(value);
        }
        if let Some(rgb) = rgb(value) {
            self.colours.insert(rgb);
            let step = |c: u8| if self.coarse { (u16::from(c) + 25) / 51 * 51 } else { u16::from(c) };
            let [r, g, b] = rgb.map(step);
            return Some(format!("#{r:02x}{g:02x}{b:02x}"));
        }
        let word = value.len() <= 24 && value.chars().all(|c| c.is_ascii_alphabetic());
        (word && !value.is_empty()).then(|| value.to_ascii_lowercase())
    }
}

/// Names and values of a style.
fn declarations(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.split(';').filter(|d| !d.trim().is_empty()).map(|d| {
        let (name, value) = d.split_once(':').unwrap_or((d, ""));
        (name.trim().to_ascii_lowercase(), value.trim())
    })
}

/// Where the number at the beginning ends.
fn number_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let from = at;
    let (mut point, mut digits) = (false, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' if !point => point = true,
            _ => break,
        }
        at += 1;
    }
    if digits == 0 || at - from > 40 {
        return None;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'-' | b'+')));
        let length = bytes.get(at + 1 + sign..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if (1..=3).contains(&length) {
            at += 1 + sign + length;
        }
    }
    Some(at)
}

/// A colour by its numbers.
fn rgb(value: &str) -> Option<[u8; 3]> {
    if let Some(hex) = value.strip_prefix('#') {
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let number = u32::from_str_radix(hex, 16).ok()?;
        let part = |shift: u32| (number >> shift & 255) as u8;
        let half = |shift: u32| (number >> shift & 15) as u8 * 17;
        return match hex.len() {
            3 => Some([half(8), half(4), half(0)]),
            6 => Some([part(16), part(8), part(0)]),
            _ => None,
        };
    }
    let inner = value.strip_prefix("rgb(")?.strip_suffix(')')?;
    let parts: Vec<u8> = inner
        .split([',', ' '])
        .filter(|p| !p.is_empty())
        .map(|p| match p.strip_suffix('%') {
            Some(share) => share.parse::<f64>().ok().map(|v| (v.clamp(0.0, 100.0) * 2.55).round() as u8),
            None => p.parse().ok(),
        })
        .collect::<Option<_>>()?;
    parts.try_into().ok()
}
