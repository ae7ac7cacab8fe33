//! What the sources of this crate may say: bodies are made in two places, and each has its reason.

use std::path::{Path, PathBuf};

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn bodies_are_made_in_the_sink_and_of_errors_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&root, &mut found);
    let makes = ["Body::from", "Body::new", "Response::new", "Response::builder", "IntoResponse", "Json(", "Html(", "Bytes::", "from_stream"];
    let reads = [".page(", "Outbound", "row_bytes", "Form::Whole"];
    let mut seen = Vec::new();
    for path in found.iter().filter(|p| !p.starts_with(root.join("tests")) && **p != root.join("tests.rs")) {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(path).unwrap();
        if makes.iter().any(|m| text.contains(m)) {
            seen.push(("makes", name.clone()));
        }
        if reads.iter().any(|m| text.contains(m)) {
            seen.push(("reads", name));
        }
    }
    seen.sort();
    assert_eq!(seen, [("makes", "error.rs".to_owned()), ("makes", "sink.rs".to_owned()), ("reads", "sink.rs".to_owned())]);
}
