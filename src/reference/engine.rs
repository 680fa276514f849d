//! `NAME[:PLACE]`: a container engine, as `--engine` and the key `engine` name it.

use std::fmt;
use std::str::FromStr;

use super::error::ReferenceError;
use crate::suggest::hint;

/// An engine, and which of its contexts, clusters or the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineReference {
    /// The engine.
    pub kind: EngineKind,
    /// The Docker context, Podman connection, containerd namespace, cluster or profile, or `None` for the engine's default.
    pub instance: Option<String>,
}

/// The engines that images can be loaded into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// containerd, through nerdctl.
    Nerdctl,
    /// containerd, through its own `ctr`.
    Containerd,
    /// A Kubernetes cluster of kind.
    Kind,
    /// A Kubernetes cluster of minikube.
    Minikube,
    /// A Kubernetes cluster of k3d.
    K3d,
}

/// Each engine's name, and what the engine calls its instances.
const ENGINES: [(EngineKind, &str, &str); 7] = [
    (EngineKind::Docker, "docker", "CONTEXT"),
    (EngineKind::Podman, "podman", "CONNECTION"),
    (EngineKind::Nerdctl, "nerdctl", "NAMESPACE"),
    (EngineKind::Containerd, "containerd", "NAMESPACE"),
    (EngineKind::Kind, "kind", "CLUSTER"),
    (EngineKind::Minikube, "minikube", "PROFILE"),
    (EngineKind::K3d, "k3d", "CLUSTER"),
];

impl EngineKind {
    /// Returns the names of all engines, as users write them.
    pub fn names() -> [&'static str; 7] {
        ENGINES.map(|(_, name, _)| name)
    }

    /// Returns the engine's name, as users write it.
    pub fn name(self) -> &'static str {
        // Every kind is in the table: there is a test for it.
        ENGINES.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }
}

impl FromStr for EngineReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (name, instance) = match text.split_once(':') {
            Some((name, instance)) => (name, Some(instance)),
            None => (text, None),
        };
        let Some(&(kind, name, term)) = ENGINES.iter().find(|(_, known, _)| *known == name) else {
            let reason = format!("expected {}{}", known(), hint(name, EngineKind::names()));
            return Err(ReferenceError::new(text, "an engine", reason));
        };
        match instance {
            // Programs would take it for a flag.
            Some(instance) if instance.is_empty() || instance.starts_with('-') => {
                let reason = format!("expected its {term} after the colon, as in `{name}:{term}`");
                Err(ReferenceError::new(text, "an engine", reason))
            }
            instance => Ok(EngineReference { kind, instance: instance.map(str::to_owned) }),
        }
    }
}

impl fmt::Display for EngineReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        self.instance.iter().try_for_each(|instance| write!(f, ":{instance}"))
    }
}

/// Returns the names as a list in English.
fn known() -> String {
    let names = EngineKind::names();
    format!("{} or {}", names[..names.len() - 1].join(", "), names[names.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_is_parsed_by_its_name() {
        for (kind, name, _) in ENGINES {
            let engine: EngineReference = name.parse().expect(name);
            assert_eq!((engine.kind, engine.to_string().as_str()), (kind, name));
        }
    }

    #[test]
    fn engine_instance_follows_a_colon() {
        let engine: EngineReference = "containerd:k8s.io".parse().expect("is right");
        assert_eq!(engine.instance.as_deref(), Some("k8s.io"));
        assert_eq!(engine.to_string(), "containerd:k8s.io");
        for wrong in ["docker:", "docker:--host=x"] {
            let error = wrong.parse::<EngineReference>().unwrap_err();
            assert!(error.to_string().contains("`docker:CONTEXT`"), "{error}");
        }
    }

    #[test]
    fn unknown_engine_is_rejected_with_a_suggestion() {
        let error = "lxc".parse::<EngineReference>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`lxc` is not an engine: expected docker, podman, nerdctl, containerd, kind, minikube or k3d"
        );
        let error = "dokcer:default".parse::<EngineReference>().unwrap_err();
        assert!(error.to_string().ends_with(" or k3d (did you mean `docker`?)"), "{error}");
    }
}
