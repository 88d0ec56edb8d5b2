//! Tests of the expansion outside of the compiler. The snapshots are in `tests/macros/expand/`.

mod signatures;

use std::path::{Path, PathBuf};
use std::time::Duration;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::args::{Macro, method_keys};
use crate::diag::{Mistakes, closest};
use crate::expand::{expand_noting, print_duration};

/// Rewrites the snapshots instead of comparing them.
const UPDATE: &str = "UPDATE_EXPECT";

#[test]
fn expansions_are_as_in_the_snapshots() {
    let mut wrong = Vec::new();
    for input in snapshot_inputs() {
        let output = input.with_extension("expanded.rs");
        let expanded = expand_file(&input);
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(&output, &expanded).unwrap();
        } else if std::fs::read_to_string(&output).unwrap_or_default() != expanded {
            wrong.push(format!("{}:\n{expanded}", output.display()));
        }
    }
    assert!(wrong.is_empty(), "these have changed; {UPDATE}=1 rewrites them:\n{}", wrong.join("\n"));
}

#[test]
fn snapshots_are_all_of_something() {
    let inputs: Vec<_> = snapshot_inputs();
    assert!(inputs.len() >= 10, "only {inputs:?}");
    for output in rust_files().filter(|path| is_expanded(path)) {
        let input = PathBuf::from(output.to_str().unwrap().replace(".expanded.rs", ".rs"));
        assert!(inputs.contains(&input), "{} has no input", output.display());
    }
}

#[test]
fn durations_are_printed_with_the_largest_unit_that_holds_them() {
    for (text, printed) in [
        ("0s", "from_secs(0)"),
        ("5s", "from_secs(5)"),
        ("1h 30m", "from_secs(5400)"),
        ("1.5s", "from_millis(1500)"),
        ("500ms", "from_millis(500)"),
        ("250us", "from_micros(250)"),
        ("1s 1ns", "from_nanos(1000000001)"),
        ("1000y 1ns", "new(31557600000, 1)"),
    ] {
        let duration = humantime::parse_duration(text).unwrap();
        let tokens = print_duration(duration, Span::call_site());
        assert_eq!(
            tokens.to_string().replace(' ', ""),
            format!("::core::time::Duration::{printed}").replace(' ', ""),
            "{text}",
        );
    }
    let longest = print_duration(Duration::MAX, Span::call_site()).to_string();
    assert!(longest.contains("new"), "{longest}");
}

#[test]
fn a_word_is_corrected_only_if_it_is_close() {
    let known = ["pidfile", "stdin", "stdout", "stderr", "umask", "user"];
    for (written, meant) in [
        ("pidfle", Some("pidfile")),
        ("pid_file", Some("pidfile")),
        ("pifdile", Some("pidfile")),
        ("pid", Some("pidfile")),
        ("std", None),
        ("stdot", Some("stdout")),
        ("unmask", Some("umask")),
        ("us", None),
        ("file", Some("pidfile")),
        ("cwd", None),
        ("", None),
    ] {
        assert_eq!(closest(written, &known), meant, "{written}");
    }
}

#[test]
fn a_name_of_elsewhere_means_the_key_that_the_attribute_has() {
    for written in ["retries", "max_retries"] {
        for (ours, rule, meant) in
            [(Macro::Daemon, "", "respawn_limit"), (Macro::RepeatDaemon, r#"every = "5s", "#, "retry")]
        {
            let messages = mistakes(ours, &format!("{rule}{written} = 3"), "fn f() {}");
            let [message] = &messages[..] else { panic!("{messages:?}") };
            assert!(message.ends_with(&format!("; did you mean `{meant}`?")), "{message}");
        }
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let messages = mistakes(
        Macro::RepeatDaemon,
        r#"pidfle = "x", times = -1, umask = 0o7777, stdin, stdout = "", missed = "never""#,
        "async fn both(&self, (a, b): (u8, u8)) where u8: Copy {}",
    );
    assert_eq!(messages.len(), 11, "{messages:#?}");
}

#[test]
fn a_misspelt_key_is_not_also_given_twice() {
    let messages = mistakes(Macro::Daemon, "pidfle = x(), pidfle = y(), pidfile = z()", "fn f() {}");
    let unknown = messages.iter().filter(|message| message.contains("did you mean `pidfile`?"));
    assert_eq!((messages.len(), unknown.count()), (2, 2), "{messages:#?}");
}

#[test]
fn a_mistake_names_its_repair() {
    for (args, item, repair) in [
        (r#"pidfle = "x""#, "fn f() {}", "did you mean `pidfile`?"),
        (r#"cwd = "x""#, "fn f() {}", "did you mean `working_directory`?"),
        (r#"colour = "x""#, "fn f() {}", "the keys are `name`, `pidfile`, "),
        ("stop_timeout = 5s", "fn f() {}", r#"write "5s""#),
        ("umask = 18", "fn f() {}", "write `0o22`"),
        ("umask = 0o20 + -", "fn f() {}", "something has to come after `+-`"),
        (r#"every = "1s""#, "fn f() {}", "use #[repeat_daemon]"),
        ("umask = 022", "fn f() {}", "write `0o22`"),
        ("umask = 0, wait = 3", "fn f() {}", "did you mean `wait_ready`?"),
        (r#"stop_signal = "HUP""#, "fn f() {}", r#"use for example "SIGTERM""#),
        (r#"stop_signal = "sigint""#, "fn f() {}", "did you mean `SIGINT`?"),
        (r#"stop_timeout = "10""#, "fn f() {}", "`10` of what? It needs a unit"),
        ("", "async fn f() {}", "`#[daemon(..)] #[tokio::main] async fn f`"),
        ("", "struct F;", "this is a struct"),
        ("", "gen fn f() {}", "remove `gen`"),
        ("", "default fn f() {}", "remove `default`"),
    ] {
        let messages = mistakes(Macro::Daemon, args, item);
        assert_eq!(messages.len(), 1, "{messages:#?}");
        assert!(messages[0].contains(repair), "{messages:#?}");
    }
}

#[test]
fn values_go_on_to_the_comma_that_ends_them() {
    for value in [
        "HashMap::<u8, String>::default()",
        "iter.collect::<Vec<(u8, u8)>>()",
        "<Paths<u8, u16> as Log>::path()",
        "if a < b { c } else { d }",
        "cast::<fn(u8) -> Vec<u8>, u8>(x)",
        "unsafe { *raw }",
        "x as u32",
        "move || -> u8 { 3 }",
    ] {
        let args = format!("pidfile = {value}, stdout = log");
        let call = format!(".pidfile({value}).stdout(log).dispatch(action, f)");
        assert_contains(&expansion(Macro::Daemon, &args, "fn f() {}"), &call);
    }
}

#[test]
fn a_mistake_leaves_a_fn_that_can_be_called() {
    for (args, item, signature) in [
        (
            r#"pidfle = "x""#,
            "pub fn f(mut x: u8, context: &Context) -> u8 { 3 }",
            "pub fn f(action: impl ::daemonic::IntoAction, x: u8) -> ::daemonic::Result",
        ),
        (
            "pidfile =",
            "fn f<T: Copy>(x: T) where u8: Copy {}",
            "fn f<T: Copy>(action: impl ::daemonic::IntoAction, x: T) -> ::daemonic::Result where u8: Copy",
        ),
        (
            "crate = d, umask = 0o7777",
            "fn f(&self, (a, b): (u8, u8)) {}",
            "fn f(&self, action: impl d::IntoAction, _: (u8, u8)) -> d::Result",
        ),
        ("", "fn main(x: u8) {}", "fn main() -> ::std::process::ExitCode"),
    ] {
        let expanded = expansion(Macro::Daemon, args, item);
        assert_contains(&expanded, "::core::compile_error!");
        assert_contains(&expanded, signature);
    }
}

// An editor expands attributes while they are being typed.
#[test]
fn a_half_typed_attribute_leaves_the_fn_and_its_values() {
    for args in [
        "pid",
        "pidfile",
        "pidfile =",
        "pidfile = , stdout = log()",
        "stdout = log(), pid",
        r#"stdout = log(), pidfile = "x" u"#,
        "stdout = log(),,",
        "stdout = log(); pidfile",
        "stdout = log(), umask = 0o20 +",
        "stdout = log(), crate = self::",
        "=",
    ] {
        let expanded = expansion(Macro::Daemon, args, "fn f() {}");
        let file: syn::File = syn::parse2(expanded.clone()).unwrap();
        assert!(matches!(file.items.last(), Some(syn::Item::Fn(_))));
        assert_contains(&expanded, "fn f(action: impl ::daemonic::IntoAction) -> ::daemonic::Result");
        if args.contains("log") {
            assert_contains(&expanded, ".stdout(log())");
        }
    }
}

// An editor completes only what it finds in the expansion.
#[test]
fn a_half_typed_expression_is_passed_on_as_it_is() {
    for item in [
        "fn f(context: &Context) { context. }",
        "fn f() { let x = ; }",
        "fn f() { format!(+) }",
        "fn f() - {}",
        "fn f() -> {}",
    ] {
        assert_contains(&expansion(Macro::Daemon, "umask = 0", item), item);
    }
    for args in ["pidfile = a.", "pidfile = a.b().", "pidfile = a::", "pidfile = a::<u8>::"] {
        let value = args.split_once("= ").unwrap().1;
        let expanded = expansion(Macro::Daemon, args, "fn f() {}");
        assert_contains(&expanded, &format!(".pidfile({value})"));
    }
}

// The compiler or the editor has already reported what is missing.
#[test]
fn a_half_typed_fn_can_be_called_without_further_mistakes() {
    for (item, signature) in [
        (
            "pub fn f(x: u8, y, context: &Context) -> u8 { y. }",
            "pub fn f(action: impl ::daemonic::IntoAction, x: u8, y: impl ::core::marker::Sized) -> ::daemonic::Result",
        ),
        (
            "fn f(x: u8) -> u8 fixed_up",
            "fn f(action: impl ::daemonic::IntoAction, x: u8) -> ::daemonic::Result",
        ),
    ] {
        assert_eq!(mistakes(Macro::Daemon, "", item), <[&str; 0]>::default());
        let expanded = expansion(Macro::Daemon, "", item);
        assert_contains(&expanded, signature);
        syn::parse2::<syn::File>(expanded).unwrap();
    }
}

#[test]
fn every_key_is_in_the_tables_of_the_documentation() {
    for key in method_keys().chain(["crate"]) {
        assert!(include_str!("lib.rs").contains(&format!("/// | `{key}` |")), "{key} in the attribute's");
        let readme = include_str!("../../README.md");
        let of_this_row =
            |line: &str| line.starts_with("| `") && line[..line.len().min(30)].contains(&format!("`{key}`"));
        assert!(readme.lines().any(of_this_row), "{key} in the README's");
    }
}

// Hover and go-to-definition in an editor, and the compiler's errors, need the key's own token.
#[test]
fn a_key_is_the_methods_name_by_its_very_token() {
    for key in method_keys() {
        let args = format!(r#"every = "5s", {key} = there"#);
        let args = match key {
            "every" | "cron" => format!("{key} = there"),
            "timezone" => format!("cron = there, {key} = there"),
            _ => args,
        };
        let expanded = expansion(Macro::RepeatDaemon, &args, "fn f(context: &Context) {}");
        let found = idents(expanded).into_iter().find(|(ident, _)| ident == key).unwrap();
        let (column, written) = (args.find(&format!("{key} =")).unwrap(), found.0.span());
        assert_eq!((written.start().column, written.end().column), (column, column + key.len()), "{key}");
        assert_eq!(found.1, Some('.'), "{key}");
    }
}

// Names of ours are located at the keyword `fn`, which has no hover, or at the literal that they
// replace.
#[test]
fn what_an_editor_tells_about_a_name_is_about_that_name() {
    for input in snapshot_inputs() {
        let expanded =
            expand_items(&syn::parse_file(&std::fs::read_to_string(&input).unwrap()).unwrap().items);
        for (ident, _) in idents(expanded) {
            let written = ident.span().source_text().unwrap_or_default();
            let is_keyword = ident == "move" || written == "&";
            let is_ours = ["", "fn", "pub"].contains(&written.as_str()) || written.starts_with(['"', '/']);
            assert!(
                is_keyword || is_ours || ident == written,
                "{ident} is located at {written} in {input:?}"
            );
        }
    }
}

// The action is one more argument. Everything else is reported for the inner fn.
#[test]
fn clippy_complains_once() {
    let (many, bools) = ("too_many_arguments", "fn_params_excessive_bools");
    for (params, silenced) in [
        ("a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, context: &Context", vec![]),
        ("a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8", vec![many]),
        ("a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8", vec![many]),
        ("a: bool, b: bool, c: bool", vec![]),
        ("a: bool, b: bool, c: bool, d: bool", vec![bools]),
    ] {
        let expanded = expansion(Macro::Daemon, "", &format!("fn f({params}) {{}}")).to_string();
        let found: Vec<_> = [many, bools].into_iter().filter(|lint| expanded.contains(lint)).collect();
        assert_eq!(found, silenced, "{params}");
    }
}

#[test]
fn a_text_that_the_body_needs_too_is_lent() {
    let args = "name = name, pidfile = path, user = user";
    let expanded = expansion(Macro::Daemon, args, "fn f(name: String, path: PathBuf, user: String) {}");
    assert_contains(&expanded, ".name(&name).pidfile(&path).user(&user)");
}

// The compiler would otherwise advise to rename the parameter, which breaks the key.
#[test]
fn a_parameter_that_a_key_mentions_counts_as_used() {
    for (value, is_mentioned) in [
        ("id", true),
        ("&id", true),
        ("id.path", true),
        ("path(1, [id])", true),
        ("Place { path: id }", true),
        ("Place { id }", true),
        ("..id", true),
        ("id != 3", true),
        ("if x { id } else { y }", true),
        (r#"format!("/run/{id}.pid")"#, true),
        (r#"format!("/run/{ id :?}.pid")"#, true),
        (r##"format!(r#"/run/"{id}".pid"#)"##, true),
        (r#"std::format!("{:>0id$} {:.3}", 1, 2)"#, true),
        (r#"format!("{{{id}}}")"#, true),
        (r#"path(format!["{}", id])"#, true),
        ("path![x.id, 'id]", true),
        (r#""id""#, false),
        (r#"path("{id}")"#, false),
        (r#"format!("id {{id}} {idx} {0:grid$} {}", 1)"#, false),
        ("here.id", false),
        ("id::PATH", false),
        ("x::id", false),
        ("id!()", false),
        ("'id: loop { break 'id x }", false),
        ("Place { id: 3 }", false),
        ("idx", false),
    ] {
        let expanded = expansion(Macro::Daemon, &format!("pidfile = {value}"), "fn f(a: u8, mut id: u8) {}");
        let attr = r#"#[allow(unused_variables, reason = "a key uses it")]"#;
        let attr = if is_mentioned { attr } else { "" };
        assert_contains(&expanded, &format!("fn f(a: u8, {attr} mut id: u8) {{}}"));
    }
    let item = "fn f(r#type: u8, #[expect(unused)] context: &Context) {}";
    let expanded = expansion(Macro::Daemon, r#"pidfile = format!("{type}{context}")"#, item);
    assert_contains(&expanded, r#"fn f(#[allow(unused_variables, reason = "a key uses it")] r#type: u8"#);
}

#[test]
fn a_body_that_plainly_reads_its_parameter_is_left_as_it_is() {
    for (body, is_read) in [
        ("{ id.work(); }", true),
        (r#"{ if x { println!("{id}"); } }"#, true),
        ("{ work(id) }", false),
        ("{ let id = 3; id.work() }", false),
        ("{ let id: u8 = 3; id.work() }", false),
        ("{ for id in id {} }", false),
        ("{ here.id.work(); }", false),
        ("{ match x { id..3 => {} } }", false),
        (r#"{ log("{id}"); }"#, false),
        ("{}", false),
    ] {
        let expanded = expansion(Macro::Daemon, "pidfile = id", &format!("fn f(id: &str) {body}"));
        assert_eq!(expanded.to_string().contains("allow"), !is_read, "{expanded}");
    }
}

// Cargo sets the variable for binaries. rustc alone, editors and tests of documentation do not.
#[test]
fn a_whole_program_has_the_name_of_its_binary() {
    let expanded = expansion(Macro::Daemon, "", "fn main() {}");
    let Ok(name) = std::env::var("CARGO_BIN_NAME") else {
        assert_contains(&expanded, "::daemonic::Daemon::new(::daemonic::program_name()).version(");
        let renamed = expansion(Macro::Daemon, "crate = d", "fn main() {}");
        assert_contains(&renamed, "d::Daemon::new(d::program_name()).version(");
        // All tests share the environment, so this one is run again in a process of its own.
        let this = "tests::a_whole_program_has_the_name_of_its_binary";
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let output = again.args(["--exact", this]).env("CARGO_BIN_NAME", "exam-ple").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    };
    assert_contains(&expanded, &format!("::daemonic::Daemon::new({name:?}).version("));
}

// Cargo sets the variable for every crate. rustc alone does not.
#[test]
fn a_whole_program_has_the_version_of_its_package() {
    if std::env::var_os("CARGO_PKG_VERSION").is_none() {
        let expanded = expansion(Macro::Daemon, "", "fn main() {}");
        assert_contains(&expanded, "Daemon::new(::daemonic::program_name()).main(main)");
        return;
    }
    let version = r#".version(::core::env!("CARGO_PKG_VERSION"))"#;
    assert_contains(&expansion(Macro::Daemon, "", "fn main() {}"), version);
    let given = expansion(Macro::Daemon, r#"version = "1""#, "fn main() {}");
    assert_contains(&given, r#"Daemon::new(::daemonic::program_name()).version("1").main(main)"#);
    let function = expansion(Macro::Daemon, "", "fn example() {}");
    assert!(!function.to_string().contains("version"), "{function}");
    // All tests share the environment, so this one is run again in a process of its own.
    let this = "tests::a_whole_program_has_the_version_of_its_package";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let output = again.args(["--exact", this]).env_remove("CARGO_PKG_VERSION").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn what_is_not_a_fn_is_left_alone() {
    for item in ["struct S;", "impl S { fn f() {} }", "const X: u8 = 3;", "fn", "fn f", ""] {
        let expanded = expansion(Macro::Daemon, "", item).to_string();
        assert!(expanded.ends_with(&tokens(item).to_string()), "{expanded}");
        assert!(expanded.starts_with(":: core :: compile_error"), "{expanded}");
    }
}

#[test]
fn fragments_of_a_macro_are_seen_through() {
    let [every, ty, body] = [r#""5s""#, "&Context", "{ 3 }"].map(|text| invisible(tokens(text)));
    let item = invisible(quote!(pub fn f(c: #ty) #body));
    let mut mistakes = Mistakes::default();
    let expanded = expand_noting(Macro::RepeatDaemon, quote!(every = #every), &item, &mut mistakes);
    assert!(mistakes.is_empty());
    assert_contains(&expanded, ".every(::core::time::Duration::from_secs(5))");
    assert_contains(&expanded, "|context: &::daemonic::Context| f(context)");
}

#[test]
fn the_type_begins_after_the_colon_that_is_alone() {
    for (param, name) in [("x: ::a::B", "x"), ("x:&::a::B", "x"), ("mut x: a::B<::a::C>", "x")] {
        let ty = param.split_once(':').unwrap().1;
        let expanded = expansion(Macro::Daemon, "", &format!("fn f({param}) {{}}"));
        assert_contains(&expanded, &format!("IntoAction, {name}: {ty}) -> ::daemonic::Result"));
    }
}

#[test]
fn a_raw_name_is_printed_without_its_prefix() {
    let expanded = expansion(Macro::Daemon, "", "fn r#type() {}");
    assert_contains(&expanded, r#"::daemonic::Daemon::new("type").dispatch(action, r#type)"#);
}

#[test]
fn the_expansion_grows_linearly() {
    let size = |count: usize| -> usize {
        let params: Vec<_> = (0..count).map(|i| format!("p{i}: Vec<(u8, u8)>")).collect();
        let item = format!("fn f({}) {{}}", params.join(", "));
        expansion(Macro::Daemon, "", &item).into_iter().map(count_tokens).sum()
    };
    assert_eq!(size(300) - size(200), size(200) - size(100));
}

fn count_tokens(token: TokenTree) -> usize {
    match token {
        TokenTree::Group(group) => 1 + group.stream().into_iter().map(count_tokens).sum::<usize>(),
        _ => 1,
    }
}

/// Returns each identifier with the punctuation before it.
fn idents(tokens: TokenStream) -> Vec<(Ident, Option<char>)> {
    let mut idents = Vec::new();
    let mut before = None;
    for token in tokens {
        match &token {
            TokenTree::Ident(ident) => idents.push((ident.clone(), before)),
            TokenTree::Group(group) => idents.extend(self::idents(group.stream())),
            _ => {}
        }
        before = if let TokenTree::Punct(punct) = token { Some(punct.as_char()) } else { None };
    }
    idents
}

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap()
}

fn invisible(tokens: TokenStream) -> TokenStream {
    Group::new(Delimiter::None, tokens).into_token_stream()
}

#[track_caller]
fn assert_contains(expanded: &TokenStream, expected: &str) {
    let bare = |text: &str| text.replace(char::is_whitespace, "");
    assert!(bare(&expanded.to_string()).contains(&bare(expected)), "no {expected} in\n{expanded}");
}

fn expansion(ours: Macro, args: &str, item: &str) -> TokenStream {
    expand_noting(ours, tokens(args), &tokens(item), &mut Mistakes::default())
}

/// Returns the messages, and asserts that the expansion reports as many.
fn mistakes(ours: Macro, args: &str, item: &str) -> Vec<String> {
    let mut mistakes = Mistakes::default();
    let expanded = expand_noting(ours, tokens(args), &tokens(item), &mut mistakes).to_string();
    let messages = mistakes.messages();
    assert_eq!(expanded.matches("compile_error").count(), messages.len());
    messages
}

/// Expands our attributes in a file as the compiler would.
fn expand_file(path: &Path) -> String {
    let mut file = syn::parse_file(&std::fs::read_to_string(path).unwrap()).unwrap();
    file.items = syn::parse2::<syn::File>(expand_items(&file.items)).unwrap().items;
    prettyplease::unparse(&file)
}

fn expand_items(items: &[syn::Item]) -> TokenStream {
    items.iter().cloned().map(expand_item).collect()
}

fn expand_item(item: syn::Item) -> TokenStream {
    let syn::Item::Fn(mut function) = item else {
        return item.into_token_stream();
    };
    let attribute_of = |attr: &syn::Attribute| {
        [Macro::Daemon, Macro::RepeatDaemon].into_iter().find(|ours| attr.path().is_ident(ours.name()))
    };
    let found = function.attrs.iter().position(|attr| attribute_of(attr).is_some());
    let Some(found) = found else {
        return function.into_token_stream();
    };
    let attr = function.attrs.remove(found);
    let args = match &attr.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let item = function.into_token_stream();
    expand_noting(attribute_of(&attr).unwrap(), args, &item, &mut Mistakes::default())
}

fn snapshot_inputs() -> Vec<PathBuf> {
    rust_files().filter(|path| !is_expanded(path)).collect()
}

fn is_expanded(path: &Path) -> bool {
    path.to_str().unwrap().ends_with(".expanded.rs")
}

fn rust_files() -> impl Iterator<Item = PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/macros/expand");
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
}
