//! The documentation: the guide, the examples, the public surface, the layout of the source.

mod deploy;
mod examples;
mod guide;
mod layout;
mod public_api;
mod services;
