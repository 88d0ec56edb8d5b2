//! Medians, quartiles, percentiles.

use std::fmt;

/// The median of some figures, with their quartiles.
#[derive(Clone, Copy)]
pub struct Summary {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

impl Summary {
    /// Summarizes figures; `None` if there are none.
    pub fn of(figures: &[f64]) -> Option<Self> {
        let at = |part| percentile(figures, part);
        Some(Self { low: at(25.0)?, median: at(50.0)?, high: at(75.0)? })
    }
}

impl Summary {
    /// Summarizes the ratios of figures to those of the same rounds.
    pub fn of_ratios(figures: &[f64], bases: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = figures.iter().zip(bases).map(|(one, base)| one / base).collect();
        Self::of(&ratios)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, median, high } = self;
        let digits = if *median < 10.0 { 2 } else { usize::from(*median < 100.0) };
        write!(f, "{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

/// Returns a ratio as text, with as many digits as it deserves.
pub fn figure(value: f64) -> String {
    if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// Returns the figure below which a part of the figures lies.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index"
)]
pub fn percentile(figures: &[f64], part: f64) -> Option<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some(sorted[(last as f64 * part / 100.0).round() as usize])
}
