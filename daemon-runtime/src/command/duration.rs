//! A duration as text, in the form that the keys take: `1h 30m`, `500ms`.

use std::fmt;
use std::time::Duration;

/// A duration that is shown in its units, without those whose count is zero.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECONDS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
        const NANOS: [(u64, &str); 3] = [(1_000_000, "ms"), (1_000, "us"), (1, "ns")];
        let mut gap = "";
        let mut show = |mut rest: u64, units: &[(u64, &str)]| {
            for (size, unit) in units {
                let count = rest / size;
                rest %= size;
                if count > 0 {
                    write!(f, "{gap}{count}{unit}")?;
                    gap = " ";
                }
            }
            Ok(())
        };
        show(self.0.as_secs(), &SECONDS)?;
        show(self.0.subsec_nanos().into(), &NANOS)?;
        if self.0.is_zero() { f.write_str("0s") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_no_empty_units() {
        let shown = |millis| Span(Duration::from_millis(millis)).to_string();
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(500), "500ms");
        assert_eq!(shown(10_000), "10s");
        assert_eq!(shown(192_000), "3m 12s");
        assert_eq!(shown(3_600_000), "1h");
        assert_eq!(shown(90_061_001), "1d 1h 1m 1s 1ms");
        assert_eq!(Span(Duration::from_nanos(2_003)).to_string(), "2us 3ns");
    }
}
