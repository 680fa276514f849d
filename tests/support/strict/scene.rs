//! What a seed stands for: an image to push or to pull, what is there already, and what goes wrong.

use super::Behaviour;
use super::faults::{Fault, Planned, Point};
use super::image::{Artifact, Content, Image};
use super::personality::Personality;
use super::random::Random;
use super::tokens::Access;

/// How often a client may fail at one thing before it gives up, less one for a machine that is too busy.
const MOST_FAILURES: u32 = 3;
/// Seeds in a row that take each fault once, and some twice: those that do not strike every time.
const ROUND: usize = Fault::ALL.len() + SELDOM.len() + 1;
const SELDOM: [Fault; 5] = [
    Fault::UnauthorizedInUpload,
    Fault::UnauthorizedInUpload,
    Fault::RangeRefused,
    Fault::RangeShifted,
    Fault::TokenServiceError,
];

/// The tag that is pushed or pulled.
pub const TAG: &str = "latest";
/// The repository it is in.
pub const REPOSITORY: &str = "acme/hello";
/// The repository that blobs may be mounted from.
pub const BASE: &str = "base/static";

/// One run.
#[derive(Debug)]
pub struct Scene {
    /// Whether the image goes to the registry, else it comes from there.
    pub is_push: bool,
    /// The image.
    pub image: Image,
    /// The registry's.
    pub behaviour: Behaviour,
    /// Whether the client has credentials.
    pub has_credentials: bool,
    /// What is attached to the image in a push.
    pub artifact: Option<Artifact>,
    /// What the registry, in a push, or the cache, in a pull, has before: digest and bytes.
    pub there: Vec<(String, Vec<u8>)>,
    /// The digests that are said to be in [`BASE`], and are or are not.
    pub mountable: Vec<(String, bool)>,
    /// Whether the tag stands for something else before.
    pub tagged: bool,
    /// Whether two clients do the same at once.
    pub twice: bool,
    /// What is to go wrong first of all.
    pub fault: Option<Fault>,
    /// Where that is, if it does not pass.
    hopeless: Option<Point>,
}

impl Scene {
    /// The scene of a seed.
    pub fn of(seed: u64) -> Scene {
        let mut random = Random::at(seed, &["scene"], 0);
        let turn = usize::try_from(seed % ROUND as u64).expect("it is small");
        let fault = Fault::ALL.iter().chain(&SELDOM).nth(turn).copied();
        let is_push = fault.and_then(direction).unwrap_or_else(|| random.once_in(2));
        let personality = personality(seed, fault, is_push);
        let access = match fault {
            _ if personality == Personality::Artifactory => Access::Bearer,
            Some(Fault::TokenRefused) => Access::Bearer,
            Some(fault) if fault.is_of_tokens() => random.pick(&[Access::Anonymous, Access::Bearer]),
            _ if personality != Personality::Plain => personality.access(),
            _ => random.pick(&[Access::Open, Access::Open, Access::Basic, Access::Anonymous, Access::Bearer]),
        };
        let mut image = Image::random(&mut random, None);
        while !image.blobs.iter().any(is_target) {
            image = Image::random(&mut random, None);
        }
        let mut scene = Scene {
            is_push,
            image,
            behaviour: Behaviour { seed: Some(seed), access, ..Behaviour::of(personality) },
            has_credentials: match access {
                Access::Basic | Access::Bearer => true,
                Access::Public => is_push || random.once_in(2),
                Access::Open => random.once_in(3),
                Access::Anonymous => false,
            },
            artifact: None,
            there: Vec::new(),
            mountable: Vec::new(),
            tagged: random.once_in(2),
            twice: fault.is_none_or(|fault| !fault.is_final()) && random.once_in(8),
            fault,
            hopeless: None,
        };
        scene.behaviour.is_shared = scene.twice;
        // GitLab keeps no lists. Two clients at once may write the same list, which not all registries take twice.
        if scene.is_push && personality != Personality::GitLab && !scene.twice && random.once_in(3) {
            scene.artifact = Some(Artifact::of(&scene.image.index));
        }
        // Where faults are for the bytes of a blob, these come in one PUT.
        let is_of_bytes = fault.is_some_and(|fault| direction(fault) == Some(true) && !fault.is_of_mount());
        let takes_chunks = personality != Personality::Gar;
        scene.behaviour.chunks_only = is_push && takes_chunks && !is_of_bytes && random.once_in(4);
        let targets: Vec<&Content> = scene.image.blobs.iter().filter(|blob| is_target(blob)).collect();
        let target = targets[random.below(targets.len())].clone();
        scene.furnish(&mut random, &target);
        scene.behaviour.faults = scene.plan(&mut random, &target);
        scene.hopeless = scene.behaviour.faults.iter().find(|one| one.fault.is_final()).map(|one| one.point);
        scene
    }

    /// A push of a layer that takes several chunks, to a registry that takes blobs in chunks only and breaks in between.
    pub fn in_chunks(seed: u64) -> Scene {
        let mut random = Random::at(seed, &["scene in chunks"], 0);
        let size = (9 << 20) + random.below(1 << 20);
        let image = Image::of([random.bytes(100), random.bytes(size), random.bytes(200)], None);
        let breaks = [Fault::ResetInUpload, Fault::ResetBeforeCommit, Fault::ResetAfterCommit, Fault::ErrorAfterCommit];
        let fault = random.pick(&breaks);
        let chunk = Some("chunk".to_owned());
        let times = Some(1 + u32::try_from(random.below(2)).expect("it is small"));
        let faults = vec![Planned { fault, point: Point::Upload, content: chunk, times }];
        Scene {
            is_push: true,
            image,
            behaviour: Behaviour { seed: Some(seed), faults, chunks_only: true, ..Behaviour::default() },
            has_credentials: false,
            artifact: None,
            there: Vec::new(),
            mountable: Vec::new(),
            tagged: false,
            twice: false,
            fault: Some(fault),
            hopeless: None,
        }
    }

    /// What is there before. The target is not: something is to happen to it.
    fn furnish(&mut self, random: &mut Random, target: &Content) {
        if self.fault.is_some_and(Fault::is_of_mount) {
            self.mountable.push((target.digest.clone(), true));
        }
        for blob in self.image.blobs.iter().filter(|blob| blob.digest != target.digest) {
            if random.once_in(5) {
                self.there.push((blob.digest.clone(), blob.bytes.clone()));
            } else if self.is_push && random.once_in(3) {
                self.mountable.push((blob.digest.clone(), !random.once_in(4)));
            }
        }
        if self.fault == Some(Fault::WrongInCache) {
            let mut wrong = target.bytes.clone();
            if random.once_in(2) {
                wrong[0] ^= 1;
            } else {
                wrong.truncate(random.below(wrong.len()));
            }
            self.there.push((target.digest.clone(), wrong));
        }
    }

    /// How often a client may ask for what does not pass (registry.md, "Retry").
    #[allow(clippy::match_same_arms)] // each has its own reason
    pub fn most_final_hits(&self) -> u32 {
        match (self.fault, self.hopeless) {
            // Five attempts, of each of the six blobs, which go up at the same time; HEAD and GET of what is looked for.
            (Some(Fault::ErrorForEver), Some(Point::Begin)) => 30,
            (Some(Fault::ErrorForEver), Some(Point::AskManifest)) => 10,
            (Some(Fault::ErrorForEver), _) => 5,
            // None of them is asked again; four uploads may have begun, and a blob may be tried in chunks.
            (Some(Fault::Refused | Fault::RefusedWithEscapes | Fault::RefusedWithMegabytes), Some(Point::Begin)) => 8,
            (Some(Fault::Refused | Fault::RefusedWithEscapes | Fault::RefusedWithMegabytes), _) => 2,
            (Some(Fault::TokenRefused), _) => 8,
            // Once more past any cache; then what comes is what there is.
            (Some(Fault::WrongBytes | Fault::TooLong), _) => 2,
            (Some(Fault::TooShort), _) => 10,
            _ => 1,
        }
    }

    fn plan(&self, random: &mut Random, target: &Content) -> Vec<Planned> {
        let mut planned = Vec::new();
        let mut left = MOST_FAILURES;
        if let Some(fault) = self.fault {
            planned.extend(self.place(random, fault, target, &mut left));
            if fault.is_final() {
                return planned;
            }
        }
        // Others with it, of those that pass.
        for _ in 0..random.below(4) {
            let fault = random.pick(&Fault::ALL);
            let fits = !fault.is_final() && !fault.is_of_mount() && !fault.is_of_content();
            if fits && direction(fault).is_none_or(|push| push == self.is_push) {
                planned.extend(self.place(random, fault, target, &mut left));
            }
        }
        planned
    }

    /// Where a fault strikes, and how often; nothing when that would be once too often.
    fn place(&self, random: &mut Random, fault: Fault, target: &Content, left: &mut u32) -> Vec<Planned> {
        let blob = Some(target.digest.clone());
        let manifest =
            Some(random.pick(&[&self.image.manifests[0], &self.image.manifests[1], &self.image.index]).digest.clone());
        let tag = Some(TAG.to_owned());
        let document = if random.once_in(3) { tag.clone() } else { manifest.clone() };
        let (point, content) = match fault {
            Fault::ResetInDownload | Fault::StallInDownload | Fault::ShortDownload => (Point::Serve, blob),
            Fault::RangeRefused | Fault::RangeShifted => {
                if *left < 2 {
                    return Vec::new();
                }
                *left -= 2;
                let first = random.pick(&[Fault::ResetInDownload, Fault::ShortDownload]);
                let times = Some(1);
                return vec![
                    Planned { fault: first, point: Point::Serve, content: blob.clone(), times },
                    Planned { fault, point: Point::Resume, content: blob, times },
                ];
            }
            Fault::WrongBytes
            | Fault::TooLong
            | Fault::TooShort
            | Fault::WrongBytesOnce
            | Fault::TooLongOnce
            | Fault::TooShortOnce => (Point::Serve, if random.once_in(3) { manifest } else { blob }),
            Fault::ResetInUpload | Fault::SessionLost | Fault::UnauthorizedInUpload => (Point::Upload, blob),
            Fault::ResetBeforeCommit | Fault::ResetAfterCommit | Fault::ErrorAfterCommit => {
                if random.once_in(3) {
                    (Point::PutManifest, document)
                } else {
                    (Point::Upload, blob)
                }
            }
            Fault::MountRefused
            | Fault::MountUnauthorized
            | Fault::MountForbidden
            | Fault::MountNotFound
            | Fault::MountNotAllowed
            | Fault::MountServerError => (Point::Mount, blob),
            Fault::OtherDigest => (Point::PutManifest, manifest),
            Fault::TokenServiceError | Fault::TokenRefused => (Point::Token, None),
            // It is there from the beginning.
            Fault::WrongInCache => return Vec::new(),
            Fault::NoAnswer | Fault::TooMany | Fault::ServerError if self.is_push => random
                .pick(&[
                    &(Point::Begin, None),
                    &(Point::Upload, blob.clone()),
                    &(Point::AskBlob, blob),
                    &(Point::PutManifest, document),
                    &(Point::AskManifest, manifest),
                ])
                .clone(),
            Fault::ErrorForEver | Fault::Refused | Fault::RefusedWithEscapes | Fault::RefusedWithMegabytes
                if self.is_push =>
            {
                random.pick(&[&(Point::Begin, None), &(Point::Upload, blob), &(Point::PutManifest, document)]).clone()
            }
            _ => random.pick(&[&(Point::AskManifest, document), &(Point::AskBlob, blob)]).clone(),
        };
        let times = match fault {
            fault if fault.is_final() => None,
            Fault::MountUnauthorized => Some(2),
            fault if fault.is_of_mount() || fault == Fault::UnauthorizedInUpload => Some(1),
            Fault::TooMany | Fault::ServerError | Fault::NoAnswer if *left > 0 => {
                Some(1 + u32::try_from(random.below(*left as usize)).expect("it is small"))
            }
            _ => Some(1),
        };
        let cost = match times {
            Some(times) if !fault.is_of_mount() && fault != Fault::UnauthorizedInUpload => times,
            _ => 0,
        };
        if cost > *left {
            return Vec::new();
        }
        *left -= cost;
        vec![Planned { fault, point, content, times }]
    }
}

/// The personality of a seed, which is another one each time that a fault comes round.
fn personality(seed: u64, fault: Option<Fault>, is_push: bool) -> Personality {
    let turn = usize::try_from(seed % ROUND as u64 + seed / ROUND as u64).expect("it is small");
    let personality = Personality::ALL[turn % Personality::ALL.len()];
    // Nothing that is pushed to a cache gets as far as the fault.
    match fault {
        Some(_) if is_push && personality == Personality::ProxyCache => Personality::Distribution3,
        _ => personality,
    }
}

/// Whether a fault is one of pushes or of pulls; nothing for both.
fn direction(fault: Fault) -> Option<bool> {
    match fault {
        fault if fault.is_of_mount() => Some(true),
        Fault::ResetInUpload
        | Fault::ResetBeforeCommit
        | Fault::ResetAfterCommit
        | Fault::ErrorAfterCommit
        | Fault::SessionLost
        | Fault::UnauthorizedInUpload
        | Fault::OtherDigest => Some(true),
        Fault::ResetInDownload
        | Fault::StallInDownload
        | Fault::ShortDownload
        | Fault::RangeRefused
        | Fault::RangeShifted
        | Fault::WrongBytesOnce
        | Fault::TooLongOnce
        | Fault::TooShortOnce
        | Fault::WrongInCache
        | Fault::WrongBytes
        | Fault::TooLong
        | Fault::TooShort => Some(false),
        _ => None,
    }
}

/// Whether there is enough of it for something to happen in between.
fn is_target(blob: &Content) -> bool {
    blob.bytes.len() >= 64
}
