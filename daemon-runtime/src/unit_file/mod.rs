//! The unit file of an installed program, as far as every action reads it.

pub(crate) mod environment;
pub(crate) mod escape;
pub(crate) mod installed;
