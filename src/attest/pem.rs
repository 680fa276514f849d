//! PEM: bytes as text between two lines that say what they are (RFC 7468).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

/// Characters of a line.
const WIDTH: usize = 64;

/// What stands between two such lines.
pub struct Block {
    /// What it is, such as `PUBLIC KEY`.
    pub label: String,
    /// The bytes, which may be secret.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// All blocks of a text. What is between them says nothing, and a block that cannot be read is none; spaces and the ends
/// of lines may be any, as variables and other systems change them.
pub fn blocks(text: &str) -> Vec<Block> {
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
            found.push(Block { label: label.to_owned(), bytes: Zeroizing::new(bytes) });
        }
        rest = after;
    }
    found
}

/// A block with these bytes, and a line break at its end.
pub fn block(label: &str, bytes: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: any place in it is between two characters.
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
    fn what_is_written_is_read_back_whatever_became_of_its_lines() {
        let text = block("A KEY", &[7; 100]);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        for text in [text.clone(), text.replace('\n', "\r\n"), text.replace('\n', " "), format!("Bag\n{text}\n# end")] {
            let found = blocks(&text);
            assert_eq!((found.len(), found[0].label.as_str(), &found[0].bytes[..]), (1, "A KEY", &[7; 100][..]));
        }
    }

    #[test]
    fn several_blocks_are_told_apart_and_broken_ones_are_none() {
        let text =
            format!("-----BEGIN X-----\n!\n-----END X-----\n-----BEGIN Y{}{}", block("A", b"a"), block("B", b"b"));
        let labels: Vec<_> = blocks(&text).into_iter().map(|block| block.label).collect();
        assert!(labels.ends_with(&["B".to_owned()]), "{labels:?}");
        assert!(blocks("-----BEGIN A-----\nYQ==").is_empty());
    }
}
