//! The self-signed certificate of a node that has none.
//!
//! The rule: it names every way this node is known to be reached, and a certificate that is there is never touched.

use std::net::IpAddr;
use std::path::Path;

use crate::config::{self, Config};
use crate::failure::{Failure, file_failure};

/// Makes certificate and key where the settings look for them; `more` are names the operator adds.
pub(crate) fn make(dir: &Path, config: &Config, more: &[String]) -> Result<(), Failure> {
    let names = names(&config.listen, config.base_url.as_deref(), host_name().as_deref(), more);
    let fail = |e: rcgen::Error| {
        Failure::configuration(
            format!("cannot make a certificate for `{}`: {e}", names.join("`, `")),
            format!("put your own into {} and {}", config.tls_cert, config.tls_key),
        )
    };
    let made = rcgen::generate_simple_self_signed(names.clone()).map_err(fail)?;
    for (place, pem) in [(&config.tls_cert, made.cert.pem()), (&config.tls_key, made.signing_key.serialize_pem())] {
        let path = dir.join(place);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| file_failure(parent, "create", &e))?;
        }
        config::write(&path, &pem)?;
    }
    Ok(())
}

/// Makes them if the node looks for them where `init` puts them, and neither is there.
pub(crate) fn make_if_none(dir: &Path, config: &Config) -> Result<(), Failure> {
    let is_ours = config.tls_cert == config::tls_cert() && config.tls_key == config::tls_key();
    let is_there = |place: &str| dir.join(place).exists();
    if is_ours && !is_there(&config.tls_cert) && !is_there(&config.tls_key) {
        make(dir, config, &[])?;
        tracing::warn!("a new self-signed certificate was made, because there was none");
    }
    Ok(())
}

fn names(listen: &str, base_url: Option<&str>, host_name: Option<&str>, more: &[String]) -> Vec<String> {
    let listening = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let base_uri = base_url.and_then(|url| url.parse::<axum::http::Uri>().ok());
    let base_host = base_uri.as_ref().and_then(axum::http::Uri::host);
    let known = ["localhost", "127.0.0.1", "::1"].into_iter().chain([listening]).chain(host_name).chain(base_host).chain(more.iter().map(String::as_str));
    let mut names: Vec<String> = Vec::new();
    for name in known.map(|n| n.trim_matches(['[', ']'])) {
        // 0.0.0.0 and :: mean every address, and are nobody's.
        let is_nobodys = name.is_empty() || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if !is_nobodys && names.iter().all(|n| !n.eq_ignore_ascii_case(name)) {
            names.push(name.to_owned());
        }
    }
    names
}

fn host_name() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname")).ok()?;
    let name = text.trim();
    // What cannot be a name in a certificate must not keep the node from having one.
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    fits.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_the_node_is_named_once() {
        let more = ["taxii.example".to_owned(), "LOCALHOST".to_owned()];
        for (listen, base, host, more, want) in [
            ("127.0.0.1:6100", None, None, &[][..], "localhost 127.0.0.1 ::1"),
            ("0.0.0.0:6100", None, Some("alfa-1"), &[][..], "localhost 127.0.0.1 ::1 alfa-1"),
            ("[::]:6100", Some("https://share.example:8443/x"), None, &[][..], "localhost 127.0.0.1 ::1 share.example"),
            ("[2001:db8::7]:6100", Some("https://[2001:db8::7]/"), None, &more[..], "localhost 127.0.0.1 ::1 2001:db8::7 taxii.example"),
            ("192.0.2.7:6100", None, Some("alfa-1"), &more[..], "localhost 127.0.0.1 ::1 192.0.2.7 alfa-1 taxii.example"),
        ] {
            assert_eq!(names(listen, base, host, more).join(" "), want, "{listen}");
        }
    }
}
