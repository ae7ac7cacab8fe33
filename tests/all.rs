//! The one integration binary.

mod conformance;
mod decision;
mod kill;
mod laws;
mod oracle;
mod scripts;
mod store_vs_oracle;
mod worlds_store;
mod worlds_taxii;
