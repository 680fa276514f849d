//! OCI platforms and the Rust targets that build for them.
//!
//! Names follow the image-spec's `image-index.md`, which takes them from Go's `GOOS` and `GOARCH`.

mod choice;
mod elf;
mod error;
mod libc;
mod triple;

use std::fmt;

pub(crate) use choice::PlatformChoice;
pub(crate) use elf::ElfKind;
pub(crate) use error::PlatformError;
pub(crate) use libc::Libc;

/// An operating system, an architecture and its variant, as image indexes and configs name them.
///
/// Two platforms are equal if they mean the same machine: `linux/arm64` is `linux/arm64/v8`, and `linux/arm` is
/// `linux/arm/v7`.
#[derive(Clone, Debug)]
pub struct Platform {
    /// `linux`, `windows`, …
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v8`, `v7`, … for architectures with variants.
    pub variant: Option<String>,
}

/// A Rust target for Linux: one of [`TARGETS`], or another one that the user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The target triple, such as `aarch64-unknown-linux-musl`.
    pub triple: &'static str,
    architecture: &'static str,
    variant: Option<&'static str>,
}

const fn target(triple: &'static str, architecture: &'static str, variant: Option<&'static str>) -> Target {
    Target { triple, architecture, variant }
}

/// Every platform with a musl target, the most used first.
pub(crate) const TARGETS: [Target; 9] = [
    target("x86_64-unknown-linux-musl", "amd64", None),
    target("aarch64-unknown-linux-musl", "arm64", Some("v8")),
    target("armv7-unknown-linux-musleabihf", "arm", Some("v7")),
    target("arm-unknown-linux-musleabihf", "arm", Some("v6")),
    target("i686-unknown-linux-musl", "386", None),
    target("riscv64gc-unknown-linux-musl", "riscv64", None),
    target("powerpc64le-unknown-linux-musl", "ppc64le", None),
    target("s390x-unknown-linux-musl", "s390x", None),
    target("loongarch64-unknown-linux-musl", "loong64", None),
];

/// The targets for the same platforms with glibc.
pub(crate) const GNU_TARGETS: [Target; 9] = [
    target("x86_64-unknown-linux-gnu", "amd64", None),
    target("aarch64-unknown-linux-gnu", "arm64", Some("v8")),
    target("armv7-unknown-linux-gnueabihf", "arm", Some("v7")),
    target("arm-unknown-linux-gnueabihf", "arm", Some("v6")),
    target("i686-unknown-linux-gnu", "386", None),
    target("riscv64gc-unknown-linux-gnu", "riscv64", None),
    target("powerpc64le-unknown-linux-gnu", "ppc64le", None),
    target("s390x-unknown-linux-gnu", "s390x", None),
    target("loongarch64-unknown-linux-gnu", "loong64", None),
];

impl Target {
    /// Returns the platform that this target builds for.
    pub fn platform(&self) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: self.architecture.to_owned(),
            variant: self.variant.map(str::to_owned),
        }
    }

    /// Returns whether its programs are static by default.
    pub fn is_static(&self) -> bool {
        self.triple.contains("-musl")
    }

    /// Returns the architecture as in `cfg(target_arch = "…")`.
    pub fn architecture_in_cfg(&self) -> &str {
        match self.triple.split('-').next().unwrap_or_default() {
            "i386" | "i586" | "i686" => "x86",
            "powerpc64le" => "powerpc64",
            "mipsel" => "mips",
            "mips64el" => "mips64",
            arm if arm.starts_with("arm") || arm.starts_with("thumb") => "arm",
            riscv if riscv.starts_with("riscv64") => "riscv64",
            other => other,
        }
    }

    /// Returns the C library as in `cfg(target_env = "…")`.
    pub fn libc_in_cfg(&self) -> &str {
        if self.is_static() { "musl" } else { "gnu" }
    }

    /// Returns the triple as in environment variables, such as `CC_aarch64_unknown_linux_musl`.
    pub fn env_key(&self) -> String {
        self.triple.replace('-', "_")
    }
}

impl Platform {
    /// Returns the platform of containers on this computer: Linux, also on other operating systems.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// Returns the musl target that builds for this platform, or `None` if Rust has none.
    pub fn target(&self) -> Option<Target> {
        TARGETS.into_iter().find(|target| target.platform() == *self)
    }

    /// Returns its position in an index: that in [`TARGETS`], or the last one for a platform that Rust has no musl target for.
    pub(crate) fn position(&self) -> usize {
        TARGETS.iter().position(|target| target.platform() == *self).unwrap_or(TARGETS.len())
    }

    /// Returns operating system and architecture.
    pub fn without_variant(&self) -> (&str, &str) {
        (&self.os, &self.architecture)
    }

    /// Returns whether an index and a config with these platforms may describe the same image. A variant is often missing in one
    /// of them.
    pub fn agrees_with(&self, other: &Platform) -> bool {
        let is_incomplete = self.variant.is_none() || other.variant.is_none();
        self == other || is_incomplete && self.without_variant() == other.without_variant()
    }

    /// Returns the variant, or the architecture's default.
    fn variant_or_default(&self) -> Option<&str> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("arm64", None) => Some("v8"),
            ("arm", None) => Some("v7"),
            ("amd64", None) => Some("v1"),
            (_, variant) => variant,
        }
    }
}

impl PartialEq for Platform {
    fn eq(&self, other: &Self) -> bool {
        self.without_variant() == other.without_variant() && self.variant_or_default() == other.variant_or_default()
    }
}

impl Eq for Platform {}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// As `os/architecture[/variant]`.
impl<'de> serde::Deserialize<'de> for Platform {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Platform, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Platform {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
