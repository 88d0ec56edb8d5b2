//! The behaviour of real daemons, with a module for each action and each subject.

mod alive;
mod async_body;
mod attacks;
mod bad_input;
mod body;
mod check;
mod context;
mod default_pidfile;
mod detached;
mod disk;
mod empty_root;
mod ensure;
mod failed;
mod identity;
mod peers;
mod ready;
mod reload;
mod repeat;
mod run;
mod start;
mod starting;
mod status;
mod stop;
mod supervisor;
mod systemd;
mod user_namespace;
