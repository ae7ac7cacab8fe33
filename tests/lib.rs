//! Integration tests live in `all.rs`.
