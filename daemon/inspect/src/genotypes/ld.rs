//! Greedy LD pruning: a site is kept when its r² with every kept site within 1 Mb is below 0.2.
//!
//! r² is the squared correlation of dosages over the persons called at both sites. Where fewer than
//! [`TRUSTED`] persons are called at both, or a site does not vary, dependence is not shown and the site is kept.

use super::{Call, MISSING, TRUSTED};

const WINDOW: u64 = 1_000_000;
const LIMIT: f64 = 0.2;
/// Calls of kept sites held in memory at most.
const MEMORY: usize = 128 << 20;

/// Sites kept so far.
#[derive(Default)]
pub struct Pruning {
    kept: Vec<(u16, u64, Vec<Call>)>,
    held: usize,
    /// Number kept so far.
    pub count: u64,
}

/// What became of a site.
#[derive(Debug, PartialEq, Eq)]
pub enum Took {
    /// Kept: independent of the others as far as the file shows.
    Kept,
    /// In LD with a kept one.
    Pruned,
    /// No memory left to go on.
    Full,
}

impl Pruning {
    /// Takes the next site. `sorted`: no earlier place will come any more.
    pub fn step(&mut self, place: (u16, u64), calls: &[Call], sorted: bool) -> Took {
        let near = |k: &(u16, u64, Vec<Call>)| k.0 == place.0 && k.1.abs_diff(place.1) <= WINDOW;
        if sorted {
            self.kept.retain(|k| near(k));
            self.held = self.kept.iter().map(|k| k.2.len()).sum();
        }
        // The nearest neighbours are the likeliest partners.
        let linked = self.kept.iter().rev().filter(|k| near(k)).any(|k| r2(&k.2, calls) >= LIMIT);
        if linked {
            return Took::Pruned;
        }
        if self.held + calls.len() > MEMORY {
            return Took::Full;
        }
        self.held += calls.len();
        self.kept.push((place.0, place.1, calls.to_vec()));
        self.count += 1;
        Took::Kept
    }
}

/// Squared correlation over persons called at both sites; 0 where it cannot be trusted.
#[allow(clippy::cast_precision_loss)] // sums stay far below 2^53
pub fn r2(a: &[Call], b: &[Call]) -> f64 {
    let (mut n, mut sa, mut sb, mut saa, mut sbb, mut sab) = (0u64, 0u64, 0u64, 0u64, 0u64, 0u64);
    // Short stretches in 32 bits, so that the compiler can use vectors: 4096 * 200 * 200 fits.
    for (ca, cb) in a.chunks(4096).zip(b.chunks(4096)) {
        let (mut tn, mut ta, mut tb, mut taa, mut tbb, mut tab) = (0u32, 0u32, 0u32, 0u32, 0u32, 0u32);
        for (&x, &y) in ca.iter().zip(cb) {
            let both = u32::from(x != MISSING && y != MISSING);
            let (x, y) = (u32::from(x) * both, u32::from(y) * both);
            tn += both;
            ta += x;
            tb += y;
            taa += x * x;
            tbb += y * y;
            tab += x * y;
        }
        n += u64::from(tn);
        sa += u64::from(ta);
        sb += u64::from(tb);
        saa += u64::from(taa);
        sbb += u64::from(tbb);
        sab += u64::from(tab);
    }
    if n < TRUSTED as u64 {
        return 0.0;
    }
    let n = n as f64;
    let (sa, sb) = (sa as f64, sb as f64);
    let (va, vb) = (n * saa as f64 - sa * sa, n * sbb as f64 - sb * sb);
    if va <= 0.0 || vb <= 0.0 {
        return 0.0;
    }
    let c = n * sab as f64 - sa * sb;
    c * c / (va * vb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_of_a_copy_is_one_and_below_a_hundred_persons_it_is_not_believed() {
        let a: Vec<Call> = (0..100).map(|i| [0, 100, 200][i % 3]).collect();
        assert!((r2(&a, &a) - 1.0).abs() < 1e-12);
        assert!(r2(&a[..99], &a[..99]).abs() < 1e-12);
    }

    #[test]
    fn persons_missing_at_one_site_do_not_count() {
        let a: Vec<Call> = (0..120).map(|i| [0, 100, 200][i % 3]).collect();
        let mut b = a.clone();
        b[..21].fill(MISSING);
        assert!(r2(&a, &b).abs() < 1e-12, "99 persons are left");
        b[20] = a[20];
        assert!((r2(&a, &b) - 1.0).abs() < 1e-12);
    }
}
