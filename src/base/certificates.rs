//! The certificate authorities of the embedded base, and their age.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::ToSpan;
use jiff::civil::{Date, date};

/// The day on which [`RELEASE`] was published: it is generated from Mozilla's list of that day.
pub(super) const PUBLISHED: Date = date(2026, 10, 23);
/// The release of the crate `webpki-root-certs` that they are from. A test compares it with Cargo.lock, so that nobody
/// updates the one without the other.
const RELEASE: &str = "1.0.11";

/// Returns the day after which they are too old: authorities are added and distrusted several times a year.
pub(super) fn support_end() -> Date {
    PUBLISHED.saturating_add(1.year())
}

/// Returns a warning if they are more than a year old.
pub(crate) fn warning(today: Date) -> Option<String> {
    (today > support_end()).then(|| {
        format!("the CA certificates in the base embedded are of {PUBLISHED}, more than a year old: update cargo-oci")
    })
}

/// Returns Mozilla's certificate authorities in PEM (RFC 7468), as OpenSSL and others read them.
pub(super) fn pem() -> String {
    let mut pem = format!("# Mozilla's CA certificates of {PUBLISHED}, as in webpki-root-certs {RELEASE}\n");
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let text = STANDARD.encode(certificate);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for start in (0..text.len()).step_by(64) {
            // Writing to a string cannot fail.
            let _ = writeln!(pem, "{}", &text[start..text.len().min(start + 64)]);
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_complete_pem() {
        let pem = pem();
        assert!(pem.matches("BEGIN CERTIFICATE").count() > 100);
        assert!(pem.lines().skip(1).all(|line| line.len() <= 64));
    }

    #[test]
    fn certificates_have_the_date_of_their_release() {
        let lock = include_str!("../../Cargo.lock");
        let package = format!("name = \"webpki-root-certs\"\nversion = \"{RELEASE}\"\n");
        assert!(lock.contains(&package), "set RELEASE to the version in Cargo.lock, and PUBLISHED to its day");
    }

    #[test]
    fn certificates_are_old_after_a_year() {
        assert_eq!(warning(date(2027, 10, 23)), None);
        let old = warning(date(2027, 10, 24)).expect("a warning");
        assert!(old.contains("are of 2026-10-23, more than a year old: update cargo-oci"), "{old}");
    }
}
