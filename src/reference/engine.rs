//! `NAME[:PLACE]`: an engine, as flag and table name it.

use std::fmt;
use std::str::FromStr;

use super::ReferenceError;
use crate::suggest::hint;

/// An engine, and which of its places where it has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineReference {
    /// Which program is talked to.
    pub kind: EngineKind,
    /// A context of Docker, a connection of Podman, a namespace of containerd, a cluster or a profile of the others; what
    /// the program takes by itself where there is none.
    pub place: Option<String>,
}

/// The engines that images are handed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Docker, with either of its image stores.
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

/// Each engine's name, and what its place is called.
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
    /// The names that users write.
    pub fn names() -> [&'static str; 7] {
        ENGINES.map(|(_, name, _)| name)
    }

    /// The name that users write.
    pub fn name(self) -> &'static str {
        // Every kind is in the table: a test looks.
        ENGINES.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }
}

impl FromStr for EngineReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |why: String| ReferenceError { text: text.to_owned(), kind: "an engine", why };
        let (name, place) = match text.split_once(':') {
            Some((name, place)) => (name, Some(place)),
            None => (text, None),
        };
        let found = ENGINES.iter().find(|(_, known, _)| *known == name);
        let &(kind, name, what) =
            found.ok_or_else(|| wrong(format!("there is {}{}", known(), hint(name, EngineKind::names()))))?;
        match place {
            // Programs would take it for a flag.
            Some(place) if place.is_empty() || place.starts_with('-') => {
                Err(wrong(format!("behind the colon stands its {what}, as in `{name}:{what}`")))
            }
            place => Ok(EngineReference { kind, place: place.map(str::to_owned) }),
        }
    }
}

impl fmt::Display for EngineReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        self.place.iter().try_for_each(|place| write!(f, ":{place}"))
    }
}

/// The names, as a person reads a list.
fn known() -> String {
    let names = EngineKind::names();
    format!("{} and {}", names[..names.len() - 1].join(", "), names[names.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_read_by_its_name() {
        for (kind, name, _) in ENGINES {
            let engine: EngineReference = name.parse().expect(name);
            assert_eq!((engine.kind, engine.to_string().as_str()), (kind, name));
        }
    }

    #[test]
    fn a_place_stands_behind_a_colon() {
        let engine: EngineReference = "containerd:k8s.io".parse().expect("is right");
        assert_eq!(engine.place.as_deref(), Some("k8s.io"));
        assert_eq!(engine.to_string(), "containerd:k8s.io");
        for wrong in ["docker:", "docker:--host=x"] {
            let error = wrong.parse::<EngineReference>().unwrap_err();
            assert!(error.to_string().contains("`docker:CONTEXT`"), "{error}");
        }
    }

    #[test]
    fn an_unknown_engine_is_refused_with_those_there_are() {
        let error = "lxc".parse::<EngineReference>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`lxc` is not an engine: there is docker, podman, nerdctl, containerd, kind, minikube and k3d"
        );
        let error = "dokcer:default".parse::<EngineReference>().unwrap_err();
        assert!(error.to_string().ends_with(" and k3d (did you mean `docker`?)"), "{error}");
    }
}
