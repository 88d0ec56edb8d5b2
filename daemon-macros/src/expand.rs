//! The expansion: an inner fn as the user wrote it, inside an outer fn that passes it to the builder.

use std::time::Duration;

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, FnArg, Lit, Signature, Token, parse_quote_spanned};

use crate::args::{Arg, Args, Macro};
use crate::diag::Mistakes;
use crate::item::{self, Body, Item, Param, Role};
use crate::mention::{Mention, mentions};
use crate::value::{self, Value};

/// Expands one of the two attributes.
pub(crate) fn expand(ours: Macro, args: TokenStream, item: &TokenStream) -> TokenStream {
    expand_noting(ours, args, item, &mut Mistakes::default())
}

/// Expands one of the two attributes, and adds the mistakes that the expansion reports.
pub(crate) fn expand_noting(
    ours: Macro,
    args: TokenStream,
    item: &TokenStream,
    mistakes: &mut Mistakes,
) -> TokenStream {
    let args = Args::parse(ours, args, attribute_span(item), mistakes);
    let parsed = match Item::parse(ours, args.has_setup, item.clone()) {
        Ok(parsed) => parsed,
        Err(mistake) => {
            mistakes.add(mistake);
            return unparsed(item, mistakes);
        }
    };
    if !parsed.is_half_typed() {
        check(ours, &args, &parsed, mistakes);
    }
    let expansion = Expansion::new(&args, &parsed);
    if mistakes.is_empty() && !parsed.is_half_typed() {
        expansion.render()
    } else {
        let errors = mistakes.to_compile_errors();
        let fallback = expansion.fallback();
        quote!(#errors #fallback)
    }
}

/// Returns the location of the whole attribute, as something that the user wrote.
fn attribute_span(item: &TokenStream) -> Span {
    let first = item.clone().into_iter().next();
    let user = first.map_or_else(Span::call_site, |token| token.span());
    Span::call_site().resolved_at(user)
}

/// Prints the mistakes next to an item that cannot be parsed.
fn unparsed(item: &TokenStream, mistakes: &Mistakes) -> TokenStream {
    let errors = mistakes.to_compile_errors();
    let is_move = |token: &TokenTree| matches!(token, TokenTree::Ident(it) if it == "move");
    match item.clone().into_iter().find(|token| !is_move(token)) {
        // A closure can only be replaced by a single expression.
        Some(TokenTree::Punct(it)) if it.as_char() == '|' => quote!({ #errors #item }),
        _ => quote!(#errors #item),
    }
}

/// Checks the fn, and the keys against the fn.
fn check(ours: Macro, args: &Args, item: &Item, mistakes: &mut Mistakes) {
    item.check(ours, mistakes);
    mistakes.over(
        args.key("wait_ready").filter(|_| item.context().is_none()),
        "`wait_ready` waits for `Context::ready()`; give the fn a parameter `context: &Context`",
    );
    mistakes.over(
        args.key("wait_alive").filter(|_| args.key("wait_ready").is_some()),
        "`wait_alive` is for a body that does not report that it is ready; remove it, or `wait_ready`",
    );
    mistakes.over(
        args.repeat_key("retry_delay").filter(|_| args.repeat_key("retry").is_none()),
        "`retry_delay` has no effect without `retry`; add `retry = 3`, or remove it",
    );
    check_state(args, mistakes);
    check_setup(args, item, mistakes);
    check_respawn(args, item, mistakes);
    check_placeholders(args, item, mistakes);
}

/// Checks `state`, which is a file of its own for `catch_up`.
fn check_state(args: &Args, mistakes: &mut Mistakes) {
    let Some(Arg { key, value }) = args.repeat.iter().find(|arg| arg.key == "state") else { return };
    if args.repeat_key("catch_up").is_none() {
        mistakes.over(key, "`state` has no effect without `catch_up`; add `catch_up = true`, or remove it");
    }
    let text = |value: &Value| match value::literal(&value.tokens()) {
        Some(Lit::Str(text)) => Some(text.value()),
        _ => None,
    };
    let is_same = |other: &&Arg| text(&other.value).is_some_and(|other| text(value) == Some(other));
    let is_file = |arg: &&Arg| ["pidfile", "stdout", "stderr"].iter().any(|name| arg.key == name);
    if let Some(other) = args.plain.iter().filter(is_file).find(is_same) {
        mistakes.over(
            value.tokens(),
            format!("this is the file of `{}`; give `state` a path of its own", other.key),
        );
    }
}

/// Checks the parameter that borrows the value of `setup`.
fn check_setup(args: &Args, item: &Item, mistakes: &mut Mistakes) {
    let Some(Arg { key, .. }) = &args.setup else { return };
    match item.lent() {
        None => mistakes.over(
            key,
            "`setup` makes a value that each run borrows; give the fn a first parameter `state: &mut State`",
        ),
        Some(param) if !param.is_mut() => mistakes.over(
            &param.written.ty,
            "this parameter borrows the value of `setup`; make it a `&mut` reference, as in `state: &mut State`",
        ),
        Some(_) => {}
    }
}

/// Checks the parameters of a fn that is called anew in each life, and the keys that need `respawn`.
fn check_respawn(args: &Args, item: &Item, mistakes: &mut Mistakes) {
    if !args.has_respawn {
        for key in ["respawn_delay", "respawn_limit"] {
            mistakes.over(
                args.key(key),
                format!(
                    "`{key}` has no effect without `respawn`; add `respawn = \"on-failure\"`, or remove it"
                ),
            );
        }
        return;
    }
    let is_lent = |param: &Param<'_>| param.role == Role::Reference && param.is_mut();
    for param in item.params().filter(is_lent) {
        mistakes.over(
            &param.written.ty,
            "`respawn` begins each life with what the caller has passed, so no life can change it; take a value, of which each life gets a clone, or a `&` reference, or make the state in the body",
        );
    }
}

/// Refuses strings like `"/run/{id}.pid"`, which look as if they were formatted.
fn check_placeholders(args: &Args, item: &Item, mistakes: &mut Mistakes) {
    for arg in args.plain.iter().chain(&args.repeat) {
        let Value::Text(value) = &arg.value else { continue };
        let Some(Lit::Str(literal)) = value::literal(value) else { continue };
        let text = literal.value();
        let mut names = item.params().filter_map(|param| param.name);
        if let Some(name) = names.find(|name| text.contains(&format!("{{{name}}}"))) {
            mistakes.at(
                literal.span(),
                format!("`{{{name}}}` isn't filled in here; write `{} = format!({text:?})`", arg.key),
            );
        }
    }
}

/// The printer of an expansion.
///
/// Every token of ours resolves at the macro's definition, so that local names cannot meet the
/// user's, and is located at what the user wrote.
struct Expansion<'a> {
    args: &'a Args,
    item: &'a Item,
    /// The path of the facade.
    krate: TokenStream,
    /// The location of the keyword `fn`.
    site: Span,
}

impl<'a> Expansion<'a> {
    fn new(args: &'a Args, item: &'a Item) -> Self {
        let ours = Span::mixed_site();
        let default = quote_spanned!(ours=> ::daemonic);
        let krate = args.krate.as_ref().map_or(default, ToTokens::to_token_stream);
        Expansion { args, item, krate, site: ours.located_at(item.signature.fn_token.span) }
    }

    /// Prints the fn:
    /// `fn example(action, …) -> Result { fn example(…) {…} Daemon::new(…)….dispatch(action, example) }`
    fn render(&self) -> TokenStream {
        let site = self.site;
        let inner = self.inner();
        let daemon = self.daemon();
        let setup = self.args.setup.as_ref().map(|arg| self.setup(arg, &arg.value.tokens()));
        let check = self.args.check.as_ref().map(|arg| self.check(arg, &arg.value.tokens()));
        let respawn = self.args.respawn.as_ref().map(|arg| self.setting(arg));
        let body = self.body();
        let last = if self.item.is_main() {
            quote_spanned!(site=> .main(#body))
        } else {
            let action = self.local("action");
            quote_spanned!(site=> .dispatch(#action, #body))
        };
        let params = self.passed_params().map(|param| {
            let (name, ty) = (self.passed(&param), &param.written.ty);
            quote_spanned!(site=> #name: #ty)
        });
        self.outer(params, quote_spanned!(site=> #inner #daemon #setup #check #respawn #last))
    }

    /// Prints a fn with the right signature, which uses everything the user wrote.
    ///
    /// So the compiler reports the mistakes and nothing else.
    fn fallback(&self) -> TokenStream {
        let (site, item) = (self.site, self.item);
        // A parameter with the fn's name would shadow the inner fn.
        let name = |param: Param<'a>| param.name.filter(|name| **name != item.signature.ident);
        let names: Vec<&Ident> = self.passed_params().filter_map(name).collect();
        let has_all_names = names.len() == self.passed_params().count();
        let params = self.passed_params().map(|param| {
            let underscore = quote_spanned!(site=> _);
            let (name, ty) = (name(param).map_or(underscore, ToTokens::into_token_stream), &param.written.ty);
            let conditions = param.conditions();
            quote_spanned!(site=> #(#conditions)* #name: #ty)
        });
        let inner = if item.signature.variadic.is_some() {
            TokenStream::new()
        } else if item.signature.receiver().is_some() {
            self.unused_closure()
        } else {
            self.inner()
        };
        let has_values = has_all_names && !item.is_half_typed() && (!item.is_main() || names.is_empty());
        let values = has_values.then(|| {
            let daemon = self.daemon();
            // Nothing here determines the type that a `Result` has to be turned into.
            let setup = self.args.setup.as_ref().map(|arg| {
                let value = arg.value.tokens();
                self.setup(arg, &quote_spanned!(site=> ::core::mem::drop(#value)))
            });
            let respawn = self.args.respawn.as_ref().map(|arg| self.setting(arg));
            let check = self.args.check.as_ref().map(|arg| {
                let value = arg.value.tokens();
                let passed = quote_spanned!(site=> ::core::result::Result::<(), &str>::Ok(()));
                self.check(arg, &quote_spanned!(site=> { ::core::mem::drop(#value); #passed }))
            });
            quote_spanned!(site=> ::core::mem::drop(#daemon #setup #check #respawn);)
        });
        // A statement can be conditional, as its parameter is.
        let used = self.passed_params().filter(|_| !item.is_main()).filter_map(|param| {
            let (name, conditions) = (name(param)?, param.conditions());
            Some(quote_spanned!(site=> #(#conditions)* let _ = &#name;))
        });
        let end = if item.is_half_typed() && !item.is_main() {
            // The compiler has reported what is missing, except for a parameter that is a mere type: in the edition
            // 2015, a trait's fn may have that. This is evaluated when the program is built, so after other errors.
            quote_spanned!(site=> const { ::core::panic!("a daemon's parameter needs a name; write `name: Type`") })
        } else {
            quote_spanned!(site=> ::core::unreachable!())
        };
        self.outer(params, quote_spanned!(site=> #inner #(#used)* #values #end))
    }

    /// Prints the fn as the user wrote it, without what stays on the outer fn.
    ///
    /// `const` and `extern` are left out: they are mistakes that would cause further errors.
    fn inner(&self) -> TokenStream {
        let Item { inner_attrs, signature, body, .. } = self.item;
        match body {
            Body::Braces(body) => {
                let (ident, inputs) = (self.inner_name(), self.inner_params(body));
                let signature = Signature { constness: None, abi: None, ident, inputs, ..signature.clone() };
                quote!(#(#inner_attrs)* #signature #body)
            }
            Body::Whole(function) => quote!(#(#inner_attrs)* #function),
            Body::HalfTyped => TokenStream::new(),
        }
    }

    /// Returns the inner fn's parameters.
    ///
    /// A parameter that a key uses counts as used, whether or not the body uses it too.
    fn inner_params(&self, body: &Group) -> Punctuated<FnArg, Token![,]> {
        let mut params = self.item.signature.inputs.clone();
        for param in &mut params {
            let FnArg::Typed(param) = param else { continue };
            let Some(name) = item::name(&param.pat) else { continue };
            // A variable that shadows the parameter would be the first mention in the body.
            let is_read = || mentions(body.stream(), name).first() == Some(&Mention::Read);
            if self.args.mentions(name) && !is_read() {
                // The user's own lint attributes come later, and so take precedence.
                let used =
                    parse_quote_spanned!(self.site=> #[allow(unused_variables, reason = "a key uses it")]);
                param.attrs.insert(0, used);
            }
        }
        params
    }

    /// Prints a method's body in a closure, where `self` exists and the compiler checks it.
    fn unused_closure(&self) -> TokenStream {
        let Body::Braces(body) = &self.item.body else {
            return TokenStream::new();
        };
        let parser = |input: ParseStream| Ok((input.call(Attribute::parse_inner)?, input.parse()?));
        let body = match parser.parse2(body.stream()) {
            // A closure cannot contain attributes.
            Ok((attrs, rest)) if !attrs.is_empty() => &delimit(Delimiter::Brace, rest, body.span()),
            _ => body,
        };
        let site = self.site;
        let contexts = self.item.params().filter(|param| !param.is_passed()).map(|param| param.written);
        if self.item.is_async() {
            return quote_spanned!(site=> let _ = move |#(#contexts),*| async move #body;);
        }
        let unit = quote_spanned!(site=> -> ());
        let output = self.item.returned().map_or(unit, |_| self.item.signature.output.to_token_stream());
        quote_spanned!(site=> let _ = move |#(#contexts),*| #output #body;)
    }

    /// Prints the outer fn around a body.
    fn outer(&self, params: impl Iterator<Item = TokenStream>, body: TokenStream) -> TokenStream {
        let (site, krate) = (self.site, &self.krate);
        let Item { outer_attrs, visibility, signature, .. } = self.item;
        let Signature { fn_token, ident, generics, .. } = signature;
        let where_clause = &generics.where_clause;
        let lints = self.lints();

        let (params, output) = if self.item.is_main() {
            (TokenStream::new(), quote_spanned!(site=> ::std::process::ExitCode))
        } else {
            let action = self.local("action");
            let action = quote_spanned!(site=> #action: impl #krate::IntoAction);
            let params =
                signature.receiver().map(ToTokens::to_token_stream).into_iter().chain([action]).chain(params);
            (quote_spanned!(site=> #(#params),*), quote_spanned!(site=> #krate::Result))
        };
        let params = delimit(Delimiter::Parenthesis, params, signature.paren_token.span.join());
        let mut braces = Group::new(Delimiter::Brace, body);
        braces.set_span(match &self.item.body {
            Body::Braces(body) => body.span(),
            Body::Whole(_) | Body::HalfTyped => site,
        });
        quote_spanned! {site=>
            #(#outer_attrs)* #(#lints)*
            #visibility #fn_token #ident #generics #params -> #output #where_clause #braces
        }
    }

    /// Allows the lints that apply to the action and the outcome, which the user has not written.
    fn lints(&self) -> Vec<TokenStream> {
        const MANY: usize = 7;
        const MANY_BOOLS: usize = 4;
        let is_bool = |param: &Param<'_>| param.written.ty.to_token_stream().to_string() == "bool";
        let count = self.passed_params().count();
        let bools = self.passed_params().filter(is_bool).count();
        let attrs = &self.item.outer_attrs;
        // The user's own lint attributes take precedence.
        let is_named =
            |lint: &str| attrs.iter().any(|attr| attr.to_token_stream().to_string().contains(lint));
        [
            (count >= MANY, "too_many_arguments", "one of them is the action"),
            (bools >= MANY_BOOLS, "fn_params_excessive_bools", "they are those of the fn inside"),
            (self.item.is_exported(), "missing_errors_doc", "they are those of the action"),
        ]
        .into_iter()
        .filter(|(applies, lint, _)| *applies && !self.item.is_main() && !is_named(lint))
        .map(|(_, lint, reason)| {
            let lint = Ident::new(lint, self.site);
            quote_spanned!(self.site=> #[allow(clippy::#lint, reason = #reason)])
        })
        .collect()
    }

    /// Prints `Daemon::new("example").pidfile("/run/example.pid")…`
    fn daemon(&self) -> TokenStream {
        let (site, krate) = (self.site, &self.krate);
        let name = self.daemon_name();
        let plain = self.args.plain.iter().map(|arg| self.setting(arg));
        let repeat = self.args.repeat.iter().map(|arg| self.setting(arg));
        // In the fallback, what the other keys need can be missing.
        let is_repeat = !self.args.repeat.is_empty() || self.args.setup.is_some();
        let is_missing = is_repeat && !self.args.repeats();
        let every = is_missing.then(|| quote_spanned!(site=> .every(::core::time::Duration::ZERO)));
        let version = self.version();
        quote_spanned!(site=> #krate::Daemon::new(#name) #version #(#plain)* #every #(#repeat)*)
    }

    /// Prints the default version of a whole program: the package's, which only cargo provides.
    fn version(&self) -> Option<TokenStream> {
        let is_default = self.item.is_main() && self.args.key("version").is_none();
        let is_known = || std::env::var_os("CARGO_PKG_VERSION").is_some();
        (is_default && is_known())
            .then(|| quote_spanned!(self.site=> .version(::core::env!("CARGO_PKG_VERSION"))))
    }

    /// Prints `.key(value)`. The method's name is the user's own token.
    fn setting(&self, Arg { key, value }: &Arg) -> TokenStream {
        let value = match value {
            Value::Text(value) => self.lend(value),
            Value::Expr(value) => value.clone(),
            Value::Duration(duration, written) => print_duration(*duration, *written),
            Value::Constant(of, name) => self.constant(of, name),
        };
        let end = value.clone().into_iter().last().map_or_else(|| key.span(), |token| token.span());
        let value = delimit(Delimiter::Parenthesis, value, end);
        quote_spanned!(Span::mixed_site().located_at(key.span())=> .#key #value)
    }

    /// Prints `.setup(move || value)`, with clones of the parameters that it uses, because the body needs them too.
    ///
    /// The closure has clones, and makes further ones when it is called, since that can happen again.
    fn setup(&self, arg: &Arg, made: &TokenStream) -> TokenStream {
        self.closure(arg, made, "RunArgument", "for_run")
    }

    /// Prints `.check(move || value)`, in the same way as `.setup`.
    fn check(&self, arg: &Arg, made: &TokenStream) -> TokenStream {
        self.closure(arg, made, "CheckArgument", "for_check")
    }

    /// Prints a key whose value is a closure. `of` and `method` name the trait that clones a parameter for it.
    fn closure(&self, Arg { key, value }: &Arg, made: &TokenStream, of: &str, method: &str) -> TokenStream {
        let (site, krate) = (self.site, &self.krate);
        let (of, method) = (Ident::new(of, site), Ident::new(method, site));
        let is_cloned = |param: &Param<'a>| {
            param.role == Role::Value && param.name.is_some_and(|name| value.mentions(name))
        };
        let clones: Vec<TokenStream> = self
            .item
            .params()
            .filter(is_cloned)
            .map(|param| {
                let (name, ty) = (param.name, &param.written.ty);
                quote_spanned!(site=> let #name = <#ty as #krate::#of>::#method(&#name);)
            })
            .collect();
        let closure = if clones.is_empty() {
            quote_spanned!(site=> move || #made)
        } else {
            quote_spanned!(site=> { #(#clones)* move || { #(#clones)* #made } })
        };
        let end = value.tokens().into_iter().last().map_or_else(|| key.span(), |token| token.span());
        let argument = delimit(Delimiter::Parenthesis, closure, end);
        quote_spanned!(Span::mixed_site().located_at(key.span())=> .#key #argument)
    }

    /// Borrows a text that is nothing but a parameter, because the body needs it too.
    fn lend(&self, value: &TokenStream) -> TokenStream {
        let name = syn::parse2::<Ident>(value.clone()).ok();
        let is_param = |param: Param<'_>| param.role == Role::Value && param.name == name.as_ref();
        if name.is_some() && self.item.params().any(is_param) {
            quote_spanned!(self.site=> &#value)
        } else {
            value.clone()
        }
    }

    /// Prints `Signal::SIGTERM`.
    fn constant(&self, of: &str, name: &Ident) -> TokenStream {
        let (site, krate) = (Span::mixed_site(), &self.krate);
        let of = Ident::new(of, site);
        let name = Ident::new(&name.to_string(), site.located_at(name.span()));
        quote_spanned!(site=> #krate::#of::#name)
    }

    /// Prints what the builder runs: the inner fn itself, or a closure that passes its arguments.
    fn body(&self) -> TokenStream {
        let (site, krate) = (self.site, &self.krate);
        // If it cannot be a daemon's body, the return type is to blame.
        let blamed = self.item.returned().map_or(site, |ty| site.located_at(first_span(ty)));
        // Or what `setup` makes is not what the parameter borrows.
        let lent = self.item.lent().filter(|_| self.item.returns_as_usual());
        let blamed = lent.map_or(blamed, |param| site.located_at(first_span(&param.written.ty)));
        let mut inner = self.inner_name();
        if self.item.params().next().is_none() {
            // An editor shows what is located at a type, so the fn is only where an error is likely.
            if !self.item.returns_as_usual() {
                inner.set_span(inner.span().located_at(blamed));
            }
            return inner.to_token_stream();
        }
        let (lent, context) = (self.local("state"), self.local("context"));
        let arguments = self.item.params().map(|param| self.argument(&param, &lent, &context));
        let arguments = delimit(Delimiter::Parenthesis, quote_spanned!(site=> #(#arguments),*), blamed);
        let call = quote_spanned!(site=> #inner #arguments);
        // Without the type, the closure of an endless fn returns `()` in editions before 2024.
        let call = if self.item.is_endless() { quote_spanned!(site=> -> ! { #call }) } else { call };
        let first = self.item.lent().map(|param| {
            let ty = &param.written.ty;
            quote_spanned!(site=> #lent: #ty)
        });
        let second = self.item.context().map(|_| quote_spanned!(site=> #context: &#krate::Context));
        let filled = first.into_iter().chain(second);
        let capture = quote_spanned!(blamed=> move);
        quote_spanned!(site=> #capture |#(#filled),*| #call)
    }

    /// Prints what is passed for a parameter. A fn that is run again needs its values again.
    fn argument(&self, param: &Param<'_>, lent: &Ident, context: &Ident) -> TokenStream {
        let (site, krate) = (self.site, &self.krate);
        let (name, ty) = (self.passed(param), &param.written.ty);
        // If it does not fit, the parameter's type is to blame.
        let blamed = site.located_at(first_span(ty));
        match param.role {
            Role::Context | Role::MutContext => {
                let mut context = context.clone();
                context.set_span(context.span().located_at(blamed));
                context.into_token_stream()
            }
            Role::OwnContext => {
                let angle = quote_spanned!(blamed=> <);
                let argument = delimit(Delimiter::Parenthesis, context.to_token_stream(), blamed);
                quote_spanned!(site=> #angle #krate::Context as ::core::clone::Clone>::clone #argument)
            }
            Role::Setup => {
                let mut lent = lent.clone();
                lent.set_span(lent.span().located_at(blamed));
                lent.into_token_stream()
            }
            Role::Value if self.args.repeats() || self.args.has_respawn => {
                quote_spanned!(site=> <#ty as #krate::RunArgument>::for_run(&#name))
            }
            Role::Value | Role::Reference => name.to_token_stream(),
        }
    }

    /// Returns the parameters that the caller passes.
    fn passed_params(&self) -> impl Iterator<Item = Param<'a>> {
        self.item.params().filter(Param::is_passed)
    }

    /// Returns the name by which a parameter is passed on: the user's own, because values may use it.
    ///
    /// A name like `_id` that no value uses becomes ours, because clippy reports uses of such names.
    fn passed(&self, param: &Param<'_>) -> Option<Ident> {
        let mut name = param.name.cloned()?;
        if name.to_string().starts_with('_') && !self.args.mentions(&name) {
            name.set_span(Span::mixed_site().located_at(name.span()));
        }
        Some(name)
    }

    /// Prints the daemon's default name: the fn's, or for a whole program the binary's.
    ///
    /// Only cargo provides the binary's name. Otherwise it is looked up at run time.
    fn daemon_name(&self) -> TokenStream {
        let (site, krate) = (self.site, &self.krate);
        let name = if self.item.is_main() {
            std::env::var("CARGO_BIN_NAME").ok()
        } else {
            Some(self.item.signature.ident.unraw().to_string())
        };
        name.map_or_else(
            || quote_spanned!(site=> #krate::program_name()),
            |name| quote_spanned!(site=> #name),
        )
    }

    /// Returns the inner fn's name: the outer's, except where an async runtime allows no parameters.
    fn inner_name(&self) -> Ident {
        let name = &self.item.signature.ident;
        if self.item.is_main() && self.item.is_async() && self.has_parameter() {
            return Ident::new("daemon_main", name.span().located_at(self.site));
        }
        name.clone()
    }

    /// Returns whether the runtime passes a parameter.
    fn has_parameter(&self) -> bool {
        self.item.context().is_some() || self.item.lent().is_some()
    }

    /// Names a variable of ours.
    ///
    /// Hygiene keeps it apart from the user's, but readers and clippy need a name that differs.
    fn local(&self, name: &str) -> Ident {
        let mut users =
            self.passed_params().filter_map(|param| param.name).chain([&self.item.signature.ident]);
        let is_taken = users.any(|user| user.to_string().trim_start_matches('_') == name);
        let name = if is_taken { format!("the_{name}") } else { name.into() };
        Ident::new(&name, Span::mixed_site())
    }
}

/// Prints a duration in the largest unit that holds it: `::core::time::Duration::from_secs(90)`.
pub(crate) fn print_duration(duration: Duration, written: Span) -> TokenStream {
    let (constructor, unit) = match duration.subsec_nanos() {
        0 => ("from_secs", 1_000_000_000),
        nanos if nanos % 1_000_000 == 0 => ("from_millis", 1_000_000),
        nanos if nanos % 1_000 == 0 => ("from_micros", 1_000),
        _ => ("from_nanos", 1),
    };
    let (constructor, arguments) = if let Ok(count) = u64::try_from(duration.as_nanos() / unit) {
        (constructor, Literal::u64_unsuffixed(count).into_token_stream())
    } else {
        let secs = Literal::u64_unsuffixed(duration.as_secs());
        let nanos = Literal::u32_unsuffixed(duration.subsec_nanos());
        ("new", quote!(#secs, #nanos))
    };
    let site = Span::mixed_site();
    // An editor shows this name for the literal.
    let constructor = Ident::new(constructor, site.located_at(written));
    quote_spanned!(site=> ::core::time::Duration::#constructor(#arguments))
}

/// Encloses tokens in delimiters of ours, located where the user's own are.
fn delimit(delimiter: Delimiter, tokens: TokenStream, written: Span) -> Group {
    let mut group = Group::new(delimiter, tokens);
    group.set_span(Span::mixed_site().located_at(written));
    group
}

/// Returns the location of the first token.
fn first_span(tokens: impl ToTokens) -> Span {
    tokens.into_token_stream().into_iter().next().map_or_else(Span::mixed_site, |token| token.span())
}
