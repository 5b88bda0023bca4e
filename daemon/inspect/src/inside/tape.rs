//! Tar archives: plain files and directories only. Links, devices, sparse files and bytes that no header names are
//! findings.

use super::Inside;
use sekisho_policy::facts::ProblemKind;

const BLOCK: usize = 512;

/// Reads an archive that is wholly in memory.
pub fn read(bytes: &[u8]) -> Inside {
    let mut inside = Inside::new("tar");
    let (mut at, mut long) = (0, None);
    while let Some(header) = bytes.get(at..at + BLOCK) {
        if header.iter().all(|b| *b == 0) {
            break;
        }
        let Some((size, kind)) = head(header) else {
            inside.problem(ProblemKind::NotInspected, format!("byte {at}"), "a damaged header");
            return inside;
        };
        let name = long.take().unwrap_or_else(|| name(header));
        let end = at + BLOCK + size;
        let Some(data) = bytes.get(at + BLOCK..end) else {
            inside.problem(ProblemKind::NotInspected, name, "cut short");
            return inside;
        };
        let padded = end.div_ceil(BLOCK) * BLOCK;
        if bytes.get(end..padded.min(bytes.len())).is_some_and(|p| p.iter().any(|b| *b != 0)) {
            inside.problem(ProblemKind::TrailingBytes, name.clone(), "bytes behind the member's end");
        }
        if name.starts_with('/') || name.split('/').any(|p| p == "..") {
            inside.problem(ProblemKind::Malformed, name.clone(), "the name leads out of the archive");
        }
        match kind {
            b'0' | 0 | b'7' => {
                if !inside.member(name, data.to_vec()) {
                    return inside;
                }
            }
            b'5' => {}
            b'L' => long = Some(text(data)),
            b'x' => long = pax(data, &mut inside),
            b'g' => inside.hidden("global header", super::utf8(data)),
            other => inside.problem(
                ProblemKind::NotInspected,
                name,
                format!("a link or special file ({})", char::from(other)),
            ),
        }
        at = padded;
    }
    if bytes.get(at..at + BLOCK).is_none() {
        inside.problem(ProblemKind::Malformed, format!("byte {at}"), "the archive's end is missing");
    }
    if bytes.get(at..).is_some_and(|rest| rest.iter().any(|b| *b != 0)) {
        inside.problem(ProblemKind::NotInspected, format!("byte {at}"), "bytes behind the archive's end");
    }
    inside
}

/// Size and kind of a member, when the header's sum is right.
fn head(header: &[u8]) -> Option<(usize, u8)> {
    let sum = octal(header.get(148..156)?)?;
    let own: usize = header
        .iter()
        .enumerate()
        .map(|(i, b)| if (148..156).contains(&i) { 32 } else { usize::from(*b) })
        .sum();
    let size = octal(header.get(124..136)?)?;
    (sum == own).then_some((size, *header.get(156)?))
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = field.split(|b| *b == 0).next()?.trim_ascii();
    text.iter().try_fold(0_usize, |n, d| {
        matches!(d, b'0'..=b'7').then(|| n.checked_mul(8)?.checked_add(usize::from(d - b'0')))?
    })
}

fn text(field: &[u8]) -> String {
    super::utf8(field.split(|b| *b == 0).next().unwrap_or_default()).into_owned()
}

fn name(header: &[u8]) -> String {
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

/// The path of an extended header; anything but names and times in it is hidden content.
fn pax(data: &[u8], inside: &mut Inside) -> Option<String> {
    const USUAL: [&str; 9] = ["path", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "size"];
    let mut path = None;
    for line in super::utf8(data).lines() {
        let entry = line.split_once(' ').map_or(line, |(_, rest)| rest);
        let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
        if key == "path" {
            path = Some(value.to_owned());
        } else if !USUAL.contains(&key) {
            inside.hidden(format!("extended header {key}"), value);
        }
    }
    path
}
