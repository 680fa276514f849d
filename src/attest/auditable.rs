//! Which crates a program is built from, as it holds that itself: cargo-auditable's list, for those who scan files.

use auditable_serde::{DependencyKind, Package, Source, VersionInfo};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use miette::{Context, IntoDiagnostic};
use std::io::Write;

use super::sbom::crates::Crate;
use crate::error::Result;

/// The section of a program that holds the list.
pub const SECTION: &str = ".dep-v0";
/// What the list says of itself: that procedural macros are told from what is linked.
const FORMAT: u32 = 1;

/// The bytes of the section: JSON, compressed as zlib does it.
///
/// # Errors
/// None that a user can cause: cargo's versions are versions, and it is written to memory.
pub fn section(crates: &[Crate]) -> Result<Vec<u8>> {
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

    #[test]
    fn the_list_is_one_that_its_own_crate_reads() {
        let made = |name: &str, purl: &str, source: &str, needs: &[usize]| Crate {
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
        };
        let crates = [
            made("app", "pkg:cargo/app@1.0.0", "path", &[1, 2]),
            made("a", "pkg:cargo/a@1.0.0?repository_url=x", "registry+x", &[]),
            made("m", "pkg:cargo/m@1.0.0?vcs_url=x", "git+x", &[]),
        ];
        let mut json = String::new();
        let section = section(&crates).expect("a section");
        flate2::read::ZlibDecoder::new(&section[..]).read_to_string(&mut json).expect("is compressed");
        let list: VersionInfo = json.parse().expect("is a list");
        let told: Vec<_> =
            list.packages.iter().map(|one| (one.name.as_str(), &one.source, one.kind, one.root)).collect();
        let (runtime, build) = (DependencyKind::Runtime, DependencyKind::Build);
        assert_eq!(
            told,
            [
                ("app", &Source::Local, runtime, true),
                ("a", &Source::Registry, runtime, false),
                ("m", &Source::Git, build, false)
            ]
        );
    }
}
