//! How a registry is reached: mirrors, insecure and blocked registries, and certificates, where Podman and Docker have them,
//! and insecure registries that the user named to this program.
//!
//! | file | what it reads |
//! | --- | --- |
//! | `files`, `registries_conf` | registries.conf and its drop-ins |
//! | `user_file` | our own `registries.toml`: insecure registries, and token services that are trusted |
//! | `insecure`, `trusted_service` | what flags, variables and that file name |
//! | `prefix`, `location` | the names in them |
//! | `certificates`, `access` | certs.d, and what it means for a connection |
//!
//! None of it is read from a Cargo.toml: a crate must not decide whom its users trust.

mod access;
mod certificates;
mod files;
mod insecure;
mod location;
mod prefix;
mod registries_conf;
pub(crate) mod trusted_service;
mod user_file;

use std::path::{Path, PathBuf};

use miette::{Context, IntoDiagnostic, miette};

use crate::environment::Environment;
use crate::error::Result;
use crate::inspect::registry::RegistryFact;
use crate::reference::{Reference, RegistryName};
pub use access::HostAccess;
use insecure::InsecureRegistry;
use location::Location;
use registries_conf::{FileLine, Mirror, MirrorPulls, RegistryTable};
pub use trusted_service::TrustedService;
use user_file::UserFile;

/// The settings of all registries.
#[derive(Debug)]
pub(crate) struct HostSettings {
    tables: Vec<RegistryTable>,
    certificate_folders: Vec<PathBuf>,
    /// Registries that the user named as insecure to this program.
    insecure: Vec<InsecureRegistry>,
    /// Token services that may receive credentials.
    services: Vec<TrustedService>,
}

/// One place to reach a repository at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The host and the port, and the repository there.
    pub(crate) location: Location,
    /// How its server is connected to.
    pub(crate) access: HostAccess,
    /// Where it is configured, or `None` if it is the registry itself.
    pub(crate) configured: Option<FileLine>,
}

/// Where to pull the content of a repository from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PullEndpoints {
    /// To be asked first, in order.
    pub(crate) mirrors: Vec<Endpoint>,
    /// The registry itself, or what is configured in its place.
    pub(crate) own: Endpoint,
}

impl Endpoint {
    /// Returns the reference to the same tag or digest as `reference`, here.
    ///
    /// # Errors
    /// Returns an error if the location is not the name of a repository.
    pub(crate) fn reference(&self, reference: &Reference) -> Result<Reference> {
        let name = reference.name();
        let separator = if name.tag().is_some() { ':' } else { '@' };
        let parsed = format!("{}{separator}{name}", self.location).parse::<Reference>();
        parsed.into_diagnostic().wrap_err_with(|| match &self.configured {
            Some(line) => format!("cannot use the location {} of {line}", self.location),
            None => format!("cannot use the location {}", self.location),
        })
    }
}

/// Where the system's configuration is.
const SYSTEM: &str = "/etc";

impl HostSettings {
    /// Reads the files of the user and of the system. `flags` are the registries that the command line names as insecure.
    ///
    /// # Errors
    /// Returns an error if a file or a name is invalid, or a file cannot be read.
    pub(crate) fn read(environment: &Environment, flags: &[RegistryName]) -> Result<HostSettings> {
        let system = Path::new(SYSTEM);
        let UserFile { insecure, services } = user_file::read(environment)?;
        Ok(HostSettings {
            tables: files::read_all(environment, system)?,
            certificate_folders: certificates::folders(environment, system),
            insecure: insecure::named(environment, flags)?.into_iter().chain(insecure).collect(),
            services,
        })
    }

    /// Returns the token services in other domains that may receive the credentials for a registry.
    pub(crate) fn trusted_services(&self, registry: &str) -> Vec<TrustedService> {
        self.services.iter().filter(|service| service.registry == registry).cloned().collect()
    }

    /// Remembers for later runs that a token service may receive the credentials for a registry. Returns the path of the file
    /// that says so now, or `None` if it did before.
    ///
    /// # Errors
    /// Returns an error if the file is invalid or cannot be written.
    pub(crate) fn remember_service(
        environment: &Environment,
        registry: &RegistryName,
        service: &RegistryName,
    ) -> Result<Option<PathBuf>> {
        user_file::add_service(environment, registry.as_str(), service.as_str())
    }

    /// Returns where to pull what `reference` names from.
    ///
    /// # Errors
    /// Returns an error if the registry is blocked, or certificates cannot be read.
    pub(crate) fn to_pull(&self, reference: &Reference) -> Result<PullEndpoints> {
        let location = Location::from(reference);
        let Some((table, rest)) = self.allowed_table(&location)? else {
            return Ok(PullEndpoints { mirrors: Vec::new(), own: self.endpoint(location, false, None)? });
        };
        let is_tag = reference.name().tag().is_some();
        let mirrors = table.mirrors.iter().filter(|mirror| is_for(mirror, is_tag));
        let mirrors =
            mirrors.map(|mirror| self.endpoint(mirror.location.below(&rest), mirror.insecure, Some(&mirror.line)));
        let mirrors = mirrors.collect::<Result<_>>()?;
        let own = table.location.as_ref().map_or(location, |moved| moved.below(&rest));
        Ok(PullEndpoints { mirrors, own: self.endpoint(own, table.insecure, Some(&table.line))? })
    }

    /// Returns what is configured for the repository of `reference`, and where.
    ///
    /// # Errors
    /// Returns an error if certificates cannot be read.
    pub(crate) fn facts(&self, reference: &Reference) -> Result<Vec<RegistryFact>> {
        let location = Location::from(reference);
        if let Some((table, _)) = self.table(&location.to_string()).filter(|(table, _)| table.blocked) {
            return Ok(vec![RegistryFact::new("blocked", table.prefix.text(), table.line.to_string())]);
        }
        let PullEndpoints { mirrors, own } = self.to_pull(reference)?;
        let mut facts = Vec::new();
        for (what, endpoint) in mirrors.iter().map(|mirror| ("mirror", mirror)).chain([("location", &own)]) {
            let configured = endpoint.configured.as_ref().map(ToString::to_string);
            facts.push(RegistryFact { what, value: endpoint.location.to_string(), source: configured });
            let HostAccess { insecure, certificates } = &endpoint.access;
            if let Some(insecure) = insecure {
                facts.push(RegistryFact::new("insecure", endpoint.location.host(), insecure.clone()));
            }
            let files = certificates.authorities.iter().map(|file| ("authority", file));
            let client = certificates.client.iter().map(|client| ("client-certificate", &client.certificate));
            for (what, file) in files.chain(client) {
                facts.push(RegistryFact::plain(what, file.display().to_string()));
            }
        }
        if own.location != location {
            facts.push(RegistryFact::new("pushes-to", location.to_string(), "`location` is for pulls"));
        }
        Ok(facts)
    }

    /// Returns where to push to the repository of `reference`: as Podman, to the registry that is named, and no other.
    ///
    /// # Errors
    /// Returns an error if the registry is blocked, or certificates cannot be read.
    pub(crate) fn to_push(&self, reference: &Reference) -> Result<Endpoint> {
        let location = Location::from(reference);
        match self.allowed_table(&location)? {
            Some((table, _)) => self.endpoint(location, table.insecure, Some(&table.line)),
            None => self.endpoint(location, false, None),
        }
    }

    /// Returns the table for a repository, and what follows the prefix in its name, or `None` if there is no table.
    ///
    /// # Errors
    /// Returns an error if the registry is blocked.
    fn allowed_table(&self, location: &Location) -> Result<Option<(&RegistryTable, String)>> {
        let repository = location.to_string();
        match self.table(&repository) {
            Some((table, _)) if table.blocked => Err(miette!(
                help = format!("remove `blocked` there, or use another registry than {}", location.host()),
                "{} is blocked by {}",
                table.prefix.text(),
                table.line
            )),
            Some((table, end)) => Ok(Some((table, repository[end..].to_owned()))),
            None => Ok(None),
        }
    }

    /// Returns the table with the longest prefix that matches, and the end of the match.
    fn table(&self, repository: &str) -> Option<(&RegistryTable, usize)> {
        let matching = self.tables.iter().filter_map(|table| Some((table, table.prefix.matches(repository)?)));
        matching.max_by_key(|(table, _)| table.prefix.text().len())
    }

    fn endpoint(&self, location: Location, is_insecure: bool, line: Option<&FileLine>) -> Result<Endpoint> {
        let named = self.insecure.iter().find(|named| named.host == location.host());
        let insecure = match (named, line) {
            (Some(named), _) => Some(named.named_by.clone()),
            (None, Some(line)) if is_insecure => Some(line.to_string()),
            _ => None,
        };
        let certificates = certificates::find(&self.certificate_folders, location.host())?;
        Ok(Endpoint { location, access: HostAccess { insecure, certificates }, configured: line.cloned() })
    }
}

fn is_for(mirror: &Mirror, is_tag: bool) -> bool {
    mirror.pulls != if is_tag { MirrorPulls::DigestOnly } else { MirrorPulls::TagOnly }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, insecure: &[&str]) -> HostSettings {
        let insecure = insecure
            .iter()
            .map(|host| InsecureRegistry { host: (*host).to_owned(), named_by: "--insecure-registry".to_owned() });
        HostSettings {
            tables: registries_conf::parse(Path::new("registries.conf"), text).expect("a file"),
            certificate_folders: Vec::new(),
            insecure: insecure.collect(),
            services: Vec::new(),
        }
    }

    /// Returns where a reference is pulled from.
    fn pulls(settings: &HostSettings, reference: &str) -> Vec<String> {
        let PullEndpoints { mirrors, own } = settings.to_pull(&reference.parse().expect(reference)).expect("endpoints");
        mirrors.iter().chain([&own]).map(shown).collect()
    }

    /// Returns where a reference is pushed to.
    fn push(settings: &HostSettings, reference: &str) -> String {
        shown(&settings.to_push(&reference.parse().expect(reference)).expect("an endpoint"))
    }

    fn shown(endpoint: &Endpoint) -> String {
        format!("{}{}", endpoint.location, insecure(endpoint))
    }

    fn insecure(endpoint: &Endpoint) -> String {
        endpoint.access.insecure.as_ref().map_or_else(String::new, |why| format!(" ({why})"))
    }

    const HUB: &str = r#"
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "m.example.com/hub"
insecure = true
[[registry.mirror]]
location = "d.example.com"
pull-from-mirror = "digest-only"
[[registry]]
prefix = "docker.io/acme"
location = "acme.example.com/images"
[[registry]]
prefix = "*.blocked.example.com"
blocked = true
"#;

    #[test]
    fn mirrors_precede_the_registry() {
        let settings = settings(HUB, &[]);
        let mirror = "m.example.com/hub/library/debian (registries.conf:4)";
        assert_eq!(pulls(&settings, "debian:12"), [mirror, "docker.io/library/debian"]);
        let digest = format!("debian@sha256:{}", "0".repeat(64));
        assert_eq!(pulls(&settings, &digest), [mirror, "d.example.com/library/debian", "docker.io/library/debian"]);
        assert_eq!(push(&settings, "debian"), "docker.io/library/debian");
    }

    #[test]
    fn longest_prefix_decides() {
        let settings = settings(HUB, &[]);
        assert_eq!(pulls(&settings, "docker.io/acme/x"), ["acme.example.com/images/x"]);
        assert_eq!(push(&settings, "docker.io/acme/x"), "docker.io/acme/x");
        assert_eq!(pulls(&settings, "ghcr.io/acme/x"), ["ghcr.io/acme/x"]);
    }

    #[test]
    fn blocked_registry_is_an_error() {
        let settings = settings(HUB, &[]);
        let reference = "a.blocked.example.com/x".parse().expect("a reference");
        let error = settings.to_push(&reference).expect_err("blocked");
        assert_eq!(error.to_string(), "*.blocked.example.com is blocked by registries.conf:13");
        assert!(settings.to_pull(&reference).is_err());
    }

    #[test]
    fn insecure_registry_is_named_with_its_port() {
        let settings = settings("", &["nas.local:5000"]);
        assert_eq!(push(&settings, "nas.local:5000/x"), "nas.local:5000/x (--insecure-registry)");
        assert_eq!(push(&settings, "nas.local/x"), "nas.local/x");
    }
}
