//! Where `cargo oci login` stores a credential, so that Docker and Podman find it too.

use super::edit::{create_folder_of, lock_folder_of, unwritable};
use super::file::{self, ConfigFile};
use super::helper::Helper;
use super::key::Query;
use super::{CredentialStore, Secret, helper, short};
use crate::environment::Environment;
use crate::error::Result;

/// Stores a user's password: with the helper that is configured for the registry, or in the file.
///
/// # Errors
/// Returns an error if the file or the helper fails; nothing is stored then.
pub fn store(environment: &Environment, registry: &str, user: &str, password: &Secret) -> Result<CredentialStore> {
    let query = Query::new(registry, "");
    let path = file::path_to_store(environment)?;
    create_folder_of(&path).map_err(|error| unwritable(&path, &error))?;
    let _alone = lock_folder_of(&path);
    let file = ConfigFile::read_or_new(&path)?;
    let Some(helper) = configured(environment, &file, &query)? else {
        file.with_auth(&query, &file::encoded(user, password))?.write()?;
        return Ok(CredentialStore::File(short(environment, &file.path)));
    };
    helper.store(query.key(), user, password)?;
    // An old entry in the file would take precedence over the helper.
    if let Some(file) = file.without(&query)? {
        file.write()?;
    }
    Ok(CredentialStore::Helper(helper.program().to_owned()))
}

/// Erases what [`store`] has stored. Returns where it was, or `None` if there was nothing.
///
/// # Errors
/// Returns an error if the file or the helper fails.
pub fn erase(environment: &Environment, registry: &str) -> Result<Option<CredentialStore>> {
    let query = Query::new(registry, "");
    let path = file::path_to_store(environment)?;
    let _alone = lock_folder_of(&path);
    let Some(file) = ConfigFile::read(&path)? else { return Ok(None) };
    let changed = file.without(&query)?;
    let mut place = changed.as_ref().map(|_| CredentialStore::File(short(environment, &file.path)));
    if let Some(helper) = configured(environment, &file, &query)?
        && helper.erase(query.key())?
    {
        place = Some(CredentialStore::Helper(helper.program().to_owned()));
    }
    changed.map_or(Ok(()), |changed| changed.write())?;
    Ok(place)
}

/// Returns the helper for the whole of a registry, or `None` if none is configured.
fn configured<'a>(environment: &'a Environment, file: &ConfigFile, query: &Query) -> Result<Option<Helper<'a>>> {
    let entry = match file.own_helper(query)? {
        None => file.common_helper()?,
        own => own,
    };
    Ok(entry.and_then(|entry| helper(environment, file, &entry)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Home;
    use super::*;

    fn store_in(home: &Home, registry: &str) -> CredentialStore {
        store(&home.environment(), registry, "tenancy/robot", &Secret::new("open:sesame")).expect("stored")
    }

    fn text(home: &Home, path: &str) -> String {
        std::fs::read_to_string(home.path(path)).expect("a file")
    }

    #[test]
    fn stored_credential_is_private_and_erased_again() {
        let home = Home::default();
        assert_eq!(erase(&home.environment(), "ghcr.io").expect("nothing"), None);
        assert_eq!(store_in(&home, "ghcr.io"), CredentialStore::File("~/.docker/config.json".to_owned()));
        let kept = "{\n\t\"auths\": {\n\t\t\"ghcr.io\": {\"auth\": \"dGVuYW5jeS9yb2JvdDpvcGVuOnNlc2FtZQ==\"}\n\t}\n}\n";
        assert_eq!(text(&home, ".docker/config.json"), kept);
        let found = home.found("ghcr.io", "acme/hello");
        let password = Secret::new("open:sesame");
        assert_eq!(found.credential, super::super::Credential::Basic { user: "tenancy/robot".to_owned(), password });
        #[cfg(unix)]
        for (path, mode) in [(".docker/config.json", 0o600), (".docker", 0o700)] {
            use std::os::unix::fs::PermissionsExt;
            let metadata = home.path(path).metadata().expect("there");
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path}");
        }
        let place = erase(&home.environment(), "ghcr.io").expect("erased");
        assert_eq!(place, Some(CredentialStore::File("~/.docker/config.json".to_owned())));
        assert_eq!(text(&home, ".docker/config.json"), "{\n\t\"auths\": {}\n}\n");
        assert_eq!(erase(&home.environment(), "ghcr.io").expect("nothing"), None);
    }

    #[test]
    fn stores_at_once_lose_no_entry() {
        let home = Home::default();
        let registries: Vec<_> = (0..16).map(|number| format!("r{number}.io")).collect();
        std::thread::scope(|scope| {
            for registry in &registries {
                scope.spawn(|| store_in(&home, registry));
            }
        });
        let text = text(&home, ".docker/config.json");
        assert!(registries.iter().all(|registry| text.contains(&format!("\"{registry}\""))), "{text}");
    }

    #[test]
    fn store_keeps_the_rest_of_the_file() {
        let before = "{\n  \"z\": 1.50,\n  \"auths\": {\n    \"b.io\": {\"auth\": \"YTpi\"}\n  },\n  \"a\" : [ ]\n}\n";
        let home = Home::with(".docker/config.json", before);
        store_in(&home, "docker.io");
        let entry = ",\n    \"https://index.docker.io/v1/\": {\"auth\": \"dGVuYW5jeS9yb2JvdDpvcGVuOnNlc2FtZQ==\"}";
        let with = before.replace("\"YTpi\"}", &format!("\"YTpi\"}}{entry}"));
        assert_eq!(text(&home, ".docker/config.json"), with);
        erase(&home.environment(), "index.docker.io").expect("erased");
        assert_eq!(text(&home, ".docker/config.json"), before);
    }

    #[test]
    fn store_writes_the_file_in_the_environment() {
        let mut home = Home::default();
        for (key, value, file) in [
            ("DOCKER_CONFIG", "docker", "docker/config.json"),
            ("REGISTRY_AUTH_FILE", "containers/auth.json", "containers/auth.json"),
        ] {
            home.set(key, &home.path(value).display().to_string());
            assert_eq!(store_in(&home, "ghcr.io"), CredentialStore::File(format!("~/{file}")));
            assert!(text(&home, file).contains("ghcr.io"));
        }
    }

    #[test]
    fn store_leaves_an_invalid_file_alone() {
        let home = Home::with(".docker/config.json", "{\"auths\": ");
        store(&home.environment(), "ghcr.io", "robot", &Secret::new("sesame")).expect_err("broken");
        assert_eq!(text(&home, ".docker/config.json"), "{\"auths\": ");
    }

    #[cfg(unix)]
    #[test]
    fn store_keeps_a_symbolic_link() {
        let home = Home::with("dotfiles/docker.json", "{}");
        std::fs::create_dir(home.path(".docker")).expect("a folder");
        std::os::unix::fs::symlink("../dotfiles/docker.json", home.path(".docker/config.json")).expect("a link");
        store_in(&home, "ghcr.io");
        assert!(home.path(".docker/config.json").is_symlink());
        assert!(text(&home, "dotfiles/docker.json").contains("ghcr.io"));
    }

    /// A helper that stores one credential in a file.
    #[cfg(unix)]
    fn keeper(home: &mut Home) {
        let kept = home.path("kept").display().to_string();
        let script = format!(
            "case $1 in\nstore) cat > {kept};;\nerase) rm {kept};;\n\
             get) cat {kept} 2>&- || {{ echo credentials not found in native keychain; exit 1; }};;\nesac"
        );
        home.helper("keeper", &script);
    }

    #[cfg(unix)]
    #[test]
    fn store_uses_the_configured_helper() {
        for config in [
            r#"{"auths": {"ghcr.io": {"auth": "YTpi"}, "a.io": {}}, "credsStore": "keeper"}"#,
            r#"{"auths": {"ghcr.io": {"auth": "YTpi"}, "a.io": {}}, "credHelpers": {"ghcr.io": "keeper"}, "credsStore": "no"}"#,
        ] {
            let mut home = Home::with(".docker/config.json", config);
            keeper(&mut home);
            assert_eq!(store_in(&home, "ghcr.io"), CredentialStore::Helper("docker-credential-keeper".to_owned()));
            let without = config.replace(r#""ghcr.io": {"auth": "YTpi"}, "#, "");
            assert_eq!(text(&home, ".docker/config.json"), without);
            let kept = r#"{"Secret":"open:sesame","ServerURL":"ghcr.io","Username":"tenancy/robot"}"#;
            assert_eq!(text(&home, "kept"), kept);
            assert!(home.found("ghcr.io", "x").source.contains("(docker-credential-keeper)"));
            let place = erase(&home.environment(), "ghcr.io").expect("erased");
            assert_eq!(place, Some(CredentialStore::Helper("docker-credential-keeper".to_owned())));
            assert!(!home.path("kept").exists());
            assert_eq!(erase(&home.environment(), "ghcr.io").expect("nothing"), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn store_without_helper_name_uses_the_file() {
        let config = r#"{"credHelpers": {"ghcr.io": ""}, "credsStore": "no"}"#;
        let home = Home::with(".docker/config.json", config);
        assert_eq!(store_in(&home, "ghcr.io"), CredentialStore::File("~/.docker/config.json".to_owned()));
        assert_eq!(home.found("ghcr.io", "x").source, "auths of ~/.docker/config.json");
    }
}
