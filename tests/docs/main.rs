//! What the project says about itself: the guide, the examples, the public surface, the layout of the source.

mod examples;
mod guide;
mod layout;
mod public_api;
