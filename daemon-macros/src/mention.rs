//! Where an expression or a body mentions a variable, as far as its tokens show.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;

/// A token with a variable's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mention {
    /// Something else of that name: a field, a part of a path, a label, a macro.
    Namesake,
    /// The variable, or in a body perhaps another one that begins here.
    Variable,
    /// A variable that is read: it is followed by a dot, or a format string captures it.
    Read,
}

/// Lists the mentions in order.
///
/// In a macro, every identifier may be a variable, and so may a name in a format string.
pub(crate) fn mentions(tokens: TokenStream, name: &Ident) -> Vec<Mention> {
    let mut found = Vec::new();
    find(tokens, name, false, &mut found);
    found
}

fn find(tokens: TokenStream, name: &Ident, is_in_macro: bool, found: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(ident) if ident == name => found.push(match mention(&tokens, at) {
                Mention::Namesake if is_in_macro => Mention::Variable,
                mention => mention,
            }),
            TokenTree::Group(group) => {
                let (before, twice) = around(&tokens, at, [-1, -2]);
                let is_of_macro = is_mark(before, '!') && matches!(twice, Some(TokenTree::Ident(_)));
                find(group.stream(), name, is_in_macro || is_of_macro, found);
            }
            TokenTree::Literal(format) if is_in_macro => {
                let is_captured = captures(&format.to_string(), &name.unraw().to_string());
                found.extend(is_captured.then_some(Mention::Read));
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Judges an identifier by the tokens around it.
fn mention(tokens: &[TokenTree], at: usize) -> Mention {
    let (before, twice) = around(tokens, at, [-1, -2]);
    let (after, second) = around(tokens, at, [1, 2]);
    let is_field = is_mark(before, '.') && !is_mark(twice, '.');
    let is_end_of_path = is_mark(before, ':') && is_mark(twice, ':');
    let is_label = is_mark(before, '\'');
    // A field of a literal, a parameter of a closure, or the beginning of a path.
    let is_before_colon = is_mark(after, ':');
    let is_macro = is_mark(after, '!') && matches!(second, Some(TokenTree::Group(_)));
    if is_field || is_end_of_path || is_label || is_before_colon || is_macro {
        Mention::Namesake
    } else if is_mark(after, '.') && !is_mark(second, '.') {
        Mention::Read
    } else {
        Mention::Variable
    }
}

/// Returns the tokens at two distances from one of them.
fn around(
    tokens: &[TokenTree],
    at: usize,
    distances: [isize; 2],
) -> (Option<&TokenTree>, Option<&TokenTree>) {
    let [first, second] = distances.map(|distance| tokens.get(at.checked_add_signed(distance)?));
    (first, second)
}

fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

/// Returns whether a format string captures a variable, as in `{name}`, `{name:>8}` or `{:name$}`.
fn captures(format: &str, name: &str) -> bool {
    let is_word = |letter: char| letter == '_' || letter.is_alphanumeric();
    let is_letter = |letter: char| is_word(letter) && !letter.is_ascii_digit();
    format.match_indices(name).any(|(at, _)| {
        let (before, after) = (&format[..at], &format[at + name.len()..]);
        // Two braces stand for one that is printed.
        let braces = before.chars().rev().skip_while(|letter| letter.is_whitespace());
        let is_argument = braces.take_while(|letter| *letter == '{').count() % 2 == 1;
        let is_width = after.starts_with('$') && !before.ends_with(is_letter);
        !after.starts_with(is_word) && (is_argument || is_width)
    })
}
