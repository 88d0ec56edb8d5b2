//! What the compiler makes of the macros: its messages for each mistake, and its silence about correct uses.

mod ui;
mod uses;
