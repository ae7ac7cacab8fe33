//! Property tables of domain, relationship and meta objects.
//!
//! One rule holds here: a table lists exactly what STIX 2.1 defines; anything else on an object is custom.

use super::{
    form::{Form, Keys, Property, Shape, TEXTS, URI},
    formats, vocab,
};

const PHASES: Form = Form::List(&Form::Object(&Shape {
    properties: &[
        ("kill_chain_name", Form::TextAdvised(formats::is_kebab, "lower case with hyphens")),
        ("phase_name", Form::TextAdvised(formats::is_kebab, "lower case with hyphens")),
    ],
    required: &["kill_chain_name", "phase_name"],
    any_of: &[],
    closed: false,
}));
const REFS: Form = Form::List(&Form::Ref(&[]));
const SOFTWARE: Form = Form::Ref(&["software"]);
const NOT_LINKABLE: &[&str] = &["relationship", "sighting", "bundle", "marking-definition", "language-content"];
/// What observed data may not hold: everything that is not observed.
const NOT_OBSERVABLE: &[&str] = &[
    "attack-pattern",
    "campaign",
    "course-of-action",
    "grouping",
    "identity",
    "incident",
    "indicator",
    "infrastructure",
    "intrusion-set",
    "location",
    "malware",
    "malware-analysis",
    "note",
    "observed-data",
    "opinion",
    "report",
    "threat-actor",
    "tool",
    "vulnerability",
];
pub(super) const EXTENSION_TYPES: &[&str] = &["new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension"];

/// Properties every domain and relationship object has.
pub(super) static CORE: &[Property] = &[
    ("created", Form::TimeMillis),
    ("modified", Form::TimeMillis),
    ("created_by_ref", Form::Ref(&[])),
    ("revoked", Form::Flag),
    ("labels", TEXTS),
    ("confidence", Form::Whole(0, 100)),
    ("lang", Form::TextLike(is_language, "an RFC 5646 language tag")),
    ("external_references", Form::List(&Form::Object(&EXTERNAL_REFERENCE))),
];

/// Required on every domain and relationship object; `type` and `id` are checked before any table is read.
pub(super) static CORE_REQUIRED: &[&str] = &["spec_version", "created", "modified"];

static EXTERNAL_REFERENCE: Shape = Shape {
    properties: &[("source_name", Form::Text), ("description", Form::Text), ("url", URI), ("hashes", Form::Hashes), ("external_id", Form::Text)],
    required: &["source_name"],
    any_of: &["description", "external_id", "url"],
    closed: false,
};

/// Whether the text is a language tag in use.
pub(super) fn is_language(text: &str) -> bool {
    super::registry::LANGUAGES.has(text)
}

const fn shape(required: &'static [&'static str], properties: &'static [Property]) -> Shape {
    Shape { properties, required, any_of: &[], closed: true }
}

/// The table of a type, when STIX 2.1 defines it.
pub(super) fn table(name: &str) -> Option<&'static Shape> {
    Some(match name {
        "attack-pattern" => &ATTACK_PATTERN,
        "campaign" => &CAMPAIGN,
        "course-of-action" => &COURSE_OF_ACTION,
        "extension-definition" => &EXTENSION_DEFINITION,
        "grouping" => &GROUPING,
        "identity" => &IDENTITY,
        "incident" | "vulnerability" => &NAMED,
        "indicator" => &INDICATOR,
        "infrastructure" => &INFRASTRUCTURE,
        "intrusion-set" => &INTRUSION_SET,
        "language-content" => &LANGUAGE_CONTENT,
        "location" => &LOCATION,
        "malware" => &MALWARE,
        "malware-analysis" => &MALWARE_ANALYSIS,
        "note" => &NOTE,
        "observed-data" => &OBSERVED_DATA,
        "opinion" => &OPINION,
        "relationship" => &RELATIONSHIP,
        "report" => &REPORT,
        "sighting" => &SIGHTING,
        "threat-actor" => &THREAT_ACTOR,
        "tool" => &TOOL,
        _ => return None,
    })
}

static NAMED: Shape = shape(&["name"], &[("name", Form::Text), ("description", Form::Text)]);

static ATTACK_PATTERN: Shape = shape(&["name"], &[("name", Form::Text), ("description", Form::Text), ("aliases", TEXTS), ("kill_chain_phases", PHASES)]);

static CAMPAIGN: Shape = shape(
    &["name"],
    &[("name", Form::Text), ("description", Form::Text), ("aliases", TEXTS), ("first_seen", Form::Time), ("last_seen", Form::Time), ("objective", Form::Text)],
);

static COURSE_OF_ACTION: Shape = shape(&["name"], &[("name", Form::Text), ("description", Form::Text)]);

static EXTENSION_DEFINITION: Shape = shape(
    &["name", "schema", "version", "extension_types"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("schema", Form::Text),
        ("version", Form::Text),
        ("extension_types", Form::List(&Form::Enum(EXTENSION_TYPES))),
        ("extension_properties", TEXTS),
    ],
);

static GROUPING: Shape = shape(
    &["context", "object_refs"],
    &[("name", Form::Text), ("description", Form::Text), ("context", Form::Vocab(vocab::GROUPING_CONTEXT)), ("object_refs", REFS)],
);

static IDENTITY: Shape = shape(
    &["name"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("roles", TEXTS),
        ("identity_class", Form::Vocab(vocab::IDENTITY_CLASS)),
        ("sectors", Form::List(&Form::Vocab(vocab::INDUSTRY_SECTOR))),
        ("contact_information", Form::Text),
    ],
);

static INDICATOR: Shape = shape(
    &["pattern", "pattern_type", "valid_from"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("indicator_types", Form::List(&Form::Vocab(vocab::INDICATOR_TYPE))),
        ("pattern", Form::Text),
        ("pattern_type", Form::Vocab(vocab::INDICATOR_PATTERN)),
        ("pattern_version", Form::Text),
        ("valid_from", Form::Time),
        ("valid_until", Form::Time),
        ("kill_chain_phases", PHASES),
    ],
);

static INFRASTRUCTURE: Shape = shape(
    &["name"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("infrastructure_types", Form::List(&Form::Vocab(vocab::INFRASTRUCTURE_TYPE))),
        ("aliases", TEXTS),
        ("kill_chain_phases", PHASES),
        ("first_seen", Form::Time),
        ("last_seen", Form::Time),
    ],
);

static INTRUSION_SET: Shape = shape(
    &["name"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("aliases", TEXTS),
        ("first_seen", Form::Time),
        ("last_seen", Form::Time),
        ("goals", TEXTS),
        ("resource_level", Form::Vocab(vocab::ATTACK_RESOURCE_LEVEL)),
        ("primary_motivation", Form::Vocab(vocab::ATTACK_MOTIVATION)),
        ("secondary_motivations", Form::List(&Form::Vocab(vocab::ATTACK_MOTIVATION))),
    ],
);

static LANGUAGE_CONTENT: Shape = shape(
    &["object_ref", "contents"],
    &[
        ("object_ref", Form::RefNot(&["bundle", "language-content"])),
        ("object_modified", Form::Time),
        ("contents", Form::Dict(Keys::Must(is_language, "an RFC 5646 language tag"), &TRANSLATIONS)),
    ],
);

static TRANSLATIONS: Form = Form::Dict(Keys::Must(formats::is_property_name, "a property name"), &Form::Any);

static LOCATION: Shape = shape(
    &[],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("latitude", Form::Number(-90.0, 90.0)),
        ("longitude", Form::Number(-180.0, 180.0)),
        ("precision", Form::Number(f64::MIN, f64::MAX)),
        ("region", Form::Vocab(vocab::REGION)),
        ("country", Form::TextAdvised(super::registry::is_country, "an ISO 3166-1 alpha-2 code")),
        ("administrative_area", Form::Text),
        ("city", Form::Text),
        ("street_address", Form::Text),
        ("postal_code", Form::Text),
    ],
);

static MALWARE: Shape = shape(
    &["is_family"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("malware_types", Form::List(&Form::Vocab(vocab::MALWARE_TYPE))),
        ("is_family", Form::Flag),
        ("aliases", TEXTS),
        ("kill_chain_phases", PHASES),
        ("first_seen", Form::Time),
        ("last_seen", Form::Time),
        ("operating_system_refs", Form::List(&SOFTWARE)),
        ("architecture_execution_envs", Form::List(&Form::Vocab(vocab::PROCESSOR_ARCHITECTURE))),
        ("implementation_languages", Form::List(&Form::Vocab(vocab::IMPLEMENTATION_LANGUAGES))),
        ("capabilities", Form::List(&Form::Vocab(vocab::MALWARE_CAPABILITIES))),
        ("sample_refs", Form::List(&Form::Ref(&["file", "artifact"]))),
    ],
);

static MALWARE_ANALYSIS: Shape = Shape {
    properties: &[
        ("product", Form::TextAdvised(is_product, "lower case with hyphens")),
        ("version", Form::Text),
        ("host_vm_ref", SOFTWARE),
        ("operating_system_ref", SOFTWARE),
        ("installed_software_refs", Form::List(&SOFTWARE)),
        ("configuration_version", Form::Text),
        ("modules", TEXTS),
        ("analysis_engine_version", Form::Text),
        ("analysis_definition_version", Form::Text),
        ("submitted", Form::Time),
        ("analysis_started", Form::Time),
        ("analysis_ended", Form::Time),
        ("result_name", Form::Text),
        ("result", Form::Vocab(vocab::MALWARE_RESULT)),
        ("analysis_sco_refs", REFS),
        ("sample_ref", Form::Ref(&["artifact", "file", "network-traffic"])),
    ],
    required: &["product"],
    any_of: &["result", "analysis_sco_refs"],
    closed: true,
};

fn is_product(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

static NOTE: Shape = shape(&["content", "object_refs"], &[("abstract", Form::Text), ("content", Form::Text), ("authors", TEXTS), ("object_refs", REFS)]);

static OBSERVED_DATA: Shape = shape(
    &["first_observed", "last_observed", "number_observed"],
    &[
        ("first_observed", Form::Time),
        ("last_observed", Form::Time),
        ("number_observed", Form::Whole(1, 999_999_999)),
        ("objects", Form::Any),
        ("object_refs", Form::List(&Form::RefNot(NOT_OBSERVABLE))),
    ],
);

static OPINION: Shape = shape(
    &["object_refs", "opinion"],
    &[
        ("explanation", Form::Text),
        ("authors", TEXTS),
        ("object_refs", REFS),
        ("opinion", Form::Enum(&["strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"])),
    ],
);

static RELATIONSHIP: Shape = shape(
    &["relationship_type", "source_ref", "target_ref"],
    &[
        ("relationship_type", Form::TextLike(is_product, "lower case with hyphens")),
        ("description", Form::Text),
        ("source_ref", Form::RefNot(NOT_LINKABLE)),
        ("target_ref", Form::RefNot(NOT_LINKABLE)),
        ("start_time", Form::Time),
        ("stop_time", Form::Time),
    ],
);

static REPORT: Shape = shape(
    &["name", "object_refs", "published"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("report_types", Form::List(&Form::Vocab(vocab::REPORT_TYPE))),
        ("published", Form::Time),
        ("object_refs", REFS),
    ],
);

static SIGHTING: Shape = shape(
    &["sighting_of_ref"],
    &[
        ("description", Form::Text),
        ("first_seen", Form::Time),
        ("last_seen", Form::Time),
        ("count", Form::Whole(0, 999_999_999)),
        ("sighting_of_ref", Form::RefNot(NOT_LINKABLE)),
        ("observed_data_refs", Form::List(&Form::Ref(&["observed-data"]))),
        ("where_sighted_refs", Form::List(&Form::Ref(&["identity", "location"]))),
        ("summary", Form::Flag),
    ],
);

static THREAT_ACTOR: Shape = shape(
    &["name"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("threat_actor_types", Form::List(&Form::Vocab(vocab::THREAT_ACTOR_TYPE))),
        ("aliases", TEXTS),
        ("first_seen", Form::Time),
        ("last_seen", Form::Time),
        ("roles", Form::List(&Form::Vocab(vocab::THREAT_ACTOR_ROLE))),
        ("goals", TEXTS),
        ("sophistication", Form::Vocab(vocab::THREAT_ACTOR_SOPHISTICATION)),
        ("resource_level", Form::Vocab(vocab::ATTACK_RESOURCE_LEVEL)),
        ("primary_motivation", Form::Vocab(vocab::ATTACK_MOTIVATION)),
        ("secondary_motivations", Form::List(&Form::Vocab(vocab::ATTACK_MOTIVATION))),
        ("personal_motivations", Form::List(&Form::Vocab(vocab::ATTACK_MOTIVATION))),
    ],
);

static TOOL: Shape = shape(
    &["name"],
    &[
        ("name", Form::Text),
        ("description", Form::Text),
        ("tool_types", Form::List(&Form::Vocab(vocab::TOOL_TYPE))),
        ("aliases", TEXTS),
        ("kill_chain_phases", PHASES),
        ("tool_version", Form::Text),
    ],
);
