//! Predicate types of in-toto statements about an image.

/// A plain signature, as cosign makes it.
pub(crate) const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// A CycloneDX SBOM.
pub(crate) const CYCLONEDX: &str = "https://cyclonedx.org/bom";
/// An SPDX SBOM.
pub(crate) const SPDX: &str = "https://spdx.dev/Document";
/// SLSA provenance 1.
pub(crate) const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// Returns the name of a predicate type for people.
pub(crate) fn title(predicate_type: &str) -> &str {
    match predicate_type {
        SIGNATURE => "signature",
        PROVENANCE => "provenance",
        CYCLONEDX => "SBOM (CycloneDX)",
        SPDX => "SBOM (SPDX)",
        other => other,
    }
}
