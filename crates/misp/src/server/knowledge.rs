//! Object templates, taxonomies, galaxies and warninglists, out of the library of this node.
//!
//! The rule: they are the same for every reader, and say nothing of what is kept here.

use serde_json::{Map, Value, json};

use super::Asked;
use super::sink::Reply;
use crate::library::{Cluster, Galaxy, List, Taxonomy, Template};
use crate::limits;
use crate::map::fields::text;

impl Asked<'_> {
    fn number_of(&self, what: &str) -> String {
        self.reader().number(what).to_string()
    }

    /// Is it the one that the call names, by its number or by one of these?
    fn names(&self, key: &str, others: &[&str]) -> bool {
        let name = self.call.first();
        !name.is_empty() && (others.iter().any(|o| o.eq_ignore_ascii_case(name)) || self.number_of(key) == name)
    }

    /// The warninglists an attribute is on, as MISP tells them.
    pub(crate) fn warnings(&self, attribute: &Map<String, Value>) -> Vec<Value> {
        let lists = self.warninglists();
        let value = text(attribute, "value");
        let hits = lists.warnings(text(attribute, "type"), value);
        hits.into_iter().map(|(list, matched)| json!({"match": matched, "value": value, "warninglist_id": self.number_of(&list.name), "warninglist_name": list.name, "warninglist_category": list.category})).collect()
    }
}

fn template(asked: &Asked<'_>, t: &Template) -> Value {
    json!({"id": asked.number_of(&t.uuid), "uuid": t.uuid, "name": t.name, "description": t.description, "meta-category": t.meta_category,
        "version": t.version.to_string().trim_matches('"'), "active": true, "fixed": true})
}

/// The templates.
pub(crate) fn templates(asked: &Asked<'_>) -> Reply {
    let library = asked.app.access.library();
    Reply::json(&library.templates.iter().map(|t| json!({"ObjectTemplate": template(asked, t)})).collect())
}

fn template_named(asked: &Asked<'_>) -> Result<(Template, Map<String, Value>), Reply> {
    let library = asked.app.access.library();
    let found = library.templates.iter().find(|t| asked.names(&t.uuid, &[&t.uuid, &t.name])).cloned();
    let found = found.ok_or_else(|| asked.not_found("Invalid object template."))?;
    let whole = found.whole().map_err(|e| asked.failed(&e))?;
    Ok((found, whole))
}

/// One template, with its elements.
pub(crate) fn view_template(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let (found, whole) = template_named(asked)?;
    let mut head = template(asked, &found);
    let requirements: Map<String, Value> = ["requiredOneOf", "required"].iter().filter_map(|k| Some(((*k).to_owned(), whole.get(*k)?.clone()))).collect();
    if let Some(head) = head.as_object_mut() {
        head.insert("requirements".to_owned(), requirements.into());
    }
    let of = asked.number_of(&found.uuid);
    let elements: Vec<Value> = whole.get("attributes").and_then(Value::as_object).into_iter().flatten().map(|(relation, one)| {
        let given = |key: &str, default: Value| one.get(key).cloned().unwrap_or(default);
        json!({"id": asked.number_of(&format!("{} {relation}", found.uuid)), "object_template_id": of, "object_relation": relation, "type": given("misp-attribute", "text".into()),
            "ui-priority": given("ui-priority", 0.into()), "categories": given("categories", json!([])), "sane_default": given("sane_default", json!([])),
            "values_list": given("values_list", json!([])), "description": given("description", "".into()),
            "disable_correlation": given("disable_correlation", false.into()), "multiple": given("multiple", false.into())})
    }).collect();
    Ok(Reply::json(&json!({"ObjectTemplate": head, "ObjectTemplateElement": elements})))
}

/// One template as its file has it.
pub(crate) fn raw_template(asked: &Asked<'_>) -> Result<Reply, Reply> {
    Ok(Reply::json(&template_named(asked)?.1.into()))
}

fn taxonomy(asked: &Asked<'_>, t: &Taxonomy) -> Value {
    json!({"id": asked.number_of(&t.namespace), "namespace": t.namespace, "description": t.description, "version": t.version.to_string().trim_matches('"'),
        "enabled": true, "exclusive": t.exclusive, "required": false, "highlighted": false})
}

/// The taxonomies.
pub(crate) fn taxonomies(asked: &Asked<'_>) -> Reply {
    let library = asked.app.access.library();
    let told = library.taxonomies.iter().map(|t| {
        let count = t.entries().len();
        json!({"Taxonomy": taxonomy(asked, t), "total_count": count, "current_count": count})
    });
    Reply::json(&told.collect())
}

/// One taxonomy, with its tags.
pub(crate) fn view_taxonomy(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let library = asked.app.access.library();
    let found = library.taxonomies.iter().find(|t| asked.names(&t.namespace, &[&t.namespace])).ok_or_else(|| asked.not_found("Taxonomy not found."))?;
    let entries = found.entries().into_iter().map(|e| {
        let colour = if e.colour.is_empty() { "#0088cc".to_owned() } else { e.colour };
        json!({"tag": e.tag, "expanded": e.expanded, "description": e.description, "exclusive_predicate": e.exclusive, "numerical_value": e.numerical_value,
            "colour": colour, "existing_tag": {"Tag": {"id": asked.number_of(&e.tag), "name": e.tag, "colour": colour, "exportable": true, "hide_tag": false}}})
    });
    let entries: Vec<Value> = entries.collect();
    Ok(Reply::json(&json!({"Taxonomy": taxonomy(asked, found), "entries": entries})))
}

fn galaxy(asked: &Asked<'_>, g: &Galaxy) -> Value {
    json!({"id": asked.number_of(&g.uuid), "uuid": g.uuid, "name": g.name, "type": g.kind, "description": g.description,
        "version": g.version.to_string().trim_matches('"'), "icon": g.icon, "namespace": g.namespace, "enabled": true, "local_only": false, "default": true})
}

/// The galaxies, all or those with a text in their name.
pub(crate) fn galaxies(asked: &Asked<'_>) -> Reply {
    let library = asked.app.access.library();
    let wanted = asked.call.text("value").or_else(|| asked.call.text("searchall")).unwrap_or_default().to_lowercase();
    let found = library.galaxies.iter().filter(|g| wanted.is_empty() || g.name.to_lowercase().contains(wanted.trim_matches('%')));
    Reply::json(&found.map(|g| json!({"Galaxy": galaxy(asked, g)})).collect())
}

fn cluster(asked: &Asked<'_>, g: &Galaxy, file: &Map<String, Value>, mut one: Map<String, Value>) -> Value {
    let value = text(&one, "value").to_owned();
    let id = asked.number_of(&format!("{} {value}", g.uuid));
    let meta = one.shift_remove("meta").and_then(|m| m.as_object().cloned()).unwrap_or_default();
    let elements: Vec<Value> = meta
        .into_iter()
        .flat_map(|(key, said)| {
            let list = if let Value::Array(list) = said { list } else { vec![said] };
            list.into_iter()
                .map(|v| json!({"galaxy_cluster_id": id, "key": key, "value": v.as_str().map_or_else(|| v.to_string(), str::to_owned)}))
                .collect::<Vec<_>>()
        })
        .collect();
    let relations: Vec<Value> = one.shift_remove("related").and_then(|r| r.as_array().cloned()).unwrap_or_default().into_iter().map(|r| {
        json!({"galaxy_cluster_uuid": text(&one, "uuid"), "referenced_galaxy_cluster_uuid": r.get("dest-uuid"), "referenced_galaxy_cluster_type": r.get("type"), "default": true, "distribution": "3"})
    }).collect();
    json!({"id": id, "uuid": text(&one, "uuid"), "collection_uuid": file.get("uuid"), "type": g.kind, "value": value, "tag_name": g.tag(&value),
        "description": text(&one, "description"), "galaxy_id": asked.number_of(&g.uuid), "source": file.get("source"), "authors": file.get("authors"),
        "version": file.get("version").map(|v| v.to_string().trim_matches('"').to_owned()), "distribution": "3", "default": true, "locked": false,
        "published": false, "deleted": false, "GalaxyElement": elements, "GalaxyClusterRelation": relations})
}

/// One galaxy, with its clusters.
pub(crate) fn view_galaxy(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let library = asked.app.access.library();
    let found = library.galaxies.iter().find(|g| asked.names(&g.uuid, &[&g.uuid])).ok_or_else(|| asked.not_found("Galaxy not found."))?;
    let (file, values) = found.whole().map_err(|e| asked.failed(&e))?;
    let clusters: Vec<Value> = values.into_iter().map(|one| cluster(asked, found, &file, one)).collect();
    Ok(Reply::json(&json!({"Galaxy": galaxy(asked, found), "GalaxyCluster": clusters})))
}

/// The clusters of one galaxy, without what their files say of each.
pub(crate) fn list_clusters(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let library = asked.app.access.library();
    let found = library.galaxies.iter().find(|g| asked.names(&g.uuid, &[&g.uuid])).ok_or_else(|| asked.not_found("Galaxy not found."))?;
    let wanted = asked.call.text("searchall").unwrap_or_default().to_lowercase();
    let clusters = found.clusters.iter().filter(|c| wanted.is_empty() || c.value.to_lowercase().contains(wanted.trim_matches('%')));
    let told = clusters.map(|c| {
        json!({"GalaxyCluster": {"id": asked.number_of(&format!("{} {}", found.uuid, c.value)), "uuid": c.uuid, "value": c.value, "type": found.kind,
        "tag_name": found.tag(&c.value), "galaxy_id": asked.number_of(&found.uuid), "default": true}, "Galaxy": galaxy(asked, found)})
    });
    Ok(Reply::json(&told.collect()))
}

/// A cluster out of the library, if it is the one that is named.
pub(crate) fn known_cluster(asked: &Asked<'_>) -> Result<Option<Reply>, Reply> {
    let library = asked.app.access.library();
    let is_it = |g: &Galaxy, c: &Cluster| asked.names(&format!("{} {}", g.uuid, c.value), &[&c.uuid, &g.tag(&c.value)]);
    for found in &library.galaxies {
        let Some(wanted) = found.clusters.iter().find(|c| is_it(found, c)) else { continue };
        let (file, values) = found.whole().map_err(|e| asked.failed(&e))?;
        let one = values.into_iter().find(|one| text(one, "value") == wanted.value).unwrap_or_default();
        let mut told = cluster(asked, found, &file, one);
        if let Some(told) = told.as_object_mut() {
            told.insert("Galaxy".to_owned(), galaxy(asked, found));
        }
        return Ok(Some(Reply::json(&json!({"GalaxyCluster": told}))));
    }
    Ok(None)
}

fn list(asked: &Asked<'_>, l: &List) -> Map<String, Value> {
    let told = json!({"id": asked.number_of(&l.name), "name": l.name, "type": l.kind, "description": l.description, "version": l.version.to_string().trim_matches('"'),
        "category": l.category, "enabled": !asked.words.warninglists_off.contains(&l.name), "default": true, "warninglist_entry_count": l.count.to_string(),
        "valid_attributes": if l.types.is_empty() { "ALL".to_owned() } else { l.types.join(", ") }});
    told.as_object().cloned().unwrap_or_default()
}

/// The warninglists, all or those with a text in their name.
pub(crate) fn lists(asked: &Asked<'_>) -> Reply {
    let library = asked.app.access.library();
    let wanted = asked.call.text("value").unwrap_or_default().to_lowercase();
    let found = library.lists.iter().filter(|l| wanted.is_empty() || l.name.to_lowercase().contains(&wanted));
    Reply::json(&json!({"Warninglists": found.map(|l| json!({"Warninglist": list(asked, l)})).collect::<Vec<_>>()}))
}

/// One warninglist, with what is on it.
pub(crate) fn view_list(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let library = asked.app.access.library();
    let found = library.lists.iter().find(|l| asked.names(&l.name, &[])).ok_or_else(|| asked.not_found("Invalid Warninglist."))?;
    let mut told = list(asked, found);
    told.insert("WarninglistEntry".to_owned(), found.values().into_iter().map(|v| json!({"value": v})).collect());
    told.insert("WarninglistType".to_owned(), found.types.iter().map(|t| json!({"type": t})).collect());
    Ok(Reply::json(&json!({"Warninglist": told})))
}

/// The lists that values are on.
pub(crate) fn check_value(asked: &Asked<'_>) -> Result<Reply, Reply> {
    let body = &asked.call.body;
    let values: Vec<String> = match body.get("value").unwrap_or(body) {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
        _ => return Err(asked.bad("Please send a value or a list of values.")),
    };
    if values.len() > limits::WARNED_VALUES_MAX {
        return Err(asked.bad(&format!("At most {} values are looked for at once.", limits::WARNED_VALUES_MAX)));
    }
    let lists = asked.warninglists();
    let mut out = Map::new();
    for value in values {
        let hits: Vec<Value> = lists
            .all()
            .filter_map(|l| Some((l, l.hit(&value)?)))
            .map(|(l, matched)| json!({"id": asked.number_of(&l.name), "name": l.name, "matched": matched}))
            .collect();
        if !hits.is_empty() {
            out.insert(value, hits.into());
        }
    }
    Ok(Reply::json(&if out.is_empty() { json!([]) } else { out.into() }))
}
