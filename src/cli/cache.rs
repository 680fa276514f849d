//! The arguments of `cargo oci cache`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::TalkArgs;

/// The arguments of `cargo oci cache`.
#[derive(Args, Clone, Debug)]
pub struct CacheArgs {
    /// What is asked of it.
    #[command(subcommand)]
    pub action: CacheAction,
}

/// What a cache is asked.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheAction {
    /// Print where it is
    Path(TalkArgs),
    /// List what is in it: digest, size, days since it was used, and what it looks like
    List(TalkArgs),
    /// Remove what has not been used for long, or all of it
    ///
    /// Builds do this once a day, with 30 days and 10 GiB. What is removed is pulled or made again when it is wanted.
    Prune(PruneArgs),
    /// Hash all of it, and remove what is not what its digest says
    ///
    /// Each is a line on stdout, `DIGEST: what is wrong`, and the exit status is 1 then. Builds need no such care: they hash
    /// what they use.
    Verify(TalkArgs),
}

impl CacheAction {
    /// How much is said.
    pub fn talk(&self) -> &TalkArgs {
        match self {
            CacheAction::Path(talk) | CacheAction::List(talk) | CacheAction::Verify(talk) => talk,
            CacheAction::Prune(args) => &args.talk,
        }
    }
}

/// The arguments of `cargo oci cache prune`.
#[derive(Args, Clone, Debug)]
pub struct PruneArgs {
    /// Remove what was not used for so long: 12h, 30d, 8w
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub older_than: Option<Duration>,
    /// Remove what was used least lately, until no more than this is left: 500MB, 2GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
    /// How much is said.
    #[command(flatten)]
    pub talk: TalkArgs,
}

const TIMES: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60), ("w", 7 * 24 * 60 * 60)];

const SIZES: [(&str, u64); 13] = [
    ("b", 1),
    ("k", 1 << 10),
    ("kib", 1 << 10),
    ("kb", 1_000),
    ("m", 1 << 20),
    ("mib", 1 << 20),
    ("mb", 1_000_000),
    ("g", 1 << 30),
    ("gib", 1 << 30),
    ("gb", 1_000_000_000),
    ("t", 1 << 40),
    ("tib", 1 << 40),
    ("tb", 1_000_000_000_000),
];

fn time(text: &str) -> Result<Duration, String> {
    in_units(text, &TIMES)
        .map(Duration::from_secs)
        .ok_or_else(|| "write it as a number with s, m, h, d or w".to_owned())
}

fn size(text: &str) -> Result<u64, String> {
    in_units(text, &SIZES).ok_or_else(|| "write it as a number with B, KB, MB, GB, KiB, MiB or GiB".to_owned())
}

/// A number with one of these units behind it; nothing alone needs none.
fn in_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    if number == 0 && unit.is_empty() {
        return Some(0);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(time("30d"), Ok(Duration::from_secs(30 * 24 * 60 * 60)));
        assert_eq!(
            (size("500MB"), size("2GiB"), size("2 g"), size("0")),
            (Ok(500_000_000), Ok(2 << 30), Ok(2 << 30), Ok(0))
        );
        for wrong in ["", "d", "30", "3x", "-1d", "1.5h", "99999999999999999999d", "18446744073709551615w"] {
            assert!(time(wrong).is_err() && size(wrong).is_err(), "{wrong}");
        }
    }
}
