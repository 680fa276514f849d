//! Predicate types of in-toto statements about an image.

/// A plain signature, as cosign makes it.
pub(crate) const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
/// A CycloneDX SBOM.
pub(crate) const CYCLONEDX: &str = "https://cyclonedx.org/bom";
/// An SPDX SBOM.
pub(crate) const SPDX: &str = "https://spdx.dev/Document";
/// SLSA provenance 1.
pub(crate) const PROVENANCE: &str = "https://slsa.dev/provenance/v1";

/// An OpenVEX document, as cosign names it.
pub(crate) const VEX: &str = "https://openvex.dev/ns";

/// The annotation that names the predicate type of an unsigned statement, as BuildKit writes it.
pub(crate) const ANNOTATION: &str = "in-toto.io/predicate-type";

/// Returns whether two predicate types name the same kind of document: some programs name OpenVEX with its version.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one == other || is_vex(one) && is_vex(other)
}

/// Returns whether a predicate type is that of OpenVEX documents.
pub(crate) fn is_vex(predicate_type: &str) -> bool {
    predicate_type.strip_prefix(VEX).is_some_and(|version| version.is_empty() || version.starts_with('/'))
}

/// Returns the place of a predicate type in a list for people: the signature of the image itself is first.
pub(crate) fn order(predicate_type: &str) -> usize {
    let known = [SIGNATURE, CYCLONEDX, SPDX, PROVENANCE, VEX];
    known.iter().position(|known| is_same(known, predicate_type)).unwrap_or(known.len())
}

/// Returns the name of a predicate type for people.
pub(crate) fn title(predicate_type: &str) -> &str {
    match predicate_type {
        SIGNATURE => "signature",
        PROVENANCE => "provenance",
        CYCLONEDX => "SBOM (CycloneDX)",
        SPDX => "SBOM (SPDX)",
        vex if is_vex(vex) => "VEX (OpenVEX)",
        other => other,
    }
}
