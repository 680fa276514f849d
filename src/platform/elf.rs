//! The ELF header of programs for a target.

use std::fmt;
use std::str::FromStr;

use object::elf;
use target_lexicon::{Architecture, Endianness, PointerWidth, Triple};

use super::{TARGETS, Target};

/// The part of an ELF header that identifies the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElfKind {
    /// `e_machine`.
    pub machine: elf::Machine,
    /// Whether `EI_CLASS` is `ELFCLASS64`.
    pub is_64: bool,
    /// Whether `EI_DATA` is `ELFDATA2LSB`.
    pub little_endian: bool,
}

impl Target {
    /// Returns what the ELF header of a program for this target says.
    ///
    /// # Panics
    /// Never: a test parses every triple of the table, and others were parsed before.
    pub fn elf(&self) -> ElfKind {
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
}

impl fmt::Display for ElfKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.is_64 { 64 } else { 32 };
        let order = if self.little_endian { "little" } else { "big" };
        let target = TARGETS.iter().find(|target| target.elf().machine == self.machine);
        let machine = target.map_or("unknown", |target| target.architecture);
        write!(f, "{machine} (ELF machine {}, {bits} bit, {order}-endian)", self.machine.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_linux_triples_with_elf_kinds() {
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
}
