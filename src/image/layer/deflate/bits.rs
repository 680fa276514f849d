//! Bits → bytes, the first of them lowest (RFC 1951, 3.1.1).

/// Writes bits into memory that is there already: what is written is known to fit before it is.
pub struct Bits<'a> {
    out: &'a mut [u8],
    at: usize,
    held: u64,
    count: u32,
}

/// As many bits as can be held between two calls of [`Bits::flush`], whatever was held before.
pub const ROOM: u32 = 56;

impl<'a> Bits<'a> {
    /// Writes to the beginning of `out`, which has eight bytes more than are ever used.
    pub fn new(out: &'a mut [u8]) -> Bits<'a> {
        Bits { out, at: 0, held: 0, count: 0 }
    }

    /// Holds `count` bits, which have no others above them.
    #[inline(always)]
    pub fn hold(&mut self, bits: u64, count: u32) {
        self.held |= bits << self.count;
        self.count += count;
    }

    /// Writes all whole bytes that are held.
    #[inline(always)]
    pub fn flush(&mut self) {
        self.out[self.at..self.at + 8].copy_from_slice(&self.held.to_le_bytes());
        self.at += (self.count / 8) as usize;
        self.held >>= self.count & !7;
        self.count &= 7;
    }

    /// Fills the byte that was begun.
    pub fn align(&mut self) {
        self.count = self.count.next_multiple_of(8);
        self.flush();
    }

    /// Writes whole bytes, after [`Bits::align`].
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// How many bytes were written, all of them whole.
    pub fn written(&self) -> usize {
        self.at
    }
}
