//! The stylesheet and the script, under names made of what is in them.
//!
//! The rule: a name stands for its bytes for ever, so a browser asks once; nothing comes from elsewhere.

use std::sync::{Arc, LazyLock};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sha2::{Digest as _, Sha256};

use crate::guard::Trouble;
use crate::sink::{self, Reply};
use crate::{App, Visitor, layout};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/console.js"));

fn named(stem: &str, bytes: &str, end: &str) -> String {
    let digest: String = Sha256::digest(bytes.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("{stem}-{digest}.{end}")
}

static STYLE_NAME: LazyLock<String> = LazyLock::new(|| named("console", STYLE, "css"));
static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| named("console", SCRIPT, "js"));

/// Where the stylesheet is.
pub(crate) fn style() -> String {
    format!("/console/assets/{}", *STYLE_NAME)
}

/// Where the script is, if this build has one.
pub(crate) fn script() -> Option<String> {
    (!SCRIPT.is_empty()).then(|| format!("/console/assets/{}", *SCRIPT_NAME))
}

pub(crate) async fn serve(State(app): State<Arc<App>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let reply = if name == *STYLE_NAME {
        Reply::asset(STYLE.as_bytes().to_vec(), "text/css; charset=utf-8")
    } else if name == *SCRIPT_NAME && !SCRIPT.is_empty() {
        Reply::asset(SCRIPT.as_bytes().to_vec(), "text/javascript; charset=utf-8")
    } else {
        layout::trouble(&Visitor::of(&app, &headers), &Trouble::NotFound)
    };
    sink::response(reply)
}
