//! Names other bodies register (media types, protocols, languages, countries), read from lists in `data/`.
//!
//! One rule holds here: a list is turned into a set once, at its first use.

use std::{collections::HashSet, sync::LazyLock};

/// A set of registered names.
pub(super) struct Registry(LazyLock<HashSet<&'static str>>);

impl Registry {
    /// Whether the name is registered, in exactly this spelling.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

macro_rules! registries {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {$(
        $(#[$doc])*
        pub(super) static $name: Registry =
            Registry(LazyLock::new(|| include_str!(concat!("data/", $file)).lines().collect()));
    )*};
}

registries! {
    /// IANA character sets, by preferred MIME name where there is one.
    CHARACTER_SETS = "charsets.txt";
    /// ISO 3166-1 alpha-2 codes, with the reserved ones.
    COUNTRIES = "countries.txt";
    /// IANA IPFIX information elements.
    IPFIX = "ipfix.txt";
    /// ISO 639-2 codes, which earlier versions wanted for software.
    LANGUAGES_THREE_LETTER = "iso-639-2.txt";
    /// RFC 5646 tags in common use.
    LANGUAGES = "languages.txt";
    /// IANA media types.
    MEDIA_TYPES = "media-types.txt";
    /// IANA service names and transport protocols.
    PROTOCOLS = "protocols.txt";
    /// Socket options of the usual systems.
    SOCKET_OPTIONS = "socket-options.txt";
}

/// Whether the code is a country, in either case.
///
/// `XA` to `XZ` are the user-assigned range that exercises use; `XX` is left out, for it customarily means "unknown".
pub(super) fn is_country(code: &str) -> bool {
    let upper = code.to_ascii_uppercase();
    let is_exercise = upper.len() == 2 && upper.strip_prefix('X').is_some_and(|r| r != "X" && r.bytes().all(|b| b.is_ascii_uppercase()));
    is_exercise || COUNTRIES.has(&upper)
}
