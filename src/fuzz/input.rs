//! Bytes → what a target needs, always the same for the same bytes.

/// The bytes that are left. At their end it yields zeros and empty texts.
pub(super) struct FuzzInput<'a>(&'a [u8]);

/// Parts of names that readers and rules treat in their own way.
const NAME_PARTS: [&str; 24] = [
    "a",
    "b",
    "..",
    ".",
    "/",
    "//",
    "a/",
    "/..",
    ".wh.",
    ".wh..wh..opq",
    "\0",
    "\n",
    " ",
    "é",
    "日本",
    "\\",
    "=",
    "path",
    "etc",
    "passwd",
    "bin",
    "x/y/z",
    "-",
    "0",
];

impl<'a> FuzzInput<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> FuzzInput<'a> {
        FuzzInput(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Returns a number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (usize::from(self.byte()) << 8 | usize::from(self.byte())) % end
    }

    /// Returns up to `count` bytes.
    pub(super) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Returns the bytes up to a line break, or all that are left.
    pub(super) fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let line = self.bytes(end.unwrap_or(self.0.len()));
        self.bytes(1);
        line
    }

    /// Returns all bytes that are left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        self.bytes(self.0.len())
    }

    /// Returns a name of up to a few hundred bytes: parts that matter, repeated to lengths that matter.
    pub(super) fn name(&mut self) -> String {
        let mut name = String::new();
        for _ in 0..=self.below(5) {
            let part = NAME_PARTS[self.below(NAME_PARTS.len())];
            let count = [1, 1, 1, 2, 3, 50, 99, 100, 101, 155, 156, 255][self.below(12)];
            name += &part.repeat(count);
        }
        name
    }

    /// Returns content of up to `most` bytes with literals, runs and repetitions at any distance.
    pub(super) fn content(&mut self, most: usize) -> Vec<u8> {
        let mut content = Vec::new();
        while !self.is_empty() && content.len() < most {
            let most_length = [4, 300, 5_000][usize::from(self.byte() % 3)];
            let length = 1 + self.below(most_length);
            match self.byte() % 4 {
                0 => content.extend_from_slice(self.bytes(length.min(64))),
                1 => content.resize(content.len() + length, self.byte()),
                _ if content.is_empty() => content.push(self.byte()),
                _ => {
                    let back = 1 + self.below(content.len().min(40_000));
                    for _ in 0..length {
                        content.push(content[content.len() - back]);
                    }
                }
            }
        }
        content.truncate(most);
        content
    }
}
