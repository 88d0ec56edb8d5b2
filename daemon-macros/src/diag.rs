//! Mistakes, all reported at once, each with its repair.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Mistakes(Option<Error>);

impl Mistakes {
    /// Adds a mistake at one token.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.add(Error::new(span, message));
    }

    /// Adds a mistake that covers all of `tokens`, if there are any.
    pub(crate) fn over(&mut self, tokens: impl ToTokens, message: impl Display) {
        let tokens = tokens.into_token_stream();
        if !tokens.is_empty() {
            self.add(Error::new_spanned(tokens, message));
        }
    }

    /// Adds a mistake.
    pub(crate) fn add(&mut self, mistake: Error) {
        match &mut self.0 {
            Some(all) => all.combine(mistake),
            none => *none = Some(mistake),
        }
    }

    /// Returns the value, or adds the mistake.
    pub(crate) fn note<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|mistake| self.add(mistake)).ok()
    }

    /// Returns whether there are no mistakes.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns one `compile_error!` for each mistake.
    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        self.0.as_ref().map(Error::to_compile_error).unwrap_or_default()
    }

    /// Returns the messages without their locations.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.iter().flatten().map(|error| error.to_string()).collect()
    }
}

/// Returns the end of a message about an unknown word: the closest known word, or all of them.
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

/// Returns the word that was probably meant.
///
/// That is the only one of which `word` is the beginning or the end, or that `word` extends by
/// `_…`. Otherwise it is the one with the fewest typing mistakes, at most one in three letters.
pub(crate) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let is_part = |known: &str| {
        let is_extended = word.strip_prefix(known).is_some_and(|rest| rest.starts_with('_'));
        is_extended || word.len() >= 3 && (known.starts_with(word) || known.ends_with(word))
    };
    let mut parts = known.iter().filter(|known| is_part(known));
    if let (Some(only), None) = (parts.next(), parts.next()) {
        return Some(only);
    }
    let close = known.iter().filter(|known| distance(word, known) <= known.len().max(3) / 3);
    close.min_by_key(|known| distance(word, known)).copied()
}

/// Counts the letters to insert, remove, replace or swap with their neighbor.
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
