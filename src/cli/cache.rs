//! The arguments of `cargo oci cache`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::talk::{CommandArgs, TalkArgs};
use super::time::time;
use crate::units;

/// The arguments of `cargo oci cache`.
#[derive(Args, Clone, Debug)]
pub struct CacheArgs {
    /// The action.
    #[command(subcommand)]
    pub action: CacheAction,
}

/// Actions on the cache.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheAction {
    /// Print the path of the cache
    Path(TalkArgs),
    /// List the blobs in the cache: digest, size, days since last use, and kind
    List(TalkArgs),
    /// Remove blobs that were not used recently, or all
    ///
    /// Builds do this once a day, with 30 days and 10 GiB. Removed blobs are pulled or made again when they are needed.
    Prune(PruneArgs),
    /// Verify the digests of all blobs, and remove corrupt ones
    ///
    /// Prints a line `DIGEST: what is wrong` to stdout for each, and exits with status 1 then. Builds do not depend on this:
    /// they verify what they use.
    Verify(TalkArgs),
}

impl CacheAction {
    /// Returns the arguments about output.
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
    /// Remove blobs that were not used for this long: 12h, 30d, 8w
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub older_than: Option<Duration>,
    /// Remove the least recently used blobs until the cache is this small: 500MB, 2GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_size: Option<u64>,
    /// Output.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The units that other tools' caches are pruned with, too.
const SHORT: [(&str, u64); 4] = [("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("t", 1 << 40)];

fn size(text: &str) -> Result<u64, String> {
    let size = units::parse(text, &units::BYTES).or_else(|| units::parse(text, &SHORT));
    size.ok_or_else(|| "expected a number with B, KB, MB, GB, KiB, MiB or GiB".to_owned())
}

impl CommandArgs for CacheArgs {
    fn talk(&self) -> TalkArgs {
        self.action.talk().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_need_units() {
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
