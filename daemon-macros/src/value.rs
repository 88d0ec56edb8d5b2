//! The values of keys: a literal is checked here, every other expression by the compiler.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::{Error, Lit, LitInt, LitStr, Path, Result, Token};

use crate::diag::suggestion;
use crate::mention::{Mention, mentions};

/// The kind of value that a key takes.
///
/// The compiler reports an expression of another type, and a literal of another kind.
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
    Cron,
    Timezone,
    Clock,
    Signal,
    Missed,
    OnError,
    Retries,
    RunTimeout,
    Setup,
    Respawn,
    RespawnDelay,
    RespawnLimit,
    Children,
    Check,
    Version,
    Crate,
}

/// A checked value.
pub(crate) enum Value {
    /// An expression for a name or a path, which the builder borrows.
    Text(TokenStream),
    /// Any other expression.
    Expr(TokenStream),
    /// The duration that a literal stands for, and the literal's location.
    Duration(Duration, Span),
    /// The constant that a literal stands for, as `Signal` and `SIGTERM`.
    Constant(&'static str, Ident),
}

impl Value {
    /// Returns the tokens of an expression.
    pub(crate) fn tokens(&self) -> TokenStream {
        match self {
            Value::Text(value) | Value::Expr(value) => value.clone(),
            Value::Duration(..) | Value::Constant(..) => TokenStream::new(),
        }
    }

    /// Returns whether an expression mentions a variable of this name.
    pub(crate) fn mentions(&self, name: &Ident) -> bool {
        match self {
            Value::Text(value) | Value::Expr(value) => {
                mentions(value.clone(), name).iter().any(|mention| *mention != Mention::Namesake)
            }
            Value::Duration(..) | Value::Constant(..) => false,
        }
    }
}

/// The signals that can stop a daemon.
const SIGNALS: &[&str] =
    &["SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGWINCH", "SIGPWR"];

/// Signals that cannot, and why.
const REFUSED: &[(&str, &str)] = &[
    ("SIGHUP", "it asks a daemon to reload"),
    ("SIGKILL", "it can't be caught, and is sent after `stop_timeout` anyway"),
    ("SIGSTOP", "it can't be caught, and only pauses a process"),
];

/// The words for `clock`, and the variants of `Clock`.
const CLOCK: &[(&str, &str)] = &[("monotonic", "Monotonic"), ("boot", "Boot")];

/// The words for `missed`, and the variants of `Missed`.
const MISSED: &[(&str, &str)] = &[("skip", "Skip"), ("burst", "Burst"), ("delay", "Delay")];

/// The words for `on_error`, and the variants of `OnError`.
const ON_ERROR: &[(&str, &str)] = &[("stop", "Stop"), ("continue", "Continue")];

/// The words for `respawn`, and the variants of `Respawn`.
const RESPAWN: &[(&str, &str)] = &[("never", "Never"), ("on-failure", "OnFailure"), ("always", "Always")];

/// The words for `children`, and the variants of `Children`.
const CHILDREN: &[(&str, &str)] = &[("leave", "Leave"), ("end", "End")];

/// All bits of a umask.
const UMASK: u32 = 0o777;

impl Kind {
    /// Checks a value.
    pub(crate) fn check(self, value: TokenStream) -> Result<Value> {
        let literal = literal(&value);
        if let Some(reason) = self.not_negative().filter(|_| literal.as_ref().is_some_and(is_negative)) {
            return Err(Error::new_spanned(value, reason));
        }
        let (string, integer) = match &literal {
            Some(Lit::Str(string)) => (Some(string), None),
            Some(Lit::Int(integer)) => (None, Some(integer)),
            _ => (None, None),
        };
        let unchanged = Value::Expr(value.clone());
        match self {
            Kind::Name => string.map_or(Ok(()), check_name).map(|()| Value::Text(value)),
            Kind::Path => string.map_or(Ok(()), check_path).map(|()| Value::Text(value)),
            Kind::Version => string.map_or(Ok(()), check_version).map(|()| Value::Text(value)),
            Kind::Account => string.map_or(Ok(()), check_account).map(|()| Value::Text(value)),
            Kind::Umask => integer.map_or(Ok(()), check_umask).map(|()| unchanged),
            Kind::Count => integer.map_or(Ok(()), check_count).map(|()| unchanged),
            Kind::Retries => integer.map_or(Ok(()), check_retries).map(|()| unchanged),
            Kind::RespawnLimit => integer.map_or(Ok(()), check_respawn_limit).map(|()| unchanged),
            Kind::Duration => string.map_or_else(|| check_quoted(literal.as_ref(), unchanged), duration),
            Kind::Period => string.map_or_else(|| check_quoted(literal.as_ref(), unchanged), period),
            Kind::RunTimeout => string.map_or_else(|| check_quoted(literal.as_ref(), unchanged), run_timeout),
            Kind::RespawnDelay => {
                string.map_or_else(|| check_quoted(literal.as_ref(), unchanged), respawn_delay)
            }
            Kind::Cron => check_cron(&value, string).map(|()| Value::Text(value)),
            Kind::Timezone => string.map_or(Ok(()), check_timezone).map(|()| Value::Text(value)),
            Kind::Clock => string.map_or(Ok(unchanged), |word| choice("Clock", CLOCK, word)),
            Kind::Signal => string.map_or(Ok(unchanged), signal),
            Kind::Missed => string.map_or(Ok(unchanged), |word| choice("Missed", MISSED, word)),
            Kind::OnError if string.is_none() => check_keyword(&value).map(|()| unchanged),
            Kind::OnError => string.map_or(Ok(unchanged), |word| choice("OnError", ON_ERROR, word)),
            Kind::Respawn => string.map_or(Ok(unchanged), |word| choice("Respawn", RESPAWN, word)),
            Kind::Children => string.map_or(Ok(unchanged), |word| choice("Children", CHILDREN, word)),
            Kind::Bool | Kind::Setup | Kind::Check | Kind::Crate => Ok(unchanged),
        }
    }

    /// Returns an example of a value.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Kind::Name => "\"example\"",
            Kind::Path => "\"/path/to/it\"",
            Kind::Account => "\"nobody\"",
            Kind::Umask => "0o022",
            Kind::Bool => "true",
            Kind::Count | Kind::Retries => "3",
            Kind::Duration => "\"10s\"",
            Kind::Period => "\"5s\"",
            Kind::Cron => "\"30 3 * * *\"",
            Kind::Timezone => "\"Europe/Berlin\"",
            Kind::Clock => "\"boot\"",
            Kind::Signal => "\"SIGTERM\"",
            Kind::Missed => "\"skip\"",
            Kind::OnError => "\"stop\"",
            Kind::RunTimeout => "\"1h\"",
            Kind::Setup => "State::open()",
            Kind::Respawn => "\"on-failure\"",
            Kind::RespawnDelay => "\"1s\"",
            Kind::RespawnLimit => "10",
            Kind::Children => "\"end\"",
            Kind::Check => "Config::read()",
            Kind::Version => "\"1.2.3\"",
            Kind::Crate => "path::to::daemonic",
        }
    }

    /// Returns the message about a negative number, where it would otherwise be misleading.
    fn not_negative(self) -> Option<&'static str> {
        Some(match self {
            Kind::Count => {
                "`times` can't be negative; for a daemon that never ends by itself, remove it or write 0"
            }
            Kind::Retries => {
                "`retry` can't be negative; for a run that is not tried again, remove it or write 0"
            }
            Kind::RespawnLimit => {
                "`respawn_limit` can't be negative; for a daemon that never gives up, write 0"
            }
            Kind::Account => "the number of an account can't be negative; write the name, as in \"nobody\"",
            Kind::Duration | Kind::Period | Kind::RunTimeout | Kind::RespawnDelay => {
                "a duration can't be negative, and needs quotes; write for example \"5s\""
            }
            Kind::Umask => "`umask` can't be negative; write the bits to take away, as in `umask = 0o022`",
            Kind::Name
            | Kind::Path
            | Kind::Bool
            | Kind::Cron
            | Kind::Timezone
            | Kind::Clock
            | Kind::Signal
            | Kind::Missed
            | Kind::OnError
            | Kind::Setup
            | Kind::Respawn
            | Kind::Children
            | Kind::Check
            | Kind::Version
            | Kind::Crate => {
                return None;
            }
        })
    }
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let reason = if text.is_empty() {
        "a daemon's name can't be empty; write one, or remove the key: the fn's name is the default"
    } else if text.contains('/') {
        "a daemon's name can't contain `/`, because it is part of the default pidfile's name; set the pidfile's path with the key `pidfile`"
    } else {
        return check_text(name, "a daemon's name");
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
                "only a shell expands `{unknown}`; write the whole path, or an expression that reads the environment, such as `std::env::var`"
            ),
        ));
    }
    check_text(path, "a path")
}

fn check_account(name: &LitStr) -> Result<()> {
    check_text(name, "the name of an account")
}

fn check_timezone(name: &LitStr) -> Result<()> {
    check_text(name, "a time zone")
}

/// Checks a cron expression: the message names the field, and what it may be.
#[cfg(any(feature = "cron", test))]
fn check_cron(_: &TokenStream, expression: Option<&LitStr>) -> Result<()> {
    let Some(literal) = expression else { return Ok(()) };
    let checked = literal.value().parse::<daemon_schedule::Cron>();
    checked.map(drop).map_err(|error| Error::new(literal.span(), error))
}

#[cfg(not(any(feature = "cron", test)))]
fn check_cron(value: &TokenStream, _: Option<&LitStr>) -> Result<()> {
    let message = "`cron` needs the feature `cron` of the crate `daemonic`; write `features = [\"cron\"]` in Cargo.toml";
    Err(Error::new_spanned(value, message))
}

fn check_version(version: &LitStr) -> Result<()> {
    check_text(version, "a version")
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
    let is_decimal = !["0x", "0o", "0b"].iter().any(|base| written.starts_with(base));
    let reason = match mask.base10_parse::<u32>() {
        // `022` is octal in C, and decimal in Rust.
        Ok(value) if value > 7 && is_decimal => {
            let digits = mask.base10_digits();
            let octal = if digits.contains(['8', '9']) { format!("{value:o}") } else { digits.into() };
            format!("`{written}` is a decimal number in Rust, and a umask is octal; write `0o{octal}`")
        }
        Ok(value) if value <= UMASK => return Ok(()),
        _ => format!("`{written}` has more bits than a umask; the largest is 0o777"),
    };
    Err(Error::new(mask.span(), reason))
}

fn check_count(count: &LitInt) -> Result<()> {
    if count.base10_parse::<u64>().is_ok() {
        return Ok(());
    }
    let digits = count.base10_digits();
    Err(Error::new(
        count.span(),
        format!(
            "`{digits}` is too large for `times`, which is a u64; for a daemon that never ends by itself, remove it or write 0"
        ),
    ))
}

fn check_respawn_limit(limit: &LitInt) -> Result<()> {
    if limit.base10_parse::<u32>().is_ok() {
        return Ok(());
    }
    let digits = limit.base10_digits();
    Err(Error::new(
        limit.span(),
        format!(
            "`{digits}` is too large for `respawn_limit`, which is a u32; for a daemon that never gives up, write 0"
        ),
    ))
}

fn check_retries(retries: &LitInt) -> Result<()> {
    if retries.base10_parse::<u32>().is_ok() {
        return Ok(());
    }
    let digits = retries.base10_digits();
    Err(Error::new(
        retries.span(),
        format!("`{digits}` is too large for `retry`, which is a u32; write for example `retry = 3`"),
    ))
}

/// Refuses `5s`, which Rust reads as a number of the unknown type `s`.
fn check_quoted(literal: Option<&Lit>, value: Value) -> Result<Value> {
    let Some(number @ (Lit::Int(_) | Lit::Float(_))) = literal else {
        return Ok(value);
    };
    let written = number.to_token_stream().to_string().replace('_', "");
    match humantime::parse_duration(&written) {
        Ok(_) if written.ends_with(char::is_alphabetic) => Err(unquoted(number.span(), &written)),
        _ => Ok(value),
    }
}

/// Refuses `5 s`, where the unit is the next token.
pub(crate) fn check_unit(value: &TokenStream, next: Option<&TokenTree>) -> Result<()> {
    let (Some(number @ (Lit::Int(_) | Lit::Float(_))), Some(TokenTree::Ident(unit))) = (literal(value), next)
    else {
        return Ok(());
    };
    let written = format!("{}{unit}", number.to_token_stream()).replace('_', "");
    humantime::parse_duration(&written).map_or(Ok(()), |_| Err(unquoted(unit.span(), &written)))
}

/// Returns the message about a duration without quotes.
fn unquoted(span: Span, written: &str) -> Error {
    Error::new(span, format!("a duration needs quotes; write \"{written}\""))
}

/// Refuses `on_error = continue`.
fn check_keyword(value: &TokenStream) -> Result<()> {
    let message = "`continue` is a keyword of Rust; write \"continue\", in quotes";
    let keyword = syn::parse2::<Token![continue]>(value.clone());
    keyword.map_or(Ok(()), |keyword| Err(Error::new(keyword.span, message)))
}

fn duration(text: &LitStr) -> Result<Value> {
    Ok(Value::Duration(parse_duration(text)?, text.span()))
}

/// Converts a duration that cannot be zero.
fn period(text: &LitStr) -> Result<Value> {
    match parse_duration(text)? {
        Duration::ZERO => Err(Error::new(
            text.span(),
            "a period can't be zero; write for example `every = \"1s\"`, or use #[daemon] with a loop if the fn should never pause",
        )),
        duration => Ok(Value::Duration(duration, text.span())),
    }
}

/// Converts the time that a run may take, which cannot be zero.
fn run_timeout(text: &LitStr) -> Result<Value> {
    match parse_duration(text)? {
        Duration::ZERO => Err(Error::new(
            text.span(),
            "a run needs some time; write for example `run_timeout = \"1h\"`, or remove the key for a run without a limit",
        )),
        duration => Ok(Value::Duration(duration, text.span())),
    }
}

/// Converts the pause before a respawn, which cannot be zero.
fn respawn_delay(text: &LitStr) -> Result<Value> {
    match parse_duration(text)? {
        Duration::ZERO => Err(Error::new(
            text.span(),
            "a body that fails at once needs a pause before it is called again; write for example `respawn_delay = \"100ms\"`",
        )),
        duration => Ok(Value::Duration(duration, text.span())),
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
        if written.starts_with('@') || written.split_whitespace().count() == 5 && written.contains('*') {
            let message = format!("{written:?} is not a duration but a cron expression; write `cron = {written:?}` in place of `every`");
            return Error::new(text.span(), message);
        }
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

/// Returns the number before a capital `M`, which humantime reads as months.
fn months(text: &str) -> Option<&str> {
    let (before, after) = text.split_once('M')?;
    let number = before.trim_end().rsplit(' ').next()?;
    let is_unit =
        number.ends_with(|last: char| last.is_ascii_digit()) && !after.starts_with(char::is_alphabetic);
    is_unit.then_some(number)
}

/// Finds the signal that `"SIGTERM"` or `"TERM"` names.
fn signal(name: &LitStr) -> Result<Value> {
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
    if SIGNALS.contains(&full.as_str()) {
        return Ok(Value::Constant("Signal", Ident::new(&full, name.span())));
    }
    let upper = written.to_uppercase();
    let full = format!("SIG{}", upper.strip_prefix("SIG").unwrap_or(&upper));
    let repair = suggestion(&full, SIGNALS, "signals");
    Err(Error::new(name.span(), format!("{written:?} is not a signal that can stop a daemon; {repair}")))
}

/// Finds the variant of `of` that a word names.
fn choice(of: &'static str, choices: &[(&str, &str)], word: &LitStr) -> Result<Value> {
    let written = word.value();
    if let Some((_, variant)) = choices.iter().find(|(choice, _)| *choice == written) {
        return Ok(Value::Constant(of, Ident::new(variant, word.span())));
    }
    let words: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
    let repair = suggestion(&written, &words, "choices");
    Err(Error::new(word.span(), format!("{written:?} is not a choice here; {repair}")))
}

/// Checks the value of `crate`, which is a path.
pub(crate) fn path(value: TokenStream) -> Result<Path> {
    Path::parse_mod_style.parse2(value.clone()).map_err(|_| {
        Error::new_spanned(
            value,
            "the key `crate` takes a path, without quotes; write for example `crate = my_crate::daemonic`",
        )
    })
}

/// Refuses a value that ends in an operator, as `a +` and `&` do.
///
/// `a.` and `a::` are passed on, because an editor completes them in the expansion.
pub(crate) fn check_end(key: &Ident, value: &TokenStream) -> Result<()> {
    let is_operator =
        |token: &TokenTree| matches!(token, TokenTree::Punct(it) if "+-*/%&|^!=<".contains(it.as_char()));
    let tokens: Vec<TokenTree> = value.clone().into_iter().collect();
    let Some(last) = tokens.last().filter(|last| is_operator(last)) else {
        return Ok(());
    };
    let end = tokens.iter().rposition(|token| !is_operator(token)).map_or(0, |at| at + 1);
    let end: String = tokens[end..].iter().map(TokenTree::to_string).collect();
    Err(Error::new(
        last.span(),
        format!("the value of `{key}` is unfinished: something has to come after `{end}`"),
    ))
}

/// Returns a value that is a literal and nothing else.
pub(crate) fn literal(value: &TokenStream) -> Option<Lit> {
    // A suffix on a string is the compiler's to report.
    syn::parse2(value.clone()).ok().filter(|it| !matches!(it, Lit::Str(it) if !it.suffix().is_empty()))
}

/// Returns whether a literal is a negative number.
fn is_negative(literal: &Lit) -> bool {
    literal.to_token_stream().to_string().starts_with('-')
}
