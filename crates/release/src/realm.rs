//! Realms as types: operations, or one exercise.
//!
//! INVARIANT (realms are types): what was decided in one realm cannot be entered in the ledger of another, nor leave through its sink,
//! because it does not compile. Which exercise a label belongs to is a value, and its reader refuses every other.

/// A realm. There are two, and nobody can add a third.
pub trait Realm: sealed::Sealed + std::fmt::Debug + Send + Sync + 'static {
    /// What a store file of this realm calls itself.
    const NAME: &'static str;
}

/// The real world.
#[derive(Debug)]
pub enum Operations {}

/// An exercise. Its data cannot reach an operational sink:
///
/// ```compile_fail,E0308
/// use polder_release::{Exercise, Gate, Operations, Outbound, Page, Released};
/// fn leak<G: Gate<Realm = Operations>>(out: &Outbound<'_, G>, trained: Released<Page, Exercise>) {
///     let _ = out.pass(trained);
/// }
/// ```
///
/// What belongs there does:
///
/// ```
/// use polder_release::{Exercise, Gate, Outbound, Page, Released};
/// fn train<G: Gate<Realm = Exercise>>(out: &Outbound<'_, G>, trained: Released<Page, Exercise>) {
///     let _ = out.pass(trained);
/// }
/// ```
#[derive(Debug)]
pub enum Exercise {}

impl Realm for Operations {
    const NAME: &'static str = "operations";
}

impl Realm for Exercise {
    const NAME: &'static str = "exercise";
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Operations {}
    impl Sealed for super::Exercise {}
}
