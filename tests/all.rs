//! The one integration binary.

#[cfg(test)]
mod at_once;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod decision;
#[cfg(test)]
mod demo_expected;
#[cfg(test)]
mod found;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod misp_leaks;
mod misp_map;
#[cfg(test)]
mod misp_puller;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod search;
#[cfg(test)]
mod store_vs_oracle;
#[cfg(test)]
mod worlds_store;
#[cfg(test)]
mod worlds_taxii;
