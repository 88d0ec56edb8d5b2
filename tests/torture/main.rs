//! Failing system calls, death at any moment, races, random input, long lives, and every change of a clock.

mod clock_set;
mod cost;
mod death;
mod faults;
mod fuzz;
mod long_life;
mod on_calendar;
mod races;
mod real_cron;
mod schedule;
