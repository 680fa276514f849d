//! What there is to say of an image's insides.

use super::{harmless, list};
use crate::store::validate::{Part, Problem};

/// A problem in a line: `DIGEST: what is wrong (what that is in the image)`.
pub fn problem(problem: &Problem) -> String {
    let part = match problem.part {
        Part::Index => "the index",
        Part::Manifest => "the manifest",
        Part::Config => "the config",
        Part::Layer => "a layer",
        Part::Other => "in an index",
    };
    let of = match &problem.platforms[..] {
        [] => String::new(),
        platforms => format!(" of {}", list(platforms)),
    };
    harmless(&format!("{}: {} ({part}{of})", problem.digest, problem.what)).replace('\n', " ")
}
