//! MISP's events as rows of the store, and back.
//!
//! The rule: one row for each element, under its own UUID, with every field; local numbers and analysts' addresses excepted.

pub(crate) mod aside;
pub(crate) mod fields;
mod held;
pub(crate) mod ids;
mod laid;
pub(crate) mod left;
pub(crate) mod marks;
mod observe;
mod reader;
pub(crate) mod rows;
mod scan;
mod settle;
mod take;
mod terms;
mod view;
mod wanted;

pub use held::held;
pub use marks::{Folk, LOCAL, group_id, in_words, unexplained_in_words};
pub use reader::Reader;
pub use rows::STATE as LOCAL_STATE;
pub(crate) use scan::heads;
pub use scan::{Part, is_misp};
pub use take::Fit;
pub(crate) use take::KINDS;
pub use take::{Offer, Stopped, Taken, Taker};
pub use terms::Peer;
pub use view::{Pair, Said, Unwritten, View};
pub use wanted::Wanted;
