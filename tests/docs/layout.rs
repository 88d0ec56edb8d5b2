//! The layout of the source: which file may import what, with a first line that says what it is.
//!
//! The checker reads tokens, so it sees every path: in `use` trees, in expressions and types, in
//! the arguments of macros, in the bodies of `macro_rules!`, behind every `#[cfg]`. It follows the
//! names that modules import (`use crate::lock; lock::stop::stop()`). Unit tests obey the same
//! rules, since they import from their own module. `mod x;` and the links of doc comments are no
//! imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use common::repository;
use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};
use tempfile::TempDir;

/// The rooms from the top down. A file may import from its own room and from those below. It
/// belongs to the room that names it most closely. `lib.rs` is above all.
const ROOMS: &[&str] = &[
    "daemon/",
    "daemon.rs",
    "start/",
    "supervise/",
    "logs/",
    "lock/stop.rs",
    "service/",
    "life/",
    "lock/",
    "settings.rs",
    "unit_file/",
    "timing.rs",
    "progress.rs",
    "command/",
    "sys/",
];

/// The rooms of `daemon-schedule`, whose files are one each.
const ROOMS_OF_THE_SCHEDULE: &[&str] = &[
    "tests.rs",
    "schedule.rs",
    "zone.rs",
    "local.rs",
    "time.rs",
    "rule.rs",
    "search.rs",
    "on_calendar.rs",
    "on_calendar.rs",
    "cron.rs",
    "parse.rs",
    "error.rs",
    "days.rs",
    "calendar.rs",
];

const MOST_UNSAFE_IN_SYS: usize = 20;
const MOST_UNSAFE_ELSEWHERE: usize = 6;

// ---- the runtime ----

#[test]
fn no_import_of_the_runtime_runs_up_or_in_a_circle() {
    let mistakes = Layout::read(&runtime()).import_mistakes(ROOMS);
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn every_file_of_the_runtime_says_in_its_first_line_what_it_is() {
    let mistakes = Layout::read(&runtime()).first_line_mistakes();
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

#[test]
fn the_runtime_has_few_unsafe_blocks_and_most_of_them_in_sys() {
    let layout = Layout::read(&runtime());
    let (inside, outside) = (layout.unsafe_blocks(true), layout.unsafe_blocks(false));
    assert!(inside <= MOST_UNSAFE_IN_SYS, "{inside} unsafe blocks in sys/");
    assert!(outside <= MOST_UNSAFE_ELSEWHERE, "{outside} unsafe blocks outside of sys/");
}

#[test]
fn the_schedule_imports_down_and_has_no_unsafe_block() {
    let layout = Layout::read(&repository().join("daemon-schedule/src"));
    let mut mistakes = layout.import_mistakes(ROOMS_OF_THE_SCHEDULE);
    mistakes.extend(layout.first_line_mistakes());
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    assert_eq!(layout.unsafe_blocks(true) + layout.unsafe_blocks(false), 0);
}

fn runtime() -> PathBuf {
    repository().join("daemon-runtime/src")
}

// ---- the checker ----

/// A module's path from the root of the crate; the root's is empty.
type ModulePath = Vec<String>;

/// The files of a `src` directory, with what they import.
struct Layout {
    files: BTreeMap<String, File>,
    modules: BTreeMap<ModulePath, Module>,
}

struct File {
    text: String,
    module: ModulePath,
    tokens: Vec<TokenTree>,
}

/// A module, in a file of its own or inline.
#[derive(Default)]
struct Module {
    file: String,
    /// The names of other modules that this one imports, and what each leads to.
    aliases: BTreeMap<String, ModulePath>,
}

/// One file that uses another, by a path such as `crate::lock::Pidfile`.
struct Import {
    from: String,
    to: String,
    path: String,
}

impl Layout {
    /// Reads every `.rs` file below a directory.
    fn read(source: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut modules = BTreeMap::new();
        for path in rust_files(source) {
            let name = path.strip_prefix(source).expect("a file below it").to_str().expect("text").to_owned();
            let text = fs::read_to_string(&path).expect("text");
            let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
            let tokens: Vec<_> = tokens.into_iter().collect();
            let module = module_of(&name);
            for inline in inline_modules(&module, &tokens) {
                modules.insert(inline, Module { file: name.clone(), ..Module::default() });
            }
            files.insert(name, File { text, module, tokens });
        }
        let mut layout = Self { files, modules };
        layout.find_aliases();
        layout
    }

    /// Notes which names lead to modules. An alias may be made of another one, hence the second
    /// round.
    fn find_aliases(&mut self) {
        for _ in 0..2 {
            let mut found = Vec::new();
            for file in self.files.values() {
                visit(&file.module, &file.tokens, &mut |module, tokens, at| {
                    if is_word(tokens.get(at), "use") {
                        let leaves = leaves(tokens, at + 1);
                        found.extend(leaves.into_iter().map(|leaf| (module.to_vec(), leaf)));
                    }
                });
            }
            for (module, Leaf { segments, name }) in found {
                let Some(target) = self.resolve(&module, &segments).module else { continue };
                let aliases = match name {
                    Some(name) => vec![(name, target)],
                    None => self.children(&target),
                };
                let own = self.modules.get_mut(&module).expect("a module");
                own.aliases.extend(aliases);
            }
        }
    }

    fn children(&self, parent: &[String]) -> Vec<(String, ModulePath)> {
        let children =
            self.modules.keys().filter(|path| path.split_last().is_some_and(|(_, rest)| rest == parent));
        children.map(|path| (path.last().expect("a name").clone(), path.clone())).collect()
    }

    /// Follows a path to the files that it leads through and to.
    fn resolve(&self, from: &[String], segments: &[String]) -> Resolved {
        let mut resolved = Resolved { files: Vec::new(), module: None };
        let mut current = from.to_vec();
        for (at, segment) in segments.iter().enumerate() {
            let child = [&current[..], slice::from_ref(segment)].concat();
            match segment.as_str() {
                "crate" if at == 0 => current.clear(),
                "self" => {}
                "super" => assert!(current.pop().is_some(), "{} leads out of the crate", segments.join("::")),
                _ if self.modules.contains_key(&child) => current = child,
                name => {
                    let Some(target) = self.modules[&current].aliases.get(name) else {
                        resolved.files.push(self.modules[&current].file.clone());
                        return resolved;
                    };
                    resolved.files.push(self.modules[&current].file.clone());
                    current.clone_from(target);
                }
            }
        }
        resolved.files.push(self.modules[&current].file.clone());
        resolved.module = Some(current);
        resolved
    }

    fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for (from, file) in &self.files {
            visit(&file.module, &file.tokens, &mut |module, tokens, at| {
                if !self.is_beginning_of_a_path(module, tokens, at) {
                    return;
                }
                for Leaf { segments, .. } in leaves(tokens, at) {
                    for to in self.resolve(module, &segments).files {
                        if to != *from {
                            imports.push(Import { from: from.clone(), to, path: segments.join("::") });
                        }
                    }
                }
            });
        }
        imports
    }

    /// Returns whether a path of this crate begins here: by `crate`, `self`, `super`, or a module
    /// that is in scope.
    fn is_beginning_of_a_path(&self, module: &[String], tokens: &[TokenTree], at: usize) -> bool {
        let TokenTree::Ident(word) = &tokens[at] else { return false };
        let word = unraw(&word.to_string());
        let is_inside_a_path = at >= 2 && is_path_separator(tokens, at - 2);
        let is_local = ["crate", "self", "super"].contains(&word.as_str())
            || self.modules.contains_key(&[module, slice::from_ref(&word)].concat())
            || self.modules[module].aliases.contains_key(&word);
        is_local && !is_inside_a_path && is_path_separator(tokens, at + 1)
    }

    /// Lists imports that run up, circles of files, and files that belong to no room.
    fn import_mistakes(&self, rooms: &[&str]) -> Vec<String> {
        let mut mistakes: Vec<_> = self
            .files
            .keys()
            .filter(|file| rank(rooms, file).is_none())
            .map(|file| format!("{file} belongs to no room"))
            .collect();
        let imports = self.imports();
        for Import { from, to, path } in &imports {
            let is_upward = rank(rooms, to).zip(rank(rooms, from)).is_some_and(|(to, from)| to < from);
            if is_upward {
                mistakes.push(format!("{from} imports {to}, which is above it: {path}"));
            }
        }
        mistakes.extend(circle(&imports).map(|files| format!("a circle: {}", files.join(" -> "))));
        mistakes
    }

    /// Lists files whose first line is not one doc sentence, or one with an "and".
    fn first_line_mistakes(&self) -> Vec<String> {
        let is_fine = |text: &str| {
            let line = text.lines().next().unwrap_or_default();
            let sentence = line.strip_prefix("//! ").filter(|sentence| sentence.ends_with('.'));
            sentence.is_some_and(|sentence| {
                sentence
                    .split(|letter: char| !letter.is_alphanumeric())
                    .all(|word| !word.eq_ignore_ascii_case("and"))
            })
        };
        let wrong = self.files.iter().filter(|(_, file)| !is_fine(&file.text));
        wrong
            .map(|(name, file)| {
                let line = file.text.lines().next().unwrap_or_default();
                format!("{name} does not begin with a `//!` sentence without \"and\": {line}")
            })
            .collect()
    }

    fn unsafe_blocks(&self, in_sys: bool) -> usize {
        let mut count = 0;
        for (_, file) in self.files.iter().filter(|(name, _)| name.starts_with("sys/") == in_sys) {
            visit(&file.module, &file.tokens, &mut |_, tokens, at| {
                let is_block = tokens.get(at + 1).is_some_and(is_in_braces);
                count += usize::from(is_word(tokens.get(at), "unsafe") && is_block);
            });
        }
        count
    }
}

/// Where a path leads.
struct Resolved {
    /// The files on the way, the last one at the end.
    files: Vec<String>,
    /// The module that the whole path names, if it names one.
    module: Option<ModulePath>,
}

/// One path of a `use` tree.
struct Leaf {
    segments: Vec<String>,
    /// The name that it gets here; none for `*`.
    name: Option<String>,
}

/// Reads a path, or the tree that it becomes in a `use`, from its first word on.
fn leaves(tokens: &[TokenTree], mut at: usize) -> Vec<Leaf> {
    let mut segments = Vec::new();
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => segments.push(unraw(&word.to_string())),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                return inner_leaves(&segments, group);
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                return vec![Leaf { segments, name: None }];
            }
            _ => break,
        }
        if !is_path_separator(tokens, at + 1) {
            at += 1;
            break;
        }
        at += 3;
    }
    let renamed =
        is_word(tokens.get(at), "as").then(|| tokens.get(at + 1).map(|name| unraw(&name.to_string())));
    if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
        segments.pop();
    }
    let name = renamed.flatten().or_else(|| segments.last().cloned());
    vec![Leaf { segments, name }]
}

/// Reads the branches between the braces of a `use` tree.
fn inner_leaves(segments: &[String], group: &Group) -> Vec<Leaf> {
    let tokens: Vec<_> = group.stream().into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ',');
    let branches = tokens.split(is_comma).filter(|branch| !branch.is_empty());
    let mut all = Vec::new();
    for Leaf { segments: rest, name } in branches.flat_map(|branch| leaves(branch, 0)) {
        let is_self = rest == ["self"];
        let whole = if is_self { segments.to_vec() } else { [segments, &rest].concat() };
        let name = if is_self && name.as_deref() == Some("self") { whole.last().cloned() } else { name };
        all.push(Leaf { segments: whole, name });
    }
    all
}

/// Calls a function for every token, with the module that it is in and the tokens around it.
fn visit(module: &[String], tokens: &[TokenTree], look: &mut impl FnMut(&[String], &[TokenTree], usize)) {
    for at in 0..tokens.len() {
        look(module, tokens, at);
        let TokenTree::Group(group) = &tokens[at] else { continue };
        // `pub(in crate::lock)` says who may import, and imports nothing.
        if at > 0 && is_word(tokens.get(at - 1), "pub") && group.delimiter() == Delimiter::Parenthesis {
            continue;
        }
        // The branches of a `use` tree are read with their stem.
        if at >= 2 && group.delimiter() == Delimiter::Brace && is_path_separator(tokens, at - 2) {
            continue;
        }
        let inner: Vec<_> = group.stream().into_iter().collect();
        let module = module_name(tokens, at).map_or(module.to_vec(), |name| [module, &[name]].concat());
        visit(&module, &inner, look);
    }
}

/// Lists a file's module, and the inline modules in it.
fn inline_modules(module: &[String], tokens: &[TokenTree]) -> BTreeSet<ModulePath> {
    let mut modules = BTreeSet::from([module.to_vec()]);
    visit(module, tokens, &mut |module, tokens, at| {
        modules.extend(module_name(tokens, at).map(|name| [module, &[name]].concat()));
    });
    modules
}

/// Returns the NAME of `mod NAME { .. }` at its braces.
fn module_name(tokens: &[TokenTree], at: usize) -> Option<String> {
    let is_module = is_in_braces(&tokens[at]) && at >= 2 && is_word(tokens.get(at - 2), "mod");
    is_module.then(|| unraw(&tokens[at - 1].to_string()))
}

fn is_word(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if ident == word)
}

fn is_in_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Returns whether there is a `::`.
fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |at: usize| match tokens.get(at) {
        Some(TokenTree::Punct(colon)) if colon.as_char() == ':' => Some(colon.spacing()),
        _ => None,
    };
    colon(at) == Some(Spacing::Joint) && colon(at + 1).is_some()
}

fn unraw(word: &str) -> String {
    word.strip_prefix("r#").unwrap_or(word).to_owned()
}

/// Returns the module of a file such as `lock/pidfile.rs`, `lock/mod.rs` or `lib.rs`.
fn module_of(file: &str) -> ModulePath {
    let stem = file.strip_suffix(".rs").expect("a Rust file");
    let mut path: ModulePath = stem.split('/').map(str::to_owned).collect();
    if path == ["lib"] || path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

/// Returns how far down a file is; none if no room has it.
fn rank(rooms: &[&str], file: &str) -> Option<usize> {
    if file == "lib.rs" {
        return Some(0);
    }
    let has = |room: &str| if room.ends_with('/') { file.starts_with(room) } else { file == room };
    let rooms = rooms.iter().enumerate().filter(|(_, room)| has(room));
    rooms.max_by_key(|(_, room)| room.len()).map(|(number, _)| number + 1)
}

/// Finds files that import each other in a circle, the first one at both ends.
fn circle(imports: &[Import]) -> Option<Vec<&str>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Import { from, to, .. } in imports {
        below.entry(from).or_default().insert(to);
    }
    let mut is_done = BTreeSet::new();
    below.keys().find_map(|file| circle_from(file, &below, &mut Vec::new(), &mut is_done))
}

fn circle_from<'a>(
    file: &'a str,
    below: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    way: &mut Vec<&'a str>,
    is_done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(at) = way.iter().position(|other| *other == file) {
        return Some([&way[at..], &[file]].concat());
    }
    if is_done.contains(file) {
        return None;
    }
    way.push(file);
    let found = below.get(file).into_iter().flatten().find_map(|next| circle_from(next, below, way, is_done));
    way.pop();
    is_done.insert(file);
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

// ---- the checker's own tests ----

/// A small source tree in order. Each test puts one file in the place of another, or adds one.
const TREE: [(&str, &str); 9] = [
    (
        "lib.rs",
        "//! A crate.\nmod command; mod daemon; mod life; mod lock; mod settings; mod start; mod sys;\npub use daemon::Daemon;",
    ),
    (
        "daemon.rs",
        "//! The builder.\nuse crate::{lock::{self, stop::stop}, settings::*, start};\npub struct Daemon;",
    ),
    ("settings.rs", "//! The keys.\nuse crate::command::Action;"),
    ("start/mod.rs", "//! The way to ready.\npub mod fork;\nuse self::fork::fork;"),
    (
        "start/fork.rs",
        "//! The forks.\n/// See [`crate::daemon::Daemon`].\npub fn fork() { crate::sys::fork(); crate::lock::hold() }",
    ),
    ("lock/mod.rs", "//! Who is running.\npub mod stop;\npub fn hold() {}"),
    ("lock/stop.rs", "//! The end.\npub(in crate::lock) fn stop() { crate::life::wait(); super::hold() }"),
    ("command/mod.rs", "//! The words.\npub enum Action {}\nmod tests { use super::*; }"),
    ("sys/mod.rs", "//! The system.\npub fn fork() {}"),
];

/// Writes the tree with these files in place of its own.
fn tree(changes: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a directory");
    let life = ("life/mod.rs", "//! The life.\npub fn wait() {}");
    for (name, text) in TREE.iter().chain([&life]).chain(changes) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    folder
}

#[track_caller]
fn mistakes(changes: &[(&str, &str)]) -> Vec<String> {
    Layout::read(tree(changes).path()).import_mistakes(ROOMS)
}

/// Fails unless this text in `life/mod.rs` is one import of `lock/stop.rs`, which is above it.
#[track_caller]
fn runs_up(text: &str, path: &str) {
    let found = mistakes(&[("life/mod.rs", text)]);
    let wanted = format!("life/mod.rs imports lock/stop.rs, which is above it: {path}");
    assert!(found.contains(&wanted), "{text}\n{found:?}");
}

#[test]
fn a_tree_in_order_is_accepted() {
    assert_eq!(mistakes(&[]), [""; 0]);
    assert_eq!(Layout::read(tree(&[]).path()).first_line_mistakes(), [""; 0]);
}

#[test]
fn a_circle_is_refused() {
    let circle = |changes, files: &str| {
        let found = mistakes(changes);
        assert_eq!(found, [format!("a circle: {files}")]);
    };
    circle(
        &[("life/a.rs", "//! A.\nuse super::b::B;"), ("life/b.rs", "//! B.\nfn f() { crate::life::a::f() }")],
        "life/a.rs -> life/b.rs -> life/a.rs",
    );
    // A directory's own file is one of the circle too.
    circle(
        &[("start/fork.rs", "//! The forks.\npub fn fork() -> super::Fork { todo!() }")],
        "start/mod.rs -> start/fork.rs -> start/mod.rs",
    );
    circle(
        &[
            ("life/mod.rs", "//! Life.\nmod body;\nfn f() { body::f() }"),
            ("life/body.rs", "//! Body.\nfn f() { super::f() }"),
        ],
        "life/mod.rs -> life/body.rs -> life/mod.rs",
    );
    circle(
        &[
            ("sys/a.rs", "//! A.\nuse crate::sys::b;"),
            ("sys/b.rs", "//! B.\nuse crate::sys::c;"),
            ("sys/c.rs", "//! C.\n#[cfg(windows)]\nuse crate::sys::a;"),
        ],
        "sys/a.rs -> sys/b.rs -> sys/c.rs -> sys/a.rs",
    );
}

#[test]
fn an_upward_use_is_refused() {
    let stop = "crate::lock::stop::stop";
    runs_up("use crate::lock::stop::stop;", stop);
    runs_up("use crate::lock::stop::stop as end;", stop);
    runs_up("pub(crate) use crate::{lock::{hold, stop::{self, stop}}, sys};", stop);
    runs_up("use {crate::sys, crate::lock::stop::stop};", stop);
    runs_up("use super::lock::stop::*;", "super::lock::stop");
    runs_up("#[cfg(target_os = \"macos\")]\nuse crate::lock::stop;", "crate::lock::stop");
    runs_up(
        "mod inner { mod most { use super::super::super::lock::stop; } }",
        "super::super::super::lock::stop",
    );
    runs_up("fn f() { use crate::lock::stop::stop; }", stop);
}

#[test]
fn an_upward_inline_path_is_refused() {
    let stop = "crate::lock::stop::stop";
    runs_up("fn f() { g(1, || crate::lock::stop::stop()) }", stop);
    runs_up("fn f() -> Option<crate::lock::stop::Stop> { None }", "crate::lock::stop::Stop");
    runs_up("impl From<u8> for crate::lock::stop::Stop {}", "crate::lock::stop::Stop");
    runs_up("fn f() { <crate::lock::stop::Stop as Drop>::drop() }", "crate::lock::stop::Stop");
    runs_up("fn f(x: [u8; super::lock::stop::N]) {}", "super::lock::stop::N");
    runs_up("mod inner { fn f() { super::super::lock::stop::stop() } }", "super::super::lock::stop::stop");
    runs_up("fn f() { self::super::lock::stop::stop() }", "self::super::lock::stop::stop");
    runs_up("#[derive(Debug)]\nstruct A(crate::lock::stop::Stop);", "crate::lock::stop::Stop");
}

#[test]
fn an_upward_path_inside_a_macro_is_refused() {
    let stop = "crate::lock::stop::stop";
    runs_up("fn f() { let _ = format_args!(\"{}\", crate::lock::stop::stop()); }", stop);
    runs_up("fn f() { matches!(x, [crate::lock::stop::stop, ..]) }", stop);
    runs_up("macro_rules! m { () => { $crate::lock::stop::stop() } }", stop);
    runs_up("macro_rules! m { ($x:ident) => { use crate::{lock::stop::stop}; } }", stop);
}

#[test]
fn an_upward_path_by_the_name_of_a_module_is_refused() {
    runs_up("use crate::lock;\nfn f() { lock::stop::stop() }", "lock::stop::stop");
    runs_up("use crate::lock as other;\nfn f() { other::stop::stop() }", "other::stop::stop");
    runs_up("use crate::*;\nfn f() { lock::stop::stop() }", "lock::stop::stop");
    // By a name that another module has imported.
    let found = mistakes(&[
        ("life/mod.rs", "//! Life.\npub mod body;\npub use crate::lock;"),
        ("life/body.rs", "//! Body.\nfn f() { super::lock::stop::stop() }"),
    ]);
    let wanted = "life/body.rs imports lock/stop.rs, which is above it: super::lock::stop::stop";
    assert_eq!(found, [wanted]);
}

#[test]
fn an_upward_path_by_super_of_super_is_refused() {
    let found = mistakes(&[("life/body.rs", "//! Body.\nuse super::super::daemon::Daemon;")]);
    assert_eq!(found, ["life/body.rs imports daemon.rs, which is above it: super::super::daemon::Daemon"]);
}

#[test]
fn what_the_root_exports_again_is_above_all() {
    let found = mistakes(&[("life/mod.rs", "//! Life.\npub fn wait() -> crate::Daemon { todo!() }")]);
    let wanted = "life/mod.rs imports lib.rs, which is above it: crate::Daemon";
    assert!(found.iter().any(|mistake| mistake == wanted), "{found:?}");
}

#[test]
fn each_room_is_above_the_next() {
    let files = [
        "daemon.rs",
        "start/x.rs",
        "lock/stop.rs",
        "life/x.rs",
        "lock/x.rs",
        "settings.rs",
        "command/x.rs",
        "sys/x.rs",
    ];
    for pair in files.windows(2) {
        let above = pair[0].trim_end_matches(".rs").replace('/', "::");
        let (room, import) = (pair[1], format!("//! It.\nuse crate::{above}::X;"));
        let found = mistakes(&[(pair[0], "//! It."), (room, &import)]);
        let wanted = format!("{room} imports {}, which is above it: crate::{above}::X", pair[0]);
        assert!(found.contains(&wanted), "{found:?}");
    }
}

#[test]
fn a_file_of_no_room_is_refused() {
    let found = mistakes(&[("util.rs", "//! This."), ("other/that.rs", "//! That.")]);
    assert_eq!(found, ["other/that.rs belongs to no room", "util.rs belongs to no room"]);
}

#[test]
fn names_of_other_crates_are_no_imports() {
    let text = "//! Life.\nuse nix::lock::stop;\npub fn wait() { ::nix::lock::stop(); lock::stop::stop(); self.lock() }";
    assert_eq!(mistakes(&[("life/mod.rs", text)]), [""; 0]);
}

#[test]
fn a_first_line_with_an_and_is_refused() {
    for line in
        ["//! Forks and locks.", "//! Forks, And locks.", "// Forks.", "//! Forks,", "use nix as _;", ""]
    {
        let found = Layout::read(tree(&[("life/x.rs", line)]).path()).first_line_mistakes();
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].starts_with("life/x.rs "), "{found:?}");
    }
    let fine = tree(&[("life/x.rs", "//! The handler's errand.\n//! More, and more.")]);
    assert_eq!(Layout::read(fine.path()).first_line_mistakes(), [""; 0]);
}

#[test]
fn unsafe_blocks_are_counted_where_they_are() {
    let layout = tree(&[
        (
            "sys/x.rs",
            "//! X.\nunsafe fn f() { unsafe { g(unsafe { h() }) } }\nunsafe impl Send for X {}\n// unsafe {}",
        ),
        ("life/x.rs", "//! X.\nfn f() { m!(unsafe { g() }); }"),
    ]);
    let layout = Layout::read(layout.path());
    assert_eq!((layout.unsafe_blocks(true), layout.unsafe_blocks(false)), (2, 1));
}
