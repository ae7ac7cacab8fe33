//! MISP: what an instance gives away. The only crate that knows MISP's words.
//!
//! The rule: MISP's JSON is an attacker's; scalars are taken as numbers or strings, what is not known is ignored here and lost nowhere.

pub mod audit;
pub mod client;
pub mod feed;
pub mod limits;
pub mod map;
pub mod model;
mod report;
mod secrets;
pub mod server;

pub use map::{LOCAL, group_id};
pub use report::html;
