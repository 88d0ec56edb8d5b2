//! Mistakes: all of them are collected and reported at once, and each names its repair.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Mistakes(Option<Error>);

impl Mistakes {
    /// Adds a mistake of one token.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.add(Error::new(span, message));
    }

    /// Adds a mistake that stretches over all of `tokens`.
    pub(crate) fn over(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    /// Adds a mistake that somebody else has worded.
    pub(crate) fn add(&mut self, mistake: Error) {
        match &mut self.0 {
            Some(all) => all.combine(mistake),
            none => *none = Some(mistake),
        }
    }

    /// Returns the value, or notes why there is none.
    pub(crate) fn note<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|mistake| self.add(mistake)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub(crate) fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }

    /// Renders one `compile_error!` for each mistake.
    pub(crate) fn render(&self) -> TokenStream {
        self.0.as_ref().map(Error::to_compile_error).unwrap_or_default()
    }

    /// Returns the messages, without their places.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.iter().flatten().map(|error| error.to_string()).collect()
    }
}

/// Ends a message about an unknown word: with the word that was meant, or with all there are.
pub(crate) fn suggestion(word: &str, known: &[&str], what: &str) -> String {
    match closest(word, known) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the {what} are {}", list(known)),
    }
}

/// Lists words: `` `a`, `b` and `c` ``.
fn list(words: &[&str]) -> String {
    let mut words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.pop() {
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} and {last}", words.join(", ")),
        None => String::new(),
    }
}

/// Finds the word that was probably meant: one that begins or ends with what was written, or that something was put
/// behind, or else the one that is the fewest typing mistakes away, at most one in three letters.
pub(crate) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let is_part = |known: &str| {
        let is_whole = word.strip_prefix(known).is_some_and(|rest| rest.starts_with('_'));
        is_whole || word.len() >= 3 && (known.starts_with(word) || known.ends_with(word))
    };
    let mut whole = known.iter().filter(|known| is_part(known));
    if let (Some(only), None) = (whole.next(), whole.next()) {
        return Some(only);
    }
    let close = known.iter().filter(|known| distance(word, known) <= known.len().max(3) / 3);
    close.min_by_key(|known| distance(word, known)).copied()
}

/// Counts the letters to insert, remove, replace or swap with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}
