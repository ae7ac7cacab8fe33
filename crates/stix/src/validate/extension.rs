//! The `extensions` property: predefined extensions of observables, and those that an extension definition describes.
//!
//! One rule holds here: what is inside an unknown extension is checked for its keys only, never for its meaning.

use serde_json::{Map, Value};

use super::{
    form::{self, COUNT, Form, HEX, Keys, Property, Shape, TEXTS, WHOLE},
    formats, naming,
    registry::SOCKET_OPTIONS,
    report::{Path, Report},
    sco::TEXT_OR_WHOLE,
    sdo::EXTENSION_TYPES,
    vocab,
};

/// Checks the value of `extensions` on an object of the given type.
pub(super) fn check(object: &Map<String, Value>, kind: &str, value: &Value, at: &Path<'_>, report: &mut Report) {
    let Some(extensions) = value.as_object() else {
        return report.warn(at, "must be a dictionary");
    };
    if extensions.is_empty() {
        report.warn(at, "must not be an empty dictionary");
    }
    let predefined = predefined(kind);
    for (key, value) in extensions {
        let at = at.key(key);
        let known = predefined.iter().find(|(name, _)| name == key);
        let by_definition = key.starts_with("extension-definition--") && formats::is_identifier(key);
        let by_name = key.strip_suffix("-ext").is_some_and(formats::is_type_name_part) && kind != "marking-definition";
        if !by_definition && !by_name {
            report.warn(&at, format!("`{key}` is neither the identifier of an extension nor the name of one"));
        }
        naming::check_keys(value, &at, report);
        if let Some((_, shape)) = known {
            form::check(shape, value, &at, report);
            continue;
        }
        if by_definition {
            form::check(&Form::Object(&DEFINED), value, &at, report);
        }
        if !predefined.is_empty() {
            form::check(&Form::Dict(Keys::Any, &Form::Any), value, &at, report);
            if !uses(object, &["property-extension"]) {
                report.advise(&at, format!("extension `{key}` needs an extension definition"));
            }
        }
    }
}

/// Whether the object carries an extension of one of these kinds.
pub(super) fn uses(object: &Map<String, Value>, kinds: &[&str]) -> bool {
    let Some(extensions) = object.get("extensions").and_then(Value::as_object) else {
        return false;
    };
    extensions.values().any(|extension| {
        let kind = extension.get("extension_type").and_then(Value::as_str);
        kind.is_some_and(|kind| kinds.contains(&kind))
    })
}

static DEFINED: Shape = Shape { properties: &[("extension_type", Form::Enum(EXTENSION_TYPES))], required: &["extension_type"], any_of: &[], closed: false };

fn predefined(kind: &str) -> &'static [Property] {
    match kind {
        "file" => FILE,
        "network-traffic" => NETWORK_TRAFFIC,
        "process" => PROCESS,
        "user-account" => USER_ACCOUNT,
        _ => &[],
    }
}

const fn all(required: &'static [&'static str], properties: &'static [Property]) -> Shape {
    Shape { properties, required, any_of: &[], closed: true }
}

const fn any(any_of: &'static [&'static str], properties: &'static [Property]) -> Shape {
    Shape { properties, required: &[], any_of, closed: true }
}

static FILE: &[Property] = &[
    (
        "archive-ext",
        Form::Object(&all(&["contains_refs"], &[("contains_refs", Form::List(&Form::RefByType(&["file", "directory"]))), ("comment", Form::Text)])),
    ),
    (
        "ntfs-ext",
        Form::Object(&any(&["sid", "alternate_data_streams"], &[("sid", Form::Text), ("alternate_data_streams", Form::List(&Form::Object(&STREAM)))])),
    ),
    ("pdf-ext", Form::Object(&PDF)),
    ("raster-image-ext", Form::Object(&RASTER_IMAGE)),
    ("windows-pebinary-ext", Form::Object(&PE_BINARY)),
];

static STREAM: Shape = all(&["name"], &[("name", Form::Text), ("hashes", Form::Hashes), ("size", COUNT)]);

static PDF: Shape = any(
    &["version", "is_optimized", "document_info_dict", "pdfid0", "pdfid1"],
    &[
        ("version", Form::Text),
        ("is_optimized", Form::Flag),
        ("document_info_dict", Form::Dict(Keys::Should(is_pdf_info, "a PDF information key"), &Form::Text)),
        ("pdfid0", Form::Text),
        ("pdfid1", Form::Text),
    ],
);

static RASTER_IMAGE: Shape = any(
    &["image_height", "image_width", "bits_per_pixel", "exif_tags"],
    &[
        ("image_height", WHOLE),
        ("image_width", WHOLE),
        ("bits_per_pixel", WHOLE),
        ("exif_tags", Form::Dict(Keys::Must(is_exif_tag, "an EXIF tag"), &TEXT_OR_WHOLE)),
    ],
);

static PE_BINARY: Shape = Shape {
    properties: &[
        ("pe_type", Form::Vocab(vocab::WINDOWS_PEBINARY_TYPE)),
        ("imphash", Form::Text),
        ("machine_hex", HEX),
        ("number_of_sections", COUNT),
        ("time_date_stamp", Form::TimeSeconds),
        ("pointer_to_symbol_table_hex", HEX),
        ("number_of_symbols", COUNT),
        ("size_of_optional_header", COUNT),
        ("characteristics_hex", HEX),
        ("file_header_hashes", Form::Hashes),
        ("optional_header", Form::Object(&PE_HEADER)),
        ("sections", Form::List(&Form::Object(&PE_SECTION))),
    ],
    required: &["pe_type"],
    any_of: &[
        "imphash",
        "machine_hex",
        "number_of_sections",
        "time_date_stamp",
        "pointer_to_symbol_table_hex",
        "number_of_symbols",
        "size_of_optional_header",
        "characteristics_hex",
        "file_header_hashes",
        "optional_header",
        "sections",
    ],
    closed: true,
};

static PE_SECTION: Shape = all(&["name"], &[("name", Form::Text), ("size", COUNT), ("entropy", Form::Number(f64::MIN, f64::MAX)), ("hashes", Form::Hashes)]);

static PE_HEADER: Shape = any(
    PE_HEADER_NAMES,
    &[
        ("magic_hex", HEX),
        ("major_linker_version", WHOLE),
        ("minor_linker_version", WHOLE),
        ("size_of_code", COUNT),
        ("size_of_initialized_data", COUNT),
        ("size_of_uninitialized_data", COUNT),
        ("address_of_entry_point", WHOLE),
        ("base_of_code", WHOLE),
        ("base_of_data", WHOLE),
        ("image_base", WHOLE),
        ("section_alignment", WHOLE),
        ("file_alignment", WHOLE),
        ("major_os_version", WHOLE),
        ("minor_os_version", WHOLE),
        ("major_image_version", WHOLE),
        ("minor_image_version", WHOLE),
        ("major_subsystem_version", WHOLE),
        ("minor_subsystem_version", WHOLE),
        ("win32_version_value_hex", HEX),
        ("size_of_image", COUNT),
        ("size_of_headers", COUNT),
        ("checksum_hex", HEX),
        ("subsystem_hex", HEX),
        ("dll_characteristics_hex", HEX),
        ("size_of_stack_reserve", COUNT),
        ("size_of_stack_commit", COUNT),
        ("size_of_heap_reserve", COUNT),
        ("size_of_heap_commit", COUNT),
        ("loader_flags_hex", HEX),
        ("number_of_rva_and_sizes", WHOLE),
        ("hashes", Form::Hashes),
    ],
);

static PE_HEADER_NAMES: &[&str] = &[
    "magic_hex",
    "major_linker_version",
    "minor_linker_version",
    "size_of_code",
    "size_of_initialized_data",
    "size_of_uninitialized_data",
    "address_of_entry_point",
    "base_of_code",
    "base_of_data",
    "image_base",
    "section_alignment",
    "file_alignment",
    "major_os_version",
    "minor_os_version",
    "major_image_version",
    "minor_image_version",
    "major_subsystem_version",
    "minor_subsystem_version",
    "win32_version_value_hex",
    "size_of_image",
    "size_of_headers",
    "checksum_hex",
    "subsystem_hex",
    "dll_characteristics_hex",
    "size_of_stack_reserve",
    "size_of_stack_commit",
    "size_of_heap_reserve",
    "size_of_heap_commit",
    "loader_flags_hex",
    "number_of_rva_and_sizes",
    "hashes",
];

static NETWORK_TRAFFIC: &[Property] = &[
    ("http-request-ext", Form::Object(&HTTP_REQUEST)),
    ("icmp-ext", Form::Object(&all(&["icmp_type_hex", "icmp_code_hex"], &[("icmp_type_hex", HEX), ("icmp_code_hex", HEX)]))),
    ("socket-ext", Form::Object(&SOCKET)),
    ("tcp-ext", Form::Object(&any(&["src_flags_hex", "dst_flags_hex"], &[("src_flags_hex", HEX), ("dst_flags_hex", HEX)]))),
];

static HTTP_REQUEST: Shape = all(
    &["request_method", "request_value"],
    &[
        ("request_method", Form::Text),
        ("request_value", Form::Text),
        ("request_version", Form::Text),
        ("request_header", Form::Dict(Keys::Should(is_request_header, "an HTTP request header"), &TEXTS)),
        ("message_body_length", WHOLE),
        ("message_body_data_ref", Form::RefByType(&["artifact"])),
    ],
);

static SOCKET: Shape = all(
    &["address_family"],
    &[
        ("address_family", Form::Enum(&["AF_UNSPEC", "AF_INET", "AF_IPX", "AF_APPLETALK", "AF_NETBIOS", "AF_INET6", "AF_IRDA", "AF_BTH"])),
        ("is_blocking", Form::Flag),
        ("is_listening", Form::Flag),
        ("options", Form::Dict(Keys::Must(is_socket_option, "a socket option"), &WHOLE)),
        ("socket_type", Form::Enum(&["SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET"])),
        ("socket_descriptor", COUNT),
        ("socket_handle", WHOLE),
    ],
);

static PROCESS: &[Property] = &[("windows-process-ext", Form::Object(&WINDOWS_PROCESS)), ("windows-service-ext", Form::Object(&WINDOWS_SERVICE))];

static WINDOWS_PROCESS: Shape = any(
    &["aslr_enabled", "dep_enabled", "priority", "owner_sid", "window_title", "startup_info", "integrity_level"],
    &[
        ("aslr_enabled", Form::Flag),
        ("dep_enabled", Form::Flag),
        ("priority", Form::TextAdvised(is_priority, "a priority ending in `_CLASS`")),
        ("owner_sid", Form::Text),
        ("window_title", Form::Text),
        ("startup_info", Form::Object(&STARTUP_INFO)),
        ("integrity_level", Form::Enum(&["low", "medium", "high", "system"])),
    ],
);

static STARTUP_INFO: Shape = any(
    &[
        "cb",
        "lpDesktop",
        "lpTitle",
        "dwX",
        "dwY",
        "dwXSize",
        "dwYSize",
        "dwXCountChars",
        "dwYCountChars",
        "dwFillAttribute",
        "dwFlags",
        "wShowWindow",
        "cbReserved2",
        "hStdInput",
        "hStdOutput",
        "hStdError",
    ],
    &[
        ("cb", WHOLE),
        ("lpDesktop", Form::Text),
        ("lpTitle", Form::Text),
        ("dwX", WHOLE),
        ("dwY", WHOLE),
        ("dwXSize", WHOLE),
        ("dwYSize", WHOLE),
        ("dwXCountChars", WHOLE),
        ("dwYCountChars", WHOLE),
        ("dwFillAttribute", Form::Text),
        ("dwFlags", Form::Text),
        ("wShowWindow", Form::Text),
        ("cbReserved2", Form::Whole(0, 0)),
        ("hStdInput", Form::Text),
        ("hStdOutput", Form::Text),
        ("hStdError", Form::Text),
    ],
);

static WINDOWS_SERVICE: Shape = any(
    &["service_name", "descriptions", "display_name", "group_name", "start_type", "service_dll_refs", "service_type", "service_status"],
    &[
        ("service_name", Form::Text),
        ("descriptions", TEXTS),
        ("display_name", Form::Text),
        ("group_name", Form::Text),
        ("start_type", Form::Enum(&["SERVICE_AUTO_START", "SERVICE_BOOT_START", "SERVICE_DEMAND_START", "SERVICE_DISABLED", "SERVICE_SYSTEM_ALERT"])),
        ("service_dll_refs", Form::List(&Form::RefByType(&["file"]))),
        ("service_type", Form::Enum(&["SERVICE_KERNEL_DRIVER", "SERVICE_FILE_SYSTEM_DRIVER", "SERVICE_WIN32_OWN_PROCESS", "SERVICE_WIN32_SHARE_PROCESS"])),
        (
            "service_status",
            Form::Enum(&[
                "SERVICE_CONTINUE_PENDING",
                "SERVICE_PAUSE_PENDING",
                "SERVICE_PAUSED",
                "SERVICE_RUNNING",
                "SERVICE_START_PENDING",
                "SERVICE_STOP_PENDING",
                "SERVICE_STOPPED",
            ]),
        ),
    ],
);

static USER_ACCOUNT: &[Property] = &[(
    "unix-account-ext",
    Form::Object(&any(
        &["gid", "groups", "home_dir", "shell"],
        &[("gid", Form::Number(f64::MIN, f64::MAX)), ("groups", TEXTS), ("home_dir", Form::Text), ("shell", Form::Text)],
    )),
)];

fn is_pdf_info(key: &str) -> bool {
    vocab::PDF_DID.contains(&key)
}

fn is_exif_tag(key: &str) -> bool {
    key.len() > 1 && key.starts_with(|c: char| c.is_ascii_uppercase())
}

fn is_request_header(key: &str) -> bool {
    vocab::HTTP_REQUEST_HEADERS.contains(&key)
}

fn is_socket_option(key: &str) -> bool {
    SOCKET_OPTIONS.has(key)
}

fn is_priority(text: &str) -> bool {
    text.strip_suffix("_CLASS").is_some_and(|head| !head.is_empty())
}
