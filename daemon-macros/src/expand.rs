//! From the annotated fn to the two that replace it: the untouched one, and around it one of the
//! same name that hands it to the builder.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

use crate::args::{Arg, Args, Attribute, delimit};
use crate::diag::Mistakes;
use crate::item::{Item, Param, Role};
use crate::value::{Kind, is_punct, string, transparent};

/// Expands one of the two attributes.
pub(crate) fn expand(attribute: Attribute, args: TokenStream, item: &TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    expand_noting(attribute, args, item, &mut mistakes)
}

/// Expands, and leaves the mistakes, which the expansion reports, with the caller.
pub(crate) fn expand_noting(
    attribute: Attribute,
    args: TokenStream,
    item: &TokenStream,
    mistakes: &mut Mistakes,
) -> TokenStream {
    let args = Args::parse(attribute, args, attribute_span(item), mistakes);
    let parsed = match Item::parse(attribute, item) {
        Ok(parsed) => parsed,
        Err(mistake) => {
            mistakes.add(mistake);
            let errors = mistakes.render();
            // Where a closure may stand there is room for one expression.
            return if is_closure(item) { quote!({ #errors #item }) } else { quote!(#errors #item) };
        }
    };
    parsed.check(attribute, mistakes);
    if let Some(key) = args.key("wait_ready").filter(|_| parsed.context().is_none()) {
        mistakes.at(
            key.span(),
            "`wait_ready` waits for `Context::ready()`; give the fn a parameter `context: &Context`",
        );
    }
    check_placeholders(&args, &parsed, mistakes);
    let expansion = Expansion { args: &args, item: &parsed };
    if mistakes.is_empty() && !parsed.is_half_typed() {
        expansion.render()
    } else {
        let errors = mistakes.render();
        let fallback = expansion.fallback();
        quote!(#errors #fallback)
    }
}

/// Notes texts that look as if a parameter were to be filled in.
fn check_placeholders(args: &Args, item: &Item, mistakes: &mut Mistakes) {
    for arg in args.plain.iter().filter(|arg| matches!(arg.kind, Kind::Name | Kind::Path | Kind::Account)) {
        let Some(literal) = string(&arg.value) else { continue };
        let text = literal.value();
        let mut names = item.params.iter().filter_map(|param| param.name.as_ref());
        if let Some(name) = names.find(|name| text.contains(&format!("{{{name}}}"))) {
            mistakes.at(
                literal.span(),
                format!("`{{{name}}}` isn't filled in here; write `{} = format!({text:?})`", arg.key),
            );
        }
    }
}

/// Returns the place of the whole attribute, as something that the user wrote and not an expansion.
fn attribute_span(item: &TokenStream) -> Span {
    let first = item.clone().into_iter().next();
    let user = first.map_or_else(Span::call_site, |token| token.span());
    Span::call_site().resolved_at(user)
}

/// What is being printed. Every token of ours resolves where the macro is expanded, except for
/// local names, which can't meet the user's; and each is located at what the user wrote.
struct Expansion<'a> {
    args: &'a Args,
    item: &'a Item,
}

impl Expansion<'_> {
    /// Prints the fn: `fn example(action, …) -> Result { fn example(…) {…} Daemon::new(…)….dispatch(action, example) }`
    fn render(&self) -> TokenStream {
        let site = self.site();
        let inner = self.item.inner(&self.inner_name());
        let daemon = self.daemon();
        let body = self.body();
        let last = if self.item.is_main() {
            quote_spanned!(site=> .main(#body))
        } else {
            let action = self.local("action");
            quote_spanned!(site=> .dispatch(#action, #body))
        };
        let params = self.item.params.iter().filter(|param| !param.is_context());
        let params = params.map(|param| {
            let (name, ty) = (self.passed(param), &param.ty);
            quote_spanned!(site=> #name: #ty)
        });
        self.outer(params, quote_spanned!(site=> #inner #daemon #last))
    }

    /// Prints a fn that can be called like the one that was meant, and that holds everything the
    /// user wrote, so that the mistakes which have been reported are all that is reported.
    fn fallback(&self) -> TokenStream {
        let site = self.site();
        let item = self.item;
        let params = item.params.iter().filter(|param| param.is_passed());
        // A name of the fn's own would mean the inner fn.
        let name = |param: &Param| param.name.clone().filter(|name| *name != item.name);
        let names: Vec<Ident> = params.clone().filter_map(name).collect();
        let declared = params.clone().map(|param| {
            let underscore = quote_spanned!(site=> _);
            let unknown = quote_spanned!(site=> impl ::core::marker::Sized);
            let ty = if param.role == Role::Untyped { &unknown } else { &param.ty };
            let name = name(param).map_or(underscore, ToTokens::into_token_stream);
            quote_spanned!(site=> #name: #ty)
        });
        let inner = if item.is_variadic() || item.is_half_typed() {
            TokenStream::new()
        } else if item.is_method() {
            self.unused_closure()
        } else {
            item.inner(&self.inner_name())
        };
        let can_use_all = names.len() == params.clone().count() && !item.has_untyped();
        let values = if item.is_main() && !names.is_empty() || !can_use_all {
            TokenStream::new()
        } else {
            let daemon = self.daemon();
            quote_spanned!(site=> ::core::mem::drop(#daemon);)
        };
        let used = if item.is_main() { &[] } else { names.as_slice() };
        self.outer(
            declared,
            quote_spanned!(site=> #inner let _ = (#(&#used,)*); #values ::core::unreachable!()),
        )
    }

    /// Keeps a method's body where it can be checked: an inner fn has no `self`.
    fn unused_closure(&self) -> TokenStream {
        let site = self.site();
        let contexts = self.item.params.iter().filter(|param| param.is_context());
        let contexts = contexts.map(|param| &param.tokens);
        let Item { output, body, .. } = self.item;
        if self.item.is_async() {
            return quote_spanned!(site=> let _ = move |#(#contexts),*| async move #body;);
        }
        let unit = output.is_empty().then(|| quote_spanned!(site=> -> ()));
        quote_spanned!(site=> let _ = move |#(#contexts),*| #unit #output #body;)
    }

    /// Prints the outer fn around a body.
    fn outer(&self, params: impl Iterator<Item = TokenStream>, body: TokenStream) -> TokenStream {
        let site = self.site();
        let Item { outer_attrs, visibility, fn_token, name, generics, parentheses, where_clause, .. } =
            self.item;
        let krate = &self.args.krate;
        let lints = self.lints();

        let receiver = self
            .item
            .params
            .iter()
            .filter(|param| param.role == Role::Receiver)
            .map(|param| param.tokens.clone());
        let (params, output) = if self.item.is_main() {
            (TokenStream::new(), quote_spanned!(site=> ::std::process::ExitCode))
        } else {
            let action = self.local("action");
            let action = quote_spanned!(site=> #action: impl #krate::IntoAction);
            let params = receiver.chain([action]).chain(params);
            (quote_spanned!(site=> #(#params),*), quote_spanned!(site=> #krate::Result))
        };
        let params = delimit(Delimiter::Parenthesis, params, parentheses.span());
        let braces = self.item.body.as_ref().map_or(site, Group::span);
        let mut body = Group::new(Delimiter::Brace, body);
        body.set_span(braces);
        quote_spanned! {site=>
            #(#outer_attrs)* #(#lints)*
            #visibility #fn_token #name #generics #params -> #output #where_clause #body
        }
    }

    /// Allows what clippy would say about the action and the outcome, which the user hasn't written.
    fn lints(&self) -> impl Iterator<Item = TokenStream> {
        const MANY: usize = 7;
        const MANY_BOOLS: usize = 4;
        let passed = || self.item.params.iter().filter(|param| param.is_passed());
        let bools = passed().filter(|param| param.ty.to_string() == "bool").count();
        let lints = [
            (passed().count() >= MANY, "too_many_arguments", "one of them is the action"),
            (bools >= MANY_BOOLS, "fn_params_excessive_bools", "they are those of the fn inside"),
            (self.item.is_exported(), "missing_errors_doc", "they are those of the action"),
        ];
        let site = self.site();
        // What the user says of a lint stands.
        let is_said = |lint: &str| self.item.outer_attrs.iter().any(|attr| attr.names(lint));
        let lints = lints
            .into_iter()
            .filter(move |(applies, lint, _)| *applies && !self.item.is_main() && !is_said(lint));
        lints.map(move |(_, lint, reason)| {
            let lint = Ident::new(lint, site);
            quote_spanned!(site=> #[allow(clippy::#lint, reason = #reason)])
        })
    }

    /// Prints `Daemon::new("example").pidfile("/run/example.pid")…`
    fn daemon(&self) -> TokenStream {
        let site = self.site();
        let krate = &self.args.krate;
        let mut name = Literal::string(&self.daemon_name());
        name.set_span(site);
        let plain = self.args.plain.iter().map(|arg| {
            let value = match arg.kind {
                Kind::Path | Kind::Account | Kind::Name => self.lend(&arg.value),
                _ => arg.value.clone(),
            };
            arg.with(&value)
        });
        let repeat = self.args.repeat.iter().map(|arg| arg.with(&arg.value));
        // The other keys want one, which has been reported.
        let is_missing = !self.args.repeat.is_empty() && !self.args.repeats();
        let every = is_missing.then(|| quote_spanned!(site=> .every(::core::time::Duration::ZERO)));
        quote_spanned!(site=> #krate::Daemon::new(#name) #(#plain)* #every #(#repeat)*)
    }

    /// Borrows a path that is nothing but one of the parameters, since the body needs it too.
    fn lend(&self, value: &TokenStream) -> TokenStream {
        let tokens = transparent(value.clone());
        let is_param = |param: &Param| {
            param.role == Role::Value
                && matches!((tokens.as_slice(), &param.name), ([TokenTree::Ident(value)], Some(name)) if value == name)
        };
        if self.item.params.iter().any(is_param) {
            quote_spanned!(self.site()=> &#value)
        } else {
            value.clone()
        }
    }

    /// Prints what the builder is to run: the inner fn itself, or a closure that passes its arguments.
    fn body(&self) -> TokenStream {
        let site = self.site();
        let krate = &self.args.krate;
        // If it can't be a daemon's body, that is its return type's fault.
        let fault = self.item.returned().map_or(site, |ty| site.located_at(ty));
        let mut inner = self.inner_name();
        if self.item.params.is_empty() {
            // Where it probably can, an editor that is asked about the type need not know of this name.
            if !self.item.returns_as_usual() {
                inner.set_span(inner.span().located_at(fault));
            }
            return inner.to_token_stream();
        }
        let context = self.local("context");
        let arguments = self.item.params.iter().map(|param| self.argument(param, &context));
        let arguments = delimit(Delimiter::Parenthesis, quote_spanned!(site=> #(#arguments),*), fault);
        let call = quote_spanned!(site=> #inner #arguments);
        // Without it, the closure of an endless fn returns `()` in editions before 2024.
        let call = if self.item.is_endless() { quote_spanned!(site=> -> ! { #call }) } else { call };
        let filled = self.item.context().map(|_| quote_spanned!(site=> #context: &#krate::Context));
        let capture = quote_spanned!(fault=> move);
        quote_spanned!(site=> #capture |#filled| #call)
    }

    /// Prints what is passed for a parameter. A fn that is run again needs its values again.
    fn argument(&self, param: &Param, context: &Ident) -> TokenStream {
        let site = self.site();
        let krate = &self.args.krate;
        let (name, ty) = (self.passed(param), &param.ty);
        // If it doesn't fit, that is its type's fault.
        let first = ty.clone().into_iter().next();
        let fault = first.map_or(site, |token| site.located_at(token.span()));
        match param.role {
            Role::Context => {
                let mut context = context.clone();
                context.set_span(context.span().located_at(fault));
                context.into_token_stream()
            }
            Role::OwnContext => {
                let angle = quote_spanned!(fault=> <);
                let argument = delimit(Delimiter::Parenthesis, context.to_token_stream(), fault);
                quote_spanned!(site=> #angle #krate::Context as ::core::clone::Clone>::clone #argument)
            }
            Role::Value if self.args.repeats() => {
                quote_spanned!(site=> <#ty as ::core::clone::Clone>::clone(&#name))
            }
            _ => name.to_token_stream(),
        }
    }

    /// Returns the name by which a parameter is passed on: the user's own, because the values may
    /// use it. One like `_id` that they don't use becomes ours, since using it is frowned upon.
    fn passed(&self, param: &Param) -> Option<Ident> {
        let mut name = param.name.clone()?;
        let text = name.to_string();
        let is_used = |arg: &Arg| arg.value.to_string().contains(&text);
        if text.starts_with('_') && !self.args.plain.iter().chain(&self.args.repeat).any(is_used) {
            name.set_span(Span::mixed_site().located_at(name.span()));
        }
        Some(name)
    }

    /// Returns the name that the daemon has by default: the fn's, or for a whole program the binary's.
    fn daemon_name(&self) -> String {
        if self.item.is_main() {
            return std::env::var("CARGO_BIN_NAME").unwrap_or_else(|_| "main".into());
        }
        let name = self.item.name.to_string();
        name.strip_prefix("r#").map(Into::into).unwrap_or(name)
    }

    /// Returns the inner fn's name: the outer's, except where an async runtime allows no parameters.
    fn inner_name(&self) -> Ident {
        if self.item.is_main() && self.item.is_async() && self.item.context().is_some() {
            return Ident::new("daemon_main", self.item.name.span().located_at(self.site()));
        }
        self.item.name.clone()
    }

    /// Names a variable of ours. It can't be mistaken for the user's even if that has the same name, except
    /// by a reader and by clippy, who then get another one.
    fn local(&self, name: &str) -> Ident {
        let params = self.item.params.iter().filter(|param| param.is_passed());
        let mut users = params.filter_map(|param| param.name.as_ref()).chain([&self.item.name]);
        let is_taken = users.any(|user| user.to_string().trim_start_matches('_') == name);
        let name = if is_taken { format!("the_{name}") } else { name.into() };
        Ident::new(&name, Span::mixed_site())
    }

    fn site(&self) -> Span {
        Span::mixed_site().located_at(self.item.fn_token.span())
    }
}

/// Tells `|…| …` and `move |…| …`.
fn is_closure(item: &TokenStream) -> bool {
    let mut tokens =
        item.clone().into_iter().skip_while(|it| matches!(it, TokenTree::Ident(it) if it == "move"));
    tokens.next().is_some_and(|first| is_punct(&first, '|'))
}
