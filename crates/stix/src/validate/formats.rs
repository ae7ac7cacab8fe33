//! Predicates over single strings: identifiers, hashes, encodings, network names.
//!
//! One rule holds here: every predicate is total and reads its input once or twice, never more.

use std::net::Ipv6Addr;

/// Splits `type--uuid`; nothing when the second part is not a UUID in its usual form.
pub(super) fn split_id(id: &str) -> Option<(&str, &str)> {
    let (kind, uuid) = id.split_once("--")?;
    (is_uuid(uuid) && !kind.is_empty()).then_some((kind, uuid))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Version digit of a UUID that is of the RFC 4122 variant.
pub(super) fn uuid_version(uuid: &str) -> Option<u8> {
    let variant = *uuid.as_bytes().get(19)?;
    let version = *uuid.as_bytes().get(14)?;
    matches!(variant, b'8' | b'9' | b'a' | b'b' | b'A' | b'B').then(|| version.wrapping_sub(b'0'))
}

/// Whether the text is an identifier STIX 2.1 allows anywhere.
pub(super) fn is_identifier(text: &str) -> bool {
    split_id(text).is_some_and(|(kind, uuid)| is_id_type(kind) && uuid_version(uuid).is_some_and(|v| (1..=5).contains(&v)))
}

fn is_id_type(kind: &str) -> bool {
    kind.len() >= 3
        && kind.starts_with(|c: char| c.is_ascii_lowercase())
        && !kind.ends_with('-')
        && kind.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether the text may name an object type.
pub(super) fn is_type_name(name: &str) -> bool {
    let trimmed = name.strip_suffix('-').unwrap_or(name);
    (3..=250).contains(&name.len())
        && trimmed.starts_with(|c: char| c.is_ascii_lowercase())
        && trimmed.split('-').all(|part| !part.is_empty() && part.bytes().all(is_lower_or_digit))
}

/// Whether the text may stand before a suffix in a type name.
pub(super) fn is_type_name_part(name: &str) -> bool {
    is_type_name(&format!("{name}-ext"))
}

/// Whether the text may name an observable type inside a pattern, where a leading hyphen or digit may stand.
pub(super) fn is_pattern_type(name: &str) -> bool {
    let trimmed = name.strip_prefix('-').unwrap_or(name);
    let trimmed = trimmed.strip_suffix('-').unwrap_or(trimmed);
    (3..=250).contains(&name.len()) && trimmed.split('-').all(|part| !part.is_empty() && part.bytes().all(is_lower_or_digit))
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Whether the text may name a property: three to 250 of `a-z`, `0-9`, `_`.
pub(super) fn is_property_name(name: &str) -> bool {
    (3..=250).contains(&name.len()) && name.bytes().all(|b| is_lower_or_digit(b) || b == b'_')
}

/// Whether the text may be a key of a dictionary.
pub(super) fn is_dictionary_key(key: &str) -> bool {
    key.len() <= 250 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Base64 with padding, not empty.
pub(super) fn is_base64(text: &str) -> bool {
    let body = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    !body.is_empty() && text.len().is_multiple_of(4) && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

/// An even, non-zero number of hexadecimal digits.
pub(super) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether the value fits the algorithm; names outside the vocabulary take any value.
pub(super) fn is_hash(algorithm: &str, value: &str) -> bool {
    let hex = |digits: usize| value.len() == digits && value.bytes().all(|b| b.is_ascii_hexdigit());
    match algorithm {
        "MD5" => hex(32),
        "SHA-1" => hex(40),
        "SHA-256" | "SHA3-256" => hex(64),
        "SHA-512" | "SHA3-512" => hex(128),
        "SSDEEP" => is_ssdeep(value),
        "TLSH" => value.len() == 70 && value.bytes().all(|b| b.is_ascii_alphanumeric()),
        _ => true,
    }
}

fn is_ssdeep(value: &str) -> bool {
    (1..=128).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+' | b':' | b'.'))
}

/// The same inside a pattern, where the algorithm is written in any case and with or without hyphens.
pub(super) fn is_pattern_hash(algorithm: &str, value: &str) -> bool {
    let name: String = algorithm.chars().filter(|c| *c != '-').map(|c| c.to_ascii_uppercase()).collect();
    let lengths: &[usize] = match name.as_str() {
        "MD5" => &[32],
        "MD6" => &[32, 40, 56, 64, 96, 128],
        "SHA1" | "RIPEMD160" => &[40],
        "SHA224" | "SHA3224" => &[56],
        "SHA256" | "SHA3256" => &[64],
        "SHA384" | "SHA3384" => &[96],
        "SHA512" | "SHA3512" | "WHIRLPOOL" => &[128],
        "SSDEEP" => return is_ssdeep(value),
        _ => return true,
    };
    lengths.contains(&value.len()) && value.bytes().all(|b| b.is_ascii_hexdigit())
}

/// An absolute URI of RFC 3986.
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let scheme_fits =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let (before_fragment, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = before_fragment.split_once('?').unwrap_or((before_fragment, ""));
    let extra = |b: u8| matches!(b, b'/' | b'?' | b':' | b'@');
    let path = match hierarchy.strip_prefix("//") {
        Some(authority) => {
            let (host, path) = authority.split_at_checked(authority.find('/').unwrap_or(authority.len())).unwrap_or((authority, ""));
            if !is_authority(host) {
                return false;
            }
            path
        }
        None => hierarchy,
    };
    scheme_fits && is_uri_text(path, |b| matches!(b, b'/' | b':' | b'@')) && is_uri_text(query, extra) && is_uri_text(fragment, extra)
}

fn is_authority(authority: &str) -> bool {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (name, port) = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, tail)) => {
                let future = address.strip_prefix(['v', 'V']).is_some_and(|v| v.contains('.'));
                if address.parse::<Ipv6Addr>().is_err() && !future {
                    return false;
                }
                ("", tail)
            }
            None => return false,
        },
        None => host.split_at_checked(host.find(':').unwrap_or(host.len())).unwrap_or((host, "")),
    };
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    port_fits && is_uri_text(user, |b| b == b':') && is_uri_text(name, |_| false)
}

fn is_uri_text(text: &str, extra: impl Fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => bytes.next().is_some_and(|b| b.is_ascii_hexdigit()) && bytes.next().is_some_and(|b| b.is_ascii_hexdigit()),
            b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
            _ => byte.is_ascii_alphanumeric() || extra(byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// A host name of RFC 1034 or its internationalised form of RFC 5890, told by label shape alone.
pub(super) fn is_host_name(text: &str) -> bool {
    let dots = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];
    let body = text.strip_suffix(dots).unwrap_or(text);
    !body.is_empty() && body.chars().count() <= 253 && body.split(dots).all(is_label)
}

fn is_label(label: &str) -> bool {
    let hyphen_third = label.get(2..4) == Some("--") && !label.to_ascii_lowercase().starts_with("xn--");
    let fits = |c: char| {
        if c.is_ascii() { c.is_ascii_alphanumeric() || c == '-' } else { c.is_alphanumeric() || is_joining(c) }
    };
    (1..=63).contains(&label.len()) && !hyphen_third && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(fits)
}

/// Marks and joiners that words of some scripts need and `is_alphanumeric` does not count.
fn is_joining(c: char) -> bool {
    matches!(c, '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}'
        | '\u{900}'..='\u{d7f}' | '\u{e31}'..='\u{e4e}' | '\u{200c}' | '\u{200d}' | '\u{30fb}' | '\u{3099}' | '\u{309a}')
}

/// A mail address as the wider practice takes it: ASCII, one `@`, a dot in the domain.
pub(super) fn is_email(text: &str) -> bool {
    let Some((user, domain)) = text.split_once('@') else {
        return false;
    };
    let user_fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+' | b'-');
    let Some((first, rest)) = domain.split_once('.') else {
        return false;
    };
    !user.is_empty()
        && user.bytes().all(user_fits)
        && !first.is_empty()
        && !rest.is_empty()
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// Dotted IPv4, with an optional prefix length.
pub(super) fn is_ipv4(text: &str) -> bool {
    let (address, prefix) = split_prefix(text);
    address.parse::<std::net::Ipv4Addr>().is_ok() && prefix.is_none_or(|p| is_prefix_length(p, 32))
}

/// IPv6, with an optional zone and prefix length.
pub(super) fn is_ipv6(text: &str) -> bool {
    let (zoned, prefix) = split_prefix(text);
    let address = match zoned.split_once('%') {
        Some((_, "")) => return false,
        Some((address, _)) => address,
        None => zoned,
    };
    address.parse::<Ipv6Addr>().is_ok() && prefix.is_none_or(|p| is_prefix_length(p, 128))
}

fn split_prefix(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    }
}

fn is_prefix_length(text: &str, max: u32) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain && text.parse::<u32>().is_ok_and(|length| length <= max)
}

/// Six lower-case octets joined by colons.
pub(super) fn is_mac(text: &str) -> bool {
    let octet = |o: &str| o.len() == 2 && o.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    text.split(':').count() == 6 && text.split(':').all(octet)
}

/// A CPE 2.3 formatted string: the prefix, a part, and ten further components.
pub(super) fn is_cpe(text: &str) -> bool {
    let Some(body) = text.strip_prefix("cpe:2.3:") else {
        return false;
    };
    let mut components = vec![String::new()];
    let mut escaped = false;
    for char in body.chars() {
        if char == ':' && !escaped {
            components.push(String::new());
        } else if let Some(last) = components.last_mut() {
            last.push(char);
        }
        escaped = char == '\\' && !escaped;
    }
    let [part, rest @ ..] = components.as_slice() else {
        return false;
    };
    rest.len() == 10
        && matches!(part.as_str(), "a" | "h" | "o" | "*" | "-")
        && rest.iter().enumerate().all(|(index, c)| if index == 5 { is_cpe_language(c) } else { is_cpe_value(c) })
}

fn is_cpe_language(text: &str) -> bool {
    let (tag, region) = text.split_once('-').map_or((text, None), |(tag, region)| (tag, Some(region)));
    let region_fits = |r: &str| (r.len() == 2 && r.bytes().all(|b| b.is_ascii_alphabetic())) || (r.len() == 3 && r.bytes().all(|b| b.is_ascii_digit()));
    matches!(text, "*" | "-") || ((2..=3).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphabetic()) && region.is_none_or(region_fits))
}

fn is_cpe_value(text: &str) -> bool {
    if matches!(text, "*" | "-") {
        return true;
    }
    let core = text.trim_start_matches('?');
    let core = if core.len() == text.len() { text.strip_prefix('*').unwrap_or(text) } else { core };
    let mut wild_tail = "";
    let mut chars = core.char_indices();
    let mut any = false;
    while let Some((index, char)) = chars.next() {
        match char {
            '\\' if chars.next().is_some_and(|(_, c)| c.is_ascii_punctuation()) => any = true,
            '?' | '*' => {
                wild_tail = core.get(index..).unwrap_or_default();
                break;
            }
            '-' | '.' | '_' => any = true,
            c if c.is_ascii_alphanumeric() => any = true,
            _ => return false,
        }
    }
    any && (wild_tail == "*" || wild_tail.chars().all(|c| c == '?'))
}

/// Whether a text is lower case with hyphens between words, as vocabularies and kill chains want it.
pub(super) fn is_kebab(text: &str) -> bool {
    let cased = text.chars().any(char::is_lowercase);
    cased && !text.chars().any(char::is_uppercase) && !text.contains(['_', ' '])
}
