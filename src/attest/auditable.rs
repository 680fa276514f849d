//! The dependency list that cargo-auditable embeds in binaries, for scanners that read files.

use auditable_serde::{DependencyKind, Package, Source, VersionInfo};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use miette::{Context, IntoDiagnostic};
use std::io::Write;

use super::sbom::crates::Crate;
use crate::error::Result;

/// The ELF section that holds the list.
pub(crate) const SECTION: &str = ".dep-v0";
/// The format revision: procedural macros are marked as build dependencies.
const FORMAT: u32 = 1;

/// Returns the content of the section: JSON, compressed with zlib.
///
/// # Errors
/// Returns an error if the version of a crate is not valid semver. Cargo rejects such versions before.
pub(crate) fn section(crates: &[Crate]) -> Result<Vec<u8>> {
    let packages = crates.iter().enumerate().map(|(at, made)| package(made, at == 0)).collect::<Result<_>>()?;
    let json = serde_json::to_vec(&VersionInfo { packages, format: FORMAT }).into_diagnostic()?;
    let mut compressed = ZlibEncoder::new(Vec::new(), Compression::best());
    compressed.write_all(&json).into_diagnostic()?;
    compressed.finish().into_diagnostic()
}

fn package(made: &Crate, root: bool) -> Result<Package> {
    let version = made.version.parse().into_diagnostic().wrap_err_with(|| format!("the version of {}", made.name))?;
    let source = match made.source.as_str() {
        "path" => Source::Local,
        source if source.starts_with("git+") => Source::Git,
        _ if made.purl.contains("repository_url=") => Source::Registry,
        _ => Source::CratesIo,
    };
    let kind = if made.is_linked { DependencyKind::Runtime } else { DependencyKind::Build };
    Ok(Package { name: made.name.clone(), version, source, kind, dependencies: made.needs.clone(), root })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn made(name: &str, purl: &str, source: &str, needs: &[usize]) -> Crate {
        Crate {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            purl: purl.to_owned(),
            source: source.to_owned(),
            checksum: None,
            license: None,
            description: None,
            repository: None,
            homepage: None,
            is_linked: name != "m",
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn section_is_read_by_auditable_serde() {
        let crates = [
            made("app", "pkg:cargo/app@1.0.0", "path", &[1, 2]),
            made("a", "pkg:cargo/a@1.0.0?repository_url=x", "registry+x", &[]),
            made("m", "pkg:cargo/m@1.0.0?vcs_url=x", "git+x", &[]),
        ];
        let mut json = String::new();
        let section = section(&crates).expect("a section");
        flate2::read::ZlibDecoder::new(&section[..]).read_to_string(&mut json).expect("is compressed");
        let list: VersionInfo = json.parse().expect("is a list");
        let packages: Vec<_> =
            list.packages.iter().map(|one| (one.name.as_str(), &one.source, one.kind, one.root)).collect();
        let (runtime, build) = (DependencyKind::Runtime, DependencyKind::Build);
        assert_eq!(
            packages,
            [
                ("app", &Source::Local, runtime, true),
                ("a", &Source::Registry, runtime, false),
                ("m", &Source::Git, build, false)
            ]
        );
    }
}
