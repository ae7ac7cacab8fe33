//! What MISP's words mean: object templates, taxonomies, galaxies and warninglists, from a folder the user has.
//!
//! The rule: they explain and never decide who may read; a file that cannot be read is named and left out.

mod lists;

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::limits;
pub use lists::List;

/// The template of an object; the rest of it stays in its file.
#[derive(Debug, Clone, Deserialize)]
pub struct Template {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its meta-category.
    #[serde(default, rename = "meta-category")]
    pub meta_category: String,
    /// Its version.
    #[serde(default)]
    pub version: Value,
    #[serde(rename = "attributes")]
    _attributes: serde::de::IgnoredAny,
    #[serde(skip)]
    file: PathBuf,
}

/// A vocabulary of tags.
#[derive(Debug, Clone, Deserialize)]
pub struct Taxonomy {
    /// What its tags begin with.
    pub namespace: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its version.
    #[serde(default)]
    pub version: Value,
    /// Does an element carry one of its tags at most?
    #[serde(default)]
    pub exclusive: bool,
    #[serde(default)]
    predicates: Vec<Term>,
    #[serde(default)]
    values: Vec<Values>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Term {
    value: String,
    #[serde(default)]
    expanded: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    colour: String,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    numerical_value: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
struct Values {
    predicate: String,
    #[serde(default)]
    entry: Vec<Term>,
}

/// One tag of a taxonomy.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The tag.
    pub tag: String,
    /// In words.
    pub expanded: String,
    /// In more words.
    pub description: String,
    /// Its colour; empty if it has none.
    pub colour: String,
    /// Does an element carry one of its predicate at most?
    pub exclusive: bool,
    /// What it counts.
    pub numerical_value: Option<Value>,
}

/// A galaxy; what is in its clusters stays in its file.
#[derive(Debug, Clone, Deserialize)]
pub struct Galaxy {
    /// Its UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// What its clusters' tags begin with.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// Its version.
    #[serde(default)]
    pub version: Value,
    /// Its icon.
    #[serde(default)]
    pub icon: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its clusters.
    #[serde(skip)]
    pub clusters: Vec<Cluster>,
    #[serde(skip)]
    file: PathBuf,
}

/// A cluster, as far as it is looked for.
#[derive(Debug, Clone, Deserialize)]
pub struct Cluster {
    /// Its UUID; a few have none.
    #[serde(default)]
    pub uuid: String,
    /// Its name.
    pub value: String,
}

#[derive(Deserialize)]
struct Clusters {
    #[serde(rename = "type")]
    kind: String,
    values: Vec<Cluster>,
}

/// What a galaxy's file says of all its clusters, and the clusters.
pub type Whole = (Map<String, Value>, Vec<Map<String, Value>>);

/// All of it.
#[derive(Debug, Default)]
pub struct Library {
    /// Object templates.
    pub templates: Vec<Template>,
    /// Taxonomies.
    pub taxonomies: Vec<Taxonomy>,
    /// Galaxies.
    pub galaxies: Vec<Galaxy>,
    /// Warninglists.
    pub lists: Vec<List>,
    /// Files that were left out, and why.
    pub unread: Vec<(String, String)>,
}

/// Reads a file of JSON, as far as it is wanted.
fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    #[expect(clippy::disallowed_types, reason = "read, never written")]
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    serde_json::from_reader(BufReader::new(file.take(limits::LIBRARY_FILE_BYTES_MAX))).map_err(|e| e.to_string())
}

impl Library {
    /// Out of a folder that holds, at any depth, what MISP's projects misp-objects, misp-taxonomies, misp-galaxy and misp-warninglists publish.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let mut library = Self::default();
        let mut clusters: HashMap<String, (PathBuf, Vec<Cluster>)> = HashMap::new();
        let mut files = Vec::new();
        library.gather(folder, 0, &mut files);
        files.sort();
        for path in files {
            let parent = path.parent().and_then(Path::file_name).and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            let taken = match (parent.as_str(), name.as_str()) {
                ("relationships", _) => Ok(()),
                (_, "definition.json") => read::<Template>(&path).map(|t| library.templates.push(Template { file: path.clone(), ..t })),
                (_, "machinetag.json") => read::<Taxonomy>(&path).map(|t| library.taxonomies.push(t)),
                (_, "list.json") => read::<lists::Written>(&path).map(|w| library.lists.push(List::of(w))),
                ("galaxies", name) if name.ends_with(".json") => read::<Galaxy>(&path).map(|g| library.galaxies.push(g)),
                ("clusters", name) if name.ends_with(".json") => read::<Clusters>(&path).map(|c| drop(clusters.insert(c.kind, (path.clone(), c.values)))),
                _ => Ok(()),
            };
            if let Err(why) = taken {
                library.unread.push((path.display().to_string(), why));
            }
        }
        for galaxy in &mut library.galaxies {
            if let Some((file, values)) = clusters.remove(&galaxy.kind) {
                (galaxy.file, galaxy.clusters) = (file, values);
            }
        }
        library
    }

    fn gather(&mut self, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
        if depth > limits::FOLDER_DEPTH_MAX {
            return;
        }
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) => return self.unread.push((folder.display().to_string(), e.to_string())),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // A link to a folder may lead in circles.
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                self.gather(&path, depth + 1, files);
            } else if files.len() < limits::FILES_MAX && path.extension().is_some_and(|e| e == "json") {
                files.push(path);
            }
        }
    }

    /// Every tag of every taxonomy.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.taxonomies.iter().flat_map(Taxonomy::entries)
    }
}

impl Template {
    /// The whole template.
    ///
    /// # Errors
    /// Why its file cannot be read.
    pub fn whole(&self) -> Result<Map<String, Value>, String> {
        read(&self.file)
    }
}

impl Galaxy {
    /// The tag that names one of its clusters.
    #[must_use]
    pub fn tag(&self, value: &str) -> String {
        format!("misp-galaxy:{}=\"{value}\"", self.kind)
    }

    /// What its file says of all clusters, and the clusters.
    ///
    /// # Errors
    /// Why its file cannot be read.
    pub fn whole(&self) -> Result<Whole, String> {
        let mut file: Map<String, Value> = if self.clusters.is_empty() { Map::new() } else { read(&self.file)? };
        let values = file.shift_remove("values").map(Vec::<Map<String, Value>>::deserialize).transpose().map_err(|e| e.to_string())?;
        Ok((file, values.unwrap_or_default()))
    }
}

impl Taxonomy {
    /// Its tags, in its order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut all = Vec::new();
        for predicate in &self.predicates {
            let mut valued = self.values.iter().filter(|v| v.predicate == predicate.value).flat_map(|v| &v.entry).peekable();
            if valued.peek().is_none() {
                all.push(predicate.entry(format!("{}:{}", self.namespace, predicate.value), predicate.expanded.clone(), self.exclusive));
            }
            all.extend(valued.map(|term| {
                let tag = format!("{}:{}=\"{}\"", self.namespace, predicate.value, term.value);
                let expanded = [&predicate.expanded, &term.expanded].into_iter().filter(|e| !e.is_empty()).cloned().collect::<Vec<_>>().join(": ");
                term.entry(tag, expanded, self.exclusive || predicate.exclusive)
            }));
        }
        all
    }
}

impl Term {
    fn entry(&self, tag: String, expanded: String, exclusive: bool) -> Entry {
        let Self { description, colour, numerical_value, .. } = self.clone();
        Entry { tag, expanded, description, colour, exclusive, numerical_value }
    }
}
