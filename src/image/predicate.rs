//! Predicate types: what kind of thing a statement says of an image.

/// No more than that the image is signed, as cosign says it.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// A CycloneDX SBOM.
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";
/// An SPDX SBOM.
pub const SPDX: &str = "https://spdx.dev/Document";
/// How it was built (SLSA provenance 1).
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// What a kind of statement is called, for people.
pub fn title(predicate_type: &str) -> &str {
    match predicate_type {
        SIGNATURE => "signature",
        PROVENANCE => "provenance",
        CYCLONEDX => "SBOM (CycloneDX)",
        SPDX => "SBOM (SPDX)",
        other => other,
    }
}
