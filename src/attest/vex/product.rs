//! The products of a VEX document, and whether an image is one of them.

use serde_json::Value;

use crate::attest::sbom::purl::{Purl, PurlParts};
use crate::image::Digest;

/// What an image is called, and what is in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VexImage<'a> {
    /// Its local name, and the repositories that it is pushed to, as `HOST/PATH`.
    pub names: &'a [String],
    /// The digests of its index and its manifests.
    pub digests: &'a [&'a Digest],
    /// The names and versions of its crates, or `None` if they are not known.
    pub crates: Option<&'a [(&'a str, &'a str)]>,
}

/// Packages of a distribution, which may be in the base.
const OF_BASE: [&str; 4] = ["alpm", "apk", "deb", "rpm"];

impl VexImage<'_> {
    /// Returns the name: the last of all, which is the fullest.
    pub(super) fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Returns the package URL that scanners know it by, without a digest, which another build may change.
    pub(super) fn purl(&self) -> String {
        let name = self.name();
        let repository = Some(name).filter(|name| name.contains('/'));
        Purl::new("oci", &last_part(name).to_lowercase()).qualifier("repository_url", repository).text()
    }

    /// Returns whether a product of a document is the image, or in it.
    pub(super) fn is(&self, product: &str) -> bool {
        match PurlParts::parse(product) {
            Some(purl) => self.is_purl(&purl),
            None if product.contains(":/") && !product.contains("docker://") && !product.contains("oci://") => false,
            None => self.is_reference(product),
        }
    }

    fn is_purl(&self, purl: &PurlParts) -> bool {
        let version = purl.version.as_deref();
        match purl.kind.as_str() {
            "oci" => {
                let repository = purl.qualifiers.get("repository_url");
                self.has_digest(version) && self.names.iter().any(|name| last_part(name).eq_ignore_ascii_case(&purl.name))
                    // Before it is pushed, its repository is not known.
                    && repository.is_none_or(|repository| !self.is_in_registry() || self.names.contains(repository))
            }
            "docker" | "generic" => self.names.iter().any(|name| last_part(name).eq_ignore_ascii_case(&purl.name)),
            "cargo" => self.crates.is_none_or(|crates| {
                crates.iter().any(|(name, of)| *name == purl.name && version.is_none_or(|version| version == *of))
            }),
            other => OF_BASE.contains(&other),
        }
    }

    /// Returns whether a name as in `docker pull`, or a digest, means the image.
    fn is_reference(&self, product: &str) -> bool {
        let product = product.rsplit_once("://").map_or(product, |(_, rest)| rest);
        if product.starts_with("sha256:") {
            return self.has_digest(Some(product));
        }
        let (name, digest) = product.split_once('@').map_or((product, None), |(name, digest)| (name, Some(digest)));
        let tag = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        let name = &name[..tag.unwrap_or(name.len())];
        let is_named = |own: &String| own == name || !name.contains('/') && last_part(own) == name;
        self.has_digest(digest) && self.names.iter().any(is_named)
    }

    fn has_digest(&self, wanted: Option<&str>) -> bool {
        wanted.is_none_or(|wanted| self.digests.iter().any(|own| own.as_ref() == wanted))
    }

    fn is_in_registry(&self) -> bool {
        self.name().contains('/')
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Returns the names of all products in a document, each once: package URLs, other identifiers, and SHA-256 digests.
pub(super) fn products(document: &Value) -> Vec<String> {
    let statements = document["statements"].as_array().into_iter().flatten();
    let mut names = Vec::new();
    for product in statements.flat_map(|statement| statement["products"].as_array().into_iter().flatten()) {
        let ids = [&product["@id"], &product["identifiers"]["purl"]].into_iter().filter_map(Value::as_str);
        names.extend(ids.map(str::to_owned));
        names.extend(product["hashes"]["sha-256"].as_str().map(|hex| format!("sha256:{hex}")));
    }
    crate::unique::each_once(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::digest::sha256;

    #[test]
    fn vex_image_knows_its_products() {
        let (digest, names) = (sha256(b"image"), ["hello".to_owned(), "ghcr.io/acme/hello".to_owned()]);
        let image = VexImage { names: &names, digests: &[&digest], crates: Some(&[("time", "0.1.0")]) };
        let encoded = digest.as_ref().replace(':', "%3A");
        for own in [
            "pkg:oci/hello",
            "pkg:oci/Hello?repository_url=ghcr.io/acme/hello&tag=1.2",
            &format!("pkg:oci/hello@{encoded}?repository_url=ghcr.io%2Facme%2Fhello"),
            "pkg:cargo/time",
            "pkg:cargo/time@0.1.0",
            "pkg:deb/debian/libc6@2.36",
            "ghcr.io/acme/hello:1.2",
            "docker://ghcr.io/acme/hello",
            "hello",
            digest.as_ref(),
        ] {
            assert!(image.is(own), "{own}");
        }
        for other in [
            "pkg:oci/other",
            "pkg:oci/hello?repository_url=ghcr.io/other/hello",
            "pkg:oci/hello@sha256%3Aabc",
            "pkg:cargo/time@0.2.0",
            "pkg:npm/hello",
            "ghcr.io/other/hello",
            "https://example.org/hello",
            "sha256:abc",
        ] {
            assert!(!image.is(other), "{other}");
        }
        assert_eq!(image.purl(), "pkg:oci/hello?repository_url=ghcr.io%2Facme%2Fhello");
        let local = VexImage { names: &names[..1], digests: &[], crates: None };
        assert!(local.is("pkg:oci/hello?repository_url=ghcr.io/acme/hello") && local.is("pkg:cargo/any"));
    }
}
