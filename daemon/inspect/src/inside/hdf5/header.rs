//! Object headers and groups of HDF5: messages, links, attributes, shapes.

use super::kinds::Kind;
use super::{Cursor, File, Inside, NOWHERE, little, utf8};
use crate::inside::columnar::{Fault, damaged};
use std::collections::BTreeSet;

/// Parts of one header.
const MOST_BLOCKS: usize = 1000;
/// Messages of one object.
const MOST: usize = 20_000;

/// A message of an object header.
pub struct Message<'a> {
    /// Its kind.
    pub kind: u16,
    /// Its bytes.
    pub data: &'a [u8],
}

/// A group or dataset.
pub struct Object<'a> {
    /// What its header says.
    pub messages: Vec<Message<'a>>,
}

impl<'a> Object<'a> {
    /// The first message of a kind.
    pub fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.messages.iter().find(|m| m.kind == kind).map(|m| m.data)
    }
}

impl<'a> File<'a> {
    /// The header at an address, with what continues it.
    pub(super) fn object(&self, address: u64) -> Result<Object<'a>, Fault> {
        let mut object = Object { messages: Vec::new() };
        let mut more = Vec::new();
        let head = self.at(address, 16)?;
        let (new, order) = if head.starts_with(b"OHDR") {
            let flags = head[5];
            let mut skip = 6;
            if flags & 0x20 != 0 {
                skip += 16;
            }
            if flags & 0x10 != 0 {
                skip += 4;
            }
            let width = 1 << (flags & 3);
            let size = little(self.at(address + skip, width)?) as usize;
            let from = address + skip + width as u64;
            let block = self.at(from, size.saturating_add(4))?;
            more.push(&block[..size]);
            (true, flags & 4 != 0)
        } else if head[0] == 1 {
            let size = little(&head[8..12]) as usize;
            more.push(self.at(address + 16, size)?);
            (false, false)
        } else {
            return Err(damaged("a header that is not known"));
        };
        let mut blocks = 0;
        while let Some(block) = more.pop() {
            // A header may be continued by itself.
            blocks += 1;
            if blocks > MOST_BLOCKS {
                return Err(damaged("a header of too many parts"));
            }
            let mut at = Cursor(block);
            while at.0.len() >= if new { 4 } else { 8 } {
                let (kind, size, flags) = if new {
                    let head = (at.number(1)? as u16, at.size(2)?, at.number(1)?);
                    if order {
                        at.take(2)?;
                    }
                    head
                } else {
                    let head = (at.number(2)? as u16, at.size(2)?, at.number(1)?);
                    at.take(3)?;
                    head
                };
                let data = at.take(size)?;
                if kind == 0x10 {
                    let mut place = Cursor(data);
                    let (from, length) = (place.number(8)?, place.size(8)?);
                    let block = self.at(from, length)?;
                    let block = if new {
                        block.strip_prefix(b"OCHK").and_then(|b| b.get(..b.len().checked_sub(4)?))
                    } else {
                        Some(block)
                    };
                    more.push(block.ok_or_else(|| damaged("a damaged header"))?);
                } else if flags & 2 != 0 && kind != 0 {
                    return Err(damaged("a message that several headers share"));
                } else if kind == 7 {
                    return Err(damaged("data in other files"));
                } else {
                    object.messages.push(Message { kind, data });
                }
                if object.messages.len() > MOST || more.len() > 64 {
                    return Err(damaged("a header of too many messages"));
                }
            }
        }
        Ok(object)
    }

    /// Names and addresses in a group.
    pub(super) fn links(
        &self,
        object: &Object<'a>,
        inside: &mut Inside,
    ) -> Result<Vec<(String, u64)>, Fault> {
        let mut found = Vec::new();
        for message in &object.messages {
            match message.kind {
                0x11 => {
                    let mut at = Cursor(message.data);
                    let (tree, heap) = (at.number(8)?, at.number(8)?);
                    let mut head = Cursor(self.at(heap, 32)?);
                    if head.take(4)? != b"HEAP" {
                        return Err(damaged("a damaged group"));
                    }
                    head.take(4)?;
                    let size = head.size(8)?;
                    let mut free = head.size(8)?;
                    let address = head.number(8)?;
                    self.place(address, size)?;
                    self.at(address, size.min(8))?;
                    // Room in it is listed; each entry is met once.
                    for _ in 0..size / 16 {
                        if free >= size {
                            break;
                        }
                        free = little(&self.at(address + free as u64, 16)?[..8]) as usize;
                    }
                    self.group(tree, (address, size), &mut (&mut found, BTreeSet::new()), inside, 8)?;
                }
                0x02 => {
                    let mut at = Cursor(message.data);
                    at.take(1)?;
                    let flags = at.number(1)?;
                    at.take(if flags & 1 != 0 { 8 } else { 0 })?;
                    if at.number(8)? != NOWHERE {
                        return Err(damaged("links in a heap that is not read"));
                    }
                }
                0x06 => found.extend(link(message.data, inside)?),
                _ => {}
            }
        }
        Ok(found)
    }

    fn group(
        &self,
        tree: u64,
        names: (u64, usize),
        into: &mut (&mut Vec<(String, u64)>, BTreeSet<u64>),
        inside: &mut Inside,
        depth: usize,
    ) -> Result<(), Fault> {
        let bad = || damaged("a damaged group");
        let depth = depth.checked_sub(1).ok_or_else(bad)?;
        // No part of a tree hangs in two places.
        if !into.1.insert(tree) {
            return Err(bad());
        }
        let mut at = Cursor(self.at(tree, 24)?);
        if at.take(4)? != b"TREE" || at.number(1)? != 0 {
            return Err(bad());
        }
        let level = at.number(1)?;
        let count = at.size(2)?;
        let mut pairs = Cursor(self.at(tree + 24, 16 * count + 8)?);
        for _ in 0..count {
            pairs.take(8)?;
            let child = pairs.number(8)?;
            if level > 0 {
                self.group(child, names, into, inside, depth)?;
                continue;
            }
            let head = self.at(child, 8)?;
            if !head.starts_with(b"SNOD") || !into.1.insert(child) {
                return Err(bad());
            }
            let count = little(&head[6..8]) as usize;
            if into.0.len() + count > super::MOST_OBJECTS {
                return Err(bad());
            }
            for entry in self.at(child + 8, 40 * count)?.chunks_exact(40) {
                let from = little(&entry[..8]) as usize;
                let left = names.1.checked_sub(from).ok_or_else(bad)?;
                let (start, end) = self.place(names.0 + from as u64, left)?;
                let length = memchr::memchr(0, &self.bytes[start..end]).ok_or_else(bad)?;
                let name = utf8(self.at(names.0 + from as u64, length)?).into_owned();
                if little(&entry[16..20]) == 2 {
                    inside.hidden(name, "a link by name");
                } else {
                    into.0.push((name, little(&entry[8..16])));
                }
            }
        }
        Ok(())
    }
}

fn link(data: &[u8], inside: &mut Inside) -> Result<Option<(String, u64)>, Fault> {
    let mut at = Cursor(data);
    at.take(1)?;
    let flags = at.number(1)?;
    let kind = if flags & 8 != 0 { at.number(1)? } else { 0 };
    at.take(if flags & 4 != 0 { 8 } else { 0 })?;
    at.take(if flags & 16 != 0 { 1 } else { 0 })?;
    let length = at.size(1 << (flags & 3))?;
    let name = utf8(at.take(length)?).into_owned();
    match kind {
        0 => Ok(Some((name, at.number(8)?))),
        1 => {
            inside.hidden(name, "a link by name");
            Ok(None)
        }
        _ => Err(damaged("a link to another file")),
    }
}

/// Where the heap of attributes lies, if there is one.
pub fn heap_of_attributes(data: &[u8]) -> Result<u64, Fault> {
    let mut at = Cursor(data);
    at.take(1)?;
    let flags = at.number(1)?;
    at.take(if flags & 1 != 0 { 2 } else { 0 })?;
    at.number(8)
}

/// The dimensions of a dataset; none where it holds nothing.
pub fn shape(data: &[u8]) -> Result<Option<Vec<usize>>, Fault> {
    let mut at = Cursor(data);
    let (version, rank) = (at.number(1)?, at.size(1)?);
    at.take(1)?;
    match version {
        1 => drop(at.take(5)?),
        2 if at.number(1)? == 2 => return Ok(None),
        2 => {}
        _ => return Err(damaged("dimensions that are not read")),
    }
    if rank > 32 {
        return Err(damaged("too many dimensions"));
    }
    (0..rank).map(|_| at.size(8)).collect::<Result<_, _>>().map(Some)
}

/// An attribute.
pub struct Attribute<'a> {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its bytes.
    pub value: &'a [u8],
}

/// Reads an attribute.
pub fn attribute(data: &[u8]) -> Result<Attribute<'_>, Fault> {
    let mut at = Cursor(data);
    let version = at.number(1)?;
    let flags = at.number(1)?;
    let sizes = [at.size(2)?, at.size(2)?, at.size(2)?];
    if version == 3 {
        at.take(1)?;
    }
    if !(1..=3).contains(&version) || version > 1 && flags != 0 {
        return Err(damaged("an attribute that is not read"));
    }
    let mut part = |size: usize| {
        let bytes = at.take(size)?;
        if version == 1 {
            at.take(size.next_multiple_of(8) - size)?;
        }
        Ok::<_, Fault>(bytes)
    };
    let name = utf8(part(sizes[0])?).trim_end_matches('\0').to_owned();
    let kind = Kind::read(&mut Cursor(part(sizes[1])?), 8)?;
    let shape = shape(part(sizes[2])?)?.unwrap_or_else(|| vec![0]);
    shape
        .iter()
        .try_fold(1_usize, |n, d| n.checked_mul(*d))
        .filter(|n| *n <= 1 << 24)
        .ok_or_else(|| damaged("a damaged attribute"))?;
    Ok(Attribute { name, kind, shape, value: at.0 })
}
