//! Broken settings of registries: registries.conf, our own registries.toml, and certs.d.

use std::fs;

use crate::support::project::Project;
use crate::support::snapshot::Snapshot;

#[test]
fn host_setting_errors_match_snapshot() {
    let mut snapshot = Snapshot::of("hosts");
    let project = Project::new("hello");
    let args = ["inspect", "127.0.0.1:9/app:1"];
    for (title, conf) in [
        ("registries.conf is not TOML", "[[registry]\nlocation = \"a.example.com\"\n"),
        (
            "registries.conf has a value of another type",
            "[[registry]]\nlocation = \"a.example.com\"\ninsecure = \"yes\"\n",
        ),
        ("registries.conf has a location with a scheme", "[[registry]]\nlocation = \"https://a.example.com\"\n"),
        ("registries.conf is of version 1", "[registries.insecure]\nregistries = [\"a.example.com\"]\n"),
        ("the registry is blocked", "[[registry]]\nprefix = \"127.0.0.1:9\"\nblocked = true\n"),
    ] {
        fs::write(project.path("registries.conf"), conf).expect("a file");
        let call = project.oci(&args).env("CONTAINERS_REGISTRIES_CONF", project.path("registries.conf"));
        snapshot.call(title, &project, &args, call, 1);
    }
    fs::create_dir_all(project.path("config/cargo-oci")).expect("a folder");
    for (title, toml) in [
        ("registries.toml has an unknown key", "insecur = [\"nas.local:5000\"]\n"),
        ("registries.toml has no registry for a token service", "[[token-service]]\ntrust = \"auth.example.org\"\n"),
    ] {
        fs::write(project.path("config/cargo-oci/registries.toml"), toml).expect("a file");
        let call = project.oci(&args).env("XDG_CONFIG_HOME", project.path("config"));
        snapshot.call(title, &project, &args, call, 1);
    }
    let folder = project.path("home/.config/containers/certs.d/127.0.0.1:9");
    fs::create_dir_all(&folder).expect("a folder");
    for (title, files) in [
        ("a client certificate has no key", &[("me.cert", "")][..]),
        ("a client certificate and its key are not PEM", &[("me.cert", "no PEM"), ("me.key", "no PEM")]),
        ("the certificate of an authority is not PEM", &[("ca.crt", "no PEM")]),
    ] {
        for (name, text) in files {
            fs::write(folder.join(name), text).expect("a file");
        }
        snapshot.call(title, &project, &args, project.oci(&args).env("HOME", project.path("home")), 1);
        for (name, _) in files {
            fs::remove_file(folder.join(name)).expect("it is there");
        }
    }
    let call = project.oci(&args).env("CARGO_OCI_INSECURE_REGISTRIES", "http://nas.local:5000");
    snapshot.call("CARGO_OCI_INSECURE_REGISTRIES holds a URL", &project, &args, call, 1);
    snapshot.check();
}
