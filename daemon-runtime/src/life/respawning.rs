//! A body that is called anew in each of its lives.

use std::mem::ManuallyDrop;

use crate::command::error::Error;
use crate::command::respawn::Respawn;
use crate::life::body::sealed::IntoEnding;
use crate::life::body::{Body, Ending, Once};
use crate::life::check::Checked;
use crate::life::context::Context;
use crate::life::in_unit::is_in_service;
use crate::life::repeat::Repeating;
use crate::life::setup::WithSetup;

/// The mode of a [`Daemon`](crate::Daemon) with [`respawn`](crate::Daemon::respawn), around the mode `M` of each life.
///
/// # Examples
///
/// ```no_run
/// use daemonic::{Daemon, Respawn, Respawning};
///
/// fn worker() -> Daemon<Respawning> {
///     Daemon::new("worker").respawn(Respawn::Always)
/// }
///
/// worker().start(|| println!("a line for each life"))?;
/// # Ok::<_, daemonic::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Respawning<M = Once> {
    mode: M,
    respawn: Respawn,
}

impl<M> Respawning<M> {
    pub(crate) fn new(mode: M, respawn: Respawn) -> Self {
        Self { mode, respawn }
    }
}

/// A body that is called by reference, once in each life: a `Fn`.
///
/// `M` is the mode of a life, and `K` the signature, as for a [`Body`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the body of a daemon with `respawn`",
    label = "not an `Fn` that each life can call",
    note = "`respawn` calls the body anew in each life, so it can't move out of what it has captured or change it; make a clone in the body, or make the value there",
    note = "a body is a function or closure without parameters, or with one `&daemonic::Context`",
    note = "with `setup`, the body's first parameter is a `&mut` to what `setup` has made, with its type written out"
)]
pub trait RespawnBody<M, K> {
    /// The type of the return value.
    type Output;

    #[doc(hidden)]
    type Value;

    /// The body of one life, which calls this one.
    #[doc(hidden)]
    type Life<'a>: Body<M, K, Output = Self::Output, Value = Self::Value>
    where
        Self: 'a;

    #[doc(hidden)]
    fn life(&self) -> Self::Life<'_>;
}

// A reference to an `Fn` is an `FnOnce` and an `FnMut`, so it is a body. One implementation for all modes would let the
// compiler look for the body of a further mode among references to references, without end.

#[diagnostic::do_not_recommend]
impl<B: Fn() -> T, T> RespawnBody<Once, fn() -> T> for B {
    type Output = T;
    type Value = ();
    type Life<'a>
        = &'a B
    where
        B: 'a;

    fn life(&self) -> &B {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<B: Fn(&Context) -> T, T> RespawnBody<Once, fn(&Context) -> T> for B {
    type Output = T;
    type Value = ();
    type Life<'a>
        = &'a B
    where
        B: 'a;

    fn life(&self) -> &B {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<B: Fn() -> T, T, W> RespawnBody<Repeating<W>, fn() -> T> for B {
    type Output = T;
    type Value = ();
    type Life<'a>
        = &'a B
    where
        B: 'a;

    fn life(&self) -> &B {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<B: Fn(&Context) -> T, T, W> RespawnBody<Repeating<W>, fn(&Context) -> T> for B {
    type Output = T;
    type Value = ();
    type Life<'a>
        = &'a B
    where
        B: 'a;

    fn life(&self) -> &B {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<B: Fn(&mut S) -> T, S, F, T, W> RespawnBody<WithSetup<S, F, W>, fn(&mut S) -> T> for B {
    type Output = T;
    type Value = S;
    type Life<'a>
        = &'a B
    where
        B: 'a;

    fn life(&self) -> &B {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<B: Fn(&mut S, &Context) -> T, S, F, T, W> RespawnBody<WithSetup<S, F, W>, fn(&mut S, &Context) -> T>
    for B
{
    type Output = T;
    type Value = S;
    type Life<'a>
        = &'a B
    where
        B: 'a;

    fn life(&self) -> &B {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<B: RespawnBody<M, K>, M, K, F> RespawnBody<Checked<M, F>, K> for B {
    type Output = B::Output;
    type Value = B::Value;
    type Life<'a>
        = B::Life<'a>
    where
        B: 'a;

    fn life(&self) -> B::Life<'_> {
        <B as RespawnBody<M, K>>::life(self)
    }
}

impl<B: RespawnBody<M, K>, M, K> Body<Respawning<M>, K> for B {
    type Output = B::Output;
    type Value = B::Value;
    const GRACEFUL: bool = <B::Life<'_> as Body<M, K>>::GRACEFUL;
    const WITH_CONTEXT: bool = <B::Life<'_> as Body<M, K>>::WITH_CONTEXT;
    const WITH_SETUP: bool = <B::Life<'_> as Body<M, K>>::WITH_SETUP;
    const WITH_CHECK: bool = <B::Life<'_> as Body<M, K>>::WITH_CHECK;
    const REPEATS: bool = <B::Life<'_> as Body<M, K>>::REPEATS;

    fn check(mode: &Respawning<M>) -> Result<(), Error> {
        <B::Life<'_> as Body<M, K>>::check(&mode.mode)
    }

    fn set_up(mode: &Respawning<M>) -> Result<B::Value, Ending> {
        <B::Life<'_> as Body<M, K>>::set_up(&mode.mode)
    }

    /// Calls the body in one life. The process of a life has a copy of what the body has captured. The copy is not
    /// dropped here, because the supervisor drops the original once. With [`Respawn::Never`], and for a single run,
    /// this process is the owner, and drops it.
    fn live(self, mode: &Respawning<M>, value: B::Value, name: &str, context: &Context) -> Ending
    where
        B::Output: IntoEnding,
    {
        let body = ManuallyDrop::new(self);
        let ending = RespawnBody::<M, K>::life(&*body).live(&mode.mode, value, name, context);
        if mode.respawn == Respawn::Never || is_in_service() || context.state().repetition.is_single_run {
            drop(ManuallyDrop::into_inner(body));
        }
        ending
    }
}
