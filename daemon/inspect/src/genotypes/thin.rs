//! Greedy thinning: how many sites are at least 250 kb apart.

/// Sites this far apart count as independent.
pub const APART: u64 = 250_000;

/// Largest number of places of which no two on a chromosome are nearer than [`APART`]. Sorts its input.
pub fn thinned(places: &mut [(u16, u64)]) -> u64 {
    places.sort_unstable();
    let mut kept = Walk::default();
    for place in places.iter() {
        kept.step(*place);
    }
    kept.count
}

/// Greedy thinning of sites that come in order.
#[derive(Clone, Copy, Default)]
pub struct Walk {
    last: Option<(u16, u64)>,
    /// Kept so far.
    pub count: u64,
}

impl Walk {
    /// Takes the next site.
    #[inline]
    pub fn step(&mut self, place: (u16, u64)) {
        let apart =
            self.last.is_none_or(|(chrom, pos)| chrom != place.0 || place.1.saturating_sub(pos) >= APART);
        if apart {
            self.last = Some(place);
            self.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_250_kb_is_apart_and_one_base_less_is_not() {
        assert_eq!(thinned(&mut [(1, 1), (1, 250_001)]), 2);
        assert_eq!(thinned(&mut [(1, 1), (1, 250_000)]), 1);
        assert_eq!(thinned(&mut [(2, 5), (1, 1)]), 2);
    }

    #[test]
    fn order_does_not_change_the_count() {
        let mut shuffled = [(1, 750_000), (1, 1), (1, 500_000), (1, 250_001), (1, 100)];
        assert_eq!(thinned(&mut shuffled), 3);
    }
}
