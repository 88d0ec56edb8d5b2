//! The program as a service of systemd: its unit, installing it, acting through it.

pub(crate) mod command_line;
pub(crate) mod hardening;
pub(crate) mod install;
pub(crate) mod installed_service;
pub(crate) mod journal;
pub(crate) mod manager;
pub(crate) mod paths;
pub(crate) mod time_span;
pub(crate) mod timer;
pub(crate) mod unit;
