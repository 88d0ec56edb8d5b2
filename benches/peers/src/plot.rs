//! A plot of medians and quartiles as SVG.

use std::fmt::Write;

use crate::stats::{Summary, figure};

const ROW: f64 = 24.0;
const LEFT: f64 = 280.0;
const PANEL: f64 = 290.0;

/// One measurement.
pub struct Panel<'a> {
    pub title: &'a str,
    /// The ratios of each program to the first.
    pub ratios: Vec<Option<Summary>>,
    /// Whether a program had not done at its exit what was asked of it.
    pub is_marked: Vec<bool>,
}

/// Draws the panels, with a row for each program, on a logarithmic scale.
pub fn plot(names: &[&str], panels: &[Panel<'_>]) -> String {
    #[allow(clippy::cast_precision_loss, reason = "a few rows and panels")]
    let (rows, columns) = (names.len() as f64, panels.len() as f64);
    let (width, height) = (LEFT + columns * (PANEL + 20.0), 84.0 + rows * ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (at, name) in (0u32..).zip(names) {
        let y = 44.0 + f64::from(at) * ROW;
        let weight = if name.starts_with("daemonic") { "bold" } else { "normal" };
        let name = name.replace('`', "");
        let x = LEFT - 10.0;
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"end\" font-weight=\"{weight}\">{name}</text>",
            y + 4.0
        );
    }
    for (at, one) in (0u32..).zip(panels) {
        panel(&mut svg, LEFT + f64::from(at) * (PANEL + 20.0), one, names);
    }
    for (line, text) in [
        "Multiples of the program written by hand, on a logarithmic scale: medians of the rounds, with their quartiles.",
        "* In some rounds the daemon was not ready when start exited, or still alive when stop exited.",
    ]
    .into_iter()
    .enumerate()
    {
        let y = height - if line == 0 { 26.0 } else { 10.0 };
        let _ = writeln!(svg, "<text x=\"12\" y=\"{y}\" font-size=\"11\" fill=\"#444\">{text}</text>");
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, left: f64, panel: &Panel<'_>, names: &[&str]) {
    let Panel { title, ratios: summaries, is_marked } = panel;
    let known = || summaries.iter().flatten();
    let least = known().map(|summary| summary.low).fold(1.0, f64::min);
    let most = known().map(|summary| summary.high).fold(1.0, f64::max);
    let (least, most) = ((least / 1.1).log10(), (most * 1.1).log10());
    let x = |value: f64| left + (value.log10() - least) / (most - least) * (PANEL - 60.0);
    let bottom = 36.0 + f64::from(u32::try_from(summaries.len()).unwrap_or_default()) * ROW;
    let one = x(1.0);
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"18\" font-weight=\"bold\">{title}</text>");
    let _ = writeln!(
        svg,
        "<line x1=\"{one}\" y1=\"28\" x2=\"{one}\" y2=\"{bottom}\" stroke=\"#999\" stroke-dasharray=\"3 3\"/>"
    );
    for (((at, summary), name), is_marked) in (0u32..).zip(summaries).zip(names).zip(is_marked) {
        let Some(summary) = summary else { continue };
        let y = 44.0 + f64::from(at) * ROW;
        let colour = if name.starts_with("daemonic") { "#0a6640" } else { "#5577aa" };
        let (low, middle, high) = (x(summary.low), x(summary.median), x(summary.high));
        let _ = writeln!(
            svg,
            "<line x1=\"{low:.1}\" y1=\"{y}\" x2=\"{high:.1}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <circle cx=\"{middle:.1}\" cy=\"{y}\" r=\"4.5\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{}\" font-size=\"11\">{}{}</text>",
            high.max(middle) + 8.0,
            y + 4.0,
            figure(summary.median),
            if *is_marked { "*" } else { "" }
        );
    }
}
