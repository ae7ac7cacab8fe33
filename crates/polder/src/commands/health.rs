//! Is this node well, and which settings hold.
//!
//! The rule: every limit of every crate is listed; a test reads the crates' own lists.

use polder_store::limits::CLOCK_BEHIND_US_MAX;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, exit};
use crate::node::Node;
use crate::request::Answer;

pub(super) fn doctor(node: &Node) -> Result<Answer, Failure> {
    let mut damage = node.store.damage();
    damage.extend(node.store.verify()?);
    let behind_us = node.store.clock_behind_us();
    let clock_ok = behind_us <= CLOCK_BEHIND_US_MAX;
    let held: Map<String, Value> = node.store.counts().into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
    let (indexed, rows) = node.store.searchable();
    let well = damage.is_empty() && clock_ok;
    let help = (!clock_ok).then_some(CLOCK_HELP);
    let value = json!({"well": well, "damage": damage, "clock_behind_s": behind_us / 1_000_000, "help": help, "held": held,
        "search": {"rows_indexed": indexed, "rows": rows}, "limits": limits(node), "dir": node.dir.display().to_string()});
    Ok(Answer { value, bytes: None, exit: if well { exit::OK } else { exit::NO } })
}

const CLOCK_HELP: &str = "nothing leaves until then: set the clock, or, if it is right, stop the node and run `polder doctor --accept-clock`";

macro_rules! all_limits {
    ($($crate_name:ident: $($name:ident)*;)*) => {
        [$($((concat!(stringify!($crate_name), ".", stringify!($name)), json!($crate_name::limits::$name)),)*)*]
    };
}

fn limits(node: &Node) -> Map<String, Value> {
    let fixed = all_limits! {
        polder_console: CELL_CHARS_MAX DECISIONS_MAX DRAFTS_BYTES_MAX DRAFT_AGE_S FORMATTED_BYTES_MAX FORMATTED_DEPTH_MAX FORM_BYTES_MAX FORM_FIELDS_MAX GRAPH_HOPS_MAX GRAPH_NODES_MAX HISTORY_MAX JSON_CHARS_SHOWN LAYER_BYTES_MAX LIST_LOOKED_AT_MAX MATRIX_OBJECTS_MAX PAGES_AT_ONCE_MAX PAGE_ENTRIES PAGE_MEMBERS PAGE_OBJECTS PAGE_OBJECTS_MAX REFERRERS_LOOKED_AT_MAX REFERRERS_PAGE REHEARSALS_AT_ONCE_MAX RELATIONS_MAX SESSIONS_MAX SESSIONS_PER_LOGIN_MAX SESSION_AGE_S SESSION_IDLE_S STREAMS_MAX STREAMS_PER_PERSON_MAX STREAM_S_MAX;
        polder_misp: ANALYST_DATA_ASKED ANALYST_DATA_DEPTH_MAX ANSWER_BYTES_MAX BATCH_OBJECTS BODY_HELD_BYTES_MAX CLUSTERS_ASKED CORRELATED_MAX DECISIONS_MAX FEED_VALUES_MAX FILES_MAX FILE_BYTES_MAX FOLDER_DEPTH_MAX
            HELD_BYTES_MAX LIBRARY_FILE_BYTES_MAX LISTED_DEFAULT LIST_BYTES_MAX NAMES_MAX PAGE_OBJECTS PARTS_AHEAD PART_BYTES PLACES_LISTED_MAX
            PLAIN_BODY_BYTES_MAX PROPOSALS_ASKED PROPOSAL_PAGES_MAX PUSHED_BYTES_MAX SEARCHED_VALUE_BYTES_MAX SIGHTED_EVENTS_MAX SIGHTINGS_EVENTS SIGHTINGS_SENT
            WARNED_VALUES_MAX;
        polder_peer: ANSWER_S_MAX ATTEMPTS_MAX BODY_S_MAX CONNECT_S_MAX PART_BYTES REDIRECTS_MAX WAIT_S_MAX;
        polder_release: AUDIENCE_NAMES_MAX GRANULAR_MAX REFERENCE_DEPTH_MAX REFERENCE_STEPS_MAX SELECTORS_COMPARED_MAX TIGHTENERS_MAX;
        polder_stix: DEPTH_MAX INTEGER_MAX OBJECT_BYTES_MAX REFERENCES_MAX;
        polder_store: CLOCK_BEHIND_US_MAX COMMIT_OBJECTS_MAX GROUP_REQUESTS_MAX LABELS_PER_SOURCE_MAX LOCK_ATTEMPTS_MAX LOCK_PAUSE_MS LOG_CHUNK_ENTRIES
            PAGE_BYTES_MAX PAGE_OBJECTS_MAX ROWS_MAX SEARCH_BATCH_ROWS SEARCH_BEGINNING_BYTES SEARCH_PAGE_OBJECTS SEARCH_PAUSE_MS SEARCH_TEXT_BYTES_MAX TYPES_MAX
            VERSION_AHEAD_S_MAX;
        polder_taxii: CONTENT_BYTES_MAX DECISIONS_MAX MESSAGE_CHARS_MAX PAGE_OBJECTS_DEFAULT PAGE_OBJECTS_MAX
            PULL_MANIFEST_RECORDS_MAX PULL_NEXT_CHARS_MAX PULL_PAGE_BYTES_MAX PULL_PAGES_MAX
            PULL_RESOURCE_BYTES_MAX RETRY_AFTER_S;
    };
    let shown = |name: &str| name.trim_start_matches("polder_").to_lowercase();
    let mut limits: Map<String, Value> = fixed.into_iter().map(|(name, value)| (shown(name), value)).collect();
    // What polder.toml says is what holds.
    limits.insert("taxii.content_bytes_max".to_owned(), node.config.content_bytes_max.into());
    limits.insert("server.connections_max".to_owned(), crate::admit::CONNECTIONS_MAX.into());
    limits.insert("server.head_read_s_max".to_owned(), crate::admit::HEAD_READ_S_MAX.into());
    limits.insert("taxii.page_objects_default".to_owned(), node.config.page_objects_default.into());
    limits.insert("taxii.page_objects_max".to_owned(), node.config.page_objects_max.into());
    limits
}

pub(super) fn config_show(node: &Node) -> Answer {
    let rows: Vec<Value> = node.origins.iter().map(|(k, v, o)| json!({"key": k, "value": v, "origin": o})).collect();
    Answer::ok(json!({"config": rows}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init;

    #[test]
    fn every_limit_of_every_crate_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let plan = init::Plan {
            member: "alfa".into(),
            name: "A".into(),
            kind: "body".into(),
            listen: "127.0.0.1:0".into(),
            plain_http: true,
            uuid: None,
            password: None,
        };
        init::init(dir.path(), &plan).unwrap();
        let listed = limits(&Node::open(dir.path(), false).unwrap());
        for (name, text) in [
            ("console", include_str!("../../../console/src/limits.rs")),
            ("misp", include_str!("../../../misp/src/limits.rs")),
            ("peer", include_str!("../../../peer/src/limits.rs")),
            ("release", include_str!("../../../release/src/limits.rs")),
            ("stix", include_str!("../../../stix/src/limits.rs")),
            ("store", include_str!("../../../store/src/limits.rs")),
            ("taxii", include_str!("../../../taxii/src/limits.rs")),
        ] {
            let constants = text.lines().filter_map(|l| l.strip_prefix("pub const ")).filter_map(|l| l.split(':').next());
            let missing: Vec<&str> = constants.filter(|c| !listed.contains_key(&format!("{name}.{}", c.to_lowercase()))).collect();
            assert!(missing.is_empty(), "{name}: {missing:?}");
        }
    }
}
