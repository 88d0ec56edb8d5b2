//! The annotated fn, with the checks of what it may be.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::buffer::Cursor;
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, Error, FnArg, GenericArgument, Meta, Pat, PatIdent, PatType, PathArguments, ReceiverKind,
    Result, ReturnType, Signature, Token, Type, TypePath, Visibility, parenthesized, token,
};

use crate::args::Macro;
use crate::diag::Mistakes;

/// A fn whose body is not parsed.
pub(crate) struct Item {
    /// Attributes of the fn that is called: docs, lints and the like.
    pub(crate) outer_attrs: Vec<Attribute>,
    /// Attributes that change what the body does, and move with it.
    pub(crate) inner_attrs: Vec<Attribute>,
    /// Further `#[daemon]` and `#[repeat_daemon]` attributes.
    again: Vec<Attribute>,
    /// Whether the first parameter that is not a `Context` borrows the value of `setup`.
    pub(crate) has_setup: bool,
    pub(crate) visibility: Visibility,
    /// A qualifier that only fns of other kinds can have.
    foreign: Option<Ident>,
    pub(crate) signature: Signature,
    pub(crate) body: Body,
}

/// The part of a fn that follows its signature.
pub(crate) enum Body {
    /// A body, with its braces.
    Braces(Group),
    /// All of a fn whose return type cannot be parsed. It is printed as it is.
    Whole(TokenStream),
    /// Nothing: the body or the type of a parameter is still missing.
    HalfTyped,
}

/// A parameter other than `self`.
#[derive(Clone, Copy)]
pub(crate) struct Param<'a> {
    pub(crate) written: &'a PatType,
    /// The name, if the pattern is `x` or `mut x`.
    pub(crate) name: Option<&'a Ident>,
    pub(crate) role: Role,
}

/// The way in which a parameter gets its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The caller passes it by value; each run gets a clone.
    Value,
    /// The caller passes a reference, which is lent to each run.
    Reference,
    /// The runtime passes `&Context`.
    Context,
    /// The runtime passes `Context`.
    OwnContext,
    /// `&mut Context`, which is a mistake.
    MutContext,
    /// The runtime lends the value of `setup`.
    Setup,
}

/// The attributes that stay on the fn that is called.
const OUTER: &[&str] = &["allow", "cfg", "deny", "deprecated", "doc", "expect", "forbid", "must_use", "warn"];

/// The first segments of the compiler's and its tools' attributes, which build no async runtime.
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
    /// Parses a fn.
    ///
    /// # Errors
    /// Fails if the item is not a fn, has no body, or cannot be parsed.
    pub(crate) fn parse(ours: Macro, has_setup: bool, item: TokenStream) -> Result<Self> {
        let parser = |input: ParseStream| {
            let attrs = input.call(Attribute::parse_outer)?;
            let visibility = input.parse()?;
            let foreign = parse_foreign(input);
            let (signature, body) = parse_fn(ours, input)?;
            let (again, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(is_ours);
            let (outer_attrs, inner_attrs) = attrs.into_iter().partition(|attr| is_outer(&attr.meta));
            Ok(Item { outer_attrs, inner_attrs, again, has_setup, visibility, foreign, signature, body })
        };
        parser.parse2(item)
    }

    /// Adds a mistake for everything that a daemon's fn cannot be.
    pub(crate) fn check(&self, ours: Macro, mistakes: &mut Mistakes) {
        self.check_attributes(ours, mistakes);
        self.check_qualifiers(ours, mistakes);
        let Signature { generics, variadic, .. } = &self.signature;
        mistakes.over(
            generics,
            "a daemon can't be generic, because all of its instances would share one pidfile; name the types, or call a generic fn from the body",
        );
        mistakes.over(
            generics.where_clause.as_ref().map(|clause| clause.where_token),
            "a daemon can't have a `where` clause; move the bounds to a fn that the body calls",
        );
        let receiver = self.signature.receiver().map(|receiver| match receiver.kind {
            ReceiverKind::Typed(..) => receiver.self_token.to_token_stream(),
            _ => receiver.to_token_stream(),
        });
        mistakes.over(
            receiver,
            "a daemon can't be a method; write a free fn, or an associated one without `self`, and pass what it needs as parameters",
        );
        self.check_params(mistakes);
        mistakes.over(variadic, "a daemon can't be variadic; take a slice or a `Vec`");
    }

    fn check_attributes(&self, ours: Macro, mistakes: &mut Mistakes) {
        for attr in &self.again {
            let message = if last_segment(attr) == ours.name() {
                format!("{ours} is given twice; remove one of the two")
            } else {
                "a fn is either a #[daemon] or a #[repeat_daemon]; remove one of the two".into()
            };
            mistakes.over(attr, message);
        }
        let tests = self.inner_attrs.iter().filter(|attr| matches!(&*last_segment(attr), "test" | "bench"));
        for attr in tests {
            mistakes.over(attr, "a daemon can't be a test; write a separate test, which runs the program");
        }
    }

    fn check_qualifiers(&self, ours: Macro, mistakes: &mut Mistakes) {
        if let Some(word) = &self.foreign {
            mistakes.over(word, format!("a daemon can't be a `{word}` fn; remove `{word}`"));
        }
        let Signature { constness, asyncness, safety, abi, ident, .. } = &self.signature;
        mistakes.over(constness, "a daemon does things at run time; remove `const`");
        let name = ours.name();
        mistakes.over(
            asyncness.filter(|_| self.inner_attrs.iter().all(is_builtin)),
            format!(
                "an async fn needs a runtime, built in the daemon; write `#[{name}(..)] #[tokio::main] async fn {ident}`"
            ),
        );
        mistakes.over(
            safety,
            "a daemon can't be unsafe to start; remove `unsafe`, and write an `unsafe` block in the body, with its reason",
        );
        mistakes.over(
            abi.as_ref().map(|abi| abi.extern_token),
            "a daemon has Rust's calling convention; remove `extern`, and start it from an `extern` fn if C is to call it",
        );
    }

    fn check_params(&self, mistakes: &mut Mistakes) {
        let mut has_context = false;
        for param in self.params() {
            let PatType { pat, ty, .. } = param.written;
            for attr in param.conditions() {
                mistakes.over(
                    attr,
                    "a daemon's parameter can't be conditional; write two fns and put `#[cfg]` on them",
                );
            }
            match param.role {
                Role::MutContext => mistakes
                    .over(ty, "a `Context` is shared by the whole daemon; take `&Context` or `Context`"),
                Role::Context | Role::OwnContext if has_context => mistakes.over(
                    ty,
                    "there is one `Context`, and this fn has it already; remove this parameter",
                ),
                Role::Value | Role::Reference if self.is_main() => mistakes.over(
                    param.written,
                    "`main` takes nothing but a `Context`; read `std::env::args()` in the body, or put the attribute on another fn",
                ),
                Role::Context | Role::OwnContext | Role::Value | Role::Reference | Role::Setup => {}
            }
            has_context |= param.is_context();
            if param.is_context() {
                continue;
            }
            mistakes.over(
                find_impl(ty.to_token_stream()),
                "a daemon's parameter needs a named type; write one, or `&dyn Trait`, in place of `impl Trait`",
            );
            if !param.is_passed() {
                continue;
            }
            match param.name {
                None => mistakes.over(
                    pat,
                    "a daemon's parameter needs a name, because it is passed on; write `name: Type`, and destructure it in the body",
                ),
                Some(name) => mistakes.over(
                    Some(name).filter(|name| **name == self.signature.ident),
                    format!("this parameter has the name of the fn; rename it, as in `{name}_`"),
                ),
            }
        }
    }

    /// Returns the parameters other than `self`.
    pub(crate) fn params(&self) -> impl Iterator<Item = Param<'_>> {
        let mut has_setup = self.has_setup;
        self.signature.inputs.iter().filter_map(move |input| match input {
            FnArg::Typed(written) => {
                let param = Param { written, name: name(&written.pat), role: role(&written.ty) };
                let is_lent = has_setup && param.is_passed();
                has_setup &= !is_lent;
                Some(if is_lent { Param { role: Role::Setup, ..param } } else { param })
            }
            FnArg::Receiver(_) => None,
        })
    }

    /// Returns the parameter that borrows the value of `setup`.
    pub(crate) fn lent(&self) -> Option<Param<'_>> {
        self.params().find(|param| param.role == Role::Setup)
    }

    /// Returns the parameter of the type `Context`.
    pub(crate) fn context(&self) -> Option<Param<'_>> {
        self.params().find(Param::is_context)
    }

    /// Returns whether the fn is `main`, and so a whole program.
    pub(crate) fn is_main(&self) -> bool {
        self.signature.ident == "main"
    }

    /// Returns whether the fn is `pub` without restrictions.
    pub(crate) fn is_exported(&self) -> bool {
        matches!(self.visibility, Visibility::Public(_))
    }

    pub(crate) fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }

    pub(crate) fn is_half_typed(&self) -> bool {
        matches!(self.body, Body::HalfTyped)
    }

    /// Returns the return type.
    pub(crate) fn returned(&self) -> Option<&Type> {
        match &self.signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(ungrouped(ty)),
        }
    }

    /// Returns whether the return type looks like one of those that a body may have.
    pub(crate) fn returns_as_usual(&self) -> bool {
        self.returned().is_none_or(is_usual_return)
    }

    /// Returns whether the return type is `!`.
    pub(crate) fn is_endless(&self) -> bool {
        matches!(self.returned(), Some(Type::Never(_)))
    }
}

impl Param<'_> {
    /// Returns the `#[cfg]` attributes.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Attribute> {
        self.written.attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
    }

    /// Returns whether the caller passes the parameter. Otherwise the runtime does.
    pub(crate) fn is_passed(&self) -> bool {
        matches!(self.role, Role::Value | Role::Reference)
    }

    /// Returns whether the type is a `&mut` reference.
    pub(crate) fn is_mut(&self) -> bool {
        matches!(ungrouped(&self.written.ty), Type::Reference(reference) if reference.mutability.is_some())
    }

    pub(crate) fn is_context(&self) -> bool {
        matches!(self.role, Role::Context | Role::OwnContext | Role::MutContext)
    }
}

/// Parses a qualifier that syn does not accept on a fn.
fn parse_foreign(input: ParseStream) -> Option<Ident> {
    let (word, rest) = input.cursor().ident()?;
    if ["safe", "default", "gen"].iter().any(|foreign| word == foreign) && begins_fn(rest) {
        return input.call(Ident::parse_any).ok();
    }
    None
}

/// Parses a fn from its qualifiers on.
fn parse_fn(ours: Macro, input: ParseStream) -> Result<(Signature, Body)> {
    if !begins_fn(input.cursor()) {
        return Err(not_a_fn(ours, input.cursor()));
    }
    let (whole, half) = (input.fork(), input.fork());
    match parse_whole_fn(ours, &whole) {
        Ok(parsed) => {
            input.advance_to(&whole);
            Ok(parsed)
        }
        Err(mistake) => {
            let parsed = parse_half_fn(&half).map_err(|_| mistake)?;
            input.advance_to(&half);
            Ok(parsed)
        }
    }
}

fn parse_whole_fn(ours: Macro, input: ParseStream) -> Result<(Signature, Body)> {
    let signature: Signature = input.parse()?;
    if input.peek(Token![;]) {
        let message = format!("{ours} needs a fn with a body; put it on a free fn");
        return Err(Error::new(signature.ident.span(), message));
    }
    Ok((signature, Body::Braces(parse_body(input)?)))
}

/// Takes the body with the spans of both braces, which the compiler's errors point to.
fn parse_body(input: ParseStream) -> Result<Group> {
    match input.parse()? {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(group),
        // A fragment of `macro_rules!`.
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => parse_body.parse2(group.stream()),
        other => Err(Error::new(other.span(), "expected a body in braces")),
    }
}

/// Parses a fn that is being typed in an editor, so that calls to it compile.
///
/// The compiler or the editor has already reported what is missing.
fn parse_half_fn(input: ParseStream) -> Result<(Signature, Body)> {
    let written = input.fork().parse()?;
    let mut head = TokenStream::new();
    while !input.peek(token::Paren) {
        head.extend([input.parse::<TokenTree>()?]);
    }
    let content;
    let paren_token = parenthesized!(content in input);
    let (params, are_whole) = parse_half_params(&content)?;
    let signature = Signature { paren_token, ..syn::parse2(quote!(#head (#params)))? };
    while !input.is_empty() && !input.peek(token::Brace) {
        if input.peek(Token![;]) {
            return Err(input.error("expected a body"));
        }
        input.parse::<TokenTree>()?;
    }
    let has_body = input.parse::<Option<TokenTree>>()?.is_some();
    Ok((signature, if has_body && are_whole { Body::Whole(written) } else { Body::HalfTyped }))
}

/// Parses parameters, and adds a type to unfinished ones: `name`, `name: &`, `name: Vec<`.
///
/// Also returns whether all parameters are finished.
fn parse_half_params(input: ParseStream) -> Result<(TokenStream, bool)> {
    let (mut params, mut are_whole) = (TokenStream::new(), true);
    while !input.is_empty() {
        let ahead = input.fork();
        match ahead.parse::<FnArg>() {
            Ok(param) => {
                param.to_tokens(&mut params);
                input.advance_to(&ahead);
            }
            Err(_) if ahead.is_empty() || ahead.peek(Token![,]) => {
                are_whole = false;
                let name = input.parse::<Ident>().unwrap_or_else(|_| Ident::new("_", Span::mixed_site()));
                params.extend(quote_spanned!(Span::mixed_site()=> #name: impl ::core::marker::Sized));
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
            }
            Err(mistake) => return Err(mistake),
        }
        input.parse::<Option<Token![,]>>()?.to_tokens(&mut params);
    }
    Ok((params, are_whole))
}

/// Returns whether `fn` comes next, perhaps after qualifiers.
fn begins_fn(mut cursor: Cursor) -> bool {
    const QUALIFIERS: &[&str] = &["const", "async", "unsafe", "extern", "gen"];
    while let Some((word, rest)) = cursor.ident() {
        if word == "fn" {
            return true;
        }
        if !QUALIFIERS.iter().any(|qualifier| word == qualifier) {
            return false;
        }
        // The literal of `extern "C"`.
        cursor = rest.literal().map_or(rest, |(_, rest)| rest);
    }
    false
}

/// Returns the message about an item that is not a fn, at its keyword.
fn not_a_fn(ours: Macro, mut cursor: Cursor) -> Error {
    while let Some((_, rest)) = cursor.ident().filter(|(word, _)| word == "unsafe") {
        cursor = rest;
    }
    let what = match cursor.ident() {
        Some((word, _)) => match word.to_string().as_str() {
            "struct" => "a struct",
            "enum" => "an enum",
            "union" => "a union",
            "trait" => "a trait",
            "impl" => "an impl",
            "mod" => "a module",
            "use" => "an import",
            "static" => "a static",
            "const" => "a constant",
            "type" => "a type",
            "macro_rules" => "a macro",
            "let" => "a variable",
            "extern" => "an extern item",
            "move" => "a closure",
            _ => "something else",
        },
        None if cursor.punct().is_some_and(|(punct, _)| punct.as_char() == '|') => "a closure",
        None => "something else",
    };
    Error::new(
        cursor.span(),
        format!("{ours} goes on a fn, and this is {what}; put it on the fn that is to run as a daemon"),
    )
}

fn last_segment(attr: &Attribute) -> String {
    attr.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

fn is_ours(attr: &Attribute) -> bool {
    matches!(&*last_segment(attr), "daemon" | "repeat_daemon")
}

fn is_builtin(attr: &Attribute) -> bool {
    let first = attr.path().segments.first();
    first.is_none_or(|first| BUILTIN.iter().any(|builtin| first.ident == builtin))
}

/// Returns whether an attribute stays on the fn that is called.
fn is_outer(meta: &Meta) -> bool {
    match meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            list.parse_args_with(parse_conditional).is_ok_and(|meta| is_outer(&meta))
        }
        meta => OUTER.iter().any(|outer| meta.path().is_ident(outer)),
    }
}

/// Parses the first attribute that a `cfg_attr` sets.
fn parse_conditional(input: ParseStream) -> Result<Meta> {
    while !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    input.parse::<Token![,]>()?;
    let meta = input.parse()?;
    input.parse::<TokenStream>()?;
    Ok(meta)
}

/// Returns the name that a pattern binds, if it is `x` or `mut x`.
pub(crate) fn name(pattern: &Pat) -> Option<&Ident> {
    match pattern {
        Pat::Ident(PatIdent { by_ref: None, ident, subpat: None, .. }) => Some(ident),
        _ => None,
    }
}

fn role(ty: &Type) -> Role {
    match ungrouped(ty) {
        Type::Reference(reference) => match (is_context(&reference.elem), reference.mutability) {
            (true, Some(_)) => Role::MutContext,
            (true, None) => Role::Context,
            (false, _) => Role::Reference,
        },
        ty if is_context(ty) => Role::OwnContext,
        _ => Role::Value,
    }
}

/// Returns whether a type is a path to `Context`.
fn is_context(ty: &Type) -> bool {
    let Type::Path(TypePath { qself: None, path, .. }) = ungrouped(ty) else {
        return false;
    };
    path.segments.iter().all(|segment| segment.arguments.is_none())
        && path.segments.last().is_some_and(|last| last.ident == "Context")
}

/// Returns whether a type is `()`, `!`, `ExitCode`, or a `Result` of these.
fn is_usual_return(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Never(_) => true,
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        Type::Path(TypePath { path, .. }) => path.segments.last().is_some_and(|last| match &last.arguments {
            PathArguments::None => last.ident == "ExitCode" || last.ident == "Result",
            PathArguments::AngleBracketed(generics) if last.ident == "Result" => {
                matches!(generics.args.first(), Some(GenericArgument::Type(ty)) if is_usual_return(ty))
            }
            _ => false,
        }),
        _ => false,
    }
}

/// Returns the type inside the groups that `macro_rules!` puts around its fragments.
fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        ty => ty,
    }
}

/// Finds `impl` anywhere in a type.
fn find_impl(ty: TokenStream) -> Option<Ident> {
    ty.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == "impl" => Some(ident),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}
