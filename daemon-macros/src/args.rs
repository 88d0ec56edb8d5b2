//! The attribute's arguments: the table of keys, the parser of `key = value, …`.

use std::fmt;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Error, Expr, Lit, Path, Result, Token};

use crate::diag::{Mistakes, closest, suggestion};
use crate::value::{self, Kind, Value};

/// One of the two attribute macros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Macro {
    Daemon,
    RepeatDaemon,
}

impl Macro {
    /// Returns the name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Macro::Daemon => "daemon",
            Macro::RepeatDaemon => "repeat_daemon",
        }
    }

    /// Returns an example of the attribute.
    fn example(self) -> &'static str {
        match self {
            Macro::Daemon => "`#[daemon(pidfile = \"/run/example.pid\")]`",
            Macro::RepeatDaemon => "`#[repeat_daemon(every = \"5s\")]`",
        }
    }

    /// Lists the keys that the attribute takes.
    fn keys(self) -> Vec<&'static str> {
        let is_taken = |scope| match (scope, self) {
            (Scope::Any, _) | (Scope::Repeat, Macro::RepeatDaemon) => true,
            (Scope::Repeat, Macro::Daemon) => false,
        };
        KEYS.iter().filter(|(_, _, scope)| is_taken(*scope)).map(|(name, ..)| *name).collect()
    }
}

impl fmt::Display for Macro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#[{}]", self.name())
    }
}

/// The attributes that take a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Any,
    Repeat,
}

/// A key, the kind of its value, and the attributes that take it.
type Row = (&'static str, Kind, Scope);

/// All keys. Each but `crate` is a method of the builder, of the same name.
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
    ("wait_alive", Kind::Duration, Scope::Any),
    ("respawn", Kind::Respawn, Scope::Any),
    ("respawn_delay", Kind::RespawnDelay, Scope::Any),
    ("respawn_limit", Kind::RespawnLimit, Scope::Any),
    ("children", Kind::Children, Scope::Any),
    ("check", Kind::Check, Scope::Any),
    ("version", Kind::Version, Scope::Any),
    ("crate", Kind::Crate, Scope::Any),
    ("every", Kind::Period, Scope::Repeat),
    ("cron", Kind::Cron, Scope::Repeat),
    ("timezone", Kind::Timezone, Scope::Repeat),
    ("delay", Kind::Duration, Scope::Repeat),
    ("jitter", Kind::Duration, Scope::Repeat),
    ("clock", Kind::Clock, Scope::Repeat),
    ("times", Kind::Count, Scope::Repeat),
    ("missed", Kind::Missed, Scope::Repeat),
    ("on_error", Kind::OnError, Scope::Repeat),
    ("retry", Kind::Retries, Scope::Repeat),
    ("retry_delay", Kind::Duration, Scope::Repeat),
    ("run_timeout", Kind::RunTimeout, Scope::Repeat),
    ("catch_up", Kind::Bool, Scope::Repeat),
    ("state", Kind::Path, Scope::Repeat),
    ("setup", Kind::Setup, Scope::Repeat),
];

/// The keys that say when a repeating fn runs. One of them must be given.
const RULES: [&str; 2] = ["every", "cron"];

/// The keys that go with one of [`RULES`] only, each with that one and the reason why it does not go with the other.
const WITH_RULE: &[(&str, &str, &str)] = &[
    ("timezone", "cron", "a period is the same in every zone"),
    ("delay", "every", "`cron` waits for its first time anyway"),
    ("clock", "every", "`cron` follows the time of day"),
    ("missed", "every", "with `cron`, a run that is missed is skipped"),
];

/// Names that other crates use for our keys. A name may stand for two of them. Then the last of them that the attribute
/// takes is suggested.
const ELSEWHERE: &[(&str, &str)] = &[
    ("autorestart", "respawn"),
    ("backoff", "respawn_delay"),
    ("chdir", "working_directory"),
    ("configtest", "check"),
    ("count", "times"),
    ("crontab", "cron"),
    ("cwd", "working_directory"),
    ("dir", "working_directory"),
    ("gid", "group"),
    ("init", "setup"),
    ("initial_delay", "delay"),
    ("interval", "every"),
    ("kill_mode", "children"),
    ("killasgroup", "children"),
    ("killmode", "children"),
    ("log", "stdout"),
    ("log_file", "stdout"),
    ("logfile", "stdout"),
    ("max_attempts", "retry"),
    ("max_restarts", "respawn_limit"),
    ("max_retries", "respawn_limit"),
    ("max_retries", "retry"),
    ("minutes", "every"),
    ("period", "every"),
    ("persistent", "catch_up"),
    ("precheck", "check"),
    ("preflight", "check"),
    ("restart", "respawn"),
    ("restart_delay", "respawn_delay"),
    ("restart_policy", "respawn"),
    ("restart_sec", "respawn_delay"),
    ("restartsec", "respawn_delay"),
    ("random_delay", "jitter"),
    ("retries", "respawn_limit"),
    ("retries", "retry"),
    ("retry_backoff", "retry_delay"),
    ("root", "chroot"),
    ("runs", "times"),
    ("schedule", "cron"),
    ("seconds", "every"),
    ("splay", "jitter"),
    ("startretries", "respawn_limit"),
    ("startsecs", "wait_alive"),
    ("state_file", "state"),
    ("stopasgroup", "children"),
    ("time_zone", "timezone"),
    ("timeout", "run_timeout"),
    ("tz", "timezone"),
    ("uid", "user"),
    ("validate", "check"),
    ("verify", "check"),
    ("wait", "wait_ready"),
    ("workdir", "working_directory"),
    ("zone", "timezone"),
];

/// The checked arguments, in the order in which the builder takes them.
#[derive(Default)]
pub(crate) struct Args {
    /// The value of `crate`: the path of the facade.
    pub(crate) krate: Option<Path>,
    /// Keys of any daemon, in the user's order.
    pub(crate) plain: Vec<Arg>,
    /// Keys of a repeating daemon. `every` or `cron` is the first, because it makes the builder repeat.
    pub(crate) repeat: Vec<Arg>,
    /// `setup`, which comes after those, because it changes what the body is.
    pub(crate) setup: Option<Arg>,
    /// `check`, which comes after `setup`, because it wraps the mode.
    pub(crate) check: Option<Arg>,
    /// Whether `setup` is written, perhaps with a mistake, so that a parameter borrows its value.
    pub(crate) has_setup: bool,
    /// `respawn`, which comes last, because it changes how any of these bodies is called.
    pub(crate) respawn: Option<Arg>,
    /// Whether `respawn` is written, perhaps with a mistake.
    pub(crate) has_respawn: bool,
}

/// A checked `key = value`.
pub(crate) struct Arg {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

impl Args {
    /// Parses and checks the arguments, and leaves out those with a mistake.
    ///
    /// `site` is the location of the whole attribute, for a key that is missing.
    pub(crate) fn parse(ours: Macro, args: TokenStream, site: Span, mistakes: &mut Mistakes) -> Self {
        let parser = |input: ParseStream| Ok(parse_pairs(ours, input, mistakes));
        let pairs = parser.parse2(args);
        let pairs = mistakes.note(pairs).unwrap_or_default();
        // An argument that cannot be parsed may be the one that would be missing.
        let site = mistakes.is_empty().then_some(site);
        let mut meant = Vec::new();
        let known = look_up(ours, pairs, site, &mut meant, mistakes);
        let (has_setup, has_respawn) = (meant.contains(&Kind::Setup), meant.contains(&Kind::Respawn));
        Args { has_setup, has_respawn, ..check_values(known, mistakes) }
    }

    /// Returns a key of any daemon as the user wrote it.
    pub(crate) fn key(&self, name: &str) -> Option<&Ident> {
        self.plain.iter().map(|arg| &arg.key).find(|key| *key == name)
    }

    /// Returns a key of a repeating daemon as the user wrote it.
    pub(crate) fn repeat_key(&self, name: &str) -> Option<&Ident> {
        self.repeat.iter().map(|arg| &arg.key).find(|key| *key == name)
    }

    /// Returns whether a value mentions a variable of this name.
    pub(crate) fn mentions(&self, name: &Ident) -> bool {
        let wrappers = self.setup.iter().chain(&self.check).chain(&self.respawn);
        self.plain.iter().chain(&self.repeat).chain(wrappers).any(|arg| arg.value.mentions(name))
    }

    /// Returns whether `every` or `cron` is given, one of which the other keys of a repeating daemon need.
    pub(crate) fn repeats(&self) -> bool {
        self.repeat.first().is_some_and(|arg| RULES.iter().any(|rule| arg.key == rule))
    }
}

/// A parsed `key = value`. A missing value is empty, so that the key is looked up nevertheless.
struct Pair {
    key: Ident,
    value: TokenStream,
}

/// Parses `key = value, …`. After a mistake, parsing continues at the next comma.
fn parse_pairs(ours: Macro, input: ParseStream, mistakes: &mut Mistakes) -> Vec<Pair> {
    let mut pairs = Vec::new();
    loop {
        refuse_attributes(input, mistakes);
        if input.is_empty() {
            return pairs;
        }
        match parse_pair(ours, input) {
            Ok(pair) => {
                pairs.push(pair);
                mistakes.note(parse_comma(input));
            }
            Err(mistake) => {
                mistakes.add(mistake);
                skip_comma(input);
            }
        }
    }
}

/// Refuses attributes. A doc comment is one too.
fn refuse_attributes(input: ParseStream, mistakes: &mut Mistakes) {
    let attrs = mistakes.note(input.call(Attribute::parse_outer));
    for attr in attrs.into_iter().flatten() {
        mistakes.at(
            attr.pound_token.span,
            "no attribute is allowed here, and no comment with `///`; write it with `//`",
        );
    }
}

fn parse_pair(ours: Macro, input: ParseStream) -> Result<Pair> {
    let expected = |what| {
        let found = next(input).map_or_else(Span::call_site, |token| token.span());
        Error::new(found, format!("expected {what}, as in {}", ours.example()))
    };
    if !input.peek(Ident::peek_any) {
        return Err(expected("a key"));
    }
    let key = input.call(Ident::parse_any)?;
    if ends_argument(input) {
        return Ok(Pair { key, value: TokenStream::new() });
    }
    if !begins_value(input) {
        return Err(expected("`=`"));
    }
    input.parse::<Token![=]>()?;
    let value = parse_value(input);
    value::check_unit(&value, next(input).as_ref())?;
    Ok(Pair { key, value })
}

/// Takes the tokens of an expression, or of an unfinished one everything up to the comma.
fn parse_value(input: ParseStream) -> TokenStream {
    let ahead = input.fork();
    let is_whole = ahead.parse::<Expr>().is_ok();
    // An operand after the expression is an argument whose comma is missing.
    if is_whole && (ends_argument(&ahead) || ahead.peek(Ident::peek_any) || ahead.peek(Lit)) {
        take_until(input, |rest| rest.cursor() >= ahead.cursor())
    } else {
        take_until(input, ends_argument)
    }
}

fn parse_comma(input: ParseStream) -> Result<()> {
    if input.parse::<Option<Token![,]>>()?.is_some() {
        return Ok(());
    }
    if let Some(semicolon) = input.parse::<Option<Token![;]>>()? {
        return Err(Error::new(semicolon.span, "expected `,` instead of `;`"));
    }
    let Some(stray) = next(input) else {
        return Ok(());
    };
    if !begins_pair(input) {
        skip_comma(input);
    }
    Err(Error::new(stray.span(), format!("expected `,` before `{stray}`")))
}

/// Skips everything up to and including the next comma.
fn skip_comma(input: ParseStream) {
    take_until(input, |rest| rest.peek(Token![,]));
    drop(input.parse::<Option<Token![,]>>());
}

fn take_until(input: ParseStream, is_end: impl Fn(ParseStream) -> bool) -> TokenStream {
    let mut taken = TokenStream::new();
    while !input.is_empty() && !is_end(input) {
        taken.extend(input.parse::<TokenTree>());
    }
    taken
}

fn next(input: ParseStream) -> Option<TokenTree> {
    input.cursor().token_tree().map(|(token, _)| token)
}

fn ends_argument(input: ParseStream) -> bool {
    input.is_empty() || input.peek(Token![,]) || input.peek(Token![;])
}

fn begins_value(input: ParseStream) -> bool {
    input.peek(Token![=]) && !input.peek(Token![==]) && !input.peek(Token![=>])
}

fn begins_pair(input: ParseStream) -> bool {
    let ahead = input.fork();
    ahead.call(Ident::parse_any).is_ok() && begins_value(&ahead)
}

/// Looks up the keys, and leaves out those that are mistakes. Adds to `meant` the kinds of all keys that are given or
/// probably meant.
///
/// A mistake whose value is not a literal is kept: the fallback prints the value, so that imports
/// for it count as used.
fn look_up(
    ours: Macro,
    pairs: Vec<Pair>,
    site: Option<Span>,
    meant: &mut Vec<Kind>,
    mistakes: &mut Mistakes,
) -> Vec<(Row, Pair)> {
    let mut known = Vec::new();
    let mut seen = Vec::new();
    for Pair { key, value } in pairs {
        let written = key.to_string();
        let (row, mistake) = match KEYS.iter().find(|(name, ..)| *name == written) {
            Some(row) => (Some(row), misplaced(ours, row, &value, seen.contains(&written))),
            None => unknown(ours, &written),
        };
        seen.push(written);
        let is_mistake = mistake.is_some();
        if let Some(mistake) = mistake {
            mistakes.at(key.span(), mistake);
        }
        let Some(row) = row else { continue };
        meant.push(row.1);
        if !is_mistake || !value.is_empty() && value::literal(&value).is_none() {
            known.push((*row, Pair { key: Ident::new(row.0, key.span()), value }));
        }
    }
    let has_rule = [Kind::Period, Kind::Cron].iter().any(|rule| meant.contains(rule));
    if let Some(site) = site.filter(|_| ours == Macro::RepeatDaemon && !has_rule) {
        mistakes.at(
            site,
            "#[repeat_daemon] needs the key `every` or `cron`: when is the fn to run? Write for example `every = \"5s\"` or `cron = \"30 3 * * *\"`",
        );
    }
    check_rules(&mut known, mistakes);
    known
}

/// Refuses `every` beside `cron`, and keys that go only with the other one, and leaves them out.
fn check_rules(known: &mut Vec<(Row, Pair)>, mistakes: &mut Mistakes) {
    let rule = known.iter().find_map(|((name, ..), _)| RULES.into_iter().find(|rule| rule == name));
    known.retain(|((name, ..), pair)| {
        let with = WITH_RULE.iter().find(|(key, ..)| key == name);
        let mistake = match (rule, with) {
            (Some(rule), _) if RULES.contains(name) && *name != rule => {
                "`every` and `cron` both say when the fn runs; remove one of the two".into()
            }
            (Some(rule), Some((_, with, why))) if *with != rule => {
                format!("`{name}` goes with `{with}`, and not with `{rule}`: {why}; remove it")
            }
            _ => return true,
        };
        mistakes.at(pair.key.span(), mistake);
        false
    });
}

/// Returns the mistake of a known key, if it is one.
fn misplaced(ours: Macro, row: &Row, value: &TokenStream, is_again: bool) -> Option<String> {
    let (key, kind, _) = row;
    if *kind == Kind::Setup && ours == Macro::Daemon {
        Some(format!(
            "#[daemon] runs its body once; instead of `{key}`, write it as the first line of the body"
        ))
    } else if !ours.keys().contains(key) {
        Some(format!(
            "the key `{key}` is for a fn that runs repeatedly; use #[repeat_daemon] instead of #[daemon]"
        ))
    } else if is_again {
        Some(format!("the key `{key}` is given twice; remove one of the two"))
    } else if value.is_empty() {
        Some(format!("the key `{key}` has no value; write `{key} = {example}`", example = kind.example()))
    } else {
        None
    }
}

/// Returns the key that was probably meant, and the message about the unknown key.
fn unknown(ours: Macro, written: &str) -> (Option<&'static Row>, Option<String>) {
    let meanings = || ELSEWHERE.iter().filter(|(elsewhere, _)| *elsewhere == written).map(|(_, here)| *here);
    let here = meanings().rfind(|here| ours.keys().contains(here)).or(meanings().next());
    let word = here.unwrap_or(written);
    let meant = closest(word, &Macro::RepeatDaemon.keys());
    let repair = match meant.filter(|meant| !ours.keys().contains(meant)) {
        Some(elsewhere) => format!("`{elsewhere}` is a key of #[repeat_daemon]"),
        None => suggestion(word, &ours.keys(), "keys"),
    };
    let row = KEYS.iter().find(|(name, ..)| Some(*name) == meant);
    (row, Some(format!("unknown key `{written}` for {ours}; {repair}")))
}

/// Checks the values, and leaves out those that are mistakes.
fn check_values(known: Vec<(Row, Pair)>, mistakes: &mut Mistakes) -> Args {
    let mut args = Args::default();
    for ((_, kind, scope), Pair { key, value }) in known {
        if kind == Kind::Crate {
            args.krate = args.krate.or(mistakes.note(value::path(value)));
            continue;
        }
        let value = value::check_end(&key, &value).and_then(|()| kind.check(value));
        let Some(value) = mistakes.note(value) else { continue };
        match scope {
            Scope::Any if kind == Kind::Respawn => {
                args.respawn.get_or_insert(Arg { key, value });
            }
            Scope::Any if kind == Kind::Check => {
                args.check.get_or_insert(Arg { key, value });
            }
            Scope::Any => args.plain.push(Arg { key, value }),
            Scope::Repeat if kind == Kind::Setup => {
                args.setup.get_or_insert(Arg { key, value });
            }
            Scope::Repeat if matches!(kind, Kind::Period | Kind::Cron) => {
                args.repeat.insert(0, Arg { key, value });
            }
            Scope::Repeat => args.repeat.push(Arg { key, value }),
        }
    }
    if !args.repeats() {
        // Without a rule, the fallback has a period, with which this does not go.
        args.repeat.retain(|arg| arg.key != "timezone");
    }
    args
}

/// Lists the keys that are methods of the builder.
#[cfg(test)]
pub(crate) fn method_keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(|(_, kind, _)| *kind != Kind::Crate).map(|(name, ..)| *name)
}
