//! The kernel's own description of its types (BTF), as far as the gate asks: structures, their members, functions and
//! their parameters.
//!
//! The format is that of the kernel's Documentation/bpf/btf.rst. Names are compared where they lie: a kernel has more
//! than a hundred thousand, and a gate that starts needs a hundred.

/// A description that is not one, or one of a later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no BTF of this machine's byte order that can be read: type {0}")]
pub struct Malformed(pub u32);

const MAGIC: u16 = 0xeb9f;

/// What a type is; the numbers are the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pointer.
    Pointer,
    /// `struct` or `union`.
    Composite {
        /// Is it a `struct`?
        is_struct: bool,
    },
    /// A name for another type.
    Typedef,
    /// `const`, `volatile`, `restrict`, or a tag.
    Qualifier,
    /// A function.
    Function,
    /// What a function takes and gives.
    Prototype,
    /// Nothing the gate asks about.
    Other,
}

/// One type.
#[derive(Debug, Clone, Copy)]
pub struct Type {
    /// What it is.
    pub kind: Kind,
    /// What it refers to.
    pub refers_to: u32,
    name: u32,
    count: u32,
    /// Members' offsets carry the width of bit fields in their upper byte.
    has_widths: bool,
    /// Where what follows its head begins.
    rest: usize,
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Empty for anonymous structures and unions.
    pub name: &'a [u8],
    /// Its type.
    pub of: u32,
    /// Bytes from the beginning of the structure.
    pub at: u32,
}

/// Types by number, from 1.
#[derive(Debug)]
pub struct Btf {
    bytes: Vec<u8>,
    types: Vec<Type>,
    strings: usize,
}

impl Btf {
    /// Takes a description apart.
    ///
    /// # Errors
    /// [`Malformed`], with the number of the type that could not be read; 0 for the header.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let header = Malformed(0);
        let magic = bytes.first_chunk().map(|&first| u16::from_ne_bytes(first));
        if magic != Some(MAGIC) || bytes.get(2) != Some(&1) {
            return Err(header);
        }
        let place = |at| word(&bytes, at).and_then(|value| usize::try_from(value).ok()).ok_or(header);
        let (length, first, size, strings) = (place(4)?, place(8)?, place(12)?, place(16)?);
        let mut at = length.checked_add(first).ok_or(header)?;
        let end = at.checked_add(size).filter(|&end| end <= bytes.len()).ok_or(header)?;
        let strings = length.checked_add(strings).filter(|&at| at <= bytes.len()).ok_or(header)?;
        let mut types = Vec::with_capacity(size / 16);
        while at < end {
            let (found, next) =
                head(&bytes, at).ok_or(Malformed(u32::try_from(types.len() + 1).unwrap_or(u32::MAX)))?;
            types.push(found);
            at = next;
        }
        Ok(Self { bytes, types, strings })
    }

    /// A type by its number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<Type> {
        self.types.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }

    /// Every type of a kind with a name.
    pub fn named<'a>(&'a self, kind: Kind, name: &'a str) -> impl Iterator<Item = Type> + 'a {
        self.types.iter().filter(move |t| t.kind == kind && self.name(t) == name.as_bytes()).copied()
    }

    /// A type's name.
    #[must_use]
    pub fn name(&self, of: &Type) -> &[u8] {
        self.text(of.name)
    }

    fn text(&self, at: u32) -> &[u8] {
        let begin = usize::try_from(at).ok().and_then(|at| self.strings.checked_add(at));
        let from = begin.and_then(|begin| self.bytes.get(begin..)).unwrap_or_default();
        memchr::memchr(0, from).map_or(from, |end| &from[..end])
    }

    /// The members of a structure or union; of anything else none.
    pub fn members(&self, of: Type) -> impl Iterator<Item = Member<'_>> {
        let count = if matches!(of.kind, Kind::Composite { .. }) { of.count as usize } else { 0 };
        (0..count).filter_map(move |index| {
            let begin = of.rest + index * 12;
            let bits = word(&self.bytes, begin + 8)?;
            let bits = if of.has_widths { bits & 0x00ff_ffff } else { bits };
            let name = self.text(word(&self.bytes, begin)?);
            Some(Member { name, of: word(&self.bytes, begin + 4)?, at: bits / 8 })
        })
    }

    /// The types of a prototype's parameters, in their order.
    pub fn parameters(&self, of: Type) -> impl Iterator<Item = u32> {
        let count = if of.kind == Kind::Prototype { of.count as usize } else { 0 };
        (0..count).filter_map(move |index| word(&self.bytes, of.rest + index * 8 + 4))
    }

    /// The type behind typedefs and qualifiers.
    #[must_use]
    pub fn behind(&self, number: u32) -> Option<Type> {
        let mut at = self.get(number)?;
        // A chain longer than there are types is a ring.
        for _ in 0..self.types.len() {
            if !matches!(at.kind, Kind::Typedef | Kind::Qualifier) {
                return Some(at);
            }
            at = self.get(at.refers_to)?;
        }
        None
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A type's head, and where the next type begins.
fn head(bytes: &[u8], at: usize) -> Option<(Type, usize)> {
    let (name, info, refers_to) = (word(bytes, at)?, word(bytes, at + 4)?, word(bytes, at + 8)?);
    let count = info & 0xffff;
    let (kind, each, once) = match info >> 24 & 0x1f {
        1 | 14 | 17 => (Kind::Other, 0, 4),
        2 => (Kind::Pointer, 0, 0),
        3 => (Kind::Other, 0, 12),
        number @ (4 | 5) => (Kind::Composite { is_struct: number == 4 }, 12, 0),
        6 => (Kind::Other, 8, 0),
        7 | 16 => (Kind::Other, 0, 0),
        8 => (Kind::Typedef, 0, 0),
        9..=11 | 18 => (Kind::Qualifier, 0, 0),
        12 => (Kind::Function, 0, 0),
        13 => (Kind::Prototype, 8, 0),
        15 | 19 => (Kind::Other, 12, 0),
        // How long it is nobody knows, so nothing behind it can be read.
        _ => return None,
    };
    let rest = at + 12;
    let next = rest + count as usize * each + once;
    bytes.get(..next)?;
    Some((Type { kind, refers_to, name, count, has_widths: info >> 31 == 1, rest }, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRUCT: Kind = Kind::Composite { is_struct: true };

    /// A description of types, each made of words; `strings` begins with the empty one.
    fn made(types: &[&[u32]], strings: &str) -> Vec<u8> {
        let types: Vec<u8> = types.concat().into_iter().flat_map(u32::to_ne_bytes).collect();
        let size = types.len() as u32;
        let mut bytes = Vec::from(MAGIC.to_ne_bytes());
        bytes.extend([1, 0]);
        for field in [24, 0, size, size, strings.len() as u32] {
            bytes.extend(field.to_ne_bytes());
        }
        [bytes, types, strings.as_bytes().to_vec()].concat()
    }

    const STRINGS: &str = "\0int\0flags\0path\0file\0file_t\0open\0";
    const INT: u32 = 1;
    const FLAGS: u32 = 5;
    const PATH: u32 = 11;
    const FILE: u32 = 16;
    const FILE_T: u32 = 21;
    const OPEN: u32 = 28;

    fn sample() -> Vec<u8> {
        made(
            &[
                &[INT, 1 << 24, 4, 32],                                                  // 1: int
                &[FILE, 4 << 24 | 2 | 1 << 31, 24, FLAGS, 1, 4 << 24 | 32, PATH, 3, 64], // 2: file, with widths
                &[0, 5 << 24 | 1, 16, FLAGS, 1, 96],                                     // 3: anonymous union
                &[FILE_T, 8 << 24, 2],                                                   // 4: typedef of file
                &[0, 10 << 24, 4],                                                       // 5: const
                &[0, 2 << 24, 5],                                                        // 6: pointer
                &[0, 13 << 24 | 2, 1, 0, 6, 0, 1],                                       // 7: prototype
                &[OPEN, 12 << 24, 7],                                                    // 8: function
                &[FILE, 6 << 24 | 1, 4, FLAGS, 1],                                       // 9: enum file
            ],
            STRINGS,
        )
    }

    #[test]
    fn structures_members_functions_and_parameters_are_found_by_name() {
        let btf = Btf::new(sample()).unwrap();
        let files: Vec<_> = btf.named(STRUCT, "file").collect();
        assert_eq!(files.len(), 1, "an enumeration of the same name is none");
        let members: Vec<_> = btf.members(files[0]).map(|m| (m.name, m.of, m.at)).collect();
        assert_eq!(
            members,
            [(&b"flags"[..], 1, 4), (&b"path"[..], 3, 8)],
            "a bit field's width is no offset"
        );
        let union = btf.get(3).unwrap();
        assert_eq!(btf.members(union).map(|m| m.at).collect::<Vec<_>>(), [12]);
        let open = btf.named(Kind::Function, "open").next().unwrap();
        let prototype = btf.get(open.refers_to).unwrap();
        let parameters: Vec<_> = btf.parameters(prototype).collect();
        assert_eq!(parameters, [6, 1]);
        let pointee = btf.behind(btf.behind(6).unwrap().refers_to).unwrap();
        assert_eq!((pointee.kind, btf.name(&pointee)), (STRUCT, &b"file"[..]));
        assert_eq!(btf.named(Kind::Function, "fil").count(), 0);
    }

    #[test]
    fn a_description_cut_anywhere_is_refused_or_lacks_names_and_never_panics() {
        let whole = sample();
        let types = whole.len() - STRINGS.len();
        for length in 0..whole.len() {
            let cut = Btf::new(whole[..length].to_vec());
            assert_eq!(cut.is_err(), length < types, "{length}");
        }
    }

    #[test]
    fn an_unknown_kind_is_named_and_a_ring_of_names_ends() {
        let unknown = made(&[&[INT, 1 << 24, 4, 32], &[0, 31 << 24, 0]], STRINGS);
        assert_eq!(Btf::new(unknown).unwrap_err(), Malformed(2));
        let ring = Btf::new(made(&[&[FILE_T, 8 << 24, 2], &[0, 10 << 24, 1]], STRINGS)).unwrap();
        assert!(ring.behind(1).is_none());
        let mut other = sample();
        other[..2].reverse();
        assert_eq!(Btf::new(other).unwrap_err(), Malformed(0));
    }
}
