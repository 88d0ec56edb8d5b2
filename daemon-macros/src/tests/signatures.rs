//! Properties of the expansion of random fns.
//!
//! A fn that the attribute accepts appears in the expansion as it was written. A fn that it refuses
//! is refused with the expected messages, and its outer signature is still there.
//!
//! Fns are generated as text. `FRAGMENT { … }` stands for a group without delimiters, in which
//! `macro_rules!` passes on a fragment.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use quote::ToTokens;

use super::tokens;
use crate::args::Macro;
use crate::diag::Mistakes;
use crate::expand::expand_noting;

/// A fn as text, in parts.
#[derive(Clone, Debug)]
struct Function {
    attrs: Vec<Attr>,
    visibility: &'static str,
    qualifiers: Vec<&'static str>,
    name: &'static str,
    generics: &'static str,
    receiver: &'static str,
    params: Vec<Param>,
    trailing_comma: bool,
    output: Option<Type>,
    where_clause: &'static str,
    body: &'static str,
    is_fragment: bool,
}

#[derive(Clone, Copy, Debug)]
struct Attr {
    text: &'static str,
    /// Whether it stays on the outer fn.
    is_outer: bool,
    /// Whether it could build an async runtime.
    is_runtime: bool,
}

#[derive(Clone, Debug)]
struct Param {
    is_conditional: bool,
    pattern: &'static str,
    name: Option<&'static str>,
    ty: Type,
}

#[derive(Clone, Debug)]
struct Type {
    text: String,
    has_impl: bool,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Passed,
    Context,
    MutContext,
}

const ATTRS: &[Attr] = &[
    Attr::outer(r#"#[doc = "Does it."]"#),
    Attr::outer(r#"#[FRAGMENT { doc = "Is passed on." }]"#),
    Attr::outer("#[cfg(all(unix, not(windows)))]"),
    Attr::outer(r#"#[cfg_attr(true, doc = "On any system.")]"#),
    Attr::outer(r#"#[cfg_attr(all(unix, target_os = "linux"), allow(unused), inline)]"#),
    Attr::outer(r#"#[deprecated(since = "1", note = "is old")]"#),
    Attr::outer("#[must_use]"),
    Attr::inner("#[inline(never)]"),
    Attr::inner("#[cfg_attr(unix, inline)]"),
    Attr::inner("#[unsafe(no_mangle)]"),
    Attr::runtime(r#"#[tokio::main(flavor = "current_thread")]"#),
    Attr::runtime("#[r#type::r#fn]"),
    Attr::runtime("#[trace(level > 3, { x => y }, <)]"),
];

const VISIBILITIES: &[&str] =
    &["", "pub", "pub(crate)", "pub(in crate::a::b)", "FRAGMENT {}", "FRAGMENT { pub(super) }"];

const QUALIFIERS: &[&str] = &["const", "async", "unsafe", "extern \"C\""];

const NAMES: &[&str] = &["example", "worker_7", "größe", "r#match", "id"];

const GENERICS: &[&str] = &[
    "<'a>",
    "<T>",
    "<'a, 'b: 'a, T: Fn(u8) -> Vec<T> + 'a>",
    "<const N: usize>",
    "<T: Into<Vec<Vec<u8>>>, const N: bool>",
];

const RECEIVERS: &[&str] = &["self", "&self", "&mut self", "self: Box<Self>"];

const WHERE_CLAUSES: &[&str] =
    &["where u8: Copy", "where for<'x> fn(&'x u8) -> u8: Copy, Vec<Vec<u8>>: Sized,"];

const BODIES: &[&str] = &[
    "{}",
    "{ loop {} }",
    "{ #![allow(unused)] 3 }",
    "FRAGMENT { { work(FRAGMENT { 1 + 2 }) } }",
    "{ let f = |x: u8| -> Vec<Vec<u8>> { a::<{ 1 }>(x)? }; 'a: loop { break 'a; } }",
    r##"{ m! { <> ; => , fn } r#type; r#"}"#; 'x'; b"\0"; 1.5e3_f32; }"##,
    "{ fn example() {} struct S<T>(T); if a < b { c } else { d } }",
];

/// Patterns, and the names under which they can be passed on. No two bind the same name.
const PATTERNS: &[(&str, Option<&str>)] = &[
    ("id", Some("id")),
    ("mut name", Some("name")),
    ("r#type", Some("r#type")),
    ("_hidden", Some("_hidden")),
    ("action", Some("action")),
    ("FRAGMENT { list }", Some("list")),
    ("mut FRAGMENT { größer }", Some("größer")),
    ("_", None),
    ("ref x", None),
    ("(a, mut b)", None),
    ("a::Range { start, .. }", None),
    ("[first, .., last]", None),
    ("whole @ (_, _)", None),
    ("&c", None),
];

/// Types that contain no other.
const LEAVES: &[&str] = &[
    "u8",
    "()",
    "!",
    "&'static str",
    "::a::B",
    "a::Context<u8>",
    "r#type::r#fn",
    "fn()",
    "(dyn Fn(&str) -> Vec<u8> + Send)",
    "[u8; 1 << 2]",
    "Array<'a, -1, { N > 1 }, true, 'x'>",
    "m![< , >]",
    "Self",
];

/// Types around another, `@`.
const WRAPPERS: &[&str] = &[
    "FRAGMENT { @ }",
    "(@)",
    "(@,)",
    "(u8, @)",
    "&@",
    "&'a mut @",
    "*const @",
    "[@]",
    "[@; N]",
    "Vec<@>",
    "a::Map<u8, Vec<@>>",
    "Array<@, { N + 1 }>",
    "Box<dyn FnOnce(@) -> @ + 'a>",
    "fn(@, u8) -> @",
    "for<'x> unsafe extern \"C\" fn(&'x @) -> @",
    "dyn Iterator<Item = @>",
    "<@ as a::Trait<u8, u8>>::Out",
];

/// Types around another that have no name.
const IMPLS: &[&str] = &["impl Fn(@) -> @", "(impl for<'x> a::Trait<'x, @> + 'a)"];

const CONTEXTS: &[(&str, Role)] = &[
    ("&Context", Role::Context),
    ("&'a ::daemonic::Context", Role::Context),
    ("FRAGMENT { &Context }", Role::Context),
    ("&FRAGMENT { a::Context }", Role::Context),
    ("Context", Role::Context),
    ("FRAGMENT { FRAGMENT { Context } }", Role::Context),
    ("&mut Context", Role::MutContext),
];

impl Attr {
    const fn outer(text: &'static str) -> Self {
        Attr { text, is_outer: true, is_runtime: false }
    }

    const fn inner(text: &'static str) -> Self {
        Attr { text, is_outer: false, is_runtime: false }
    }

    const fn runtime(text: &'static str) -> Self {
        Attr { text, is_outer: false, is_runtime: true }
    }
}

/// Chooses an empty value nine times in ten, so that most fns have few mistakes.
fn seldom<T: Clone + std::fmt::Debug + Default + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    option::weighted(0.1, select(values)).prop_map(Option::unwrap_or_default)
}

fn any_type() -> impl Strategy<Value = Type> {
    let leaf = select(LEAVES).prop_map(String::from);
    let text = leaf.prop_recursive(3, 8, 1, |inner| {
        let wrapper = prop_oneof![30 => select(WRAPPERS), 1 => select(IMPLS)];
        (wrapper, inner).prop_map(|(wrapper, inner)| wrapper.replace('@', &inner))
    });
    text.prop_map(|text| Type { has_impl: text.contains("impl "), role: Role::Passed, text })
}

fn any_params() -> impl Strategy<Value = Vec<Param>> {
    let context = select(CONTEXTS).prop_map(|(text, role)| Type { text: text.into(), has_impl: false, role });
    let ty = prop_oneof![6 => any_type(), 1 => context];
    // Names come first in the table.
    let named = PATTERNS.iter().position(|(_, name)| name.is_none()).unwrap();
    let patterns = prop_oneof![
        6 => subsequence(&PATTERNS[..named], 0..=4),
        1 => subsequence(PATTERNS, 0..=4),
    ];
    let param = (prop::bool::weighted(0.02), ty);
    (patterns.prop_shuffle(), vec(param, 4)).prop_map(|(patterns, rest)| {
        let params = patterns.into_iter().zip(rest);
        params
            .map(|((pattern, name), (is_conditional, ty))| Param { is_conditional, pattern, name, ty })
            .collect()
    })
}

fn any_function() -> impl Strategy<Value = Function> {
    let attrs = subsequence(ATTRS, 0..=3).prop_shuffle();
    let qualifiers = prop_oneof![6 => Just(Vec::new()), 1 => subsequence(QUALIFIERS, 0..=4)];
    let head = (attrs, select(VISIBILITIES), qualifiers, select(NAMES), seldom(GENERICS), seldom(RECEIVERS));
    let tail = (option::of(any_type()), seldom(WHERE_CLAUSES), select(BODIES), any::<bool>());
    (head, any_params(), any::<bool>(), tail).prop_map(|(head, params, trailing_comma, tail)| {
        let (attrs, visibility, qualifiers, name, generics, receiver) = head;
        let (output, where_clause, body, is_fragment) = tail;
        Function {
            attrs,
            visibility,
            qualifiers,
            name,
            generics,
            receiver,
            params,
            trailing_comma,
            output,
            where_clause,
            body,
            is_fragment,
        }
    })
}

impl Function {
    /// Returns what the attribute is put on.
    fn tokens(&self) -> TokenStream {
        let Function { visibility, name, generics, where_clause, body, .. } = self;
        let attrs: Vec<&str> = self.attrs.iter().map(|attr| attr.text).collect();
        let params = self.params.iter().map(|Param { is_conditional, pattern, ty, .. }| {
            let attr = if *is_conditional { "#[cfg(unix)]" } else { "" };
            format!("{attr} {pattern}: {}", ty.text)
        });
        let receiver = Some(self.receiver.to_owned()).filter(|receiver| !receiver.is_empty());
        let inputs: Vec<String> = receiver.into_iter().chain(params).collect();
        let comma = if self.trailing_comma && !inputs.is_empty() { "," } else { "" };
        let output = self.output.as_ref().map(|ty| format!("-> {}", ty.text)).unwrap_or_default();
        let text = format!(
            "{attrs} {visibility} {qualifiers} fn {name} {generics} ({inputs}{comma}) {output} {where_clause} {body}",
            attrs = attrs.join(" "),
            qualifiers = self.qualifiers.join(" "),
            inputs = inputs.join(", "),
        );
        fragments(tokens(&if self.is_fragment { format!("FRAGMENT {{ {text} }}") } else { text }))
    }

    fn has(&self, qualifier: &str) -> bool {
        self.qualifiers.iter().any(|it| it.starts_with(qualifier))
    }

    fn passed(&self) -> impl Iterator<Item = &Param> {
        self.params.iter().filter(|param| param.ty.role == Role::Passed)
    }

    /// Returns the messages that are expected, in their order.
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes: Vec<String> = Vec::new();
        let mut expect =
            |is_mistake: bool, message: &str| mistakes.extend(is_mistake.then(|| message.to_owned()));
        expect(self.has("const"), "a daemon does things at run time; remove `const`");
        expect(
            self.has("async") && !self.attrs.iter().any(|attr| attr.is_runtime),
            &format!(
                "an async fn needs a runtime, built in the daemon; write `#[daemon(..)] #[tokio::main] async fn {}`",
                self.name
            ),
        );
        expect(
            self.has("unsafe"),
            "a daemon can't be unsafe to start; remove `unsafe`, and write an `unsafe` block in the body, with its reason",
        );
        expect(
            self.has("extern"),
            "a daemon has Rust's calling convention; remove `extern`, and start it from an `extern` fn if C is to call it",
        );
        expect(
            !self.generics.is_empty(),
            "a daemon can't be generic, because all of its instances would share one pidfile; name the types, or call a generic fn from the body",
        );
        expect(
            !self.where_clause.is_empty(),
            "a daemon can't have a `where` clause; move the bounds to a fn that the body calls",
        );
        expect(
            !self.receiver.is_empty(),
            "a daemon can't be a method; write a free fn, or an associated one without `self`, and pass what it needs as parameters",
        );
        let mut has_context = false;
        for Param { is_conditional, name, ty, .. } in &self.params {
            expect(
                *is_conditional,
                "a daemon's parameter can't be conditional; write two fns and put `#[cfg]` on them",
            );
            expect(
                ty.role == Role::MutContext,
                "a `Context` is shared by the whole daemon; take `&Context` or `Context`",
            );
            expect(
                ty.role == Role::Context && has_context,
                "there is one `Context`, and this fn has it already; remove this parameter",
            );
            has_context |= ty.role != Role::Passed;
            if ty.role != Role::Passed {
                continue;
            }
            expect(
                ty.has_impl,
                "a daemon's parameter needs a named type; write one, or `&dyn Trait`, in place of `impl Trait`",
            );
            expect(
                name.is_none(),
                "a daemon's parameter needs a name, because it is passed on; write `name: Type`, and destructure it in the body",
            );
            expect(
                *name == Some(self.name),
                &format!("this parameter has the name of the fn; rename it, as in `{}_`", self.name),
            );
        }
        mistakes
    }

    /// Returns the signature of the fn that is called.
    fn outer_signature(&self) -> String {
        let is_action = |param: &Param| param.name == Some("action");
        let action = if self.passed().any(is_action) { "the_action" } else { "action" };
        let receiver = if self.receiver.is_empty() { String::new() } else { format!("{}, ", self.receiver) };
        let params = self.passed().map(|Param { is_conditional, name, ty, .. }| {
            let name = name.filter(|name| *name != self.name).unwrap_or("_");
            let attr = if *is_conditional { "#[cfg(unix)]" } else { "" };
            format!(", {attr} {name}: {}", ty.text)
        });
        let text = format!(
            "fn {name} {generics} ({receiver}{action}: impl ::daemonic::IntoAction {params}) -> ::daemonic::Result {where_clause}",
            name = self.name,
            generics = self.generics,
            params = params.collect::<String>(),
            where_clause = self.where_clause,
        );
        visible(fragments(tokens(&text)))
    }
}

/// Puts fragments into groups without delimiters.
fn fragments(tokens: TokenStream) -> TokenStream {
    let mut is_fragment = false;
    let mut replaced = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "FRAGMENT" => is_fragment = true,
            TokenTree::Group(group) => {
                let delimiter = if is_fragment { Delimiter::None } else { group.delimiter() };
                is_fragment = false;
                replaced.extend([TokenTree::from(Group::new(delimiter, fragments(group.stream())))]);
            }
            token => replaced.extend([token]),
        }
    }
    replaced
}

/// Returns the tokens one by one, as if there were no fragments.
fn visible(tokens: impl ToTokens) -> String {
    fn open(tokens: TokenStream, texts: &mut Vec<String>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => {
                    let (begin, end) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    texts.push(begin.to_owned());
                    open(group.stream(), texts);
                    texts.push(end.to_owned());
                }
                token => texts.push(token.to_string()),
            }
        }
    }
    let mut texts = Vec::new();
    open(tokens.into_token_stream(), &mut texts);
    texts.retain(|text| !text.is_empty());
    texts.join(" ")
}

fn all_visible<T: ToTokens>(parts: impl IntoIterator<Item = T>) -> Vec<String> {
    parts.into_iter().map(visible).collect()
}

fn expand(item: &TokenStream) -> (TokenStream, Vec<String>) {
    let mut mistakes = Mistakes::default();
    let expanded = expand_noting(Macro::Daemon, TokenStream::new(), item, &mut mistakes);
    (expanded, mistakes.messages())
}

/// Compares the expansion with what `syn::ItemFn` reads from the fn.
fn check(function: &Function) -> Result<(), TestCaseError> {
    let item = function.tokens();
    let (expanded, messages) = expand(&item);
    prop_assert_eq!(&messages, &function.mistakes());

    let input: syn::ItemFn = syn::parse2(item).expect("the input is a fn");
    let expanded: syn::File = syn::parse2(expanded).expect("the expansion is a file");
    let Some((syn::Item::Fn(outer), errors)) = expanded.items.split_last() else {
        return Err(TestCaseError::fail("there is no outer fn"));
    };
    prop_assert_eq!(errors.len(), messages.len());

    let (outer_attrs, inner_attrs): (Vec<_>, Vec<_>) = function.attrs.iter().partition(|attr| attr.is_outer);
    let texts = |attrs: Vec<&Attr>| all_visible(attrs.into_iter().map(|attr| fragments(tokens(attr.text))));
    let is_users = |attr: &&syn::Attribute| !attr.to_token_stream().to_string().contains("clippy");
    prop_assert_eq!(all_visible(outer.attrs.iter().filter(is_users)), texts(outer_attrs));
    prop_assert_eq!(visible(&outer.vis), visible(&input.vis));
    prop_assert_eq!(visible(&outer.sig), function.outer_signature());

    if !function.receiver.is_empty() {
        return Ok(());
    }
    let Some(syn::Stmt::Item(syn::Item::Fn(inner))) = outer.block.stmts.first() else {
        return Err(TestCaseError::fail("there is no inner fn"));
    };
    // syn counts attributes in the body among those of the fn.
    let in_body = input.attrs.iter().filter(|attr| matches!(attr.style, syn::AttrStyle::Inner(_)));
    let inner_attrs = [texts(inner_attrs), all_visible(in_body)].concat();
    prop_assert_eq!(all_visible(&inner.attrs), inner_attrs);
    prop_assert_eq!(visible(&inner.vis), "");
    prop_assert_eq!(&inner.sig.ident, &input.sig.ident);
    prop_assert_eq!(inner.sig.asyncness.is_some(), input.sig.asyncness.is_some());
    prop_assert_eq!(visible(&inner.sig.generics), visible(&input.sig.generics));
    prop_assert_eq!(all_visible(&inner.sig.inputs), all_visible(&input.sig.inputs));
    prop_assert_eq!(visible(&inner.sig.output), visible(&input.sig.output));
    prop_assert_eq!(visible(&inner.block), visible(&input.block));
    Ok(())
}

/// Removes the token at an index, counted in depth.
fn without(tokens: TokenStream, at: &mut usize) -> TokenStream {
    let mut kept = TokenStream::new();
    for token in tokens {
        let is_removed = *at == 0;
        *at = at.wrapping_sub(1);
        match token {
            _ if is_removed => {}
            TokenTree::Group(group) => {
                let content = without(group.stream(), at);
                kept.extend([TokenTree::from(Group::new(group.delimiter(), content))]);
            }
            token => kept.extend([token]),
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_expanded_is_what_was_written(function in any_function()) {
        check(&function)?;
    }

    // An editor expands a fn while it is being typed.
    #[test]
    fn a_fn_with_a_token_missing_is_expanded_without_a_panic(function in any_function(), at in 0..40_usize) {
        let mut at = at;
        let item = without(function.tokens(), &mut at);
        let (expanded, messages) = expand(&item);
        prop_assert_eq!(expanded.to_string().matches("compile_error").count(), messages.len());
    }
}
