//! PEM: bytes as text between two lines with a label (RFC 7468).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

/// The length of a line.
const WIDTH: usize = 64;

/// A PEM block.
pub(crate) struct PemBlock {
    /// The label, such as `PUBLIC KEY`.
    pub label: String,
    /// The content, which may be secret.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Returns all valid blocks of a text. Text between blocks and malformed blocks are skipped. Spaces and line endings do not
/// matter, because environment variables and other systems change them.
pub(crate) fn decode(text: &str) -> Vec<PemBlock> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let Some((label, body)) = begun.split_once("-----") else { break };
        let end = format!("-----END {label}-----");
        let Some((body, after)) = body.split_once(&end) else {
            rest = begun;
            continue;
        };
        let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
        if let Ok(bytes) = BASE64_STANDARD.decode(body.as_bytes()) {
            found.push(PemBlock { label: label.to_owned(), bytes: Zeroizing::new(bytes) });
        }
        rest = after;
    }
    found
}

/// Encodes a block, with a newline at its end.
pub(crate) fn encode(label: &str, bytes: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: every index is a character boundary.
        let (line, after) = rest.split_at(rest.len().min(WIDTH));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_round_trips_with_any_line_endings() {
        let text = encode("A KEY", &[7; 100]);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        for text in [text.clone(), text.replace('\n', "\r\n"), text.replace('\n', " "), format!("Bag\n{text}\n# end")] {
            let found = decode(&text);
            assert_eq!((found.len(), found[0].label.as_str(), &found[0].bytes[..]), (1, "A KEY", &[7; 100][..]));
        }
    }

    #[test]
    fn decode_skips_malformed_blocks() {
        let text =
            format!("-----BEGIN X-----\n!\n-----END X-----\n-----BEGIN Y{}{}", encode("A", b"a"), encode("B", b"b"));
        let labels: Vec<_> = decode(&text).into_iter().map(|block| block.label).collect();
        assert!(labels.ends_with(&["B".to_owned()]), "{labels:?}");
        assert!(decode("-----BEGIN A-----\nYQ==").is_empty());
    }
}
