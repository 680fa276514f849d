//! Rust targets by their triple, also those that are not in the table.

use std::str::FromStr;

use target_lexicon::{Architecture, Environment, OperatingSystem, Triple};

use super::{PlatformError, TARGETS, Target};

impl FromStr for Target {
    type Err = PlatformError;

    /// Reads a triple: of the table, or of any other Linux that images have a name for.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        if let Some(known) = TARGETS.into_iter().find(|target| target.triple == text) {
            return Ok(known);
        }
        let wrong = |why: &str| PlatformError::Triple(text.to_owned(), why.to_owned());
        let triple = Triple::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        if triple.operating_system != OperatingSystem::Linux {
            return Err(wrong("images are made of programs for Linux"));
        }
        if matches!(triple.environment, Environment::Android | Environment::Androideabi) {
            return Err(wrong("its programs are started by Android, which no base has"));
        }
        let (architecture, variant) =
            named(triple.architecture).ok_or_else(|| wrong("images have no name for its architecture"))?;
        // It is one of few that the user has typed, and is wanted until this process ends.
        Ok(Target { triple: String::leak(text.to_owned()), architecture, variant })
    }
}

/// What images call an architecture, and its variant.
fn named(architecture: Architecture) -> Option<(&'static str, Option<&'static str>)> {
    use target_lexicon::{
        Aarch64Architecture as Aarch64, ArmArchitecture as Arm, Mips32Architecture as Mips32,
        Mips64Architecture as Mips64, Riscv64Architecture as Riscv64,
    };
    Some(match architecture {
        Architecture::X86_64 => ("amd64", None),
        Architecture::X86_32(_) => ("386", None),
        Architecture::Aarch64(Aarch64::Aarch64) => ("arm64", Some("v8")),
        Architecture::Arm(Arm::Armv7 | Arm::Armv7a | Arm::Thumbv7neon) => ("arm", Some("v7")),
        Architecture::Arm(Arm::Arm | Arm::Armv6) => ("arm", Some("v6")),
        Architecture::Arm(Arm::Armv5te) => ("arm", Some("v5")),
        Architecture::Riscv64(Riscv64::Riscv64 | Riscv64::Riscv64gc) => ("riscv64", None),
        Architecture::Powerpc64le => ("ppc64le", None),
        Architecture::Powerpc64 => ("ppc64", None),
        Architecture::S390x => ("s390x", None),
        Architecture::LoongArch64 => ("loong64", None),
        Architecture::Mips32(Mips32::Mips) => ("mips", None),
        Architecture::Mips32(Mips32::Mipsel) => ("mipsle", None),
        Architecture::Mips64(Mips64::Mips64) => ("mips64", None),
        Architecture::Mips64(Mips64::Mips64el) => ("mips64le", None),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triple_of_the_users_own_has_a_platform() {
        for (triple, platform, is_static) in [
            ("x86_64-unknown-linux-gnu", "linux/amd64", false),
            ("aarch64-unknown-linux-musl", "linux/arm64/v8", true),
            ("x86_64-alpine-linux-musl", "linux/amd64", true),
            ("armv7-unknown-linux-gnueabihf", "linux/arm/v7", false),
            ("arm-unknown-linux-gnueabi", "linux/arm/v6", false),
            ("powerpc64-unknown-linux-gnu", "linux/ppc64", false),
            ("mips64el-unknown-linux-gnuabi64", "linux/mips64le", false),
        ] {
            let target: Target = triple.parse().expect(triple);
            assert_eq!((target.triple, target.is_static()), (triple, is_static));
            assert_eq!(target.platform().to_string(), platform);
            let little = !["linux/ppc64"].contains(&platform);
            assert_eq!(target.elf().little_endian, little, "{triple}");
        }
        for (wrong, why) in [
            ("x86_64-pc-windows-msvc", "for Linux"),
            ("wasm32-wasip1", "for Linux"),
            ("sparc64-unknown-linux-gnu", "no name for its architecture"),
            ("x86_64-linux-android", "by Android"),
            ("armv7-linux-androideabi", "by Android"),
            ("nonsense", "is not a Rust target"),
        ] {
            let error = wrong.parse::<Target>().expect_err(wrong).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
