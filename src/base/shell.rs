//! The shell that a base starts by default.

use crate::image::config::Object;
use crate::image::strings;

/// Programs that are shells, or start one.
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "busybox"];

/// Returns the program that an image with this config starts, if that is a shell, or `None`.
pub(crate) fn shell_of(config: &Object) -> Option<String> {
    let run = config.get("config")?;
    let programs = ["Entrypoint", "Cmd"].into_iter().filter_map(|key| strings(run.get(key)).into_iter().next());
    programs.into_iter().find(|program| SHELLS.contains(&program.rsplit('/').next().unwrap_or(program)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shell_is_entrypoint_or_cmd() {
        for (run, shell) in [
            (json!({ "Entrypoint": ["/busybox/sh"] }), Some("/busybox/sh")),
            (json!({ "Entrypoint": null, "Cmd": ["bash", "-l"] }), Some("bash")),
            (json!({ "Entrypoint": ["/usr/bin/tini"], "Cmd": ["/bin/sh"] }), Some("/bin/sh")),
            (json!({ "Entrypoint": ["/app/x"] }), None),
            (json!(null), None),
        ] {
            let config = Object::from_iter([("config".to_owned(), run.clone())]);
            assert_eq!(shell_of(&config).as_deref(), shell, "{run}");
        }
    }
}
