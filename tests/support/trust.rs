//! Podman and Skopeo of Debian's unstable suite, with a policy of whom to trust: those of Debian 12 cannot verify sigstore's
//! signatures.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use super::engine::Podman;
use super::environment;
use super::process::{Ran, run};

/// A home with a policy: of one registry, only what is signed with a key is trusted; of others, nothing.
pub struct TrustingHome {
    folder: TempDir,
    storage: Podman,
}

impl TrustingHome {
    /// `registry` is its host with its port.
    pub fn new(registry: &str, key: &Path) -> TrustingHome {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let containers = folder.path().join(".config/containers");
        fs::create_dir_all(containers.join("registries.d")).expect("a folder");
        // cosign's signatures name the repository without a tag.
        let signed = json!({
            "type": "sigstoreSigned",
            "keyPath": key,
            "signedIdentity": { "type": "matchRepository" },
        });
        let policy = json!({
            "default": [{ "type": "reject" }],
            "transports": { "docker": { registry: [signed] } },
        });
        fs::write(containers.join("policy.json"), policy.to_string()).expect("a file");
        let attachments = format!("docker:\n  {registry}:\n    use-sigstore-attachments: true\n");
        fs::write(containers.join("registries.d/registry.yaml"), attachments).expect("a file");
        TrustingHome { folder, storage: Podman::new() }
    }

    /// `podman pull`.
    pub fn podman_pull(&self, image: &str) -> Ran {
        self.run("podman", &["pull", "--tls-verify=false", image])
    }

    /// `skopeo copy` of the image for one platform into a folder.
    pub fn skopeo_copy(&self, image: &str, into: &str) -> Ran {
        let (from, to) = (format!("docker://{image}"), format!("dir:{}", self.folder.path().join(into).display()));
        self.run("skopeo", &["copy", "--src-tls-verify=false", &from, &to])
    }

    fn run(&self, program: &str, args: &[&str]) -> Ran {
        let folder = std::env::var_os("CARGO_OCI_TEST_TRUST_PATH");
        let folder = folder.expect("a folder with podman and skopeo in CARGO_OCI_TEST_TRUST_PATH: `.ci/test` sets it");
        let mut command = environment::command(PathBuf::from(folder).join(program));
        // In their root they see this machine's temporary folder.
        command.args(args).current_dir(self.folder.path());
        run(command.envs(self.storage.env()).env("HOME", self.folder.path()))
    }
}
