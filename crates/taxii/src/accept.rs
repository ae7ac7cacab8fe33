//! Media types as clients write them: what a client accepts, and what it says it sends.

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};

/// Does the client take `application/taxii+json;version=2.1`? The most specific range that covers it decides (RFC 9110 section 12.5.1).
pub(crate) fn acceptable(headers: &HeaderMap) -> bool {
    let mut best: Option<(u8, bool)> = None;
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        let Ok(text) = value.to_str() else { continue };
        for range in text.split(',').filter(|r| !r.trim().is_empty()) {
            any = true;
            let Some((rank, wanted)) = covers(range) else { continue };
            best = match best {
                Some((held, yes)) if held > rank => Some((held, yes)),
                Some((held, yes)) if held == rank => Some((held, yes || wanted)),
                _ => Some((rank, wanted)),
            };
        }
    }
    // An empty or missing Accept takes anything.
    best.map_or(!any && headers.get_all(ACCEPT).iter().all(HeaderValue::is_empty), |(_, wanted)| wanted)
}

/// Is the content said to be a TAXII 2.1 envelope?
pub(crate) fn is_envelope(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    value.to_str().is_ok_and(|text| {
        let (kind, parameters) = parts(text);
        kind == "application/taxii+json" && parameters.iter().all(|(name, value)| name != "version" || value == "2.1")
    })
}

/// How specifically a range covers our type, and whether it wants it; none when it does not cover it.
fn covers(range: &str) -> Option<(u8, bool)> {
    let (kind, parameters) = parts(range);
    let of = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let version = of("version");
    let rank = match (kind.as_str(), version) {
        ("*/*", _) => 0,
        ("application/*", _) => 1,
        ("application/taxii+json", None) => 2,
        ("application/taxii+json", Some("2.1")) => 3,
        _ => return None,
    };
    let wanted = of("q").is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0));
    Some((rank, wanted))
}

/// The type and its parameters, in lower case and without quotes.
fn parts(text: &str) -> (String, Vec<(String, String)>) {
    let mut pieces = text.split(';');
    let kind = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
    let parameter = |p: &str| {
        let (name, value) = p.split_once('=')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_ascii_lowercase()))
    };
    (kind, pieces.filter_map(parameter).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_write() {
        let check = |accept: &[&str], want: bool| {
            let mut headers = HeaderMap::new();
            for one in accept {
                headers.append(ACCEPT, HeaderValue::from_str(one).unwrap());
            }
            assert_eq!(acceptable(&headers), want, "{accept:?}");
        };
        check(&[], true);
        check(&[""], true);
        check(&["*/*"], true);
        check(&["application/*"], true);
        check(&["application/taxii+json"], true);
        check(&["application/taxii+json;version=2.1"], true);
        check(&["application/taxii+json; version=\"2.1\""], true);
        check(&["Application/TAXII+json; Version=2.1; q=0.5"], true);
        check(&["text/html, application/taxii+json;q=0.1"], true);
        check(&["text/html", "*/*;q=0.01"], true);
        check(&["application/taxii+json;version=2.0"], false);
        check(&["application/taxii+json;version=2.0, */*"], true);
        check(&["application/taxii+json;q=0, */*"], false);
        check(&["application/taxii+json;q=x"], false);
        check(&["text/html"], false);
        check(&["application/json"], false);
        check(&["garbage"], false);
    }

    #[test]
    fn what_clients_send() {
        let check = |sent: &[&str], want: bool| {
            let mut headers = HeaderMap::new();
            for one in sent {
                headers.append(CONTENT_TYPE, HeaderValue::from_str(one).unwrap());
            }
            assert_eq!(is_envelope(&headers), want, "{sent:?}");
        };
        check(&["application/taxii+json;version=2.1"], true);
        check(&["application/taxii+json; version=2.1"], true);
        check(&["application/taxii+json; charset=utf-8"], true);
        check(&["application/taxii+json;version=2.0"], false);
        check(&["application/json"], false);
        check(&["application/taxii+json", "application/json"], false);
        check(&[], false);
    }
}
