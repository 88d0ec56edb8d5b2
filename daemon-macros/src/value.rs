//! Values: what a literal may be, checked at compile time; every other expression is left to the compiler.

use std::time::Duration;

use proc_macro2::{Delimiter, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Error, Lit, LitInt, LitStr, Result};

use crate::diag::suggestion;

/// What a key's value is. A literal is checked; an expression of the wrong type, or a literal of
/// the wrong kind, is the compiler's to report, on the user's own token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Path,
    Account,
    Umask,
    Bool,
    Count,
    Duration,
    Period,
    Signal,
    Missed,
    OnError,
    Crate,
}

/// The signals that can be asked to stop a daemon.
const SIGNALS: &[&str] =
    &["SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH", "SIGPWR"];

/// Those that can't, and why.
const REFUSED: &[(&str, &str)] = &[
    ("SIGHUP", "it asks a daemon to reload"),
    ("SIGKILL", "it can't be caught, and is what comes after `stop_timeout` anyway"),
    ("SIGSTOP", "it can't be caught, and only pauses a process"),
];

/// What may be written for `missed`, and the variant of `Missed` that it is.
const MISSED: &[(&str, &str)] = &[("skip", "Skip"), ("burst", "Burst"), ("delay", "Delay")];

/// What may be written for `on_error`, and the variant of `OnError` that it is.
const ON_ERROR: &[(&str, &str)] = &[("stop", "Stop"), ("continue", "Continue")];

/// The bits that a umask has.
const UMASK: u32 = 0o777;

impl Kind {
    /// Checks a value and returns it as the builder takes it.
    pub(crate) fn check(self, value: &[TokenTree], krate: &TokenStream) -> Result<TokenStream> {
        let checked = match (self, literal(value)) {
            (Kind::Name, Some(Lit::Str(name))) => check_name(&name).map(|()| None),
            (Kind::Path, Some(Lit::Str(path))) => check_path(&path).map(|()| None),
            (Kind::Account, Some(Lit::Str(name))) => {
                check_text(&name, "the name of an account").map(|()| None)
            }
            (Kind::Umask, Some(Lit::Int(mask))) => check_umask(&mask).map(|()| None),
            (Kind::Count, Some(Lit::Int(count))) => check_count(&count).map(|()| None),
            (Kind::Duration, Some(Lit::Str(text))) => duration(&text).map(Some),
            (Kind::Period, Some(Lit::Str(text))) => period(&text).map(Some),
            (Kind::Duration | Kind::Period, Some(literal)) => check_quoted(&literal).map(|()| None),
            (Kind::Signal, Some(Lit::Str(name))) => signal(&name, krate).map(Some),
            (Kind::Missed, Some(Lit::Str(word))) => choice("Missed", MISSED, &word, krate).map(Some),
            (Kind::OnError, Some(Lit::Str(word))) => choice("OnError", ON_ERROR, &word, krate).map(Some),
            (Kind::Umask | Kind::Count | Kind::Account | Kind::Duration | Kind::Period, _)
                if is_negative(value) =>
            {
                Err(Error::new_spanned(value.iter().cloned().collect::<TokenStream>(), self.not_negative()))
            }
            (Kind::OnError, None) if is_keyword(value, "continue") => Err(Error::new(
                value[0].span(),
                "`continue` is a keyword of Rust; write \"continue\", in quotes",
            )),
            _ => Ok(None),
        }?;
        Ok(checked.unwrap_or_else(|| value.iter().cloned().collect()))
    }

    /// Shows a value that could be meant.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Kind::Name => "\"example\"",
            Kind::Path => "\"/path/to/it\"",
            Kind::Account => "\"nobody\"",
            Kind::Umask => "0o022",
            Kind::Bool => "true",
            Kind::Count => "3",
            Kind::Duration => "\"10s\"",
            Kind::Period => "\"5s\"",
            Kind::Signal => "\"SIGTERM\"",
            Kind::Missed => "\"skip\"",
            Kind::OnError => "\"stop\"",
            Kind::Crate => "path::to::daemonic",
        }
    }

    fn not_negative(self) -> &'static str {
        match self {
            Kind::Count => {
                "`times` can't be negative; for a daemon that never ends by itself, remove it or write 0"
            }
            Kind::Account => "the number of an account can't be negative; write the name, as in \"nobody\"",
            Kind::Duration | Kind::Period => {
                "a duration can't be negative, and needs quotes; write for example \"5s\""
            }
            _ => "`umask` can't be negative; write the bits to take away, as in `umask = 0o022`",
        }
    }
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let reason = if text.is_empty() {
        "a daemon's name can't be empty; write one, or remove the key: the fn's name is the default"
    } else if text.contains('/') {
        "a daemon's name can't contain `/`, because it is part of the default pidfile's name; say where the pidfile is with the key `pidfile`"
    } else if text.contains('\0') {
        "a daemon's name can't contain a NUL; remove it"
    } else {
        return Ok(());
    };
    Err(Error::new(name.span(), reason))
}

fn check_path(path: &LitStr) -> Result<()> {
    let text = path.value();
    if text == "~" || text.starts_with("~/") || text.starts_with('$') {
        let unknown = text.split('/').next().unwrap_or_default();
        return Err(Error::new(
            path.span(),
            format!(
                "only a shell knows what `{unknown}` is; write the whole path, or an expression that asks the environment, as `std::env::var` does"
            ),
        ));
    }
    check_text(path, "a path")
}

fn check_text(literal: &LitStr, what: &str) -> Result<()> {
    let text = literal.value();
    let reason = if text.is_empty() {
        "be empty; write one, or remove the key"
    } else if text.contains('\0') {
        "contain a NUL; remove it"
    } else {
        return Ok(());
    };
    Err(Error::new(literal.span(), format!("{what} can't {reason}")))
}

fn check_umask(mask: &LitInt) -> Result<()> {
    let written = mask.token().to_string();
    let reason = match mask.base10_parse::<u32>() {
        Ok(value) if value > 7 && is_decimal(&written) => {
            let digits = mask.base10_digits();
            let octal = if digits.contains(['8', '9']) { format!("{value:o}") } else { digits.into() };
            format!("`{written}` is a decimal number in Rust, and a umask is octal; write `0o{octal}`")
        }
        Ok(value) if value <= UMASK => return Ok(()),
        _ if written.starts_with('-') => Kind::Umask.not_negative().into(),
        _ => format!("`{written}` is more than a umask has bits; the largest is 0o777"),
    };
    Err(Error::new(mask.span(), reason))
}

/// Tells whether a number is written without a base. `022` is, which C takes for an octal one.
fn is_decimal(written: &str) -> bool {
    !["0x", "0o", "0b"].iter().any(|base| written.starts_with(base))
}

fn check_count(count: &LitInt) -> Result<()> {
    if count.base10_parse::<u64>().is_ok() {
        return Ok(());
    }
    let reason = if count.base10_digits().starts_with('-') {
        Kind::Count.not_negative().into()
    } else {
        format!(
            "`{count}` is more than `times` can count, which is a u64; for a daemon that never ends by itself, remove it or write 0",
            count = count.base10_digits(),
        )
    };
    Err(Error::new(count.span(), reason))
}

/// Refuses `5s`, which for Rust is a number of the unknown type `s`.
fn check_quoted(literal: &Lit) -> Result<()> {
    let (Lit::Int(_) | Lit::Float(_)) = literal else {
        return Ok(());
    };
    let written = literal.to_token_stream().to_string().replace('_', "");
    match humantime::parse_duration(&written) {
        Ok(_) if written.ends_with(char::is_alphabetic) => {
            Err(Error::new(literal.span(), format!("a duration needs quotes; write \"{written}\"")))
        }
        _ => Ok(()),
    }
}

/// Turns `"1m 30s"` into `::core::time::Duration::from_secs(90)`.
fn duration(text: &LitStr) -> Result<TokenStream> {
    parse_duration(text).map(|duration| print_duration(duration, text.span()))
}

/// The same, for a duration that can't be zero.
fn period(text: &LitStr) -> Result<TokenStream> {
    match parse_duration(text)? {
        Duration::ZERO => Err(Error::new(
            text.span(),
            "a period can't be zero; write for example `every = \"1s\"`, or use #[daemon] with a loop if the fn is never to rest",
        )),
        duration => Ok(print_duration(duration, text.span())),
    }
}

fn parse_duration(text: &LitStr) -> Result<Duration> {
    use humantime::DurationError::{Empty, InvalidCharacter, NumberExpected, NumberOverflow, UnknownUnit};
    let written = text.value();
    if let Some(number) = months(&written) {
        return Err(Error::new(
            text.span(),
            format!("`M` would be a month; write \"{number}m\" for minutes, or \"{number}months\""),
        ));
    }
    humantime::parse_duration(&written).map_err(|error| {
        let reason = match error {
            UnknownUnit { unit, value, .. } if unit.is_empty() => {
                format!("`{value}` of what? It needs a unit")
            }
            UnknownUnit { unit, .. } => format!("there is no unit `{unit}`"),
            NumberOverflow => "it is too large, or finer than a nanosecond".into(),
            Empty => "it is empty".into(),
            InvalidCharacter(at) | NumberExpected(at) => {
                match written.get(at..).and_then(|rest| rest.chars().next()) {
                    Some(found) => format!("a number was expected, not `{found}`"),
                    None => "a number is missing at its end".into(),
                }
            }
        };
        Error::new(
            text.span(),
            format!(
                "{written:?} is not a duration: {reason}; write for example \"500ms\", \"5s\" or \"1h 30m\""
            ),
        )
    })
}

/// Finds what is before a capital `M`, which is a month for `humantime`, and a minute for who writes it.
fn months(text: &str) -> Option<&str> {
    let (before, after) = text.split_once('M')?;
    let number = before.trim_end().rsplit(' ').next()?;
    let is_unit =
        number.ends_with(|last: char| last.is_ascii_digit()) && !after.starts_with(char::is_alphabetic);
    is_unit.then_some(number)
}

/// Prints a duration with the largest unit that holds it.
pub(crate) fn print_duration(duration: Duration, written: Span) -> TokenStream {
    let (secs, nanos) = (duration.as_secs(), duration.subsec_nanos());
    let whole = |count: u128| u64::try_from(count).ok().map(Literal::u64_unsuffixed);
    let (constructor, count) = if nanos == 0 {
        ("from_secs", whole(secs.into()))
    } else if nanos % 1_000_000 == 0 {
        ("from_millis", whole(duration.as_millis()))
    } else if nanos % 1_000 == 0 {
        ("from_micros", whole(duration.as_micros()))
    } else {
        ("from_nanos", whole(duration.as_nanos()))
    };
    let (constructor, arguments) = if let Some(count) = count {
        (constructor, quote!(#count))
    } else {
        let [secs, nanos] = [Literal::u64_unsuffixed(secs), Literal::u32_unsuffixed(nanos)];
        ("new", quote!(#secs, #nanos))
    };
    let site = Span::mixed_site();
    // What an editor shows for the literal.
    let constructor = Ident::new(constructor, site.located_at(written));
    quote_spanned!(site=> ::core::time::Duration::#constructor(#arguments))
}

/// Turns `"SIGTERM"` or `"TERM"` into `::daemonic::Signal::SIGTERM`.
fn signal(name: &LitStr, krate: &TokenStream) -> Result<TokenStream> {
    let written = name.value();
    let full = match written.strip_prefix("SIG") {
        Some(_) => written.clone(),
        None => format!("SIG{written}"),
    };
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == full) {
        return Err(Error::new(
            name.span(),
            format!(
                "{full} can't be the signal that stops a daemon: {why}; use for example \"SIGTERM\" or \"SIGINT\""
            ),
        ));
    }
    if !SIGNALS.contains(&full.as_str()) {
        let upper = written.to_uppercase();
        let full = format!("SIG{}", upper.strip_prefix("SIG").unwrap_or(&upper));
        return Err(Error::new(
            name.span(),
            format!(
                "{written:?} is no signal that stops a daemon; {}",
                suggestion(&full, SIGNALS, "signals"),
            ),
        ));
    }
    let site = Span::mixed_site();
    let full = Ident::new(&full, site.located_at(name.span()));
    Ok(quote_spanned!(site=> #krate::Signal::#full))
}

/// Turns a word of a fixed few into the variant it stands for.
fn choice(of: &str, choices: &[(&str, &str)], word: &LitStr, krate: &TokenStream) -> Result<TokenStream> {
    let written = word.value();
    let Some((_, variant)) = choices.iter().find(|(choice, _)| *choice == written) else {
        let words: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
        return Err(Error::new(
            word.span(),
            format!("{written:?} is no choice here; {}", suggestion(&written, &words, "choices")),
        ));
    };
    let site = Span::mixed_site();
    let of = Ident::new(of, site);
    let variant = Ident::new(variant, site.located_at(word.span()));
    Ok(quote_spanned!(site=> #krate::#of::#variant))
}

/// Checks `crate = some::path`.
pub(crate) fn path(value: &[TokenTree]) -> Result<TokenStream> {
    let tokens: Vec<TokenTree> = transparent(value.iter().cloned());
    let is_path = is_path(&tokens);
    let tokens: TokenStream = tokens.into_iter().collect();
    if is_path {
        return Ok(tokens);
    }
    Err(Error::new_spanned(
        tokens,
        "the key `crate` takes a path, without quotes; write for example `crate = my_crate::daemonic`",
    ))
}

/// Tells `a::b` and `::a::b`.
fn is_path(tokens: &[TokenTree]) -> bool {
    match tokens {
        [colon, second, rest @ ..] if is_punct(colon, ':') && is_punct(second, ':') => is_path(rest),
        [TokenTree::Ident(_), rest @ ..] => rest.is_empty() || is_punct(&rest[0], ':') && is_path(rest),
        _ => false,
    }
}

/// Notes a value whose last token only begins something: `a +`, `&`. Not `a.` and `a::`, which an editor has
/// to see, as it knows what can come after them.
pub(crate) fn finished(key: &Ident, value: &[TokenTree]) -> Result<()> {
    let is_end =
        |token: &TokenTree| matches!(token, TokenTree::Punct(it) if "+-*/%&|^!=<".contains(it.as_char()));
    let Some(last) = value.last().filter(|last| is_end(last)) else {
        return Ok(());
    };
    let finished = value.iter().rposition(|token| !is_end(token)).map_or(0, |at| at + 1);
    let end: String = value[finished..].iter().map(TokenTree::to_string).collect();
    Err(Error::new(
        last.span(),
        format!("the value of `{key}` is unfinished: something has to come after `{end}`"),
    ))
}

/// Returns the literal, if a value is one and nothing else.
fn literal(value: &[TokenTree]) -> Option<Lit> {
    match transparent(value.iter().cloned()).as_slice() {
        // A suffix on a string is for the compiler to refuse.
        [TokenTree::Literal(literal)] => Some(Lit::new(literal.clone()))
            .filter(|literal| !matches!(literal, Lit::Str(it) if !it.suffix().is_empty())),
        _ => None,
    }
}

/// Returns the string, if a value is one and nothing else.
pub(crate) fn string(value: &TokenStream) -> Option<LitStr> {
    match literal(&transparent(value.clone())) {
        Some(Lit::Str(string)) => Some(string),
        _ => None,
    }
}

/// Tells `key = 5 s`: a number, and behind it a unit.
pub(crate) fn is_duration_in_two(pair: &[TokenTree], unit: &TokenTree) -> bool {
    match (pair, unit) {
        ([TokenTree::Ident(_), _, TokenTree::Literal(number)], TokenTree::Ident(unit)) => {
            humantime::parse_duration(&format!("{number}{unit}")).is_ok()
        }
        _ => false,
    }
}

fn is_keyword(value: &[TokenTree], keyword: &str) -> bool {
    matches!(value, [TokenTree::Ident(ident)] if ident == keyword)
}

/// Tells whether a value is `-` and a number.
fn is_negative(value: &[TokenTree]) -> bool {
    matches!(
        transparent(value.iter().cloned()).as_slice(),
        [minus, TokenTree::Literal(_)] if is_punct(minus, '-')
    )
}

/// Opens the invisible groups in which `macro_rules!` passes its fragments on.
pub(crate) fn transparent(tokens: impl IntoIterator<Item = TokenTree>) -> Vec<TokenTree> {
    fn open(tokens: impl IntoIterator<Item = TokenTree>, into: &mut Vec<TokenTree>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                    open(group.stream(), into);
                }
                token => into.push(token),
            }
        }
    }
    let mut opened = Vec::new();
    open(tokens, &mut opened);
    opened
}

pub(crate) fn is_punct(token: &TokenTree, expected: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == expected)
}
