//! Bringing objects in: files, standard input, and a peer's TAXII collection.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use polder_stix::bundle;
use polder_stix::validate::{Options, validate_with};
use polder_store::{Act, Outcome, Prepared, Refusal, Store, prepare};
use polder_taxii::pull as taxii;
use serde_json::{Value, json};

use super::Caller;
use crate::failure::{Failure, exit, file_failure};
use crate::node::Node;
use crate::request::Answer;
use crate::words;

/// Objects of one commit: enough that the disk's acknowledgement costs little, few enough that readers hardly wait.
const BATCH: usize = 1000;

/// Where an import comes from.
#[derive(Debug)]
pub(super) struct From {
    pub(super) source: Option<String>,
    pub(super) own: bool,
    pub(super) place: String,
    /// The file, where it is too long to be sent along.
    pub(super) file: Option<PathBuf>,
}

/// What became of everything.
#[derive(Debug, Default)]
pub(super) struct Report {
    new: usize,
    known: usize,
    variant: usize,
    conflict: usize,
    lifted: usize,
    misp: Option<Misp>,
    pub(super) refused: Vec<Value>,
}

/// What is counted of MISP's documents besides.
#[derive(Debug, Default)]
struct Misp {
    events: usize,
    unchanged: usize,
    older: usize,
}

impl Report {
    pub(super) fn misp(&mut self, taken: &polder_misp::map::Taken) {
        let misp = self.misp.get_or_insert_default();
        misp.events += taken.events;
        misp.unchanged += taken.unchanged;
        misp.older += taken.older;
    }

    pub(super) fn refuse(&mut self, place: &str, refusal: &Refusal) {
        self.refused.push(json!({"place": place, "id": refusal.id.as_ref().map(ToString::to_string), "reason": refusal.reason, "help": refusal.help}));
    }

    pub(super) fn count(&mut self, outcomes: impl Iterator<Item = (String, Outcome)>) {
        for (place, outcome) in outcomes {
            match outcome {
                Outcome::New => self.new += 1,
                Outcome::Known => self.known += 1,
                Outcome::Variant => self.variant += 1,
                Outcome::Conflict => self.conflict += 1,
                Outcome::Refused(refusal) => self.refuse(&place, &refusal),
            }
        }
    }

    pub(super) fn answer(self, seconds: f64, source: &str) -> Answer {
        let exit = if self.refused.is_empty() { exit::OK } else { exit::PARTIAL };
        let mut value = json!({"source": source, "new": self.new, "known": self.known, "variant": self.variant, "conflict": self.conflict,
            "lifted": self.lifted, "refused": self.refused, "seconds": (seconds * 1000.0).round() / 1000.0});
        if let (Some(misp), Some(map)) = (self.misp, value.as_object_mut()) {
            map.insert("misp".to_owned(), json!({"events": misp.events, "unchanged": misp.unchanged, "older": misp.older}));
        }
        Answer { value, bytes: None, exit }
    }
}

fn source_name(node: &Node, from: &From) -> Result<String, Failure> {
    let directory = node.directory();
    let sources = &directory.sources.sources;
    let found = match (&from.source, from.own) {
        (Some(_), true) => return Err(Failure::usage("`--own` and `--source` exclude each other", "use one of them")),
        (Some(name), false) => sources
            .iter()
            .find(|s| s.name == *name)
            .ok_or_else(|| Failure::not_found("source", name, format!("add it: `polder source add {name} --kind feed`")))?,
        (None, true) => sources
            .iter()
            .find(|s| s.kind == "own")
            .ok_or_else(|| Failure::configuration("sources.toml has no source of kind own", "add one: `polder source add own --kind own`"))?,
        (None, false) => sources
            .iter()
            .find(|s| s.name == "import")
            .ok_or_else(|| Failure::configuration("sources.toml has no source `import`", "add it: `polder source add import --kind feed`"))?,
    };
    Ok(found.name.clone())
}

/// Imports a document.
pub(super) fn import(node: &Node, caller: Caller<'_>, from: &From, body: &[u8], dry_run: bool, progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let source = source_name(node, from)?;
    let started = std::time::Instant::now();
    let document = Document { body, file: from.file.as_deref(), place: &from.place };
    if dry_run {
        return dry(node, (&source, caller.reader), &document, progress);
    }
    tracing::info!(by = caller.by, source, bytes = body.len(), "import");
    let mut first: Vec<String> = Vec::new();
    let mut keep = |_: &[String], batch: Vec<Prepared>| {
        let looked = *node.in_turn();
        super::guard::admit(node, caller, &source, &batch)?;
        let mut turn = node.in_turn();
        if *turn != looked {
            super::guard::admit(node, caller, &source, &batch)?;
        }
        first.extend(batch.iter().map(|o| named(&o.header().id, o.header().version())).take(NOTED_MAX.saturating_sub(first.len())));
        *turn += 1;
        Ok(node.store.ingest(&source, None, batch)?)
    };
    let report = take_any(node, &source, &mut keep, &document, progress)?;
    // Who brought something in stands in the log of acts; the objects themselves say the rest.
    if report.new + report.variant + report.conflict > 0 {
        node.store.act(Act::Note(format!("import into {source}: {}", first.join(" "))), caller.by)?;
    }
    Ok(report.answer(started.elapsed().as_secs_f64(), &source))
}

/// Where a batch goes, with the place of each of its objects.
pub(super) type Keep<'k> = dyn FnMut(&[String], Vec<Prepared>) -> Result<Vec<Outcome>, Failure> + 'k;

/// A document, sent along or to be read where it lies.
#[derive(Debug)]
pub(super) struct Document<'d> {
    body: &'d [u8],
    file: Option<&'d Path>,
    pub(super) place: &'d str,
}

impl Document<'_> {
    /// From its beginning.
    pub(super) fn open(&self) -> std::io::Result<Box<dyn Read + '_>> {
        Ok(match self.file {
            Some(file) => Box::new(std::io::BufReader::with_capacity(1 << 18, std::fs::File::open(file)?)),
            None => Box::new(self.body),
        })
    }

    /// As far as it has to be known to tell what it is.
    fn beginning(&self) -> std::io::Result<Vec<u8>> {
        const ENOUGH_BYTES: u64 = 1 << 20;
        let mut found = Vec::new();
        self.open()?.take(ENOUGH_BYTES).read_to_end(&mut found)?;
        Ok(found)
    }
}

/// Takes a document of STIX, or of MISP.
fn take_any(node: &Node, source: &str, keep: &mut Keep<'_>, document: &Document<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, Failure> {
    let unread = |e: std::io::Error| file_failure(Path::new(document.place), "read", &e);
    if polder_misp::map::is_misp(&document.beginning().map_err(unread)?) {
        return super::misp::take(node, source, keep, document, progress);
    }
    let Some(file) = document.file else { return take(&node.store, keep, document.body, document.place, progress) };
    take(&node.store, keep, &std::fs::read(file).map_err(unread)?, document.place, progress)
}

fn take(store: &Store, keep: &mut Keep<'_>, body: &[u8], place: &str, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, Failure> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Failure::usage(format!("`{place}` is empty, there is nothing to import"), "give a file with STIX objects"));
    }
    let document = bundle::split(body);
    let mut report = Report::default();
    let total = u64::try_from(document.objects.len()).unwrap_or(u64::MAX);
    let mut done = 0u64;
    // The next batch is made ready while this one is written.
    std::thread::scope(|scope| {
        let (sender, ready) = std::sync::mpsc::sync_channel(1);
        let objects = &document.objects;
        scope.spawn(move || {
            for texts in objects.chunks(BATCH) {
                if sender.send(prepare_all(texts, store.now_us())).is_err() {
                    return;
                }
            }
        });
        for prepared in ready {
            let mut batch = Vec::with_capacity(prepared.len());
            let mut places = Vec::with_capacity(prepared.len());
            for result in prepared {
                done += 1;
                let at = format!("{place}: object {done}");
                match result {
                    Ok(prepared) => {
                        report.lifted += usize::from(prepared.is_lifted());
                        places.push(at);
                        batch.push(prepared);
                    }
                    Err(refusal) => report.refuse(&at, &refusal),
                }
            }
            let outcomes = keep(&places, batch)?;
            report.count(places.into_iter().zip(outcomes));
            progress(done, total);
        }
        Ok::<(), Failure>(())
    })?;
    if let Some(fault) = document.fault {
        let refusal = Refusal { id: None, reason: fault.to_string(), help: fault.help() };
        let at = if total == 0 { place.to_owned() } else { format!("{place}: after object {total}") };
        report.refuse(&at, &refusal);
    }
    Ok(report)
}

/// Makes a batch ready on all cores: digests and headers are most of an import's work.
pub(super) fn prepare_all(texts: &[&str], now_us: i64) -> Vec<Result<Prepared, Box<Refusal>>> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(4);
    let share = texts.len().div_ceil(workers).max(1);
    std::thread::scope(|scope| {
        let handles: Vec<_> = texts.chunks(share).map(|part| scope.spawn(move || part.iter().map(|t| prepare(t, now_us)).collect::<Vec<_>>())).collect();
        handles.into_iter().flat_map(|h| h.join().unwrap_or_default()).collect()
    })
}

/// An object and its version, as the log of acts names them.
fn named(id: &polder_stix::Id, version: Option<polder_stix::time::Version>) -> String {
    version.map_or_else(|| id.to_string(), |v| format!("{id}@{v}"))
}

/// Objects of an import that the log of acts names.
const NOTED_MAX: usize = 20;
/// Objects of which a rehearsal tells each recipient's verdict with its reason.
const DECIDED_MAX: usize = 20;

/// What an import would do, who would then receive it, and what breaks the specification.
fn dry(node: &Node, (source, reader): (&str, Option<&str>), document: &Document<'_>, progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let started = std::time::Instant::now();
    let mut rehearsal = node.store.rehearse(source, reader)?;
    let mut warnings = Warnings::default();
    let (mut all, mut moved) = (Vec::new(), super::guard::Moved::default());
    let mut keep = |places: &[String], batch: Vec<Prepared>| {
        let ids: Vec<polder_stix::Id> = batch.iter().map(|o| o.header().id.clone()).collect();
        all.extend(ids.iter().filter(|id| &*id.kind != "marking-definition").cloned());
        places.iter().zip(&batch).for_each(|(place, object)| warnings.look(place, object));
        let outcomes = rehearsal.ingest(batch)?;
        // Each batch is a commit, and what it gives is given, whatever the next one says.
        if let Some(reader) = reader {
            moved.look(node, &rehearsal, (source, reader), &ids)?;
        }
        Ok(outcomes)
    };
    let report = take_any(node, source, &mut keep, document, progress)?;
    let effects = rehearsal.effects()?;
    let audience = effects.into_iter().map(|effect| {
        let verdicts: BTreeMap<&str, usize> = effect.verdicts.iter().map(|(v, n)| (words::verdict(*v), *n)).collect();
        json!({"recipient": effect.recipient, "verdicts": verdicts, "gains": effect.gains, "loses": effect.loses})
    });
    let audience: Vec<Value> = audience.collect();
    let first: Vec<polder_stix::Id> = all.iter().take(DECIDED_MAX).cloned().collect();
    let decisions = super::sharing::tried(node, &rehearsal, (source, reader), &first)?;
    let with = if let [one] = all.as_slice() { super::sharing::moved_with(&rehearsal, one)? } else { Value::Null };
    let mut answer = report.answer(started.elapsed().as_secs_f64(), source);
    if let Some(map) = answer.value.as_object_mut() {
        map.insert("with".to_owned(), with);
        map.insert("decisions".to_owned(), decisions.into());
        map.insert("widened".to_owned(), moved.bound.into());
        map.insert("downgraded".to_owned(), moved.gains.into());
        map.insert("persons_min".to_owned(), node.config.widen_persons_min.into());
        map.insert("dry_run".to_owned(), true.into());
        map.insert("warnings".to_owned(), warnings.told());
        map.insert("audience".to_owned(), audience.into());
    }
    Ok(answer)
}

/// Where objects break the specification in ways that do not keep them out: each way once, with how often and where first.
#[derive(Debug, Default)]
struct Warnings {
    ways: BTreeMap<(String, String), (usize, String, String)>,
    beyond: usize,
}

impl Warnings {
    fn look(&mut self, place: &str, object: &Prepared) {
        const WAYS_MAX: usize = 200;
        let Ok(value) = serde_json::from_slice::<Value>(object.bytes()) else { return };
        let requirements = Options { recommendations: false, ..Options::default() };
        for finding in validate_with(&value, requirements) {
            let key = (without_numbers(&finding.path), finding.message);
            if self.ways.len() >= WAYS_MAX && !self.ways.contains_key(&key) {
                self.beyond += 1;
                continue;
            }
            let id = object.header().id.to_string();
            self.ways.entry(key).or_insert_with(|| (0, place.to_owned(), id)).0 += 1;
        }
    }

    fn told(self) -> Value {
        let ways = self.ways.into_iter();
        let mut rows: Vec<Value> =
            ways.map(|((path, message), (count, place, id))| json!({"path": path, "message": message, "count": count, "first": place, "id": id})).collect();
        if self.beyond > 0 {
            rows.push(json!({"path": null, "message": "others, of too many kinds to list", "count": self.beyond}));
        }
        rows.into()
    }
}

/// A path without its list indexes, so that the same mistake in every item is one.
fn without_numbers(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |sum, part| format!("{sum}[]{}", part.split_once(']').map_or("", |(_, rest)| rest)))
}

/// A peer's TAXII collection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) url: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) token: Option<String>,
    pub(super) source: String,
    pub(super) collection: Option<String>,
    pub(super) ca: Option<String>,
}

/// Where pulls stand, by source and URL: `pulls.json` beside the store.
fn pulls(node: &Node) -> BTreeMap<String, Value> {
    let text = std::fs::read(node.dir.join("pulls.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Pulls what a peer's collection has that is newer than the last pull, and takes it in page by page.
pub(super) fn pull(node: &Node, by: &str, peer: &Peer, progress: &mut dyn FnMut(u64, u64)) -> Result<Answer, Failure> {
    let started = std::time::Instant::now();
    let from = From { source: Some(peer.source.clone()), own: false, place: peer.url.clone(), file: None };
    let source = source_name(node, &from)?;
    let credentials = match (&peer.user, &peer.password, &peer.token) {
        (_, _, Some(token)) => taxii::Credentials::Bearer(token.clone()),
        (Some(user), Some(password), None) => taxii::Credentials::Basic { user: user.clone(), password: password.clone() },
        (None, None, None) => taxii::Credentials::None,
        _ => return Err(Failure::usage("`--user` and `--password-file` go together", "give both, or `--token-file`")),
    };
    let target = taxii::PullTarget {
        url: peer.url.clone(),
        credentials,
        collection: peer.collection.clone(),
        ca_file: peer.ca.as_ref().map(Into::into),
        insecure_http: false,
    };
    // What one login has seen says nothing of what another may see.
    let login = peer.user.clone().or_else(|| peer.token.as_deref().map(crate::auth::token_digest)).unwrap_or_default();
    let key = format!("{source} {} {} {login}", peer.url, peer.collection.as_deref().unwrap_or_default());
    let mut known = pulls(node);
    let text = |k: &str| known.get(&key).and_then(|v| v.get(k)).and_then(Value::as_str).map(str::to_owned);
    let state = taxii::PullState { added_after: text("added_after"), next: text("next"), reached: text("reached") };
    tracing::info!(by, source, "pull");
    let mut report = Report::default();
    let mut page = 0;
    let mut pages = 0;
    let mut each = |envelope: Vec<u8>| {
        page += 1;
        if bundle::split(&envelope).objects.is_empty() {
            return Ok(());
        }
        let mut keep = |_: &[String], batch: Vec<Prepared>| Ok(node.store.ingest(&source, None, batch)?);
        let part = take(&node.store, &mut keep, &envelope, &format!("page {page}"), &mut |_, _| {})?;
        report.new += part.new;
        report.known += part.known;
        report.variant += part.variant;
        report.conflict += part.conflict;
        report.lifted += part.lifted;
        report.refused.extend(part.refused);
        Ok::<(), Failure>(())
    };
    let path = node.dir.join("pulls.json");
    let mut kept = Ok(());
    let mut advance = |p: taxii::Progress<'_>| {
        pages = p.pages;
        known.insert(key.clone(), json!({"added_after": p.state.added_after, "next": p.state.next, "reached": p.state.reached}));
        if kept.is_ok() {
            kept = crate::config::write(&path, &json!(known).to_string());
        }
        progress(p.pages, 0);
    };
    let result = taxii::pull(&target, state, 1000, &mut each, &mut advance);
    kept?;
    match result {
        Ok(_) => {}
        Err(taxii::Stopped::Pull(e)) => return Err(Failure::new(exit::PEER, e.to_string(), e.help())),
        Err(taxii::Stopped::Each(failure)) => return Err(failure),
    }
    let mut answer = report.answer(started.elapsed().as_secs_f64(), &source);
    if let Some(map) = answer.value.as_object_mut() {
        map.insert("pages".to_owned(), pages.into());
    }
    Ok(answer)
}
