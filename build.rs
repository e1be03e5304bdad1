//! Compiles the protos without protoc, keeps their descriptors (comments included) for reflection,
//! and makes two tables of them: the methods, for metrics, and the options of `ErrorReason`, for
//! `error.rs`. Lists the files of the console, where `make console` has built it.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost_reflect::{DynamicMessage, ReflectMessage, Value};

const PROTOS: &[&str] = &[
    "jetgate/v1/apply.proto",
    "jetgate/v1/consume.proto",
    "jetgate/v1/consumer.proto",
    "jetgate/v1/consumer_config.proto",
    "jetgate/v1/dead_letter.proto",
    "jetgate/v1/error.proto",
    "jetgate/v1/gateway.proto",
    "jetgate/v1/live_session.proto",
    "jetgate/v1/publish_message.proto",
    "jetgate/v1/publish_stream.proto",
    "jetgate/v1/publisher.proto",
    "jetgate/v1/session.proto",
    "jetgate/v1/source.proto",
    "jetgate/v1/stream.proto",
    "jetgate/v1/stream_config.proto",
    "jetgate/v1/stream_message.proto",
    "jetgate/v1/subscriber.proto",
    "jetgate/v1/types.proto",
];

/// A message to publish.
const PUBLISH_REQUEST: &str = ".jetgate.v1.PublishRequest";

/// A key or token in the middle of a call, which is never printed: `gateway/proto.rs` says how it shows.
const UPDATE_CREDENTIALS: &str = ".jetgate.v1.UpdateCredentials";

/// Where the console is built to. The folder is always there: cargo would build anew for ever what depends on
/// one that is not.
const CONSOLE: &str = "clients/console/dist";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed={CONSOLE}");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(PROTOS)?;

    fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;
    generate_services(compiler.file_descriptor_set())?;
    generate_methods(&compiler, &out.join("methods.rs"))?;
    generate_reasons(&compiler, &out.join("reasons.rs"))?;
    embed_console(&out.join("console.rs"))
}

/// One row a file of the console: its path, its bytes, and those that gzip makes of them. An empty table where
/// it is not built.
fn embed_console(path: &Path) -> Result<(), Box<dyn Error>> {
    let root = Path::new(CONSOLE).canonicalize().unwrap_or_default();
    let mut table = String::from("[\n");
    for file in files_below(&root) {
        let name = file.strip_prefix(&root)?.display().to_string();
        if name.starts_with('.') || name.ends_with(".gz") {
            continue;
        }
        let packed = PathBuf::from(format!("{}.gz", file.display()));
        let bytes = |file: &Path| format!("include_bytes!({:?})", file.display().to_string());
        let gzip = if packed.exists() {
            bytes(&packed)
        } else {
            "&[]".to_owned()
        };
        let plain = bytes(&file);
        writeln!(
            table,
            "    File {{ path: {name:?}, plain: {plain}, gzip: {gzip} }},"
        )?;
    }
    table.push_str("]\n");
    fs::write(path, table)?;
    Ok(())
}

/// All files of a folder and of those in it; none where there is no such folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| files_below(folder));
    below.chain(files.iter().cloned()).collect()
}

fn generate_services(descriptors: prost_types::FileDescriptorSet) -> Result<(), Box<dyn Error>> {
    let mut types = tonic_prost_build::Config::new();
    types.enable_type_names();
    types.skip_debug([UPDATE_CREDENTIALS]);
    // A frame has many messages, and few of them any of these.
    for rare in ["expect", "schedule", "payload.json"] {
        types.boxed(format!("{PUBLISH_REQUEST}.{rare}"));
    }
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::codec::Codec")
        .compile_fds_with_config(descriptors, types)?;
    Ok(())
}

/// One row a method: its service, its name and its kind, as metrics name them.
fn generate_methods(compiler: &protox::Compiler, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut table = String::from("[\n");
    for service in compiler.descriptor_pool().services() {
        for method in service.methods() {
            let kind = match (method.is_client_streaming(), method.is_server_streaming()) {
                (false, false) => "unary",
                (true, false) => "client_stream",
                (false, true) => "server_stream",
                (true, true) => "bidi_stream",
            };
            let (service, method) = (service.full_name(), method.name());
            writeln!(table, "    ({service:?}, {method:?}, {kind:?}),")?;
        }
    }
    table.push_str("]\n");
    fs::write(path, table)?;
    Ok(())
}

/// One row a reason: its number, its name without the prefix, its gRPC code, its retryability and its
/// comment.
fn generate_reasons(compiler: &protox::Compiler, path: &Path) -> Result<(), Box<dyn Error>> {
    let pool = compiler.descriptor_pool();
    let reasons = pool
        .get_enum_by_name("jetgate.v1.ErrorReason")
        .ok_or("no ErrorReason")?;
    let option = pool
        .get_extension_by_name("jetgate.v1.reason")
        .ok_or("no reason option")?;

    let comments = comments(&compiler.file_descriptor_set(), "ErrorReason");

    let mut table = String::from("[\n");
    for value in reasons.values().filter(|value| value.number() != 0) {
        let options = value.options();
        let reason = options.get_extension(&option);
        let reason = reason.as_message().ok_or("the option is no message")?;
        let name = value.name().trim_start_matches("ERROR_REASON_");
        let (code, retry) = (number(reason, "code"), number(reason, "retry"));
        if code == 0 || retry == 0 {
            return Err(format!("{name} lacks its code or its retryability").into());
        }
        let number = value.number();
        let description = comments
            .get(value.name())
            .ok_or_else(|| format!("{name} lacks its comment"))?;
        writeln!(
            table,
            "    Row {{ number: {number}, name: {name:?}, code: {code}, retry: {retry}, \
             description: {description:?} }},"
        )?;
    }
    table.push_str("]\n");
    fs::write(path, table)?;
    Ok(())
}

/// The comments of an enum's values, each as one line.
fn comments(descriptors: &prost_types::FileDescriptorSet, name: &str) -> HashMap<String, String> {
    /// The numbers of `FileDescriptorProto.enum_type` and `EnumDescriptorProto.value`, of which the
    /// path of a value's comment is made.
    const ENUM_TYPE: i32 = 5;
    const VALUE: i32 = 2;

    let mut comments = HashMap::new();
    for file in &descriptors.file {
        let locations = file.source_code_info.iter().flat_map(|it| &it.location);
        for location in locations {
            let [ENUM_TYPE, which, VALUE, value] = location.path[..] else {
                continue;
            };
            let found = file.enum_type.get(which as usize);
            let Some(found) = found.filter(|it| it.name() == name) else {
                continue;
            };
            if let Some(value) = found.value.get(value as usize) {
                let words = location.leading_comments().split_whitespace();
                let text = words.collect::<Vec<_>>().join(" ");
                comments.insert(value.name().to_owned(), text);
            }
        }
    }
    comments
}

fn number(message: &DynamicMessage, field: &str) -> i32 {
    let descriptor = message.descriptor().get_field_by_name(field);
    let value = descriptor.map(|field| message.get_field(&field).into_owned());
    value
        .as_ref()
        .and_then(Value::as_enum_number)
        .unwrap_or_default()
}
