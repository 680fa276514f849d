//! The fields of a tar header.

use std::io;

use tar::Header;

use super::quote::quote;

/// Returns the error of a tar that is not valid.
pub(crate) fn invalid_data(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message.into())
}

/// Reads a number that is not negative: see [`signed`].
pub(crate) fn unsigned(field: &[u8]) -> io::Result<u64> {
    u64::try_from(signed(field)?).map_err(|_| invalid_data("negative number in a tar header"))
}

/// Reads a number: octal digits, or a binary number if the first bit is set (GNU's extension for large numbers).
pub(crate) fn signed(field: &[u8]) -> io::Result<i64> {
    let invalid = || invalid_data(format!("invalid number {} in a tar header", quote(field)));
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        // Two's complement of seven bits in the first byte, and eight in each of the others.
        let first = if field[0] & 0x40 == 0 { i128::from(field[0] & 0x7f) } else { i128::from(field[0]) - 0x100 };
        let number =
            field[1..].iter().try_fold(first, |number, byte| number.checked_mul(256)?.checked_add((*byte).into()));
        return number.and_then(|number| i64::try_from(number).ok()).ok_or_else(invalid);
    }
    let digits = until_nul(field).trim_ascii();
    if digits.is_empty() {
        return Ok(0);
    }
    let text = std::str::from_utf8(digits).map_err(|_| invalid())?;
    i64::from_str_radix(text, 8).map_err(|_| invalid())
}

/// Converts a mode, a user, a group or a part of a device number. The largest 32-bit number is rejected: as a user it
/// means -1.
pub(crate) fn to_u32(number: u64) -> io::Result<u32> {
    let converted = u32::try_from(number).ok().filter(|number| *number != u32::MAX);
    converted.ok_or_else(|| invalid_data(format!("number {number} in a tar header is too large")))
}

/// Returns the major and the minor number of a device.
pub(crate) fn device(header: &Header) -> io::Result<(u32, u32)> {
    let fields = header.as_ustar().map(|header| (header.dev_major, header.dev_minor));
    let fields = fields.or(header.as_gnu().map(|header| (header.dev_major, header.dev_minor)));
    let (major, minor) = fields.unwrap_or_default();
    Ok((to_u32(unsigned(&major)?)?, to_u32(unsigned(&minor)?)?))
}

/// Returns whether a header's checksum is right. The checksum counts its own field as spaces.
pub(crate) fn has_valid_checksum(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u64 = bytes[..148].iter().chain(&bytes[156..]).map(|byte| u64::from(*byte)).sum();
    unsigned(&bytes[148..156]).ok() == Some(sum + 8 * u64::from(b' '))
}

/// Returns whether a block holds only zeros, as the two at the end of a tar do.
pub(crate) fn is_zero_block(block: &Header) -> bool {
    block.as_bytes().iter().all(|byte| *byte == 0)
}

/// Returns the bytes before the first NUL.
pub(crate) fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(signed(b"0000644\0").expect("a number"), 0o644);
        assert_eq!(signed(b"   644 \0").expect("a number"), 0o644);
        assert_eq!(signed(b"\0\0").expect("a number"), 0);
        assert_eq!(signed(b"\x80\0\0\0\0\0\x01\0").expect("a number"), 256);
        assert_eq!(signed(b"\xff\xff\xff\xff\xff\xff\xff\xfe").expect("a number"), -2);
        assert!(signed(b"9").is_err() && signed(b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    }
}
