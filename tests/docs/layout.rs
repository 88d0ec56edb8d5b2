//! The layout of the source.
