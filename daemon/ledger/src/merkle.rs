//! The Merkle tree of RFC 6962 (SHA-256): roots, inclusion and consistency proofs, and their verification.

use ring::digest::{Context, SHA256};

/// A SHA-256 node.
pub type Hash = [u8; 32];

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// Hash of an entry.
pub fn leaf(entry: &[u8]) -> Hash {
    hash(&[&[0], entry])
}

/// Hash of two subtrees.
pub fn node(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[1], left, right])
}

/// Root of the tree without entries.
pub fn empty_root() -> Hash {
    hash(&[])
}

/// All complete subtrees: `levels[k][i]` covers entries `i·2^k .. (i+1)·2^k`.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Number of entries.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// Adds the hash of an entry.
    pub fn push(&mut self, leaf: Hash) {
        let mut carry = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(carry);
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => carry = node(left, right),
                _ => break,
            }
        }
    }

    /// Takes back the entries after the first `size`.
    pub fn truncate(&mut self, size: u64) {
        for (level, row) in self.levels.iter_mut().enumerate() {
            row.truncate(usize::try_from(size >> level).unwrap_or(usize::MAX));
        }
    }

    /// The complete subtree `i` of `level`, if the tree has it.
    pub fn complete(&self, level: u32, i: u64) -> Option<&Hash> {
        self.levels.get(level as usize)?.get(usize::try_from(i).ok()?)
    }

    /// Root over the first `size` entries; `None` beyond the tree.
    pub fn root(&self, size: u64) -> Option<Hash> {
        match size {
            0 => Some(empty_root()),
            _ => self.range(0, size),
        }
    }

    /// Root over `start..end`, whose left parts are aligned as RFC 6962 splits them.
    fn range(&self, start: u64, end: u64) -> Option<Hash> {
        let length = end.checked_sub(start).filter(|n| *n > 0)?;
        if length.is_power_of_two() && start.is_multiple_of(length) {
            return self.complete(length.trailing_zeros(), start / length).copied();
        }
        let middle = start + split(length);
        Some(node(&self.range(start, middle)?, &self.range(middle, end)?))
    }

    /// Inclusion proof of entry `index` in the tree of the first `size` entries.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// Proof that the tree of the first `old` entries is the beginning of that of the first `new`.
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        if old > new || new > self.size() {
            return None;
        }
        if old == 0 || old == new {
            return Some(Vec::new());
        }
        let (mut start, mut end) = (0, new);
        let mut path = Vec::new();
        while end != old {
            let middle = start + split(end - start);
            if old <= middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(start, middle)?);
                start = middle;
            }
        }
        if start > 0 {
            path.push(self.range(start, end)?);
        }
        path.reverse();
        Some(path)
    }
}

/// Largest power of two below `n` (n ≥ 2).
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// Is `leaf` entry `index` of the tree with this size and root? RFC 9162 section 2.1.3.2.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut fn_, mut sn) = (index, size - 1);
    let mut r = *leaf;
    for p in path {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node(p, &r);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            r = node(&r, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && r == *root
}

/// Is the tree `(old, old_root)` the beginning of `(new, new_root)`? RFC 9162 section 2.1.4.2.
pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, path: &[Hash]) -> bool {
    if old == 0 {
        return path.is_empty() && *old_root == empty_root();
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    if old > new {
        return false;
    }
    let mut path = path.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut fn_, mut sn) = (old - 1, new - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    let (mut fr, mut sr) = (*first, *first);
    for c in path {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node(c, &fr);
            sr = node(c, &sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            sr = node(&sr, c);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && fr == *old_root && sr == *new_root
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap()).collect()
    }

    fn tree(n: u64) -> Tree {
        let mut tree = Tree::default();
        (0..n).for_each(|i| tree.push(leaf(&i.to_be_bytes())));
        tree
    }

    /// The eight-entry tree every RFC 6962 implementation is tested with, and its known roots.
    #[test]
    fn the_known_roots_of_rfc_6962() {
        let entries = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        assert_eq!(tree.root(0).unwrap().to_vec(), unhex(roots[0]));
        for (n, entry) in entries.iter().enumerate() {
            tree.push(leaf(&unhex(entry)));
            assert_eq!(tree.root(n as u64 + 1).unwrap().to_vec(), unhex(roots[n + 1]), "{} entries", n + 1);
        }
        assert_eq!(tree.root(5).unwrap().to_vec(), unhex(roots[5]), "an old root");
    }

    #[test]
    fn every_proof_of_a_small_tree_holds_and_for_no_other_place() {
        let tree = tree(70);
        for size in 1..=70 {
            let root = tree.root(size).unwrap();
            for index in 0..size {
                let path = tree.inclusion(index, size).unwrap();
                let hash = leaf(&index.to_be_bytes());
                assert!(verify_inclusion(&hash, index, size, &path, &root), "{index} of {size}");
                if size > 1 {
                    assert!(!verify_inclusion(&hash, (index + 1) % size, size, &path, &root));
                }
            }
            for old in 0..=size {
                let path = tree.consistency(old, size).unwrap();
                let old_root = tree.root(old).unwrap();
                assert!(verify_consistency(old, &old_root, size, &root, &path), "{old} to {size}");
            }
        }
    }

    #[test]
    fn what_was_taken_back_leaves_no_trace() {
        let mut shortened = tree(70);
        shortened.truncate(37);
        for n in 37u64..70 {
            shortened.push(leaf(&n.to_be_bytes()));
        }
        assert_eq!(shortened.root(70), tree(70).root(70));
    }

    proptest! {
        #[test]
        fn a_changed_proof_is_refused(size in 2u64..2000, pick in any::<u64>(), bit in 0usize..256, which in any::<usize>()) {
            let tree = tree(size);
            let root = tree.root(size).unwrap();
            let index = pick % size;
            let mut path = tree.inclusion(index, size).unwrap();
            let hash = leaf(&index.to_be_bytes());
            prop_assert!(verify_inclusion(&hash, index, size, &path, &root));
            let at = which % path.len();
            path[at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&hash, index, size, &path, &root));
            let old = 1 + pick % (size - 1);
            let old_root = tree.root(old).unwrap();
            let mut path = tree.consistency(old, size).unwrap();
            prop_assert!(verify_consistency(old, &old_root, size, &root, &path));
            let mut other = old_root;
            other[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency(old, &other, size, &root, &path));
            path.push(other);
            prop_assert!(!verify_consistency(old, &old_root, size, &root, &path));
        }
    }
}
