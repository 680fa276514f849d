//! Endless bodies and descriptors with wrong sizes end in an error soon, with little memory (security.md, "Bounded
//! reading").

use std::fs;
use std::time::{Duration, Instant};

use cargo_oci::image::digest::sha256;
use cargo_oci::registry::credentials::{Credential, Secret};
use cargo_oci::registry::{Options, Registry, Retry};
use cargo_oci::store::{Cache, Memory, Sink, Source, copy};
use oci_spec::image::{Descriptor, MediaType};

use crate::support::environment;
use crate::support::strict::answer::MOST_ENDLESS;
use crate::support::strict::endless::{Endless, Said, TEN_GIB, TinyImage, What};

/// How much memory all cases together may take, in KiB.
const MOST_MEMORY: u64 = 64 << 10;
/// How long one case may take.
const LIMIT: Duration = Duration::from_secs(30);

// One test: memory is counted for the whole process.
#[test]
fn endless_bodies_fail_soon_in_little_memory() {
    environment::alone("bodies::endless_bodies_fail_soon_in_little_memory", check);
}

fn check() {
    let before = peak();
    let mut problems = Vec::new();
    for what in What::ALL {
        for length in [None, Some(TEN_GIB)] {
            let registry = Endless::start(what, length);
            let case = format!("{what:?}, length {length:?}");
            // The body of a successful answer need not be read.
            let may_succeed = matches!(what, What::Begin | What::End | What::Challenge);
            let result = match what {
                What::Begin | What::End => timed(|| push(&registry)),
                _ => timed(|| pull(&registry)),
            };
            problems.extend(result.problem(may_succeed).map(|problem| format!("{case}: {problem}")));
            if registry.begun() == 0 {
                problems.push(format!("{case}: nobody asked for it: {:?}", result.result));
            }
        }
    }
    for (config, layer) in [(Said::TenGib, Said::Right), (Said::TooMuch, Said::Right), (Said::Right, Said::TenGib)] {
        let registry = Endless::lying(config, layer, None);
        let case = format!("a config that is said to be {config:?}, and a layer {layer:?}");
        problems.extend(timed(|| pull(&registry)).problem(false).map(|problem| format!("{case}: {problem}")));
    }
    // A layer may be that large. A config may not, so it is not even requested.
    let registry = Endless::lying(Said::TenGib, Said::Right, Some(What::Config));
    let result = timed(|| pull(&registry));
    problems.extend(result.problem(false).map(|problem| format!("a config of 10 GiB, as said: {problem}")));
    if registry.begun() > 0 {
        problems.push(format!("a config of 10 GiB, as said, is fetched: {:?}", result.result));
    }
    // Only Linux reports it.
    if let (Some(before), Some(after)) = (before, peak())
        && after - before > MOST_MEMORY
    {
        problems.push(format!("memory grew by {} KiB", after - before));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A result, and how long it took.
struct Timed {
    result: miette::Result<u64>,
    time: Duration,
}

impl Timed {
    fn problem(&self, may_succeed: bool) -> Option<String> {
        match &self.result {
            Ok(_) if !may_succeed => Some("it succeeds".to_owned()),
            Ok(bytes) if *bytes >= MOST_ENDLESS => Some(format!("{bytes} bytes are stored")),
            Err(error) if format!("{error:?}").len() > 16 << 10 => Some("the error is too long".to_owned()),
            _ if self.time > LIMIT => Some(format!("it took {:?}: {:?}", self.time, self.result)),
            _ => None,
        }
    }
}

fn timed(work: impl FnOnce() -> miette::Result<u64>) -> Timed {
    let start = Instant::now();
    let result = work();
    Timed { result, time: start.elapsed() }
}

/// Pulls the image into a cache, and returns the size of that.
fn pull(registry: &Endless) -> miette::Result<u64> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = Cache::open(folder.path().to_owned())?;
    let source = client(registry)?;
    let root = source.resolve(Some(&"latest".parse().expect("a tag")))?;
    copy(&source, &cache, &[root])?;
    let blobs = fs::read_dir(folder.path().join("blobs/sha256")).expect("the cache's folder");
    Ok(blobs.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum())
}

fn push(registry: &Endless) -> miette::Result<u64> {
    let TinyImage { layer, config, manifest } = registry.image();
    let source = Memory::default();
    let put = |media_type: MediaType, bytes: &[u8]| {
        let descriptor = Descriptor::new(media_type, bytes.len() as u64, sha256(bytes));
        source.put(&descriptor, bytes.to_vec());
        descriptor
    };
    put(MediaType::ImageLayer, layer);
    put(MediaType::ImageConfig, config);
    let root = put(MediaType::ImageManifest, manifest);
    let target = client(registry)?;
    copy(&source, &target, std::slice::from_ref(&root))?;
    target.tag(&root, "latest").map(|()| 0)
}

fn client<'a>(registry: &Endless) -> miette::Result<Registry<'a>> {
    let credential = Credential::Basic { user: "someone".to_owned(), password: Secret::new("secret".to_owned()) };
    let retry = Retry {
        attempts: 2,
        first_pause: Duration::from_millis(1),
        answer_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_secs(2),
        ..Retry::default()
    };
    let reference = registry.reference("acme/hello:latest").parse().expect("a reference");
    Registry::new(reference, Options { credential, retry, ..Options::default() })
}

/// Returns the peak memory of this process in KiB.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
