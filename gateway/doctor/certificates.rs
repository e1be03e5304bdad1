//! Certificates: whether they can be used, until when, and for which names.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::{SubjectAltName, name::GeneralName};

use super::finding::Findings;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::tls::{self, Tls, certificates};

const CHECK: &str = "certificates";

/// Whoever has not renewed by now has forgotten it.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Judges every certificate that the configuration names, and whether one of the listener's is good for each of
/// the names.
pub(super) fn examine(findings: &mut Findings, config: &Config, names: &[String]) {
    if config.tls.is_enabled() {
        examine_listener(findings, &config.tls, names);
    } else if !names.is_empty() {
        let fix = "set tls.cert_file and tls.key_file, or leave out --name where something in front has the certificate";
        findings.note(
            CHECK,
            "tls.cert_file",
            "the listener has no certificate",
            fix,
        );
    }
    let others = [
        ("tls.client_ca_file", &config.tls.client_ca_file),
        ("nats.tls_ca_file", &config.nats.tls_ca_file),
        ("nats.tls_cert_file", &config.nats.tls_cert_file),
        ("traces.otlp_ca_file", &config.traces.otlp_ca_file),
    ];
    for (key, file) in others {
        if let Some(file) = file {
            examine_file(findings, key, file);
        }
    }
}

fn examine_listener(findings: &mut Findings, config: &tls::Config, names: &[String]) {
    if let Err(error) = Tls::load(config, false, Metrics::new()) {
        let fix = "name certificates and their keys in the same order, as PEM files that the gateway may read";
        findings.fault(CHECK, "tls.cert_file", error.to_string(), fix);
    }
    let mut leaves = Vec::new();
    for file in config.cert_file.iter() {
        let found = examine_file(findings, "tls.cert_file", file);
        if let Some(leaf) = found.into_iter().next() {
            if names_in(&leaf).is_empty() {
                let fix = "issue it with the host's name as a subject alternative name";
                findings.warning(
                    CHECK,
                    &shown(file),
                    "it names no host: clients refuse it",
                    fix,
                );
            }
            leaves.push(leaf);
        }
    }
    for name in names {
        examine_name(findings, name, &leaves);
    }
}

/// The certificates of the file; none where it cannot be read, which is a fault.
fn examine_file(findings: &mut Findings, key: &str, file: &Path) -> Vec<CertificateDer<'static>> {
    let found = match certificates(file) {
        Ok(found) => found,
        Err(error) => {
            let fix = format!("{key} must name PEM files that the gateway may read");
            findings.fault(CHECK, &shown(file), error.to_string(), fix);
            return Vec::new();
        }
    };
    let now = SystemTime::now();
    for certificate in &found {
        match Certificate::from_der(certificate) {
            Ok(certificate) => examine_time(findings, file, &certificate, now),
            Err(error) => {
                let text = format!("a certificate cannot be read: {error}");
                findings.fault(CHECK, &shown(file), text, "issue it anew");
            }
        }
    }
    found
}

fn examine_time(findings: &mut Findings, file: &Path, certificate: &Certificate, now: SystemTime) {
    let validity = &certificate.tbs_certificate.validity;
    let time = |time: x509_cert::time::Time| SystemTime::UNIX_EPOCH + time.to_unix_duration();
    let (begins, ends) = (time(validity.not_before), time(validity.not_after));
    let date = humantime::format_rfc3339_seconds;
    let about = shown(file);
    let subject = certificate.tbs_certificate.subject.to_string();
    let which = if subject.is_empty() {
        String::new()
    } else {
        format!("{subject} ")
    };
    if ends <= now {
        let text = format!("{which}ended at {}", date(ends));
        findings.fault(
            CHECK,
            &about,
            text,
            "renew it; the gateway takes a changed file over by itself",
        );
    } else if begins > now {
        let text = format!("{which}is valid only from {}", date(begins));
        findings.fault(
            CHECK,
            &about,
            text,
            "set the clock of this machine, or issue it anew",
        );
    } else if ends.duration_since(now).is_ok_and(|left| left < SOON) {
        let text = format!("{which}ends at {}", date(ends));
        findings.warning(
            CHECK,
            &about,
            text,
            "renew it; the gateway takes a changed file over by itself",
        );
    } else {
        findings.ok(
            CHECK,
            &about,
            format!("{which}is valid until {}", date(ends)),
        );
    }
}

fn examine_name(findings: &mut Findings, name: &str, leaves: &[CertificateDer<'static>]) {
    let Ok(wanted) = ServerName::try_from(name) else {
        let text = "it is neither a host's name nor an address";
        return findings.fault(CHECK, name, text, "give --name without scheme and port");
    };
    let is_good = |leaf: &CertificateDer<'_>| {
        let leaf = ParsedCertificate::try_from(leaf);
        leaf.is_ok_and(|leaf| verify_server_name(&leaf, &wanted).is_ok())
    };
    if leaves.iter().any(is_good) {
        return findings.ok(CHECK, name, "a certificate of the listener is good for it");
    }
    let all: Vec<_> = leaves.iter().flat_map(|leaf| names_in(leaf)).collect();
    let text = format!(
        "no certificate of the listener is good for it: they name {}",
        all.join(", ")
    );
    findings.fault(
        CHECK,
        name,
        text,
        "issue a certificate with this name as a subject alternative name",
    );
}

/// The hosts and addresses that a certificate is for.
fn names_in(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let names = certificate.tbs_certificate.get::<SubjectAltName>();
    let names = names.ok().flatten().map(|(_, names)| names.0);
    let name = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_owned()),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()),
        _ => None,
    };
    names.unwrap_or_default().iter().filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let address: IpAddr = match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok()?.into(),
        _ => <[u8; 16]>::try_from(bytes).ok()?.into(),
    };
    Some(address.to_string())
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}
