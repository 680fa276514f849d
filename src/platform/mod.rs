//! OCI platforms and the Rust targets that build for them: the only such table.
//!
//! Names follow the image-spec's `image-index.md` (which takes them from Go's `GOOS` and `GOARCH`).

mod triple;

use std::fmt;
use std::str::FromStr;

use target_lexicon::{Architecture, Endianness, PointerWidth, Triple};

use crate::suggest::nearest;

/// An operating system, an architecture and its variant, as image indexes and configs name them.
///
/// Two platforms are equal when they mean the same machine: `linux/arm64` is `linux/arm64/v8`, and
/// `linux/arm` is `linux/arm/v7`.
#[derive(Clone, Debug)]
pub struct Platform {
    /// `linux`, `windows`, …
    pub os: String,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `v8`, `v7`, … where the architecture has variants.
    pub variant: Option<String>,
}

/// A Rust target for Linux: one of [`TARGETS`], or another that the user names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The Rust target triple, such as `aarch64-unknown-linux-musl`.
    pub triple: &'static str,
    architecture: &'static str,
    variant: Option<&'static str>,
}

const fn target(triple: &'static str, architecture: &'static str, variant: Option<&'static str>) -> Target {
    Target { triple, architecture, variant }
}

/// Every platform that has a musl target, most used first.
pub const TARGETS: [Target; 9] = [
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

impl Target {
    /// The platform this target builds for.
    pub fn platform(&self) -> Platform {
        Platform {
            os: "linux".to_owned(),
            architecture: self.architecture.to_owned(),
            variant: self.variant.map(str::to_owned),
        }
    }

    /// Whether its programs are static unless they are asked to be otherwise.
    pub fn is_static(&self) -> bool {
        self.triple.contains("-musl")
    }

    /// What the ELF header of a program for this target says (`e_machine`, 64 bit, little-endian).
    pub fn elf(&self) -> ElfKind {
        use object::elf;
        // Every triple of the table is one that target-lexicon knows (a test reads them all), and it has read the others.
        #[allow(clippy::unwrap_used)]
        let triple = Triple::from_str(self.triple).unwrap();
        ElfKind {
            machine: match triple.architecture {
                Architecture::X86_64 => elf::EM_X86_64,
                Architecture::Aarch64(_) => elf::EM_AARCH64,
                Architecture::Arm(_) => elf::EM_ARM,
                Architecture::X86_32(_) => elf::EM_386,
                Architecture::Riscv64(_) => elf::EM_RISCV,
                Architecture::Powerpc64 | Architecture::Powerpc64le => elf::EM_PPC64,
                Architecture::Mips32(_) | Architecture::Mips64(_) => elf::EM_MIPS,
                Architecture::S390x => elf::EM_S390,
                _ => elf::EM_LOONGARCH,
            },
            is_64: triple.pointer_width() == Ok(PointerWidth::U64),
            little_endian: triple.endianness() == Ok(Endianness::Little),
        }
    }

    /// The triple as environment variables hold it, such as `CC_aarch64_unknown_linux_musl`.
    pub fn env_key(&self) -> String {
        self.triple.replace('-', "_")
    }
}

/// The part of an ELF header that tells machines apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElfKind {
    /// `e_machine`.
    pub machine: object::elf::Machine,
    /// `EI_CLASS` is `ELFCLASS64`.
    pub is_64: bool,
    /// `EI_DATA` is `ELFDATA2LSB`.
    pub little_endian: bool,
}

impl fmt::Display for ElfKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.is_64 { 64 } else { 32 };
        let order = if self.little_endian { "little" } else { "big" };
        let machine = TARGETS
            .iter()
            .find(|target| target.elf().machine == self.machine)
            .map_or("unknown", |target| target.architecture);
        write!(f, "{machine} (ELF machine {}, {bits} bit, {order}-endian)", self.machine.0)
    }
}

impl Platform {
    /// The platform of this computer, as a container's: Linux, also where the computer is not.
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

    /// The musl target that builds for this platform, if Rust has one.
    pub fn target(&self) -> Option<Target> {
        TARGETS.into_iter().find(|target| target.platform() == *self)
    }

    /// The same, whatever the variant.
    pub fn without_variant(&self) -> (&str, &str) {
        (&self.os, &self.architecture)
    }

    /// Whether an index and a config that say these two may mean one image: a variant is often left out on one side.
    pub fn agrees_with(&self, other: &Platform) -> bool {
        let silent = self.variant.is_none() || other.variant.is_none();
        self == other || silent && self.without_variant() == other.without_variant()
    }

    /// The variant, or the one that is meant where none is written.
    fn meant_variant(&self) -> Option<&str> {
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
        self.os == other.os && self.architecture == other.architecture && self.meant_variant() == other.meant_variant()
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

/// As it is written: `os/architecture[/variant]`.
impl serde::Serialize for Platform {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is not a platform an image can be built for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// Not `os/architecture[/variant]`.
    #[error("`{0}` is not a platform{hint}; platforms are written like `linux/arm64` or `linux/arm/v7`", hint = hint(.0))]
    Syntax(String),
    /// Rust has no musl target for it.
    #[error("`{0}` cannot be built: there is no musl target for it{hint}; there is one for {known}", hint = hint(.0), known = known())]
    NoTarget(String),
    /// Not a target that images can be made for.
    #[error("`{0}` is not a Rust target that images are made for: {1} (one is `x86_64-unknown-linux-musl`)")]
    Triple(String, String),
}

/// The platforms of the table, as a person reads a list.
fn known() -> String {
    let names: Vec<_> = TARGETS.iter().map(|target| target.platform().to_string()).collect();
    names.join(", ")
}

/// The platform that who wrote `text` may have meant: many call machines as Rust does or as kernels do, or name their own
/// operating system.
fn meant(text: &str) -> Option<Platform> {
    let names = TARGETS.iter().flat_map(|target| {
        let platform = target.platform().to_string();
        let machine = platform.trim_start_matches("linux/").to_owned();
        // A triple begins with Rust's name.
        let triple = target.triple.split('-').next().unwrap_or_default().to_owned();
        [triple, machine, platform].map(|name| (name, target))
    });
    let names: Vec<_> = names.collect();
    let find = |word: &str| {
        let near = nearest(word, names.iter().map(|(name, _)| name.as_str()))?;
        names.iter().find(|(name, _)| name == near).map(|(_, target)| target.platform())
    };
    let text = text.to_lowercase();
    let word = text.split('-').next().unwrap_or_default();
    find(word.strip_prefix("linux/").unwrap_or(word)).or_else(|| find(word.split_once('/')?.1))
}

fn hint(text: &str) -> String {
    meant(text).map(|platform| format!(" (did you mean `{platform}`?)")).unwrap_or_default()
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os/architecture[/variant]`.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<_> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(PlatformError::Syntax(text.to_owned())),
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(PlatformError::Syntax(text.to_owned()));
        }
        Ok(Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

/// What a user asks to build for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformChoice {
    /// One platform that has a target.
    One(Target),
    /// `all`: every platform of the base that has a target.
    All,
}

impl fmt::Display for PlatformChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlatformChoice::One(target) => target.platform().fmt(f),
            PlatformChoice::All => f.write_str("all"),
        }
    }
}

impl FromStr for PlatformChoice {
    type Err = PlatformError;

    /// Reads a platform, `host` or `all`.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let platform = match text {
            "all" => return Ok(PlatformChoice::All),
            "host" => Platform::host(),
            text => text.parse()?,
        };
        platform.target().map(PlatformChoice::One).ok_or_else(|| PlatformError::NoTarget(platform.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_linux_triple_with_its_own_elf_kind() {
        for target in TARGETS {
            let triple = Triple::from_str(target.triple).expect(target.triple);
            assert_eq!(triple.operating_system.to_string(), "linux");
            assert!(triple.environment.to_string().starts_with("musl"));
            let (big, small) = (["s390x"], ["arm", "386"]);
            assert_eq!(target.elf().little_endian, !big.contains(&target.architecture));
            assert_eq!(target.elf().is_64, !small.contains(&target.architecture));
            assert_eq!(target.platform().target(), Some(target));
        }
    }

    #[test]
    fn an_unwritten_variant_means_the_usual_one() {
        let parse = |text: &str| text.parse::<Platform>().expect(text);
        assert_eq!(parse("linux/arm64"), parse("linux/arm64/v8"));
        assert_eq!(parse("linux/arm"), parse("linux/arm/v7"));
        assert_ne!(parse("linux/arm/v6"), parse("linux/arm"));
        assert_ne!(parse("linux/amd64/v3"), parse("linux/amd64"));
    }

    #[test]
    fn a_platform_without_a_target_is_refused_with_those_that_have_one() {
        let error = "windows/amd64".parse::<PlatformChoice>().unwrap_err();
        let words = error.to_string();
        assert!(words.contains("windows/amd64") && words.contains("linux/riscv64"), "{words}");
        assert!(matches!("arm64".parse::<PlatformChoice>(), Err(PlatformError::Syntax(_))));
    }

    #[test]
    fn who_calls_a_machine_by_another_name_is_told_ours() {
        for (typed, meant) in [
            ("linux/amd46", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("amd64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64/v8"),
            ("aarch64-unknown-linux-musl", "linux/arm64/v8"),
            ("Linux/ARM64", "linux/arm64/v8"),
            ("linux/armv7", "linux/arm/v7"),
            ("linux/i386", "linux/386"),
            ("linux/ppc64el", "linux/ppc64le"),
            ("darwin/arm64", "linux/arm64/v8"),
        ] {
            let words = typed.parse::<PlatformChoice>().expect_err(typed).to_string();
            assert!(words.contains(&format!("(did you mean `{meant}`?)")), "{words}");
        }
        for typed in ["linux/mips", "plan9/sparc", "", "-"] {
            let words = typed.parse::<PlatformChoice>().expect_err(typed).to_string();
            assert!(!words.contains("did you mean"), "{words}");
        }
    }
}
