//! Packs bits into bytes, least significant bit first (RFC 1951, 3.1.1).

/// A writer of bits into a buffer that is known to be large enough.
pub(crate) struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
    /// Bits that are not written yet.
    pending: u64,
    pending_count: u32,
}

/// How many bits can be pushed between two calls of [`BitWriter::flush`].
pub(crate) const MAX_PENDING_BITS: u32 = 56;

impl<'a> BitWriter<'a> {
    /// Creates a writer to the start of `out`, which must be at least eight bytes larger than the output.
    pub(crate) fn new(out: &'a mut [u8]) -> BitWriter<'a> {
        BitWriter { out, at: 0, pending: 0, pending_count: 0 }
    }

    /// Adds `count` bits. All higher bits of `bits` must be zero.
    #[inline(always)]
    pub(crate) fn push(&mut self, bits: u64, count: u32) {
        self.pending |= bits << self.pending_count;
        self.pending_count += count;
    }

    /// Writes all complete bytes.
    #[inline(always)]
    pub(crate) fn flush(&mut self) {
        self.out[self.at..self.at + 8].copy_from_slice(&self.pending.to_le_bytes());
        self.at += (self.pending_count / 8) as usize;
        self.pending >>= self.pending_count & !7;
        self.pending_count &= 7;
    }

    /// Pads the last byte with zeros and writes it.
    pub(crate) fn align(&mut self) {
        self.pending_count = self.pending_count.next_multiple_of(8);
        self.flush();
    }

    /// Writes bytes. Requires [`BitWriter::align`] before.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// Returns the number of bytes written.
    pub(crate) fn len(&self) -> usize {
        self.at
    }
}
