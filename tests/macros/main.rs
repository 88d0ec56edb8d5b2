//! The compiler's view of the macros: a message for each mistake, and none for correct uses.

mod ui;
mod uses;
