//! Failing system calls, death at any moment, races, random input, and long lives.

mod death;
mod faults;
mod fuzz;
mod long_life;
mod races;
