//! What the files of a base say: the packages of its distribution, its certificates, its os-release.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use miette::IntoDiagnostic;

use crate::base::BaseImage;
use crate::error::Result;
use crate::filesystem::contents::{merge, read};
use crate::filesystem::{NodeId, NodeKind, Tree};
use crate::inspect::base_pins::{CertificateChanges, FieldChange};
use crate::inspect::os_packages::PackageList;
use crate::inspect::package_changes::PackageChanges;
use crate::inspect::packages::SbomPackage;
use crate::store::Source;
use crate::store::layer::layers_of;

/// Where distributions keep the certificates of all authorities in one file: Debian, Fedora, Alpine.
const CERTIFICATES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// It is mostly a link to the other one.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];
/// The lists of packages that are files by themselves.
const LISTS: [&str; 3] = ["/var/lib/dpkg/status", "/lib/apk/db/installed", "/usr/lib/apk/db/installed"];
/// distroless has a file for each package.
const STATUS_FOLDER: &str = "/var/lib/dpkg/status.d";
/// No list of packages is larger.
const MOST_BYTES: u64 = 32 << 20;

/// What the files of a base say.
#[derive(Clone, Debug, Default)]
pub(super) struct AgeContents {
    packages: Vec<SbomPackage>,
    /// The text of each certificate.
    certificates: BTreeSet<String>,
    os_release: BTreeMap<String, String>,
}

/// A file that is read.
#[derive(Clone, Copy)]
enum BaseFile {
    Packages(PackageList),
    Certificates,
    OsRelease,
}

impl AgeContents {
    /// Reads the layers of a base.
    ///
    /// # Errors
    /// Returns an error if they cannot be read.
    pub(super) fn read(source: &dyn Source, image: &BaseImage) -> Result<AgeContents> {
        let layers = layers_of(&image.config, &image.layers)?;
        let tree = merge(source, &layers)?;
        let files = files(&tree);
        let mut contents = AgeContents::default();
        read(
            source,
            &layers,
            &tree,
            |node| files.contains_key(&node),
            |node, content| {
                let Some(file) = files.get(&node) else { return Ok(()) };
                let mut bytes = Vec::new();
                content.take(MOST_BYTES).read_to_end(&mut bytes).into_diagnostic()?;
                contents.add(*file, &String::from_utf8_lossy(&bytes));
                Ok(())
            },
        )?;
        Ok(contents)
    }

    fn add(&mut self, file: BaseFile, text: &str) {
        match file {
            BaseFile::Packages(list) => self.packages.extend(list.packages(text)),
            BaseFile::Certificates => self.certificates.extend(certificates(text)),
            BaseFile::OsRelease => {
                let fields = text.lines().filter_map(|line| line.trim().split_once('='));
                let unquoted = |value: &str| value.trim_matches(['"', '\'']).to_owned();
                self.os_release.extend(fields.map(|(key, value)| (key.to_owned(), unquoted(value))));
            }
        }
    }

    /// Returns the `ID` in the os-release: the distribution.
    pub(super) fn distribution(&self) -> Option<&str> {
        self.os_release.get("ID").map(String::as_str)
    }

    /// Returns the packages that differ from those of an older image.
    pub(super) fn packages_since(&self, old: &AgeContents) -> PackageChanges {
        PackageChanges::between(&old.packages, &self.packages)
    }

    /// Returns the number of certificates that differ.
    pub(super) fn certificates_since(&self, old: &AgeContents) -> CertificateChanges {
        CertificateChanges {
            added: self.certificates.difference(&old.certificates).count(),
            removed: old.certificates.difference(&self.certificates).count(),
        }
    }

    /// Returns the fields of os-release that differ.
    pub(super) fn os_release_since(&self, old: &AgeContents) -> Vec<FieldChange> {
        let keys: BTreeSet<_> = old.os_release.keys().chain(self.os_release.keys()).collect();
        let changes = keys.into_iter().filter_map(|key| {
            let (from, to) = (old.os_release.get(key), self.os_release.get(key));
            (from != to).then(|| FieldChange { key: key.clone(), from: from.cloned(), to: to.cloned() })
        });
        changes.collect()
    }
}

/// Returns the files to read. A file with two names is read once.
fn files(tree: &Tree) -> HashMap<NodeId, BaseFile> {
    let mut found = HashMap::new();
    let mut add = |path: &str, file: BaseFile| {
        let node = tree.find(path).filter(|node| matches!(tree.node(*node).kind, NodeKind::File { .. }));
        node.map(|node| found.insert(node, file)).is_some()
    };
    for path in CERTIFICATES {
        add(path, BaseFile::Certificates);
    }
    // The first one counts (os-release(5)).
    let _ = OS_RELEASE.into_iter().any(|path| add(path, BaseFile::OsRelease));
    let folder = tree.find(STATUS_FOLDER).into_iter();
    let names = folder.flat_map(|folder| tree.children(folder)).map(|(name, _)| String::from_utf8_lossy(name));
    let of_folder = names.map(|name| format!("{STATUS_FOLDER}/{name}"));
    for path in LISTS.into_iter().map(str::to_owned).chain(of_folder) {
        if let Some(list) = PackageList::at(&path) {
            add(&path, BaseFile::Packages(list));
        }
    }
    found
}

/// Returns the certificates in PEM (RFC 7468), without the text between them.
fn certificates(text: &str) -> impl Iterator<Item = String> {
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    blocks
        .filter_map(|block| block.split("-----END CERTIFICATE-----").next())
        .map(|block| block.split_whitespace().collect())
}
