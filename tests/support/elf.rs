//! Programs and libraries for linux/amd64, as far as a loader looks at them before it starts one: written here by hand, with no
//! code in them.

/// A program or a library.
#[derive(Clone, Debug, Default)]
pub struct Elf {
    interpreter: Option<String>,
    libraries: Vec<String>,
    /// Library, version, symbol.
    needs: Vec<[String; 3]>,
    defines: Vec<String>,
}

/// One section, but for the place of its content.
struct ElfSection {
    kind: u32,
    content: Vec<u8>,
    link: u32,
    info: u32,
    entry: u64,
}

/// Strings, each behind a NUL.
#[derive(Default)]
struct Strings(Vec<u8>);

impl Strings {
    fn add(&mut self, text: &str) -> u32 {
        let at = u32::try_from(self.0.len() + 1).expect("few strings");
        self.0.extend([b"\0", text.as_bytes()].concat());
        at
    }
}

impl Elf {
    /// A library without versions.
    pub fn library() -> Elf {
        Elf::default()
    }

    /// A program of this loader.
    pub fn program(interpreter: &str) -> Elf {
        Elf { interpreter: Some(interpreter.to_owned()), ..Elf::default() }
    }

    /// One that defines this version.
    pub fn defines(mut self, version: &str) -> Elf {
        self.defines.push(version.to_owned());
        self
    }

    /// One that needs this library.
    pub fn loads(mut self, library: &str) -> Elf {
        self.libraries.push(library.to_owned());
        self
    }

    /// One that needs this symbol of a library that it loads, in this version.
    pub fn needs(mut self, library: &str, version: &str, symbol: &str) -> Elf {
        self.needs.push([library, version, symbol].map(str::to_owned));
        self
    }

    /// The file.
    pub fn write(&self) -> Vec<u8> {
        let mut strings = Strings::default();
        let sections = [self.symbols(&mut strings), self.symbol_versions(), self.needed(&mut strings)];
        let [symbols, versions, needed] = sections;
        let (defined, dynamic) = (self.defined(&mut strings), self.dynamic(&mut strings));
        strings.0.push(0);
        let strings = ElfSection { kind: 3, content: strings.0, link: 0, info: 0, entry: 0 };
        let null = ElfSection { kind: 0, content: Vec::new(), link: 0, info: 0, entry: 0 };
        let sections = [null, strings, symbols, versions, needed, defined, dynamic];
        let mut file = vec![0; 64 + 2 * 56];
        let mut headers = Vec::new();
        let mut places = Vec::new();
        for section in sections {
            file.resize(file.len().next_multiple_of(8), 0);
            places.push((file.len() as u64, section.content.len() as u64));
            headers
                .extend([0, if section.content.is_empty() { 0 } else { section.kind }].map(u32::to_le_bytes).concat());
            headers.extend([0, 0, file.len() as u64, section.content.len() as u64].map(u64::to_le_bytes).concat());
            headers.extend([section.link, section.info].map(u32::to_le_bytes).concat());
            headers.extend([8, section.entry].map(u64::to_le_bytes).concat());
            file.extend(section.content);
        }
        let interpreter = self.interpreter.as_ref().map(|path| [path.as_bytes(), b"\0"].concat()).unwrap_or_default();
        let segments = [(3, file.len() as u64, interpreter.len() as u64), (2, places[6].0, places[6].1)];
        file.extend(interpreter);
        file.resize(file.len().next_multiple_of(8), 0);
        let at = file.len() as u64;
        file.extend(headers);
        file[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\0");
        // A shared object, for amd64.
        file[16..24].copy_from_slice(&[3, 0, 62, 0, 1, 0, 0, 0]);
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[40..48].copy_from_slice(&at.to_le_bytes());
        file[52..64].copy_from_slice(&[64, 56, 2, 64, 7, 1].map(u16::to_le_bytes).concat());
        for (number, (kind, at, size)) in segments.into_iter().enumerate() {
            let kind = if size == 0 { 0_u32 } else { kind };
            let segment = [
                &[kind, 4].map(u32::to_le_bytes).concat()[..],
                &[at, at, at, size, size, 1].map(u64::to_le_bytes).concat(),
            ];
            file[64 + 56 * number..][..56].copy_from_slice(&segment.concat());
        }
        file
    }

    fn symbols(&self, strings: &mut Strings) -> ElfSection {
        let mut content = vec![0; 24];
        for [_, _, symbol] in &self.needs {
            content.extend(strings.add(symbol).to_le_bytes());
            // A function.
            content.extend([0x12; 1]);
            content.extend([0; 19]);
        }
        ElfSection { kind: 11, content, link: 1, info: 1, entry: 24 }
    }

    fn symbol_versions(&self) -> ElfSection {
        let numbers = (0..self.needs.len()).map(version_number);
        let content = [0].into_iter().chain(numbers).flat_map(u16::to_le_bytes).collect();
        ElfSection { kind: 0x6fff_ffff, content, link: 2, info: 0, entry: 2 }
    }

    /// Each version with a library of its own, as if they were different ones.
    fn needed(&self, strings: &mut Strings) -> ElfSection {
        let mut content = Vec::new();
        for (number, [library, version, _]) in self.needs.iter().enumerate() {
            let next = if number + 1 == self.needs.len() { 0 } else { 32 };
            content.extend([1_u16, 1].map(u16::to_le_bytes).concat());
            content.extend([strings.add(library), 16, next, 0].map(u32::to_le_bytes).concat());
            content.extend([0, version_number(number)].map(u16::to_le_bytes).concat());
            content.extend([strings.add(version), 0].map(u32::to_le_bytes).concat());
        }
        ElfSection { kind: 0x6fff_fffe, content, link: 1, info: count(&self.needs), entry: 0 }
    }

    fn defined(&self, strings: &mut Strings) -> ElfSection {
        let mut content = Vec::new();
        for (number, version) in self.defines.iter().enumerate() {
            let next = if number + 1 == self.defines.len() { 0 } else { 28 };
            content.extend([1, 0, version_number(number), 1].map(u16::to_le_bytes).concat());
            content.extend([0, 20, next, strings.add(version), 0].map(u32::to_le_bytes).concat());
        }
        ElfSection { kind: 0x6fff_fffd, content, link: 1, info: count(&self.defines), entry: 0 }
    }

    fn dynamic(&self, strings: &mut Strings) -> ElfSection {
        let libraries = self.libraries.iter().map(|name| [1, u64::from(strings.add(name))]);
        let entries: Vec<[u64; 2]> = libraries.chain([[0, 0]]).collect();
        ElfSection {
            kind: 6,
            content: entries.concat().into_iter().flat_map(u64::to_le_bytes).collect(),
            link: 1,
            info: 0,
            entry: 16,
        }
    }
}

/// The numbers of versions begin behind two that stand for none.
fn version_number(at: usize) -> u16 {
    u16::try_from(at + 2).expect("few versions")
}

fn count(items: &[impl Sized]) -> u32 {
    u32::try_from(items.len()).expect("few items")
}
