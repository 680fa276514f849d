//! The invariants of an image, written once: every digest, size and diffID of a graph, recomputed.

use std::io::{self, BufReader};

use miette::IntoDiagnostic;
use oci_spec::image::Descriptor;
use serde_json::Value;

use super::{Source, open, read};
use crate::error::Result;
use crate::image::config::strings;
use crate::image::decompress::decompress;
use crate::image::digest::HashWriter;
use crate::image::manifest::{Manifest, parse, platform_of};
use crate::image::media_type::is_document;
use crate::platform::Platform;

/// Something in a graph that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The content it is about.
    pub digest: String,
    /// What is wrong.
    pub what: String,
}

/// Every problem of `root` and of all that it names; none when the graph is right.
pub fn validate(source: &dyn Source, root: &Descriptor) -> Vec<Problem> {
    let mut problems = Vec::new();
    visit(source, root, &mut problems);
    problems
}

fn visit(source: &dyn Source, descriptor: &Descriptor, problems: &mut Vec<Problem>) {
    let found = if is_document(descriptor.media_type()) {
        read(source, descriptor).and_then(|bytes| parse(descriptor.media_type(), &bytes).into_diagnostic())
    } else {
        return check(descriptor, consume(source, descriptor), problems);
    };
    match found {
        Ok(Manifest::Index(images)) => images.iter().for_each(|image| visit(source, image, problems)),
        Ok(Manifest::Image { config, layers }) => {
            let platform = platform_of(descriptor);
            let checked = check_image(source, &config, &layers, platform.as_ref(), problems);
            check(&config, checked, problems);
        }
        Err(error) => check(descriptor, Err(error), problems),
    }
}

fn check(descriptor: &Descriptor, result: Result<()>, problems: &mut Vec<Problem>) {
    if let Err(error) = result {
        let words: Vec<_> = error.chain().map(ToString::to_string).collect();
        problems.push(Problem { digest: descriptor.digest().to_string(), what: words.join(": ") });
    }
}

fn consume(source: &dyn Source, descriptor: &Descriptor) -> Result<()> {
    io::copy(&mut open(source, descriptor)?, &mut io::sink()).into_diagnostic()?;
    Ok(())
}

fn check_image(
    source: &dyn Source,
    config: &Descriptor,
    layers: &[Descriptor],
    platform: Option<&Platform>,
    problems: &mut Vec<Problem>,
) -> Result<()> {
    let config: Value = serde_json::from_slice(&read(source, config)?).into_diagnostic()?;
    let diff_ids = strings(config["rootfs"].get("diff_ids"));
    if diff_ids.len() != layers.len() {
        return Err(miette::miette!("{} diff_ids for {} layers", diff_ids.len(), layers.len()));
    }
    for (layer, wanted) in layers.iter().zip(&diff_ids) {
        check(layer, check_layer(source, layer, wanted), problems);
    }
    let text = |key: &str| config[key].as_str().map(str::to_owned);
    let own = Platform {
        os: text("os").unwrap_or_default(),
        architecture: text("architecture").unwrap_or_default(),
        variant: text("variant"),
    };
    match platform {
        Some(platform) if *platform != own => Err(miette::miette!("the index says {platform}, the config says {own}")),
        _ => Ok(()),
    }
}

fn check_layer(source: &dyn Source, layer: &Descriptor, wanted: &str) -> Result<()> {
    // The blob in one pass, its tar in another: content that is not the layer's is called that, not a broken tar.
    consume(source, layer)?;
    let blob = BufReader::new(open(source, layer)?);
    let mut tar = decompress(layer.media_type(), blob).into_diagnostic()?;
    let mut hash = HashWriter::new(io::sink());
    io::copy(&mut tar, &mut hash).into_diagnostic()?;
    let (got, _, _) = hash.finish();
    if got.as_ref() == wanted {
        return Ok(());
    }
    Err(miette::miette!("the config says diffID {wanted}, the content is {got}"))
}
