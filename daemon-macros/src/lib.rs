//! The attribute macros of `daemonic`.

use proc_macro::TokenStream;

mod args;
mod diag;
mod expand;
mod item;
#[cfg(test)]
mod tests;
mod value;

use args::Attribute;

/// Turns.
#[proc_macro_attribute]
pub fn daemon(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::Daemon, args.into(), &item.into()).into()
}

/// Turns.
#[proc_macro_attribute]
pub fn repeat_daemon(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Attribute::RepeatDaemon, args.into(), &item.into()).into()
}
