//! An order that changes from round to round.

/// A generator of orders (xorshift).
pub struct Shuffle(u64);

impl Shuffle {
    pub fn new() -> Self {
        let nanos = std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.subsec_nanos());
        Self(u64::from(nanos) | 1)
    }

    /// Returns the numbers below `count` in a random order.
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for at in (1..count).rev() {
            order.swap(at, self.below(at + 1));
        }
        order
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap_or_default()
    }
}
