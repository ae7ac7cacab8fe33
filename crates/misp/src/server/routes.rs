//! Which path is answered by what.
//!
//! The rule: what is not kept here is answered as by a MISP that has none of it, and nothing changes by a link that is followed.

use axum::http::{Method, StatusCode};
use serde_json::Value;

use super::sink::Reply;
use super::{Asked, analyst, change, clusters, find, groups, kinds, knowledge, parts, people, read, said, servers, words, write};

/// Actions that change something, which a link that is followed must not do.
const CHANGING: &[&str] = &[
    "accept",
    "add",
    "addorg",
    "alert",
    "attachtagtoobject",
    "bulksavesightings",
    "delete",
    "discard",
    "edit",
    "publish",
    "pushanalystdata",
    "pushcluster",
    "pushproposals",
    "removeorg",
    "removetagfromobject",
    "resetauthkey",
    "restore",
    "toggleenable",
    "unpublish",
];

/// Answers a request.
pub(crate) fn dispatch(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let call = &asked.call;
    if matches!(call.method, Method::GET | Method::HEAD) && CHANGING.contains(&call.action.as_str()) {
        return Err(Reply::error(StatusCode::METHOD_NOT_ALLOWED, "Please POST to this endpoint.", &call.path));
    }
    match call.controller.as_str() {
        "users" | "authkeys" | "organisations" | "roles" | "admin/organisations" | "admin/users" | "sharinggroups" | "servers" | "feed" => folk(asked),
        "sightings" | "shadowattributes" | "analystdata" | "eventreports" | "objects" => about(asked),
        "warninglists" | "galaxies" | "galaxyclusters" | "taxonomies" | "objecttemplates" => known(asked),
        _ => events(asked),
    }
}

/// Who is who, and the server itself.
fn folk(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let call = &asked.call;
    match (call.controller.as_str(), call.action.as_str()) {
        ("servers", "getversion" | "getpymispversion") => Ok(read::version(asked)),
        ("servers", "posttest") => Ok(read::post_test(asked)),
        ("servers", "getavailablesyncfilteringrules") => read::filtering_rules(asked),
        ("servers", "getsetting") => read::setting(asked),
        ("servers", "index") => servers::list(asked),
        ("servers", "add" | "edit") => servers::keep(asked),
        ("servers", "delete") => servers::delete(asked),
        ("feed", "manifest") => read::manifest(asked),
        ("feed", "hashes.csv") => read::hashes(asked),
        ("feed", name) => read::feed_event(asked, name),
        ("users", "view") => people::view_user(asked),
        ("authkeys", "add") | ("users", "resetauthkey") => people::new_key(asked),
        ("organisations", "index") => Ok(people::list_organisations(asked)),
        ("organisations", "view") => people::view_organisation(asked),
        ("roles", "index") => Ok(people::roles()),
        ("admin/organisations", "add") => people::add_organisation(asked),
        ("admin/organisations", "edit") => people::edit_organisation(asked),
        ("admin/organisations", "delete") => people::delete_organisation(asked),
        ("admin/users", "index") => people::list_users(asked),
        ("admin/users", "view") => people::view_user(asked),
        ("admin/users", "add") => people::add_user(asked),
        ("admin/users", "edit") => people::edit_user(asked),
        ("admin/users", "delete") => people::delete_user(asked),
        ("sharinggroups", "index") => Ok(groups::list(asked)),
        ("sharinggroups", "view") => groups::view(asked),
        ("sharinggroups", "add") => groups::add(asked),
        ("sharinggroups", "edit") => groups::edit(asked),
        ("sharinggroups", "delete") => groups::delete(asked),
        ("sharinggroups", "addorg") => groups::member(asked, true),
        ("sharinggroups", "removeorg") => groups::member(asked, false),
        _ => Err(asked.not_found("Invalid action.")),
    }
}

/// Parts of events, and what is said about them.
fn about(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let call = &asked.call;
    match (call.controller.as_str(), call.action.as_str()) {
        ("sightings", "restsearch") => said::search_sightings(asked),
        ("sightings", "listsightings" | "index") => said::list_sightings(asked),
        ("sightings", "delete") => said::delete_sighting(asked),
        ("sightings", "filtersightinguuidsforpush") => said::known_sightings(asked),
        ("shadowattributes", "index") => said::list_proposals(asked),
        ("shadowattributes", "view") => said::view_proposal(asked),
        ("shadowattributes", "add") => said::add_proposal(asked),
        ("shadowattributes", "edit" | "delete") => said::edit_proposal(asked),
        ("shadowattributes", "accept" | "discard") => said::decide_proposal(asked),
        ("objects", "add") => parts::add_object(asked),
        ("objects", "view") => parts::view_object(asked),
        ("objects", "edit") => parts::edit_object(asked),
        ("objects", "delete") => parts::delete_object(asked),
        ("objects", "restsearch") => find::objects(asked),
        ("eventreports", "add") => parts::add_report(asked),
        ("eventreports", "index") => parts::list_reports(asked),
        ("eventreports", "view") => parts::view_report(asked),
        ("eventreports", "edit") => parts::edit_report(asked),
        ("eventreports", "delete") => parts::delete_report(asked),
        ("sightings", "add") => said::add_sighting(asked),
        ("sightings", "bulksavesightings") => said::keep_sightings(asked),
        ("analystdata", "pushanalystdata") => analyst::keep(asked),
        ("analystdata", "filteranalystdataforpush") => analyst::wanted(asked),
        ("analystdata", "indexminimal") => analyst::index_minimal(asked),
        ("analystdata", "index") => analyst::index(asked),
        ("analystdata", "view") => analyst::view(asked),
        ("analystdata", "add") => analyst::add(asked),
        ("analystdata", "edit") => analyst::edit(asked),
        ("analystdata", "delete") => analyst::delete(asked),
        _ => Err(asked.not_found("Invalid action.")),
    }
}

/// What words mean.
fn known(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let call = &asked.call;
    match (call.controller.as_str(), call.action.as_str()) {
        ("objecttemplates", "index") => Ok(knowledge::templates(asked)),
        ("objecttemplates", "view") => knowledge::view_template(asked),
        ("objecttemplates", "getraw") => knowledge::raw_template(asked),
        ("taxonomies", "index") => Ok(knowledge::taxonomies(asked)),
        ("taxonomies", "view") => knowledge::view_taxonomy(asked),
        ("galaxies", "index") => Ok(knowledge::galaxies(asked)),
        ("galaxies", "view") => knowledge::view_galaxy(asked),
        ("galaxies", "pushcluster") => clusters::keep(asked),
        ("galaxyclusters", "index") => knowledge::list_clusters(asked),
        ("galaxyclusters", "view") => clusters::view(asked),
        ("galaxyclusters", "restsearch") => clusters::search(asked),
        ("galaxyclusters", "delete") => clusters::delete(asked),
        ("warninglists", "index") => Ok(knowledge::lists(asked)),
        ("warninglists", "view") => knowledge::view_list(asked),
        ("warninglists", "toggleenable") => words::toggle_lists(asked),
        ("warninglists", "checkvalue") => knowledge::check_value(asked),
        _ => Err(asked.not_found("Invalid action.")),
    }
}

/// Events, attributes, and what is not kept here.
fn events(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let call = &asked.call;
    match (call.controller.as_str(), call.action.as_str()) {
        ("attributes", "describetypes") => Ok(Reply::json(&kinds::described())),
        ("events", "index") => read::index(asked),
        ("events", "view") => read::event(asked, call.first()),
        ("events", "restsearch") => find::events(asked),
        ("attributes", "restsearch") => find::attributes(asked),
        ("attributes", "view") => find::one(asked),
        ("attributes", "index") => find::attributes_listed(asked),
        ("events", "filtereventidsforpush") => write::wanted(asked),
        ("events", "add") => write::add(asked),
        ("events", "edit") => write::edit(asked),
        ("events", "publish" | "alert" | "unpublish") => change::publish(asked),
        ("events", "delete") => change::delete_event(asked),
        ("attributes", "add") => change::add_attributes(asked),
        ("attributes", "edit") => change::edit_attribute(asked),
        ("attributes", "delete" | "restore") => change::delete_attribute(asked),
        ("tags", "attachtagtoobject" | "removetagfromobject") => change::tag(asked),
        ("events", "pushproposals") => said::keep_proposals(asked),
        ("tags", "index" | "search") => words::tags(asked),
        ("tags", "view") => words::view_tag(asked),
        ("tags", "add") => words::add_tag(asked),
        ("tags", "edit") => words::edit_tag(asked),
        ("tags", "delete") => words::delete_tag(asked),
        ("feeds" | "noticelists" | "eventblocklists", "index") => Ok(Reply::json(&Value::Array(Vec::new()))),
        // `/events/UUID` is `/events/view/UUID`.
        ("events", other) if call.args.is_empty() && other.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') => read::event(asked, other),
        _ => Err(asked.not_found("Invalid action.")),
    }
}
