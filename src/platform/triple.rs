//! Rust targets by their triple, also those outside the table.

use std::str::FromStr;

use target_lexicon::{Architecture, Environment, OperatingSystem, Triple};

use super::error::PlatformError;
use super::{GNU_TARGETS, TARGETS, Target};

impl FromStr for Target {
    type Err = PlatformError;

    /// Parses a triple of the tables, or of another Linux target whose architecture OCI has a name for.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        if let Some(known) = TARGETS.into_iter().chain(GNU_TARGETS).find(|target| target.triple == text) {
            return Ok(known);
        }
        let triple = Triple::from_str(text).map_err(|error| unsupported(text, &error.to_string()))?;
        if triple.operating_system != OperatingSystem::Linux {
            return Err(unsupported(text, "it is not for Linux"));
        }
        if matches!(triple.environment, Environment::Android | Environment::Androideabi) {
            return Err(unsupported(text, "it is for Android"));
        }
        let Some((architecture, variant)) = oci_name(triple.architecture) else {
            return Err(unsupported(text, "OCI has no name for its architecture"));
        };
        // A user types few of them, and they are used until the process ends.
        Ok(Target { triple: String::leak(text.to_owned()), architecture, variant })
    }
}

fn unsupported(triple: &str, reason: &str) -> PlatformError {
    PlatformError::Triple { triple: triple.to_owned(), reason: reason.to_owned() }
}

/// Returns OCI's names for an architecture and its variant.
fn oci_name(architecture: Architecture) -> Option<(&'static str, Option<&'static str>)> {
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
    fn triple_outside_the_table_has_a_platform() {
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
            ("x86_64-pc-windows-msvc", "not for Linux"),
            ("wasm32-wasip1", "not for Linux"),
            ("sparc64-unknown-linux-gnu", "no name for its architecture"),
            ("x86_64-linux-android", "for Android"),
            ("armv7-linux-androideabi", "for Android"),
            ("nonsense", "unsupported target"),
        ] {
            let error = wrong.parse::<Target>().expect_err(wrong).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
