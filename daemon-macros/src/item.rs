//! The annotated fn, read token by token as far as its signature goes, and what it may be.

use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Error, Result};

use crate::args::{Attribute, is_arrow_shaft};
use crate::diag::Mistakes;
use crate::value::{is_punct, transparent};

/// A fn. Its body is one token tree that nobody looks into.
pub(crate) struct Item {
    /// Docs, lints and whatever else says something about the fn that is called.
    pub(crate) outer_attrs: Vec<Attr>,
    /// Those that change what the body does; they move with it.
    pub(crate) inner_attrs: Vec<Attr>,
    /// A second `#[daemon]` or `#[repeat_daemon]`.
    again: Vec<Attr>,
    pub(crate) visibility: TokenStream,
    /// `const`, `async`, `unsafe`, `extern`
    qualifiers: Vec<Ident>,
    pub(crate) fn_token: Ident,
    pub(crate) name: Ident,
    /// With their angle brackets.
    pub(crate) generics: TokenStream,
    pub(crate) parentheses: Group,
    pub(crate) params: Vec<Param>,
    /// With its arrow.
    pub(crate) output: TokenStream,
    pub(crate) where_clause: TokenStream,
    /// `None` where an editor sends something else because it can't read the body yet.
    pub(crate) body: Option<Group>,
}

/// `#[path(…)]`
pub(crate) struct Attr {
    tokens: TokenStream,
    path: Vec<Ident>,
    place: Place,
}

/// Which of the two fns an attribute is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outer,
    Inner,
}

/// A parameter.
pub(crate) struct Param {
    /// All of it, as it is written.
    pub(crate) tokens: TokenStream,
    attrs: Vec<Attr>,
    pattern: Vec<TokenTree>,
    /// The name, if the pattern is one: `x` or `mut x`.
    pub(crate) name: Option<Ident>,
    pub(crate) ty: TokenStream,
    pub(crate) role: Role,
}

/// What a parameter is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The caller passes it: by value, to be cloned for each run.
    Value,
    /// The caller passes it: a reference, lent to each run.
    Reference,
    /// The runtime passes it, as `&Context`.
    Context,
    /// The runtime passes it, as `Context`.
    OwnContext,
    /// `&mut Context`, which nobody can pass.
    MutContext,
    /// `self`
    Receiver,
    /// `...`
    Variadic,
    /// The caller passes it, but its type is still to be written.
    Untyped,
}

/// Attributes that stay on the fn that is called.
const OUTER: &[&str] = &["allow", "cfg", "deny", "deprecated", "doc", "expect", "forbid", "must_use", "warn"];

/// Attributes of the compiler and its tools, by their first segment: none of them can be an async
/// runtime's.
const BUILTIN: &[&str] = &[
    "cfg_attr",
    "clippy",
    "cold",
    "coverage",
    "diagnostic",
    "export_name",
    "inline",
    "link_name",
    "link_section",
    "no_mangle",
    "optimize",
    "rust_analyzer",
    "rustfmt",
    "target_feature",
    "track_caller",
    "unsafe",
];

impl Item {
    /// Reads a fn.
    ///
    /// # Errors
    /// Says what is there instead.
    pub(crate) fn parse(attribute: Attribute, item: &TokenStream) -> Result<Self> {
        let tokens = transparent(item.clone());
        let (attrs, rest) = Attr::parse_all(&tokens);
        let (visibility, rest) = parse_visibility(rest);
        let (qualifiers, rest) = parse_qualifiers(rest);

        let not_a_fn = || not_a_fn(attribute, rest);
        let (fn_token, rest) = ident(rest).filter(|(ident, _)| ident == "fn").ok_or_else(not_a_fn)?;
        let (name, rest) = ident(rest).ok_or_else(not_a_fn)?;
        let (generics, rest) = split(rest, |next| is_group(next, Delimiter::Parenthesis));
        let (parentheses, rest) = group(rest).ok_or_else(not_a_fn)?;
        let is_where = |next: &TokenTree| matches!(next, TokenTree::Ident(ident) if ident == "where");
        let (output, rest) = split(rest, |next| is_where(next) || ends_signature(next));
        let (where_clause, rest) = split(rest, ends_signature);
        let body = match group(rest) {
            Some((body, _)) => Some(body),
            None if rest.is_empty() => None,
            None => {
                let message = format!("{attribute} needs a fn with a body; put it on a free fn");
                return Err(Error::new(name.span(), message));
            }
        };

        let (again, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(Attr::is_ours);
        let (outer_attrs, inner_attrs) = attrs.into_iter().partition(|attr| attr.place == Place::Outer);
        Ok(Item {
            outer_attrs,
            inner_attrs,
            again,
            visibility,
            qualifiers,
            fn_token,
            name,
            generics,
            params: Param::parse_all(&parentheses),
            parentheses,
            output,
            where_clause,
            body,
        })
    }

    /// Notes everything that this fn can't be.
    pub(crate) fn check(&self, attribute: Attribute, mistakes: &mut Mistakes) {
        self.check_attributes(attribute, mistakes);
        self.check_qualifiers(attribute, mistakes);
        if !self.generics.is_empty() {
            mistakes.over(
                &self.generics,
                "a daemon can't be generic, because its pidfile would be shared by all of its forms; name the types, or call a generic fn from the body",
            );
        }
        if let Some(keyword) = self.where_clause.clone().into_iter().next() {
            mistakes.at(
                keyword.span(),
                "a daemon can't have a `where` clause; move the bounds to a fn that the body calls",
            );
        }
        self.check_params(mistakes);
    }

    fn check_attributes(&self, attribute: Attribute, mistakes: &mut Mistakes) {
        for attr in &self.again {
            let message = if attr.name() == "daemon" && attribute == Attribute::Daemon {
                "#[daemon] is there twice; remove one of the two"
            } else if attr.name() == "repeat_daemon" && attribute == Attribute::RepeatDaemon {
                "#[repeat_daemon] is there twice; remove one of the two"
            } else {
                "a fn is either a #[daemon] or a #[repeat_daemon]; remove one of the two"
            };
            mistakes.over(&attr.tokens, message);
        }
        for attr in self.inner_attrs.iter().filter(|attr| matches!(attr.name().as_str(), "test" | "bench")) {
            mistakes.over(
                &attr.tokens,
                "a daemon can't be a test; write a fn of its own for that, which runs the program",
            );
        }
    }

    fn check_qualifiers(&self, attribute: Attribute, mistakes: &mut Mistakes) {
        for qualifier in &self.qualifiers {
            let message = match qualifier.to_string().as_str() {
                "async" if self.inner_attrs.iter().all(Attr::is_builtin) => format!(
                    "an async fn needs a runtime, built in the daemon; write `#[{name}(..)] #[tokio::main] async fn {fn_name}`",
                    name = attribute.name(),
                    fn_name = self.name,
                ),
                "const" => "a daemon does things at run time; remove `const`".into(),
                "unsafe" => "a daemon can't be unsafe to start; remove `unsafe`, and write an `unsafe` block in the body, with its reason".into(),
                "extern" => "a daemon has Rust's calling convention; remove `extern`, and start it from an `extern` fn if C is to call it".into(),
                "gen" => "a daemon can't be a generator; remove `gen`".into(),
                _ => continue,
            };
            mistakes.at(qualifier.span(), message);
        }
    }

    fn check_params(&self, mistakes: &mut Mistakes) {
        let mut context = false;
        for param in &self.params {
            for attr in param.attrs.iter().filter(|attr| attr.name() == "cfg") {
                mistakes.over(
                    &attr.tokens,
                    "a daemon's parameter can't be conditional; write two fns and put `#[cfg]` on them",
                );
            }
            match param.role {
                Role::Receiver => {
                    mistakes.over(
                        param.pattern(),
                        "a daemon can't be a method; write a free fn, or an associated one without `self`, and make what it needs its parameters",
                    );
                    continue;
                }
                Role::Variadic => {
                    mistakes.over(
                        &param.tokens,
                        "a daemon can't be variadic; take a slice or a `Vec`",
                    );
                    continue;
                }
                Role::MutContext => mistakes.over(
                    &param.ty,
                    "a `Context` is shared by all of the daemon; take `&Context` or `Context`",
                ),
                Role::Context | Role::OwnContext if context => mistakes.over(
                    &param.ty,
                    "there is one `Context`, and this fn has it already; remove this parameter",
                ),
                Role::Value | Role::Reference if self.is_main() => mistakes.over(
                    &param.tokens,
                    "`main` takes nothing but a `Context`; read `std::env::args()` in the body, or put the attribute on another fn",
                ),
                _ => {}
            }
            context |= param.is_context();
            if param.is_context() {
                continue;
            }
            if let Some(keyword) = find_impl(param.ty.clone()) {
                mistakes.at(
                    keyword,
                    "a daemon's parameter needs a type with a name; write it, or `&dyn Trait`, in place of `impl Trait`",
                );
            }
            match &param.name {
                None => mistakes.over(
                    param.pattern(),
                    "a daemon's parameter needs a name, because it is handed on; write `name: Type`, and take it apart in the body",
                ),
                Some(name) if *name == self.name => mistakes.at(
                    name.span(),
                    format!("this parameter has the name of the fn; rename it, as in `{name}_`"),
                ),
                Some(_) => {}
            }
        }
    }

    /// Tells whether this fn is a whole program.
    pub(crate) fn is_main(&self) -> bool {
        self.name == "main"
    }

    /// Tells whether the fn is `pub`, without restrictions.
    pub(crate) fn is_exported(&self) -> bool {
        transparent(self.visibility.clone()).len() == 1
    }

    pub(crate) fn is_async(&self) -> bool {
        self.qualifiers.iter().any(|qualifier| qualifier == "async")
    }

    pub(crate) fn is_method(&self) -> bool {
        self.params.iter().any(|param| param.role == Role::Receiver)
    }

    pub(crate) fn is_variadic(&self) -> bool {
        self.params.iter().any(|param| param.role == Role::Variadic)
    }

    /// Tells whether a type or the body is missing, which has been reported by whoever has read the fn.
    pub(crate) fn is_half_typed(&self) -> bool {
        self.body.is_none() || self.has_untyped()
    }

    pub(crate) fn has_untyped(&self) -> bool {
        self.params.iter().any(|param| param.role == Role::Untyped)
    }

    pub(crate) fn context(&self) -> Option<&Param> {
        self.params.iter().find(|param| param.is_context())
    }

    /// Returns the place of the return type.
    pub(crate) fn returned(&self) -> Option<Span> {
        transparent(self.output.clone()).get(2).map(TokenTree::span)
    }

    /// Tells whether the return type says by its name that a body may return it.
    pub(crate) fn returns_as_usual(&self) -> bool {
        let output = transparent(self.output.clone());
        output.get(2..).is_none_or(is_usual_return)
    }

    /// Tells whether the fn says that it never returns.
    pub(crate) fn is_endless(&self) -> bool {
        let output = transparent(self.output.clone());
        matches!(output.as_slice(), [_, _, never] if is_punct(never, '!'))
    }

    /// Prints the fn as it is written, except for what stays on the outer one. Qualifiers that are
    /// mistakes, but don't matter to the body, are left out, as they would find more to complain about.
    pub(crate) fn inner(&self, name: &Ident) -> TokenStream {
        let Item { inner_attrs, fn_token, generics, parentheses, output, where_clause, body, .. } = self;
        let qualifiers = self.qualifiers.iter();
        let qualifiers = qualifiers.filter(|it| *it == "async" || *it == "unsafe");
        quote! {
            #(#inner_attrs)* #(#qualifiers)* #fn_token #name #generics #parentheses #output #where_clause #body
        }
    }
}

impl Attr {
    fn parse_all(mut rest: &[TokenTree]) -> (Vec<Self>, &[TokenTree]) {
        let mut attrs = Vec::new();
        while let Some((hash, after)) = rest.split_first().filter(|(hash, _)| is_punct(hash, '#')) {
            let Some((brackets, after)) = group(after) else {
                break;
            };
            let content = transparent(brackets.stream());
            let path = path_of(&content);
            let place = place(&path, &content);
            attrs.push(Attr { tokens: quote!(#hash #brackets), path, place });
            rest = after;
        }
        (attrs, rest)
    }

    /// Returns the last segment of the path.
    fn name(&self) -> String {
        self.path.last().map(Ident::to_string).unwrap_or_default()
    }

    fn is_ours(&self) -> bool {
        matches!(self.name().as_str(), "daemon" | "repeat_daemon")
    }

    /// Tells whether a word is anywhere in it.
    pub(crate) fn names(&self, word: &str) -> bool {
        self.tokens.to_string().contains(word)
    }

    fn is_builtin(&self) -> bool {
        self.path.first().is_none_or(|first| BUILTIN.iter().any(|builtin| first == builtin))
    }
}

impl ToTokens for Attr {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.tokens.to_tokens(tokens);
    }
}

/// Decides which fn an attribute is for; a `cfg_attr` is judged by the attribute that it sets.
fn place(path: &[Ident], content: &[TokenTree]) -> Place {
    let [name] = path else {
        return Place::Inner;
    };
    if OUTER.iter().any(|outer| name == outer) {
        return Place::Outer;
    }
    match content.get(1) {
        Some(TokenTree::Group(arguments)) if name == "cfg_attr" => {
            let arguments: Vec<TokenTree> =
                arguments.stream().into_iter().skip_while(|token| !is_punct(token, ',')).skip(1).collect();
            place(&path_of(&arguments), &arguments)
        }
        _ => Place::Inner,
    }
}

/// Returns the segments of the path at the beginning.
fn path_of(tokens: &[TokenTree]) -> Vec<Ident> {
    tokens
        .iter()
        .take_while(|token| matches!(token, TokenTree::Ident(_)) || is_punct(token, ':'))
        .filter_map(|token| match token {
            TokenTree::Ident(ident) => Some(ident.clone()),
            _ => None,
        })
        .collect()
}

impl Param {
    /// Splits the parameters at their commas.
    fn parse_all(parentheses: &Group) -> Vec<Self> {
        let tokens: Vec<TokenTree> = parentheses.stream().into_iter().collect();
        let mut params = Vec::new();
        let mut rest = tokens.as_slice();
        while !rest.is_empty() {
            let is_comma = |token: &TokenTree| is_punct(token, ',');
            let end = match find_outside_angles(rest, is_comma) {
                Some(end) => end,
                // The angle bracket that has been opened is still to be closed.
                None if is_unfinished(rest) => rest.iter().position(is_comma).unwrap_or(rest.len()),
                None => rest.len(),
            };
            params.push(Param::parse(&rest[..end]));
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        params
    }

    fn parse(tokens: &[TokenTree]) -> Self {
        let (attrs, rest) = Attr::parse_all(tokens);
        let (pattern, ty) = match find_colon(rest) {
            Some(colon) => (&rest[..colon], &rest[colon + 1..]),
            None => (rest, [].as_slice()),
        };
        let pattern = transparent(pattern.iter().cloned());
        Param {
            name: name_of(&pattern),
            role: role(&pattern, &transparent(ty.iter().cloned())),
            tokens: tokens.iter().cloned().collect(),
            ty: ty.iter().cloned().collect(),
            attrs,
            pattern,
        }
    }

    pub(crate) fn is_context(&self) -> bool {
        matches!(self.role, Role::Context | Role::OwnContext | Role::MutContext)
    }

    /// Tells whether the caller passes it, apart from `self`.
    pub(crate) fn is_passed(&self) -> bool {
        matches!(self.role, Role::Value | Role::Reference | Role::Untyped)
    }

    fn pattern(&self) -> TokenStream {
        self.pattern.iter().cloned().collect()
    }
}

/// Returns the name that a pattern binds, if it is `x` or `mut x`.
fn name_of(pattern: &[TokenTree]) -> Option<Ident> {
    match pattern {
        [TokenTree::Ident(name)] => Some(name.clone()),
        [TokenTree::Ident(keyword), TokenTree::Ident(name)] if keyword == "mut" => Some(name.clone()),
        _ => None,
    }
    .filter(|name| name != "_")
}

/// Tells what a parameter is for.
fn role(pattern: &[TokenTree], ty: &[TokenTree]) -> Role {
    if pattern.iter().any(|token| matches!(token, TokenTree::Ident(ident) if ident == "self")) {
        return Role::Receiver;
    }
    let last = if ty.is_empty() { pattern } else { ty };
    if last.first().is_some_and(|first| is_punct(first, '.')) {
        return Role::Variadic;
    }
    match ty {
        ty if is_unfinished(ty) => Role::Untyped,
        [ampersand, referent @ ..] if is_punct(ampersand, '&') => match without_lifetime(referent) {
            [TokenTree::Ident(keyword), rest @ ..] if keyword == "mut" && is_context(rest) => {
                Role::MutContext
            }
            rest if is_context(rest) => Role::Context,
            _ => Role::Reference,
        },
        ty if is_context(ty) => Role::OwnContext,
        _ => Role::Value,
    }
}

fn without_lifetime(ty: &[TokenTree]) -> &[TokenTree] {
    match ty {
        [quote, TokenTree::Ident(_), rest @ ..] if is_punct(quote, '\'') => rest,
        ty => ty,
    }
}

/// Tells `()`, `!`, `ExitCode`, and a `Result` of these.
fn is_usual_return(ty: &[TokenTree]) -> bool {
    let end = ty.iter().position(|token| is_punct(token, '<')).unwrap_or(ty.len());
    let (path, generics) = ty.split_at(end);
    match (path.last(), generics) {
        (Some(TokenTree::Group(unit)), []) => unit.stream().is_empty(),
        (Some(TokenTree::Punct(never)), []) => never.as_char() == '!',
        (Some(TokenTree::Ident(name)), []) => name == "ExitCode" || name == "Result",
        (Some(TokenTree::Ident(name)), [_, of @ ..]) if name == "Result" => {
            let ends = |token: &TokenTree| is_punct(token, ',') || is_punct(token, '>');
            is_usual_return(&of[..of.iter().position(ends).unwrap_or(of.len())])
        }
        _ => false,
    }
}

/// Tells a path whose last segment is `Context`.
fn is_context(ty: &[TokenTree]) -> bool {
    let is_path = ty.iter().all(|token| matches!(token, TokenTree::Ident(_)) || is_punct(token, ':'));
    is_path && matches!(ty.last(), Some(TokenTree::Ident(last)) if last == "Context")
}

/// Finds the colon between pattern and type, which is not one of `::`.
fn find_colon(tokens: &[TokenTree]) -> Option<usize> {
    let is_colon = |token: Option<&TokenTree>| token.is_some_and(|token| is_punct(token, ':'));
    let is_joint =
        |token: &TokenTree| matches!(token, TokenTree::Punct(it) if it.spacing() == Spacing::Joint);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let is_double = is_joint(token) && is_colon(tokens.get(at + 1));
        match (is_colon(Some(token)), is_double) {
            (true, true) => at += 2,
            (true, false) => return Some(at),
            (false, _) => at += 1,
        }
    }
    None
}

/// Tells a type of which there is nothing yet, or only a beginning: `&`, `dyn`, `a::`, `Vec<`.
fn is_unfinished(ty: &[TokenTree]) -> bool {
    let begins = |last: &TokenTree| match last {
        TokenTree::Ident(last) => ["dyn", "mut", "const", "impl"].iter().any(|keyword| last == keyword),
        TokenTree::Punct(last) => "&*:+,<".contains(last.as_char()),
        _ => false,
    };
    let count = |angle| ty.iter().filter(|token| is_punct(token, angle)).count();
    let arrows = ty.windows(2).filter(|pair| is_arrow_shaft(&pair[0]) && is_punct(&pair[1], '>')).count();
    ty.last().is_none_or(begins) || count('<') + arrows > count('>')
}

/// Finds `impl` anywhere in a type.
fn find_impl(ty: TokenStream) -> Option<Span> {
    ty.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "impl" => Some(ident.span()),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}

/// Finds a token that is not between angle brackets.
fn find_outside_angles(tokens: &[TokenTree], wanted: impl Fn(&TokenTree) -> bool) -> Option<usize> {
    let mut depth = 0_usize;
    (0..tokens.len()).find(|&at| {
        if is_punct(&tokens[at], '<') {
            depth += 1;
        } else if is_punct(&tokens[at], '>') && (at == 0 || !is_arrow_shaft(&tokens[at - 1])) {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && wanted(&tokens[at])
    })
}

/// Reads `pub`, `pub(…)` or nothing.
fn parse_visibility(rest: &[TokenTree]) -> (TokenStream, &[TokenTree]) {
    match ident(rest) {
        Some((public, after)) if public == "pub" => match group(after) {
            Some((group, after)) if group.delimiter() == Delimiter::Parenthesis => {
                (quote!(#public #group), after)
            }
            _ => (public.to_token_stream(), after),
        },
        _ => (TokenStream::new(), rest),
    }
}

/// Reads `const async unsafe extern "C"`, if `fn` comes after it.
fn parse_qualifiers(begin: &[TokenTree]) -> (Vec<Ident>, &[TokenTree]) {
    const QUALIFIERS: &[&str] = &["const", "async", "unsafe", "safe", "extern", "default", "gen"];
    let mut qualifiers = Vec::new();
    let mut rest = begin;
    while let Some((token, after)) = rest.split_first() {
        match token {
            TokenTree::Ident(ident) if ident == "fn" => return (qualifiers, rest),
            TokenTree::Ident(ident) if QUALIFIERS.iter().any(|known| ident == known) => {
                qualifiers.push(ident.clone());
            }
            TokenTree::Literal(_) => {}
            _ => break,
        }
        rest = after;
    }
    (Vec::new(), begin)
}

/// Takes tokens until one, outside of angle brackets, begins what comes next.
fn split(rest: &[TokenTree], ends: impl Fn(&TokenTree) -> bool) -> (TokenStream, &[TokenTree]) {
    let end = find_outside_angles(rest, ends).unwrap_or(rest.len());
    let (taken, rest) = rest.split_at(end);
    (taken.iter().cloned().collect(), rest)
}

fn ends_signature(next: &TokenTree) -> bool {
    is_group(next, Delimiter::Brace) || is_punct(next, ';')
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

fn ident(rest: &[TokenTree]) -> Option<(Ident, &[TokenTree])> {
    match rest.split_first() {
        Some((TokenTree::Ident(ident), after)) => Some((ident.clone(), after)),
        _ => None,
    }
}

fn group(rest: &[TokenTree]) -> Option<(Group, &[TokenTree])> {
    match rest.split_first() {
        Some((TokenTree::Group(group), after)) => Some((group.clone(), after)),
        _ => None,
    }
}

/// Says what the attribute was put on, at its keyword.
fn not_a_fn(attribute: Attribute, rest: &[TokenTree]) -> Error {
    const ITEMS: &[(&str, &str)] = &[
        ("struct", "a struct"),
        ("enum", "an enum"),
        ("union", "a union"),
        ("trait", "a trait"),
        ("impl", "an impl"),
        ("mod", "a module"),
        ("use", "an import"),
        ("static", "a static"),
        ("const", "a constant"),
        ("type", "a type"),
        ("macro_rules", "a macro"),
        ("let", "a variable"),
        ("extern", "an extern item"),
        ("|", "a closure"),
        ("move", "a closure"),
    ];
    let is_unsafe = |token: &&TokenTree| matches!(token, TokenTree::Ident(ident) if ident == "unsafe");
    let found = rest.iter().find(|token| !is_unsafe(token));
    let first = found.map(TokenTree::to_string);
    let what = ITEMS
        .iter()
        .find(|(item, _)| first.as_deref() == Some(*item))
        .map_or("something else", |(_, what)| *what);
    Error::new(
        found.map_or_else(Span::call_site, TokenTree::span),
        format!("{attribute} goes on a fn, and this is {what}; put it on the fn that is to run as a daemon"),
    )
}
