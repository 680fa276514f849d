//! Pushes and pulls with the strict registry: for every legal answer and every fault, no request
//! is illegal, all content arrives unchanged, and a tag moves last or not at all.
//!
//! `STRICT_SEEDS=10000` runs that many seeds, `STRICT_SEED=7` only that one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use cargo_oci::image::digest::Digest;
use cargo_oci::registry::credentials::{Credential, Secret};
use cargo_oci::registry::{Options, Registry, Retry};
use cargo_oci::store::{Cache, Memory, Sink, Source, copy};
use miette::{Report, Result};
use oci_spec::image::{Descriptor, MediaType};

use crate::support::strict::StrictRegistry;
use crate::support::strict::faults::Fault;
use crate::support::strict::image::{Artifact, Content, Image};
use crate::support::strict::random::Random;
use crate::support::strict::scene::{BASE, REPOSITORY, Scene, TAG};
use crate::support::strict::state::digest;
use crate::support::strict::tokens::PASSWORD;

/// Runs at a time: they mostly wait.
const PARALLEL: usize = 8;
/// How long a client waits for a stalled answer.
const PROGRESS: Duration = Duration::from_secs(1);
/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Runs if `STRICT_SEEDS` is not set.
const DEFAULT_RUNS: u64 = 120;
/// How often each fault must strike in 75 runs. It strikes half as often again by chance, as requests at the same time come
/// in any order.
const LEAST_HITS: u64 = 1;

#[test]
fn pushes_and_pulls_stay_legal_under_faults() {
    let Runs { count, failures, .. } = runs();
    let Some((seed, why)) = failures.first() else { return };
    let mut all = String::new();
    for (seed, why) in failures {
        let _ = writeln!(all, "STRICT_SEED={seed}: {}", why.lines().next().unwrap_or_default());
    }
    panic!("{} of {count} runs fail:\n{all}\nThe first of them, STRICT_SEED={seed}:\n{why}", failures.len());
}

#[test]
fn faults_strike_often_enough() {
    let runs = runs();
    let least = LEAST_HITS * runs.count / 75;
    let hits = |fault: &Fault| runs.hits.get(&fault.to_string()).copied().unwrap_or_default();
    let seldom: Vec<_> = Fault::ALL.iter().filter(|fault| hits(fault) < least).collect();
    assert!(seldom.is_empty(), "{seldom:?} strike less than {least} times: {:#?}", runs.hits);
}

#[test]
fn chunked_uploads_survive_repeated_failures() {
    let mut hits = BTreeMap::new();
    for seed in 0..6 {
        let (problems, met) = run(Scene::in_chunks(seed));
        assert!(problems.is_none(), "seed {seed}: {}", problems.unwrap_or_default());
        for (what, count) in met {
            *hits.entry(what).or_insert(0) += count;
        }
    }
    assert!(hits["state of an upload"] > 3, "{hits:#?}");
}

/// The results of all runs.
struct Runs {
    count: u64,
    failures: Vec<(u64, String)>,
    hits: BTreeMap<String, u64>,
}

/// Returns the runs, which two tests share.
fn runs() -> &'static Runs {
    static RUNS: OnceLock<Runs> = OnceLock::new();
    RUNS.get_or_init(|| {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
        let seeds = match number("STRICT_SEED") {
            Some(seed) => seed..seed + 1,
            None => 0..number("STRICT_SEEDS").unwrap_or(DEFAULT_RUNS),
        };
        let next = AtomicU64::new(seeds.start);
        let runs = Mutex::new(Runs { count: seeds.end - seeds.start, failures: Vec::new(), hits: BTreeMap::new() });
        thread::scope(|scope| {
            for _ in 0..PARALLEL {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::SeqCst);
                        if seed >= seeds.end {
                            return;
                        }
                        let (problems, hits) = run(Scene::of(seed));
                        let mut runs = runs.lock().expect("no run panics");
                        for (what, count) in hits {
                            *runs.hits.entry(what).or_default() += count;
                        }
                        runs.failures.extend(problems.map(|why| (seed, why)));
                    }
                });
            }
        });
        let mut runs = runs.into_inner().expect("no run panics");
        runs.failures.sort();
        runs
    })
}

/// Runs a scene. Returns its problems, if any, and the faults that struck.
fn run(mut scene: Scene) -> (Option<String>, BTreeMap<String, u64>) {
    let behaviour = std::mem::take(&mut scene.behaviour);
    let personality = behaviour.personality;
    let registry = StrictRegistry::start(behaviour);
    let start = Instant::now();
    let mut problems = Vec::new();
    let checked = catch_unwind(AssertUnwindSafe(|| {
        if scene.is_push { push(&scene, &registry, &mut problems) } else { pull(&scene, &registry, &mut problems) }
    }));
    if checked.is_err() {
        problems.push("the client panicked".to_owned());
    }
    problems.extend(registry.violations().into_iter().map(|violation| format!("illegal: {violation}")));
    if start.elapsed() > LIMIT {
        problems.push(format!("it took {:?}", start.elapsed()));
    }
    let mut hits = registry.hits();
    if scene.fault == Some(Fault::WrongInCache) {
        hits.insert(Fault::WrongInCache.to_string(), 1);
    }
    if problems.is_empty() {
        return (None, hits);
    }
    let mut text = problems.join("\n");
    let direction = if scene.is_push { "push" } else { "pull" };
    let twice = if scene.twice { ", by two at once" } else { "" };
    let index = &scene.image.index.digest;
    let _ = write!(text, "\n{direction} of {index}{twice}, for {:?}, {personality:?}\n{}", scene.fault, registry.log());
    (Some(text), hits)
}

fn push(scene: &Scene, registry: &StrictRegistry, problems: &mut Vec<String>) {
    registry.create(REPOSITORY);
    scene.there.iter().for_each(|(_, bytes)| registry.put_blob(REPOSITORY, bytes));
    for (digest, _) in scene.mountable.iter().filter(|(_, is_there)| *is_there) {
        registry.put_blob(BASE, &find(&scene.image, digest).bytes);
    }
    if scene.tagged {
        put_image(&Image::random(&mut Random::new(1), None), registry);
    }
    let before = registry.tag(REPOSITORY, TAG);
    let mountable: Vec<_> = scene.mountable.iter().map(|(digest, _)| descriptor(find(&scene.image, digest))).collect();
    let source = Memory::default();
    let artifacts = scene.artifact.iter().flat_map(Artifact::contents);
    scene.image.contents().chain(artifacts).for_each(|content| source.put(&descriptor(content), content.bytes.clone()));
    let root = descriptor(&scene.image.index);
    let failed = all(scene.twice, || {
        let target = client(scene, registry)?;
        target.tagged(TAG)?;
        target.mountable(BASE, &mountable);
        copy(&source, &target, std::slice::from_ref(&root))?;
        if let Some(artifact) = &scene.artifact {
            copy(&source, &target, &[descriptor(&artifact.manifest)])?;
        }
        target.tag(&root, TAG)
    });
    let is_right = expect(&failed, scene, registry, problems);
    let (wanted, what) = if is_right {
        (Some(scene.image.index.digest.clone()), "after a success")
    } else {
        (before, "after a failure")
    };
    let tag = registry.tag(REPOSITORY, TAG);
    if tag != wanted {
        problems.push(format!("{what} the tag is {tag:?}, not {wanted:?}"));
    }
    let found = registry.repository(REPOSITORY);
    let artifacts = scene.artifact.iter().flat_map(Artifact::contents);
    for content in scene.image.contents().chain(artifacts).filter(|_| is_right) {
        let blob = found.blobs.get(&content.digest);
        let bytes = blob.or_else(|| found.manifests.get(&content.digest).map(|manifest| &manifest.bytes));
        if bytes.is_none_or(|bytes| **bytes != content.bytes[..]) {
            problems.push(format!("{} is not there", content.digest));
        }
    }
}

fn pull(scene: &Scene, registry: &StrictRegistry, problems: &mut Vec<String>) {
    put_image(&scene.image, registry);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let blobs = folder.path().join("blobs/sha256");
    create_private(&blobs);
    for (digest, bytes) in &scene.there {
        fs::write(blobs.join(digest.trim_start_matches("sha256:")), bytes).expect("a temporary file");
    }
    let cache = Cache::open(folder.path().to_owned()).expect("a cache");
    let failed = all(scene.twice, || {
        let origin = client(scene, registry)?;
        let root = origin.resolve(Some(&TAG.parse().expect("a tag")))?;
        if *root.digest() == descriptor(&scene.image.index).digest().clone() {
            copy(&origin, &cache, &[root])
        } else {
            Err(miette::miette!("the tag is said to be {}", root.digest()))
        }
    });
    let is_right = expect(&failed, scene, registry, problems);
    let mut held = Vec::new();
    for entry in fs::read_dir(&blobs).expect("the cache's folder") {
        let entry = entry.expect("an entry");
        let name = format!("sha256:{}", entry.file_name().to_string_lossy());
        let content = fs::read(entry.path()).expect("a file of the cache");
        // What was wrong before stays so only where nothing came in its place.
        let may_be_wrong = !is_right && scene.there.iter().any(|(digest, bytes)| *digest == name && *bytes == content);
        if digest(&content) != name && !may_be_wrong {
            problems.push(format!("the cache holds {name}, which is {}", digest(&content)));
        }
        held.push(name);
    }
    let missing = scene.image.contents().filter(|content| is_right && !held.contains(&content.digest));
    problems.extend(missing.map(|content| format!("the cache lacks {}", content.digest)));
}

/// Compares the outcome with what the faults allow. Returns whether the run succeeded.
fn expect(failed: &[Report], scene: &Scene, registry: &StrictRegistry, problems: &mut Vec<String>) -> bool {
    let hopeless = registry.final_hits() + registry.refusals() > 0;
    match failed.first() {
        None if hopeless => problems.push("it succeeds, and cannot".to_owned()),
        Some(error) if !hopeless => problems.push(format!("it should succeed: {}", words(error))),
        _ => {}
    }
    for error in failed {
        let words = words(error);
        if words.chars().any(char::is_control) || words.len() > 8 << 10 {
            problems.push(format!("the error has {} bytes: {words:?}", words.len()));
        }
        let named =
            [Fault::WrongBytes, Fault::TooLong, Fault::TooShort].iter().any(|fault| scene.fault == Some(*fault));
        let host = registry.reference("");
        if named && hopeless && !(words.contains("sha256:") && words.contains(host.trim_end_matches('/'))) {
            problems.push(format!("the error does not say what is wrong where: {words}"));
        }
    }
    let most = scene.most_final_hits();
    let most_refusals = if scene.twice { 16 } else { 8 };
    if registry.refusals() > most_refusals {
        problems.push(format!("refused {} times, more than {most_refusals} times", registry.refusals()));
    }
    if registry.final_hits() > most {
        problems.push(format!("asked {} times what is hopeless, more than {most} times", registry.final_hits()));
    }
    failed.is_empty()
}

/// Runs `work` once, or twice at the same time, and returns the errors.
fn all(twice: bool, work: impl Fn() -> Result<()> + Sync) -> Vec<Report> {
    thread::scope(|scope| {
        let other = twice.then(|| scope.spawn(&work));
        let first = work().err();
        let other = other.and_then(|other| other.join().expect("a client does not panic").err());
        first.into_iter().chain(other).collect()
    })
}

fn client<'a>(scene: &Scene, registry: &StrictRegistry) -> Result<Registry<'a>> {
    let credential = if scene.has_credentials {
        Credential::Basic { user: registry.user().to_owned(), password: Secret::new(PASSWORD.to_owned()) }
    } else {
        Credential::Anonymous
    };
    let retry = Retry {
        attempts: 5,
        first_pause: Duration::from_millis(1),
        max_pause: Duration::from_millis(8),
        answer_timeout: PROGRESS,
        stall_timeout: PROGRESS,
        ..Retry::default()
    };
    let reference = registry.reference(&format!("{REPOSITORY}:{TAG}")).parse().expect("a reference");
    Registry::new(reference, Options { credential, retry, ..Options::default() })
}

/// The error and its causes.
fn words(error: &Report) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn put_image(image: &Image, registry: &StrictRegistry) {
    image.blobs.iter().for_each(|blob| registry.put_blob(REPOSITORY, &blob.bytes));
    for manifest in image.manifests.iter().chain([&image.index]) {
        let tag = (manifest.digest == image.index.digest).then_some(TAG);
        registry.put_manifest(REPOSITORY, manifest.media_type, &manifest.bytes, tag);
    }
}

fn find<'a>(image: &'a Image, digest: &str) -> &'a Content {
    image.contents().find(|content| content.digest == digest).expect("content of the image")
}

fn descriptor(content: &Content) -> Descriptor {
    let digest = Digest::try_from(content.digest.as_str()).expect("a digest");
    Descriptor::new(MediaType::from(content.media_type), content.bytes.len() as u64, digest)
}

/// Creates a folder that only the user can read, as the cache requires.
fn create_private(folder: &Path) {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder).expect("a temporary folder");
}
