//! Property tables of cyber-observable objects.
//!
//! One rule holds here: a table lists exactly what STIX 2.1 defines; anything else on an object is custom.

use super::{
    form::{COUNT, Form, HEX, Keys, Property, Shape, TEXTS, URI, WHOLE},
    formats,
    registry::{CHARACTER_SETS, IPFIX, LANGUAGES, LANGUAGES_THREE_LETTER, MEDIA_TYPES, PROTOCOLS},
    vocab,
};

const PORT: Form = Form::Whole(0, 65_535);
const CHARSET: Form = Form::TextLike(is_character_set, "an IANA character set");
const ARTIFACT_REF: Form = Form::RefByType(&["artifact"]);
const TRAFFIC_REF: Form = Form::RefByType(&["network-traffic"]);
const ACCOUNT_REF: Form = Form::RefByType(&["user-account"]);
const MAIL_REF: Form = Form::RefByType(&["email-addr"]);
const FILE_REF: Form = Form::RefByType(&["file"]);
const PROCESS_REF: Form = Form::RefByType(&["process"]);
const HOST_REF: Form = Form::RefByType(&["ipv4-addr", "ipv6-addr", "mac-addr", "domain-name"]);
const MAC_REFS: Form = Form::List(&Form::RefByType(&["mac-addr"]));
const AS_REFS: Form = Form::List(&Form::RefByType(&["autonomous-system"]));

const fn shape(required: &'static [&'static str], properties: &'static [Property]) -> Shape {
    Shape { properties, required, any_of: &[], closed: true }
}

const fn any(any_of: &'static [&'static str], properties: &'static [Property]) -> Shape {
    Shape { properties, required: &[], any_of, closed: true }
}

/// The table of a type, when STIX 2.1 defines it.
pub(super) fn table(name: &str) -> Option<&'static Shape> {
    Some(match name {
        "artifact" => &ARTIFACT,
        "autonomous-system" => &AUTONOMOUS_SYSTEM,
        "directory" => &DIRECTORY,
        "domain-name" => &DOMAIN_NAME,
        "email-addr" => &EMAIL_ADDR,
        "email-message" => &EMAIL_MESSAGE,
        "file" => &FILE,
        "ipv4-addr" => &IPV4_ADDR,
        "ipv6-addr" => &IPV6_ADDR,
        "mac-addr" => &MAC_ADDR,
        "mutex" => &MUTEX,
        "network-traffic" => &NETWORK_TRAFFIC,
        "process" => &PROCESS,
        "software" => &SOFTWARE,
        "url" => &URL,
        "user-account" => &USER_ACCOUNT,
        "windows-registry-key" => &WINDOWS_REGISTRY_KEY,
        "x509-certificate" => &X509_CERTIFICATE,
        _ => return None,
    })
}

fn is_character_set(text: &str) -> bool {
    CHARACTER_SETS.has(text)
}

fn is_media_type(text: &str) -> bool {
    MEDIA_TYPES.has(text)
}

fn is_software_language(text: &str) -> bool {
    LANGUAGES.has(text) || LANGUAGES_THREE_LETTER.has(text)
}

static ARTIFACT: Shape = shape(
    &[],
    &[
        ("mime_type", Form::TextLike(is_media_type, "an IANA media type")),
        ("payload_bin", Form::TextLike(formats::is_base64, "base64")),
        ("url", URI),
        ("hashes", Form::Hashes),
        ("encryption_algorithm", Form::Enum(&["AES-256-GCM", "ChaCha20-Poly1305", "mime-type-indicated"])),
        ("decryption_key", Form::Text),
    ],
);

static AUTONOMOUS_SYSTEM: Shape = shape(&["number"], &[("number", WHOLE), ("name", Form::Text), ("rir", Form::Text)]);

static DIRECTORY: Shape = shape(
    &["path"],
    &[
        ("path", Form::Text),
        ("path_enc", CHARSET),
        ("ctime", Form::Time),
        ("mtime", Form::Time),
        ("atime", Form::Time),
        ("contains_refs", Form::List(&Form::RefByType(&["file", "directory"]))),
    ],
);

static DOMAIN_NAME: Shape = shape(
    &["value"],
    &[
        ("value", Form::TextLike(formats::is_host_name, "a host name")),
        ("resolves_to_refs", Form::List(&Form::RefByType(&["ipv4-addr", "ipv6-addr", "domain-name"]))),
    ],
);

static EMAIL_ADDR: Shape =
    shape(&["value"], &[("value", Form::TextLike(formats::is_email, "a mail address")), ("display_name", Form::Text), ("belongs_to_ref", ACCOUNT_REF)]);

static EMAIL_MESSAGE: Shape = shape(
    &["is_multipart"],
    &[
        ("is_multipart", Form::Flag),
        ("date", Form::Time),
        ("content_type", Form::Text),
        ("from_ref", MAIL_REF),
        ("sender_ref", MAIL_REF),
        ("to_refs", Form::List(&MAIL_REF)),
        ("cc_refs", Form::List(&MAIL_REF)),
        ("bcc_refs", Form::List(&MAIL_REF)),
        ("message_id", Form::Text),
        ("subject", Form::Text),
        ("received_lines", TEXTS),
        ("additional_header_fields", Form::Dict(Keys::Any, &Form::OneOrList(&Form::Text, &TEXTS))),
        ("body", Form::Text),
        ("body_multipart", Form::List(&Form::Object(&MIME_PART))),
        ("raw_email_ref", ARTIFACT_REF),
    ],
);

static MIME_PART: Shape = any(
    &["body", "body_raw_ref"],
    &[("body", Form::Text), ("body_raw_ref", Form::RefByType(&["artifact", "file"])), ("content_type", Form::Text), ("content_disposition", Form::Text)],
);

static FILE: Shape = any(
    &["hashes", "name"],
    &[
        ("hashes", Form::Hashes),
        ("size", COUNT),
        ("name", Form::Text),
        ("name_enc", CHARSET),
        ("magic_number_hex", HEX),
        ("mime_type", Form::TextAdvised(is_media_type, "an IANA media type")),
        ("ctime", Form::Time),
        ("mtime", Form::Time),
        ("atime", Form::Time),
        ("parent_directory_ref", Form::RefByType(&["directory"])),
        ("contains_refs", Form::List(&Form::RefByType(&[]))),
        ("content_ref", ARTIFACT_REF),
    ],
);

static IPV4_ADDR: Shape = shape(
    &["value"],
    &[("value", Form::TextLike(formats::is_ipv4, "an IPv4 address or network")), ("resolves_to_refs", MAC_REFS), ("belongs_to_refs", AS_REFS)],
);

static IPV6_ADDR: Shape = shape(
    &["value"],
    &[("value", Form::TextLike(formats::is_ipv6, "an IPv6 address or network")), ("resolves_to_refs", MAC_REFS), ("belongs_to_refs", AS_REFS)],
);

static MAC_ADDR: Shape = shape(&["value"], &[("value", Form::TextLike(formats::is_mac, "a MAC address in lower case with colons"))]);

static MUTEX: Shape = shape(&["name"], &[("name", Form::Text)]);

static NETWORK_TRAFFIC: Shape = Shape {
    properties: &[
        ("start", Form::Time),
        ("end", Form::Time),
        ("is_active", Form::Flag),
        ("src_ref", HOST_REF),
        ("dst_ref", HOST_REF),
        ("src_port", PORT),
        ("dst_port", PORT),
        ("protocols", Form::List(&Form::TextAdvised(is_protocol, "a registered protocol"))),
        ("src_byte_count", WHOLE),
        ("dst_byte_count", WHOLE),
        ("src_packets", WHOLE),
        ("dst_packets", WHOLE),
        ("ipfix", Form::Dict(Keys::Should(is_ipfix, "an IPFIX element"), &TEXT_OR_WHOLE)),
        ("src_payload_ref", ARTIFACT_REF),
        ("dst_payload_ref", ARTIFACT_REF),
        ("encapsulates_refs", Form::List(&TRAFFIC_REF)),
        ("encapsulated_by_ref", TRAFFIC_REF),
    ],
    required: &["protocols"],
    any_of: &["src_ref", "dst_ref"],
    closed: true,
};

/// A text or an integer.
pub(super) static TEXT_OR_WHOLE: Form = Form::TextOr(&WHOLE);

fn is_protocol(text: &str) -> bool {
    PROTOCOLS.has(text)
}

fn is_ipfix(text: &str) -> bool {
    IPFIX.has(text)
}

static PROCESS: Shape = any(
    &[
        "extensions",
        "is_hidden",
        "pid",
        "created_time",
        "cwd",
        "command_line",
        "environment_variables",
        "opened_connection_refs",
        "creator_user_ref",
        "image_ref",
        "parent_ref",
        "child_refs",
    ],
    &[
        ("is_hidden", Form::Flag),
        ("pid", WHOLE),
        ("created_time", Form::Time),
        ("cwd", Form::Text),
        ("command_line", Form::Text),
        ("environment_variables", Form::Dict(Keys::Any, &Form::Any)),
        ("opened_connection_refs", Form::List(&TRAFFIC_REF)),
        ("creator_user_ref", ACCOUNT_REF),
        ("image_ref", FILE_REF),
        ("parent_ref", PROCESS_REF),
        ("child_refs", Form::List(&PROCESS_REF)),
    ],
);

static SOFTWARE: Shape = shape(
    &["name"],
    &[
        ("name", Form::Text),
        ("cpe", Form::TextLike(formats::is_cpe, "a CPE 2.3 name")),
        ("swid", Form::Text),
        ("languages", Form::List(&Form::TextLike(is_software_language, "an RFC 5646 language tag"))),
        ("vendor", Form::Text),
        ("version", Form::Text),
    ],
);

static URL: Shape = shape(&["value"], &[("value", URI)]);

static USER_ACCOUNT: Shape = any(
    &[
        "extensions",
        "user_id",
        "credential",
        "account_login",
        "account_type",
        "display_name",
        "is_service_account",
        "is_privileged",
        "can_escalate_privs",
        "is_disabled",
        "account_created",
        "account_expires",
        "credential_last_changed",
        "account_first_login",
        "account_last_login",
    ],
    &[
        ("user_id", Form::Text),
        ("credential", Form::Text),
        ("account_login", Form::Text),
        ("account_type", Form::Vocab(vocab::ACCOUNT_TYPE)),
        ("display_name", Form::Text),
        ("is_service_account", Form::Flag),
        ("is_privileged", Form::Flag),
        ("can_escalate_privs", Form::Flag),
        ("is_disabled", Form::Flag),
        ("account_created", Form::Time),
        ("account_expires", Form::Time),
        ("credential_last_changed", Form::Time),
        ("account_first_login", Form::Time),
        ("account_last_login", Form::Time),
    ],
);

static WINDOWS_REGISTRY_KEY: Shape = any(
    &["key", "values", "modified_time", "creator_user_ref", "number_of_subkeys"],
    &[
        ("key", Form::TextLike(is_full_hive, "a key with the hive name written out")),
        ("values", Form::List(&Form::Object(&REGISTRY_VALUE))),
        ("modified_time", Form::Time),
        ("creator_user_ref", ACCOUNT_REF),
        ("number_of_subkeys", WHOLE),
    ],
);

fn is_full_hive(key: &str) -> bool {
    let upper = key.to_ascii_uppercase();
    !["HKLM", "HKCC", "HKCR", "HKCU", "HKU"].iter().any(|short| upper.starts_with(short))
}

static REGISTRY_VALUE: Shape = any(&["name", "data", "data_type"], &[("name", Form::Text), ("data", Form::Text), ("data_type", Form::Enum(REGISTRY_TYPES))]);

static REGISTRY_TYPES: &[&str] = &[
    "REG_NONE",
    "REG_SZ",
    "REG_EXPAND_SZ",
    "REG_BINARY",
    "REG_DWORD",
    "REG_DWORD_BIG_ENDIAN",
    "REG_DWORD_LITTLE_ENDIAN",
    "REG_LINK",
    "REG_MULTI_SZ",
    "REG_RESOURCE_LIST",
    "REG_FULL_RESOURCE_DESCRIPTION",
    "REG_RESOURCE_REQUIREMENTS_LIST",
    "REG_QWORD",
    "REG_INVALID_TYPE",
];

static X509_CERTIFICATE: Shape = any(
    &[
        "is_self_signed",
        "hashes",
        "version",
        "serial_number",
        "signature_algorithm",
        "issuer",
        "validity_not_before",
        "validity_not_after",
        "subject",
        "subject_public_key_algorithm",
        "subject_public_key_modulus",
        "subject_public_key_exponent",
        "x509_v3_extensions",
    ],
    &[
        ("is_self_signed", Form::Flag),
        ("hashes", Form::Hashes),
        ("version", Form::Text),
        ("serial_number", Form::Text),
        ("signature_algorithm", Form::Text),
        ("issuer", Form::Text),
        ("validity_not_before", Form::Time),
        ("validity_not_after", Form::Time),
        ("subject", Form::Text),
        ("subject_public_key_algorithm", Form::Text),
        ("subject_public_key_modulus", Form::Text),
        ("subject_public_key_exponent", WHOLE),
        ("x509_v3_extensions", Form::Object(&X509_V3)),
    ],
);

static X509_V3: Shape = any(
    &[
        "basic_constraints",
        "name_constraints",
        "policy_constraints",
        "key_usage",
        "extended_key_usage",
        "subject_key_identifier",
        "authority_key_identifier",
        "subject_alternative_name",
        "issuer_alternative_name",
        "subject_directory_attributes",
        "crl_distribution_points",
        "inhibit_any_policy",
        "private_key_usage_period_not_before",
        "private_key_usage_period_not_after",
        "certificate_policies",
        "policy_mappings",
    ],
    &[
        ("basic_constraints", Form::Text),
        ("name_constraints", Form::Text),
        ("policy_constraints", Form::Text),
        ("key_usage", Form::Text),
        ("extended_key_usage", Form::Text),
        ("subject_key_identifier", Form::Text),
        ("authority_key_identifier", Form::Text),
        ("subject_alternative_name", Form::Text),
        ("issuer_alternative_name", Form::Text),
        ("subject_directory_attributes", Form::Text),
        ("crl_distribution_points", Form::Text),
        ("inhibit_any_policy", Form::Text),
        ("private_key_usage_period_not_before", Form::Time),
        ("private_key_usage_period_not_after", Form::Time),
        ("certificate_policies", Form::Text),
        ("policy_mappings", Form::Text),
    ],
);
