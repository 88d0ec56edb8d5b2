//! The attribute's arguments: one table of keys, and the reading of `key = value, …`.

use std::fmt;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::quote_spanned;

use crate::diag::{Mistakes, suggestion};
use crate::value::{self, Kind, is_punct};

/// Which of the two attributes is being expanded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    Daemon,
    RepeatDaemon,
}

impl Attribute {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Attribute::Daemon => "daemon",
            Attribute::RepeatDaemon => "repeat_daemon",
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#[{}]", self.name())
    }
}

/// Where a key may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Any,
    Repeat,
}

/// Every key there is. Each but `crate` is a method of the builder, of the same name.
const KEYS: &[(&str, Kind, Scope)] = &[
    ("name", Kind::Name, Scope::Any),
    ("pidfile", Kind::Path, Scope::Any),
    ("stdin", Kind::Path, Scope::Any),
    ("stdout", Kind::Path, Scope::Any),
    ("stderr", Kind::Path, Scope::Any),
    ("working_directory", Kind::Path, Scope::Any),
    ("umask", Kind::Umask, Scope::Any),
    ("stop_signal", Kind::Signal, Scope::Any),
    ("stop_timeout", Kind::Duration, Scope::Any),
    ("close_fds", Kind::Bool, Scope::Any),
    ("crate", Kind::Crate, Scope::Any),
    ("every", Kind::Period, Scope::Repeat),
    ("times", Kind::Count, Scope::Repeat),
    ("missed", Kind::Missed, Scope::Repeat),
    ("on_error", Kind::OnError, Scope::Repeat),
];

/// The arguments, checked, in the order in which the builder wants them.
pub(crate) struct Args {
    /// The path of the facade, `::daemonic` if no `crate = …` says otherwise.
    pub(crate) krate: TokenStream,
    /// Keys of any daemon, in the user's order.
    pub(crate) plain: Vec<Arg>,
    /// Keys of a repeating one: `every` first, since it is what makes the builder a repeating one.
    pub(crate) repeat: Vec<Arg>,
}

/// One `key = value`, ready to be printed as `.key(value)`.
pub(crate) struct Arg {
    pub(crate) key: Ident,
    pub(crate) kind: Kind,
    pub(crate) value: TokenStream,
}

impl Arg {
    /// Prints `.key(value)`; the method's name is the user's own token.
    pub(crate) fn with(&self, value: &TokenStream) -> TokenStream {
        let key = &self.key;
        quote_spanned!(Span::mixed_site().located_at(key.span())=> .#key(#value))
    }
}

impl Args {
    /// Reads the arguments; those with a mistake are left out.
    pub(crate) fn parse(attribute: Attribute, args: TokenStream, mistakes: &mut Mistakes) -> Self {
        let pairs = Pairs::parse(attribute, args, mistakes).known(attribute, mistakes);

        let krate = pairs
            .iter()
            .find(|pair| pair.kind == Kind::Crate)
            .and_then(|pair| mistakes.note(value::path(&pair.value)))
            .unwrap_or_else(|| quote_spanned!(Span::mixed_site()=> ::daemonic));

        let mut parsed = Args {
            plain: Vec::new(),
            repeat: Vec::new(),
            krate,
        };
        for pair in pairs.into_iter().filter(|pair| pair.kind != Kind::Crate) {
            let Some(value) = mistakes.note(pair.kind.check(&pair.value, &parsed.krate)) else {
                continue;
            };
            let arg = Arg {
                key: pair.key,
                kind: pair.kind,
                value,
            };
            match pair.scope {
                Scope::Any => parsed.plain.push(arg),
                Scope::Repeat if arg.kind == Kind::Period => parsed.repeat.insert(0, arg),
                Scope::Repeat => parsed.repeat.push(arg),
            }
        }
        parsed
    }

    /// Tells whether `every` is there, so that the repeat keys can be chained.
    pub(crate) fn repeats(&self) -> bool {
        self.repeat
            .first()
            .is_some_and(|arg| arg.kind == Kind::Period)
    }
}

/// `key = value` with a key from the table.
struct Known {
    key: Ident,
    kind: Kind,
    scope: Scope,
    value: Vec<TokenTree>,
}

/// The arguments as they are written, whatever the keys.
struct Pairs(Vec<(Ident, Option<Vec<TokenTree>>)>);

impl Pairs {
    /// Splits `key = value, …`. A key without a value is kept, so that its name is looked up first.
    fn parse(attribute: Attribute, args: TokenStream, mistakes: &mut Mistakes) -> Self {
        let tokens: Vec<TokenTree> = args.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut pairs = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            let TokenTree::Ident(key) = first else {
                mistakes.at(
                    first.span(),
                    format!(
                        "expected a key, as in {attribute_with}",
                        attribute_with = example(attribute)
                    ),
                );
                rest = after_comma(value_end(rest).1);
                continue;
            };
            if !begins_value(after) {
                let (written, next) = value_end(after);
                match written.first() {
                    None => pairs.push((key.clone(), None)),
                    Some(found) => mistakes.at(
                        found.span(),
                        format!("expected `=`, as in {}", example(attribute)),
                    ),
                }
                rest = after_comma(next);
                continue;
            }
            let (value, next) = value_end(&after[1..]);
            pairs.push((
                key.clone(),
                Some(value.to_vec()).filter(|value| !value.is_empty()),
            ));
            if let Some(TokenTree::Ident(key)) = next.first() {
                mistakes.at(key.span(), format!("expected `,` before `{key}`"));
            }
            rest = after_comma(next);
        }
        Pairs(pairs)
    }

    /// Looks the keys up.
    fn known(self, attribute: Attribute, mistakes: &mut Mistakes) -> Vec<Known> {
        let mut known: Vec<Known> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for (key, value) in self.0 {
            let name = key.to_string();
            let Some((_, kind, scope)) = KEYS.iter().find(|(known, ..)| *known == name) else {
                mistakes.at(
                    key.span(),
                    format!(
                        "unknown key `{key}` for {attribute}; {}",
                        suggestion(&name, keys_of(attribute), "keys"),
                    ),
                );
                continue;
            };
            if *scope == Scope::Repeat && attribute == Attribute::Daemon {
                mistakes.at(
                    key.span(),
                    format!("the key `{key}` is for a fn that is run again and again; use #[repeat_daemon] instead of #[daemon]"),
                );
                continue;
            }
            if seen.contains(&name) {
                mistakes.at(
                    key.span(),
                    format!("the key `{key}` is given twice; remove one of the two"),
                );
                continue;
            }
            seen.push(name);
            let Some(value) = value else {
                mistakes.at(
                    key.span(),
                    format!(
                        "the key `{key}` has no value; write `{key} = {}`",
                        kind.example()
                    ),
                );
                continue;
            };
            known.push(Known {
                key,
                kind: *kind,
                scope: *scope,
                value,
            });
        }
        if attribute == Attribute::RepeatDaemon && !seen.iter().any(|key| key == "every") {
            mistakes.at(
                Span::call_site(),
                "#[repeat_daemon] needs the key `every`: how often is the fn to run? Write for example `every = \"5s\"`",
            );
        }
        known
    }
}

/// Lists the keys that fit the attribute.
fn keys_of(attribute: Attribute) -> impl Iterator<Item = &'static str> + Clone {
    KEYS.iter()
        .filter(move |(_, _, scope)| *scope == Scope::Any || attribute == Attribute::RepeatDaemon)
        .map(|(name, ..)| *name)
}

/// Shows what arguments look like.
fn example(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Daemon => "`#[daemon(pidfile = \"/run/example.pid\")]`",
        Attribute::RepeatDaemon => "`#[repeat_daemon(every = \"5s\")]`",
    }
}

/// Tells whether a value follows: an `=` that is not the beginning of `==` or `=>`.
fn begins_value(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(equals), TokenTree::Punct(next), ..] => {
            equals.as_char() == '='
                && (equals.spacing() == proc_macro2::Spacing::Alone
                    || !matches!(next.as_char(), '=' | '>'))
        }
        [first, ..] => is_punct(first, '='),
        [] => false,
    }
}

/// Splits an expression from what follows it. It ends at a comma, unless that is between the
/// angle brackets of generics, and before a key whose comma was forgotten.
fn value_end(tokens: &[TokenTree]) -> (&[TokenTree], &[TokenTree]) {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        let previous = at.checked_sub(1).map(|at| &tokens[at]);
        match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' if depth == 0 => return tokens.split_at(at),
                '<' if depth > 0 || opens_generics(previous) => depth += 1,
                '>' if depth > 0 && !previous.is_some_and(is_arrow_shaft) => depth -= 1,
                _ => {}
            },
            TokenTree::Ident(ident)
                if depth == 0
                    && previous
                        .is_some_and(|previous| !matches!(previous, TokenTree::Punct(_)))
                    && begins_value(&tokens[at + 1..])
                    && KEYS.iter().any(|(known, ..)| ident == known) =>
            {
                return tokens.split_at(at);
            }
            _ => {}
        }
    }
    (tokens, &[])
}

/// Tells `::<` and the beginning of `<T as Trait>::f` from "less than", which follows an operand.
fn opens_generics(previous: Option<&TokenTree>) -> bool {
    match previous {
        None => true,
        Some(TokenTree::Punct(punct)) => !matches!(punct.as_char(), '?' | '>'),
        Some(_) => false,
    }
}

/// Tells whether a `>` after this token belongs to `->` or `=>`.
pub(crate) fn is_arrow_shaft(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct)
        if matches!(punct.as_char(), '-' | '=') && punct.spacing() == proc_macro2::Spacing::Joint)
}

/// Steps over the comma that ended an argument.
fn after_comma(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens.split_first() {
        Some((first, rest)) if is_punct(first, ',') => rest,
        _ => tokens,
    }
}
