//! What survives failing system calls, death at any moment, races, chance inputs, and time.

mod death;
mod faults;
mod fuzz;
mod long_life;
mod races;
