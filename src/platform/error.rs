//! Why a text is not a platform or target that images can be built for.

use super::{Platform, TARGETS};
use crate::suggest::nearest;

/// Why a text is not a platform or target that images can be built for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Not `os/architecture[/variant]`.
    #[error("`{0}` is not a platform{hint}: expected `OS/ARCHITECTURE[/VARIANT]`, such as `linux/arm64`", hint = hint(.0))]
    Syntax(String),
    /// Rust has no musl target for it.
    #[error("cannot build for `{0}`: Rust has no musl target for it{hint}; supported are {supported}", hint = hint(.0), supported = supported())]
    NoTarget(String),
    /// Not a target that images can be built for.
    #[error("unsupported target `{triple}`: {reason}; expected a Linux target, such as `x86_64-unknown-linux-musl`")]
    Triple {
        /// As the user wrote it.
        triple: String,
        /// Why it is not supported.
        reason: String,
    },
}

/// Returns the platforms of the table as a list in English.
fn supported() -> String {
    TARGETS.map(|target| target.platform().to_string()).join(", ")
}

/// A name that users may mean a platform by.
struct Alias {
    name: String,
    platform: Platform,
}

/// Returns the names of all platforms, those of their machines, and those of Rust for them.
fn aliases() -> Vec<Alias> {
    let mut aliases = Vec::new();
    for target in TARGETS {
        let platform = target.platform();
        let name = platform.to_string();
        let machine = name.trim_start_matches("linux/").to_owned();
        let rust = target.triple.split('-').next().unwrap_or_default().to_owned();
        aliases.extend(
            [target.architecture.to_owned(), rust, machine, name]
                .map(|name| Alias { name, platform: platform.clone() }),
        );
    }
    aliases
}

/// Returns the platform that `text` may mean: users write the names of kernels or Rust, or their own operating system.
fn meant(text: &str) -> Option<Platform> {
    let aliases = aliases();
    let text = text.to_lowercase();
    let word = text.split('-').next().unwrap_or_default();
    let machine = word.split_once('/').map(|(_, machine)| machine);
    [Some(word.strip_prefix("linux/").unwrap_or(word)), machine].into_iter().flatten().find_map(|word| {
        let name = nearest(word, aliases.iter().map(|alias| alias.name.as_str()))?;
        aliases.iter().find(|alias| alias.name == name).map(|alias| alias.platform.clone())
    })
}

fn hint(text: &str) -> String {
    meant(text).map(|platform| format!(" (did you mean `{platform}`?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::platform::PlatformChoice;

    #[test]
    fn platform_error_suggests_names_of_the_table() {
        for (typed, meant) in [
            ("linux/amd46", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64/v8"),
            ("aarch64-unknown-linux-musl", "linux/arm64/v8"),
            ("Linux/ARM64", "linux/arm64/v8"),
            ("arm", "linux/arm/v7"),
            ("linux/armv7", "linux/arm/v7"),
            ("linux/i386", "linux/386"),
            ("linux/ppc64el", "linux/ppc64le"),
            ("darwin/arm64", "linux/arm64/v8"),
        ] {
            let error = typed.parse::<PlatformChoice>().expect_err(typed).to_string();
            assert!(error.contains(&format!("(did you mean `{meant}`?)")), "{error}");
        }
        for typed in ["linux/mips", "plan9/sparc", "", "-"] {
            let error = typed.parse::<PlatformChoice>().expect_err(typed).to_string();
            assert!(!error.contains("did you mean"), "{error}");
        }
    }
}
