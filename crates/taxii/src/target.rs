//! The resources of TAXII 2.1 and their paths. Each also answers without its last slash, because clients forget it.

use axum::http::Method;
use percent_encoding::percent_decode_str;

use crate::error::Failure;

/// Every route: the methods it takes, and its path with `{root}` for the API root.
pub const ROUTES: [(&str, &str); 9] = [
    ("GET, HEAD", "/taxii2/"),
    ("GET, HEAD", "/{root}/"),
    ("GET, HEAD", "/{root}/status/{id}/"),
    ("GET, HEAD", "/{root}/collections/"),
    ("GET, HEAD", "/{root}/collections/{id}/"),
    ("GET, HEAD", "/{root}/collections/{id}/manifest/"),
    ("GET, HEAD, POST", "/{root}/collections/{id}/objects/"),
    ("DELETE, GET, HEAD", "/{root}/collections/{id}/objects/{object-id}/"),
    ("GET, HEAD", "/{root}/collections/{id}/objects/{object-id}/versions/"),
];

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Discovery,
    Root,
    Status(String),
    Collections,
    Collection(String),
    Manifest(String),
    Objects(String),
    Object(String, String),
    Versions(String, String),
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Read,
    Add,
    Delete,
}

impl Target {
    /// The resource at a path.
    pub(crate) fn of(root: &str, path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let decoded = |s: &str| percent_decode_str(s).decode_utf8().map(std::borrow::Cow::into_owned).ok().filter(|s| !s.is_empty());
        match segments.as_slice() {
            ["taxii2"] => Some(Self::Discovery),
            [r, rest @ ..] if *r == root => match rest {
                [] => Some(Self::Root),
                ["status", id] => Some(Self::Status(decoded(id)?)),
                ["collections"] => Some(Self::Collections),
                ["collections", id] => Some(Self::Collection(decoded(id)?)),
                ["collections", id, "manifest"] => Some(Self::Manifest(decoded(id)?)),
                ["collections", id, "objects"] => Some(Self::Objects(decoded(id)?)),
                ["collections", id, "objects", object] => Some(Self::Object(decoded(id)?, decoded(object)?)),
                ["collections", id, "objects", object, "versions"] => Some(Self::Versions(decoded(id)?, decoded(object)?)),
                _ => None,
            },
            _ => None,
        }
    }

    fn route(&self) -> (&'static str, &'static str) {
        let [discovery, root, status, collections, collection, manifest, objects, object, versions] = ROUTES;
        match self {
            Self::Discovery => discovery,
            Self::Root => root,
            Self::Status(_) => status,
            Self::Collections => collections,
            Self::Collection(_) => collection,
            Self::Manifest(_) => manifest,
            Self::Objects(_) => objects,
            Self::Object(..) => object,
            Self::Versions(..) => versions,
        }
    }

    /// Its path without names, for logs.
    pub(crate) fn template(&self) -> &'static str {
        self.route().1
    }

    /// What the method does here.
    pub(crate) fn verb(&self, method: &Method) -> Result<Verb, Failure> {
        match (method, self) {
            (&Method::GET | &Method::HEAD, _) => Ok(Verb::Read),
            (&Method::POST, Self::Objects(_)) => Ok(Verb::Add),
            (&Method::DELETE, Self::Object(..)) => Ok(Verb::Delete),
            _ => Err(Failure::method(self.route().0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_and_nothing_else() {
        for (methods, template) in ROUTES {
            let path = template.replace("{root}", "api");
            for path in [path.as_str(), path.strip_suffix('/').unwrap()] {
                let target = Target::of("api", path).unwrap();
                assert_eq!(target.template(), template);
                for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
                    let verb = target.verb(&Method::from_bytes(method.as_bytes()).unwrap());
                    assert_eq!(verb.is_ok(), methods.split(", ").any(|m| m == method), "{method} {path}");
                }
            }
        }
        for path in [
            "",
            "/",
            "//",
            "/api//",
            "/api/collections//",
            "/other/",
            "/api/collections/c/objects/o/versions/x/",
            "/api/status/",
            "/api/status/%ff/",
            "taxii2",
            "/taxii2//",
        ] {
            assert_eq!(Target::of("api", path), None, "{path}");
        }
        assert_eq!(Target::of("api", "/api/collections/a%20b/"), Some(Target::Collection("a b".into())));
    }
}
