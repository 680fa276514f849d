//! certs.d: certificates for one registry, in the folders in which Docker and Podman have them
//! (containers-certs.d(5)): `*.crt` are authorities, `NAME.cert` and `NAME.key` are the client's own.

use std::path::{Path, PathBuf};

use miette::miette;

use crate::environment::Environment;
use crate::error::Result;

/// The certificates in a folder of certs.d.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostCertificates {
    /// The folder, or `None` if no folder has certificates for the host.
    pub(crate) folder: Option<PathBuf>,
    /// Files with certificates of authorities, in PEM.
    pub(crate) authorities: Vec<PathBuf>,
    /// The certificate that the client shows.
    pub(crate) client: Option<ClientCertificate>,
}

/// A client's certificate and its key, both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Returns the folders of certs.d, the user's first.
pub(crate) fn folders(environment: &Environment, system: &Path) -> Vec<PathBuf> {
    let user = environment.home().map(|home| home.join(".config/containers/certs.d"));
    user.into_iter().chain([system.join("containers/certs.d"), system.join("docker/certs.d")]).collect()
}

/// Returns the certificates for `host`, with its port, of the first folder that has some.
///
/// # Errors
/// Returns an error if the folder cannot be read, or a client's certificate is without its key.
pub(crate) fn find(folders: &[PathBuf], host: &str) -> Result<HostCertificates> {
    let existing = folders.iter().map(|folder| folder.join(host)).find(|folder| folder.is_dir());
    existing.map_or(Ok(HostCertificates::default()), |folder| read(&folder))
}

fn read(folder: &Path) -> Result<HostCertificates> {
    let entries = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>());
    let mut files = entries.map_err(|error| {
        miette!(help = "make the folder readable", "cannot read certificates in {}: {error}", folder.display())
    })?;
    files.sort();
    let mut found = HostCertificates { folder: Some(folder.to_owned()), ..HostCertificates::default() };
    for file in files {
        let partner = |suffix: &str| {
            let partner = file.with_extension(suffix);
            if partner.is_file() {
                return Ok(partner);
            }
            Err(miette!(
                help = "Docker and Podman read certs.d too, and expect NAME.cert beside NAME.key, and authorities in NAME.crt",
                "cannot use {}: there is no {}",
                file.display(),
                partner.display()
            ))
        };
        match file.extension().and_then(|suffix| suffix.to_str()) {
            Some("crt") => found.authorities.push(file),
            Some("cert") => {
                let key = partner("key")?;
                found.client.get_or_insert(ClientCertificate { certificate: file, key });
            }
            Some("key") => drop(partner("cert")?),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        root
    }

    #[test]
    fn certificates_are_of_the_first_folder() {
        let root =
            folder(&["a/x.io:5000/ca.crt", "b/x.io:5000/ca.crt", "b/y.io/me.cert", "b/y.io/me.key", "b/y.io/b.crt"]);
        let folders = [root.path().join("a"), root.path().join("b")];
        let found = find(&folders, "x.io:5000").expect("certificates");
        assert_eq!(found.folder, Some(folders[0].join("x.io:5000")));
        assert_eq!((found.authorities.len(), found.client), (1, None));
        let found = find(&folders, "y.io").expect("certificates");
        let client = found.client.expect("a client's certificate");
        assert!(client.certificate.ends_with("me.cert") && client.key.ends_with("me.key"));
        assert_eq!(find(&folders, "z.io").expect("none"), HostCertificates::default());
    }

    #[test]
    fn client_certificate_without_key_is_an_error() {
        for (file, missing) in [("x.io/me.cert", "me.key"), ("x.io/me.key", "me.cert")] {
            let root = folder(&[file]);
            let error = find(&[root.path().to_owned()], "x.io").expect_err(file).to_string();
            assert!(error.contains(file) && error.contains(missing), "{error}");
        }
    }
}
