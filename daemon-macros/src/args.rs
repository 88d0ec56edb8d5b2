//! The attribute's arguments: one table of keys, and the reading of `key = value, …`.

use std::fmt;

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::quote_spanned;

use crate::diag::{Mistakes, closest, suggestion};
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

/// A key, what its value is, and where it may stand.
type Row = (&'static str, Kind, Scope);

/// Every key there is. Each but `crate` is a method of the builder, of the same name.
const KEYS: &[Row] = &[
    ("name", Kind::Name, Scope::Any),
    ("pidfile", Kind::Path, Scope::Any),
    ("stdin", Kind::Path, Scope::Any),
    ("stdout", Kind::Path, Scope::Any),
    ("stderr", Kind::Path, Scope::Any),
    ("working_directory", Kind::Path, Scope::Any),
    ("umask", Kind::Umask, Scope::Any),
    ("user", Kind::Account, Scope::Any),
    ("group", Kind::Account, Scope::Any),
    ("chroot", Kind::Path, Scope::Any),
    ("stop_signal", Kind::Signal, Scope::Any),
    ("stop_timeout", Kind::Duration, Scope::Any),
    ("close_fds", Kind::Bool, Scope::Any),
    ("wait_ready", Kind::Duration, Scope::Any),
    ("crate", Kind::Crate, Scope::Any),
    ("every", Kind::Period, Scope::Repeat),
    ("times", Kind::Count, Scope::Repeat),
    ("missed", Kind::Missed, Scope::Repeat),
    ("on_error", Kind::OnError, Scope::Repeat),
];

/// What a key is called elsewhere, and here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("count", "times"),
    ("cwd", "working_directory"),
    ("dir", "working_directory"),
    ("gid", "group"),
    ("interval", "every"),
    ("log", "stdout"),
    ("log_file", "stdout"),
    ("logfile", "stdout"),
    ("minutes", "every"),
    ("period", "every"),
    ("root", "chroot"),
    ("runs", "times"),
    ("seconds", "every"),
    ("uid", "user"),
    ("workdir", "working_directory"),
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
        let last = value.clone().into_iter().last();
        let end = last.map_or_else(|| key.span(), |token| token.span());
        let value = delimit(Delimiter::Parenthesis, value.clone(), end);
        quote_spanned!(Span::mixed_site().located_at(key.span())=> .#key #value)
    }
}

impl Args {
    /// Reads the arguments; those with a mistake are left out. A missing one is noted at `site`.
    pub(crate) fn parse(
        attribute: Attribute,
        args: TokenStream,
        site: Span,
        mistakes: &mut Mistakes,
    ) -> Self {
        let before = mistakes.count();
        let pairs = read(attribute, args, mistakes);
        // What couldn't be read may be what would be missing.
        let site = (mistakes.count() == before).then_some(site);
        let pairs = look_up(attribute, pairs, site, mistakes);

        let krate = pairs
            .iter()
            .find(|pair| pair.kind == Kind::Crate)
            .and_then(|pair| mistakes.note(value::path(&pair.value)))
            .unwrap_or_else(|| quote_spanned!(Span::mixed_site()=> ::daemonic));

        let mut parsed = Args { plain: Vec::new(), repeat: Vec::new(), krate };
        for pair in pairs.into_iter().filter(|pair| pair.kind != Kind::Crate) {
            let finished = mistakes.note(value::finished(&pair.key, &pair.value));
            let checked = finished.and_then(|()| mistakes.note(pair.kind.check(&pair.value, &parsed.krate)));
            let Some(value) = checked else {
                continue;
            };
            let arg = Arg { key: pair.key, kind: pair.kind, value };
            match pair.scope {
                Scope::Any => parsed.plain.push(arg),
                Scope::Repeat if arg.kind == Kind::Period => parsed.repeat.insert(0, arg),
                Scope::Repeat => parsed.repeat.push(arg),
            }
        }
        parsed
    }

    /// Gives a key of any daemon as the user wrote it, if it is there.
    pub(crate) fn key(&self, name: &str) -> Option<&Ident> {
        self.plain.iter().map(|arg| &arg.key).find(|key| *key == name)
    }

    /// Tells whether `every` is there, so that the repeat keys can be chained.
    pub(crate) fn repeats(&self) -> bool {
        self.repeat.first().is_some_and(|arg| arg.kind == Kind::Period)
    }
}

/// `key = value` with a key from the table.
struct Known {
    key: Ident,
    kind: Kind,
    scope: Scope,
    value: Vec<TokenTree>,
}

/// `key = value` with whatever key. One without a value is kept, so that its key is looked up first.
struct Pair {
    key: Ident,
    value: Vec<TokenTree>,
}

/// Splits `key = value, …`.
fn read(attribute: Attribute, args: TokenStream, mistakes: &mut Mistakes) -> Vec<Pair> {
    let tokens: Vec<TokenTree> = args.into_iter().collect();
    let mut rest = tokens.as_slice();
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        if let [hash, TokenTree::Group(_), next @ ..] = rest {
            if is_punct(hash, '#') {
                mistakes.at(
                    hash.span(),
                    "no attribute can stand here, nor a comment with `///`; write it with `//`",
                );
                rest = next;
                continue;
            }
        }
        let (written, next) = split_value(rest);
        match written {
            [TokenTree::Ident(key), equals @ ..] if equals.is_empty() || begins_value(equals) => {
                pairs.push(Pair { key: key.clone(), value: equals.iter().skip(1).cloned().collect() });
            }
            [TokenTree::Ident(_), found, ..] => {
                mistakes.at(found.span(), format!("expected `=`, as in {}", example(attribute)));
            }
            _ => mistakes.at(rest[0].span(), format!("expected a key, as in {}", example(attribute))),
        }
        rest = match next {
            [comma, next @ ..] if is_punct(comma, ',') => next,
            [semicolon, next @ ..] if is_punct(semicolon, ';') => {
                mistakes.at(semicolon.span(), "expected `,` instead of `;`");
                next
            }
            [unit, ..] if value::is_duration_in_two(written, unit) => {
                let number = pairs.pop().and_then(|pair| pair.value.into_iter().next());
                let number = number.map_or_else(String::new, |number| number.to_string());
                mistakes.at(unit.span(), format!("a duration needs quotes; write \"{number}{unit}\""));
                after_comma(next)
            }
            [stray, ..] => {
                mistakes.at(stray.span(), format!("expected `,` before `{stray}`"));
                if begins_pair(next) { next } else { after_comma(next) }
            }
            [] => next,
        };
    }
    pairs
}

/// Looks the keys up, and leaves out those that can't stand here.
fn look_up(
    attribute: Attribute,
    pairs: Vec<Pair>,
    site: Option<Span>,
    mistakes: &mut Mistakes,
) -> Vec<Known> {
    let mut known: Vec<Known> = Vec::new();
    let (mut seen, mut has_every) = (Vec::new(), false);
    for Pair { key, value } in pairs {
        let written = key.to_string();
        let known_key = KEYS.iter().find(|(name, ..)| *name == written);
        let (row, mistake) = if let Some(row @ (name, ..)) = known_key {
            let mistake = misplaced(attribute, row, &value, seen.contains(name));
            seen.push(*name);
            (Some(row), mistake)
        } else {
            let (row, mistake) = unknown(attribute, &written);
            (row, Some(mistake))
        };
        has_every |= row.is_some_and(|(name, ..)| *name == "every");
        let is_right = mistake.is_none();
        if let Some(mistake) = mistake {
            mistakes.at(key.span(), mistake);
        }
        if let Some((name, kind, scope)) = row {
            // What can't stand here is kept for the fallback, where it uses what the user has imported for it.
            if is_right || !matches!(value.as_slice(), [] | [TokenTree::Literal(_)]) {
                known.push(Known { key: Ident::new(name, key.span()), kind: *kind, scope: *scope, value });
            }
        }
    }
    if let Some(site) = site.filter(|_| attribute == Attribute::RepeatDaemon && !has_every) {
        mistakes.at(
            site,
            "#[repeat_daemon] needs the key `every`: how often is the fn to run? Write for example `every = \"5s\"`",
        );
    }
    known
}

/// Says why a key can't stand where it stands.
fn misplaced(attribute: Attribute, row: &Row, value: &[TokenTree], is_again: bool) -> Option<String> {
    let (key, kind, _) = row;
    if !keys_of(attribute).contains(key) {
        Some(format!(
            "the key `{key}` is for a fn that is run again and again; use #[repeat_daemon] instead of #[daemon]"
        ))
    } else if is_again {
        Some(format!("the key `{key}` is given twice; remove one of the two"))
    } else if value.is_empty() {
        Some(format!("the key `{key}` has no value; write `{key} = {example}`", example = kind.example()))
    } else {
        None
    }
}

/// Finds the key that was meant by one that there isn't, and says so.
fn unknown(attribute: Attribute, written: &str) -> (Option<&'static Row>, String) {
    let here = ELSEWHERE.iter().find(|(elsewhere, _)| *elsewhere == written);
    let word = here.map_or(written, |(_, here)| here);
    let meant = closest(word, &keys_of(Attribute::RepeatDaemon));
    let repair = match meant.filter(|meant| !keys_of(attribute).contains(meant)) {
        Some(elsewhere) => format!("`{elsewhere}` is a key of #[repeat_daemon]"),
        None => suggestion(word, &keys_of(attribute), "keys"),
    };
    let row = KEYS.iter().find(|(name, ..)| Some(*name) == meant);
    (row, format!("unknown key `{written}` for {attribute}; {repair}"))
}

/// Encloses tokens in delimiters of ours, located where the user's own are.
pub(crate) fn delimit(delimiter: Delimiter, tokens: TokenStream, written: Span) -> Group {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(Span::mixed_site().located_at(written));
    group
}

/// Lists the keys that fit the attribute.
fn keys_of(attribute: Attribute) -> Vec<&'static str> {
    let fits = |scope| scope == Scope::Any || attribute == Attribute::RepeatDaemon;
    KEYS.iter().filter(|(_, _, scope)| fits(*scope)).map(|(name, ..)| *name).collect()
}

/// Lists the keys that are methods of the builder.
#[cfg(test)]
pub(crate) fn method_keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(|(_, kind, _)| *kind != Kind::Crate).map(|(name, ..)| *name)
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
                && (equals.spacing() == Spacing::Alone || !matches!(next.as_char(), '=' | '>'))
        }
        [first, ..] => is_punct(first, '='),
        [] => false,
    }
}

/// Tells whether the next argument is here, after a comma that was forgotten.
fn begins_pair(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Ident(key), rest @ ..]
        if begins_value(rest) && KEYS.iter().any(|(known, ..)| key == known))
}

/// Splits an argument from what follows it. It ends at a comma, unless that is between the angle
/// brackets of generics, at a semicolon, and where no expression goes on: before an operand that follows another.
fn split_value(tokens: &[TokenTree]) -> (&[TokenTree], &[TokenTree]) {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        let previous = at.checked_sub(1).map(|at| &tokens[at]);
        match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                ',' | ';' if depth == 0 => return tokens.split_at(at),
                '<' if depth > 0 || opens_generics(previous) => depth += 1,
                '>' if depth > 0 && !previous.is_some_and(is_arrow_shaft) => depth -= 1,
                _ => {}
            },
            // Between a key and its `=`, anything else is reported as that.
            token
                if at > 1
                    && depth == 0
                    && is_operand(token)
                    && previous.is_some_and(|it| is_operand(it) || is_group(it)) =>
            {
                return tokens.split_at(at);
            }
            _ => {}
        }
    }
    (tokens, &[])
}

/// Tells a literal or a name; two of them never follow each other in an expression.
fn is_operand(token: &TokenTree) -> bool {
    const KEYWORDS: &[&str] = &[
        "as", "async", "await", "box", "break", "const", "continue", "dyn", "else", "for", "if", "impl",
        "in", "let", "loop", "match", "move", "mut", "raw", "ref", "return", "static", "try", "unsafe",
        "while", "yield",
    ];
    match token {
        TokenTree::Ident(ident) => !KEYWORDS.iter().any(|keyword| ident == keyword),
        TokenTree::Literal(_) => true,
        TokenTree::Group(group) => group.delimiter() == Delimiter::None,
        TokenTree::Punct(_) => false,
    }
}

fn is_group(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(_))
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
        if matches!(punct.as_char(), '-' | '=') && punct.spacing() == Spacing::Joint)
}

/// Steps over everything up to the next argument.
fn after_comma(tokens: &[TokenTree]) -> &[TokenTree] {
    let comma = tokens.iter().position(|token| is_punct(token, ','));
    comma.map_or(&[], |comma| &tokens[comma + 1..])
}
