//! Where a credential is kept after `cargo oci login`: Docker and Podman look there too.

use super::file::{self, ConfigFile};
use super::helper::Helper;
use super::key::Wanted;
use super::{Place, Secret, helper, short};
use crate::environment::Environment;
use crate::error::Result;

/// Keeps a user's password: by the helper that is configured for the registry, else in the file.
///
/// # Errors
/// Of the file or the helper; then nothing is kept.
pub fn store(environment: &Environment, registry: &str, user: &str, password: &Secret) -> Result<Place> {
    let wanted = Wanted::new(registry, "");
    let file = ConfigFile::read_or_new(&file::place_to_store(environment)?)?;
    match configured(environment, &file, &wanted)? {
        Some(helper) => {
            helper.store(wanted.key(), user, password)?;
            // What the file had would be found before what the helper has now.
            if let Some(file) = file.without(&wanted)? {
                file.write()?;
            }
            Ok(Place::Helper(helper.program().to_owned()))
        }
        None => {
            file.with_auth(&wanted, &file::encoded(user, password))?.write()?;
            Ok(Place::File(short(environment, &file.path)))
        }
    }
}

/// Forgets what [`store`] has kept, and says where that was; nothing where there was nothing.
///
/// # Errors
/// Of the file or the helper.
pub fn erase(environment: &Environment, registry: &str) -> Result<Option<Place>> {
    let wanted = Wanted::new(registry, "");
    let Some(file) = ConfigFile::read(&file::place_to_store(environment)?)? else { return Ok(None) };
    let changed = file.without(&wanted)?;
    let mut place = changed.as_ref().map(|_| Place::File(short(environment, &file.path)));
    if let Some(helper) = configured(environment, &file, &wanted)?
        && helper.erase(wanted.key())?
    {
        place = Some(Place::Helper(helper.program().to_owned()));
    }
    changed.map_or(Ok(()), |changed| changed.write())?;
    Ok(place)
}

/// The helper that keeps the credentials for the whole of a registry.
fn configured<'a>(environment: &'a Environment, file: &ConfigFile, wanted: &Wanted) -> Result<Option<Helper<'a>>> {
    let entry = match file.own_helper(wanted)? {
        None => file.common_helper()?,
        own => own,
    };
    Ok(entry.and_then(|entry| helper(environment, file, &entry)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Home;
    use super::*;

    fn store_in(home: &Home, registry: &str) -> Place {
        store(&home.environment(), registry, "tenancy/robot", &Secret::new("open:sesame")).expect("is kept")
    }

    fn text(home: &Home, path: &str) -> String {
        std::fs::read_to_string(home.path(path)).expect("a file")
    }

    #[test]
    fn a_credential_is_kept_in_a_file_for_its_owner_and_forgotten_again() {
        let home = Home::default();
        assert_eq!(erase(&home.environment(), "ghcr.io").expect("nothing"), None);
        assert_eq!(store_in(&home, "ghcr.io"), Place::File("~/.docker/config.json".to_owned()));
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
        let place = erase(&home.environment(), "ghcr.io").expect("is forgotten");
        assert_eq!(place, Some(Place::File("~/.docker/config.json".to_owned())));
        assert_eq!(text(&home, ".docker/config.json"), "{\n\t\"auths\": {}\n}\n");
        assert_eq!(erase(&home.environment(), "ghcr.io").expect("nothing more"), None);
    }

    #[test]
    fn what_else_is_in_the_file_stays_as_it_is() {
        let before = "{\n  \"z\": 1.50,\n  \"auths\": {\n    \"b.io\": {\"auth\": \"YTpi\"}\n  },\n  \"a\" : [ ]\n}\n";
        let home = Home::with(".docker/config.json", before);
        store_in(&home, "docker.io");
        let entry = ",\n    \"https://index.docker.io/v1/\": {\"auth\": \"dGVuYW5jeS9yb2JvdDpvcGVuOnNlc2FtZQ==\"}";
        let with = before.replace("\"YTpi\"}", &format!("\"YTpi\"}}{entry}"));
        assert_eq!(text(&home, ".docker/config.json"), with);
        erase(&home.environment(), "index.docker.io").expect("is forgotten");
        assert_eq!(text(&home, ".docker/config.json"), before);
    }

    #[test]
    fn the_file_that_is_named_is_the_one_that_is_written() {
        let mut home = Home::default();
        for (key, value, file) in [
            ("DOCKER_CONFIG", "docker", "docker/config.json"),
            ("REGISTRY_AUTH_FILE", "containers/auth.json", "containers/auth.json"),
        ] {
            home.set(key, &home.path(value).display().to_string());
            assert_eq!(store_in(&home, "ghcr.io"), Place::File(format!("~/{file}")));
            assert!(text(&home, file).contains("ghcr.io"));
        }
    }

    #[test]
    fn a_broken_file_is_left_as_it_is() {
        let home = Home::with(".docker/config.json", "{\"auths\": ");
        store(&home.environment(), "ghcr.io", "robot", &Secret::new("sesame")).expect_err("broken");
        assert_eq!(text(&home, ".docker/config.json"), "{\"auths\": ");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_file_stays_one() {
        let home = Home::with("dotfiles/docker.json", "{}");
        std::fs::create_dir(home.path(".docker")).expect("a folder");
        std::os::unix::fs::symlink("../dotfiles/docker.json", home.path(".docker/config.json")).expect("a link");
        store_in(&home, "ghcr.io");
        assert!(home.path(".docker/config.json").is_symlink());
        assert!(text(&home, "dotfiles/docker.json").contains("ghcr.io"));
    }

    /// A helper that keeps one credential in a file.
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
    fn the_helper_that_is_configured_keeps_it_and_the_file_does_not() {
        for config in [
            r#"{"auths": {"ghcr.io": {"auth": "YTpi"}, "a.io": {}}, "credsStore": "keeper"}"#,
            r#"{"auths": {"ghcr.io": {"auth": "YTpi"}, "a.io": {}}, "credHelpers": {"ghcr.io": "keeper"}, "credsStore": "no"}"#,
        ] {
            let mut home = Home::with(".docker/config.json", config);
            keeper(&mut home);
            assert_eq!(store_in(&home, "ghcr.io"), Place::Helper("docker-credential-keeper".to_owned()));
            let without = config.replace(r#""ghcr.io": {"auth": "YTpi"}, "#, "");
            assert_eq!(text(&home, ".docker/config.json"), without);
            let kept = r#"{"Secret":"open:sesame","ServerURL":"ghcr.io","Username":"tenancy/robot"}"#;
            assert_eq!(text(&home, "kept"), kept);
            assert!(home.found("ghcr.io", "x").source.contains("(docker-credential-keeper)"));
            let place = erase(&home.environment(), "ghcr.io").expect("is forgotten");
            assert_eq!(place, Some(Place::Helper("docker-credential-keeper".to_owned())));
            assert!(!home.path("kept").exists());
            assert_eq!(erase(&home.environment(), "ghcr.io").expect("nothing more"), None);
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_empty_helper_means_the_file() {
        let config = r#"{"credHelpers": {"ghcr.io": ""}, "credsStore": "no"}"#;
        let home = Home::with(".docker/config.json", config);
        assert_eq!(store_in(&home, "ghcr.io"), Place::File("~/.docker/config.json".to_owned()));
        assert_eq!(home.found("ghcr.io", "x").source, "auths of ~/.docker/config.json");
    }
}
