//! `polder taxii pull`, before anything is sent: what can be told to be wrong without asking the peer.
//!
//! The rule: files named on the command line are found from where the command was typed, whichever process uses them.

use std::net::IpAddr;
use std::path::Path;

use axum::http::Uri;

use crate::failure::{Failure, file_failure};

/// Refuses what is no URL of a peer, or would send credentials unencrypted.
pub(crate) fn check_url(url: &str) -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::usage(why, "give an https URL of the peer's discovery resource, API root or collection"));
    let Ok(uri) = url.parse::<Uri>() else { return refuse(format!("`{url}` is not a URL")) };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return refuse(format!("`{url}` has no scheme or no host")) };
    if authority.as_str().contains('@') {
        return Err(Failure::usage("the URL holds credentials", "give them with `--user` and `--password-file`, or with `--token-file`"));
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(authority.host()) => Ok(()),
        "http" => refuse(format!("`{url}` is not encrypted")),
        _ => refuse(format!("`{scheme}` is neither http nor https")),
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The file with the authority to trust, as every process finds it.
pub(crate) fn authority(file: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(file).map_err(|e| file_failure(file, "find", &e))?;
    let bytes = std::fs::read(&path).map_err(|e| file_failure(file, "read", &e))?;
    if !String::from_utf8_lossy(&bytes).contains("-----BEGIN CERTIFICATE-----") {
        return Err(Failure::configuration(format!("`{}` holds no certificate", file.display()), "give a PEM file with the authority's certificate"));
    }
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::exit;

    #[test]
    fn only_what_may_be_a_peer_is_asked() {
        for (url, well) in [
            ("https://taxii.example/taxii2/", true),
            ("https://192.0.2.1:8443/api/", true),
            ("http://127.0.0.1:6100/taxii2/", true),
            ("http://[::1]:6100/", true),
            ("http://localhost/", true),
            ("not a url", false),
            ("taxii.example", false),
            ("/taxii2/", false),
            ("ftp://taxii.example/", false),
            ("http://192.0.2.1/taxii2/", false),
            ("http://localhost.example.org/", false),
            ("https://user:secret@taxii.example/", false),
        ] {
            let found = check_url(url);
            assert_eq!(found.map_err(|f| f.exit), if well { Ok(()) } else { Err(exit::USAGE) }, "{url}");
        }
    }

    #[test]
    fn a_file_that_is_no_authority_is_the_callers_matter() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good.pem"), dir.path().join("bad.pem"));
        std::fs::write(&good, "-----BEGIN CERTIFICATE-----\n").unwrap();
        std::fs::write(&bad, "-----BEGIN PRIVATE KEY-----\n").unwrap();
        assert_eq!(authority(&good).unwrap(), good.display().to_string());
        for path in [bad, dir.path().join("absent.pem")] {
            let failure = authority(&path).unwrap_err();
            assert_eq!(failure.exit, exit::CONFIGURATION);
            assert!(failure.message.contains(&path.display().to_string()), "{}", failure.message);
        }
    }
}
