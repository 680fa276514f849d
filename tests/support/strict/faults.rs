//! Injected faults: which there are, and where and how often each strikes.

use std::fmt;
use std::sync::Mutex;

use super::lock;
use super::random::Random;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A download's connection is reset, somewhere.
    ResetInDownload,
    /// A download stands still, somewhere.
    StallInDownload,
    /// A download's connection is closed, somewhere.
    ShortDownload,
    /// A download breaks, and what asks for the rest of it is answered with 416.
    RangeRefused,
    /// A download breaks, and the rest of it begins elsewhere than was asked for.
    RangeShifted,
    /// An upload's connection is reset before all has arrived.
    ResetInUpload,
    /// An upload's connection is reset after all has arrived, and nothing is kept.
    ResetBeforeCommit,
    /// An upload's connection is reset after all has arrived and is kept.
    ResetAfterCommit,
    /// An upload is answered with 503 after all has arrived and is kept.
    ErrorAfterCommit,
    /// An upload is answered with 502, and its session is gone.
    SessionLost,
    /// No answer at all.
    NoAnswer,
    /// A 401 in the middle of an upload's body.
    UnauthorizedInUpload,
    /// 429, with and without Retry-After.
    TooMany,
    /// 408, 500, 502, 503, 504.
    ServerError,
    /// The token service answers 429 or 5xx, or not at all.
    TokenServiceError,
    /// A mount begins a session instead.
    MountRefused,
    /// A mount is answered with 401.
    MountUnauthorized,
    /// A mount is answered with 403.
    MountForbidden,
    /// A mount is answered with 404.
    MountNotFound,
    /// A mount is answered with 405.
    MountNotAllowed,
    /// A mount is answered with 500 to 504.
    MountServerError,
    /// Content with other bytes, once.
    WrongBytesOnce,
    /// Content that is longer than its descriptor says, once.
    TooLongOnce,
    /// Content that ends early, with a Content-Length that says the same, once.
    TooShortOnce,
    /// Content in the cache with other bytes or of another size. The test puts it there.
    WrongInCache,
    /// Content with other bytes, always.
    WrongBytes,
    /// Content that is longer than its descriptor says, always.
    TooLong,
    /// Content that ends early, always.
    TooShort,
    /// 408, 429 and 5xx without end.
    ErrorForEver,
    /// 400, 403, 404, 501 or 505, with a registry's words.
    Refused,
    /// 403 with ANSI codes in the body.
    RefusedWithEscapes,
    /// 403 with megabytes in the body.
    RefusedWithMegabytes,
    /// A manifest is stored under another digest, by what the answer says.
    OtherDigest,
    /// The token service answers 401.
    TokenRefused,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 34] = [
        Fault::ResetInDownload,
        Fault::StallInDownload,
        Fault::ShortDownload,
        Fault::RangeRefused,
        Fault::RangeShifted,
        Fault::ResetInUpload,
        Fault::ResetBeforeCommit,
        Fault::ResetAfterCommit,
        Fault::ErrorAfterCommit,
        Fault::SessionLost,
        Fault::NoAnswer,
        Fault::UnauthorizedInUpload,
        Fault::TooMany,
        Fault::ServerError,
        Fault::TokenServiceError,
        Fault::MountRefused,
        Fault::MountUnauthorized,
        Fault::MountForbidden,
        Fault::MountNotFound,
        Fault::MountNotAllowed,
        Fault::MountServerError,
        Fault::WrongBytesOnce,
        Fault::TooLongOnce,
        Fault::TooShortOnce,
        Fault::WrongInCache,
        Fault::WrongBytes,
        Fault::TooLong,
        Fault::TooShort,
        Fault::ErrorForEver,
        Fault::Refused,
        Fault::RefusedWithEscapes,
        Fault::RefusedWithMegabytes,
        Fault::OtherDigest,
        Fault::TokenRefused,
    ];

    /// Whether the client cannot overcome it.
    pub fn is_final(self) -> bool {
        self >= Fault::WrongBytes
    }

    /// Whether it is one of a mount: what it costs is the mount, not an attempt.
    pub fn is_of_mount(self) -> bool {
        matches!(
            self,
            Fault::MountRefused
                | Fault::MountUnauthorized
                | Fault::MountForbidden
                | Fault::MountNotFound
                | Fault::MountNotAllowed
                | Fault::MountServerError
        )
    }

    /// Whether content is not what its name says. Once is a mishap, after which it is asked for again; twice is a lie.
    pub fn is_of_content(self) -> bool {
        matches!(
            self,
            Fault::WrongBytesOnce
                | Fault::TooLongOnce
                | Fault::TooShortOnce
                | Fault::WrongInCache
                | Fault::WrongBytes
                | Fault::TooLong
                | Fault::TooShort
        )
    }

    /// Whether it needs a registry that asks for tokens.
    pub fn is_of_tokens(self) -> bool {
        matches!(self, Fault::UnauthorizedInUpload | Fault::TokenServiceError | Fault::TokenRefused)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Before a HEAD or GET of a blob is answered.
    AskBlob,
    /// While a blob's or a manifest's bytes are sent.
    Serve,
    /// When the rest of a blob is asked for.
    Resume,
    /// A POST that begins an upload.
    Begin,
    /// A POST that mounts.
    Mount,
    /// A PUT or PATCH of a blob's bytes.
    Upload,
    /// Before a HEAD or GET of a manifest is answered.
    AskManifest,
    /// A PUT of a manifest.
    PutManifest,
    /// A request for a token.
    Token,
}

/// A fault that will strike.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What.
    pub fault: Fault,
    /// Where.
    pub point: Point,
    /// The digest or tag it strikes; nothing for any.
    pub content: Option<String>,
    /// How often; nothing for always.
    pub times: Option<u32>,
}

/// The faults of a run.
#[derive(Debug, Default)]
pub struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    planned: Vec<Planned>,
    final_hits: u32,
    refusals: u32,
}

impl Faults {
    /// These.
    pub fn of(planned: Vec<Planned>) -> Faults {
        Faults(Mutex::new(State { planned, ..State::default() }))
    }

    /// The fault that strikes now, if one does; `can` says which are possible here.
    pub fn strike(&self, point: Point, content: &str, can: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut state = lock(&self.0);
        let found = state.planned.iter_mut().find(|planned| {
            let here = planned.content.as_ref().is_none_or(|wanted| wanted == content);
            here && planned.point == point && planned.times != Some(0) && can(planned.fault)
        })?;
        if let Some(times) = &mut found.times {
            *times -= 1;
        }
        let fault = found.fault;
        state.final_hits += u32::from(fault.is_final());
        Some(fault)
    }

    /// How often a fault has struck that the client cannot overcome.
    pub fn final_hits(&self) -> u32 {
        lock(&self.0).final_hits
    }

    /// Counts a refusal that is a habit of the registry, and which the client cannot overcome.
    pub fn refuse(&self) {
        lock(&self.0).refusals += 1;
    }

    /// How often that was.
    pub fn refusals(&self) -> u32 {
        lock(&self.0).refusals
    }

    /// What is planned, for the record.
    pub fn words(&self) -> String {
        let words = |planned: &Planned| {
            let content = planned.content.as_deref().unwrap_or("anything");
            let times = planned.times.map_or("always".to_owned(), |times| format!("{times} times"));
            format!("{} at {:?} of {content}, {times}", planned.fault, planned.point)
        };
        lock(&self.0).planned.iter().map(words).collect::<Vec<_>>().join("\n")
    }
}

/// Content that is not what its name says.
pub fn spoiled(fault: Fault, content: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut bytes = content.to_vec();
    match fault {
        Fault::WrongBytes | Fault::WrongBytesOnce => {
            let at = random.below(bytes.len().max(1));
            *bytes.get_mut(at)? ^= 1 << random.below(8);
        }
        Fault::TooLong | Fault::TooLongOnce => {
            let more = 1 + random.below(5_000);
            bytes.extend(random.bytes(more));
        }
        Fault::TooShort | Fault::TooShortOnce => bytes.truncate(random.below(bytes.len().max(1))),
        _ => return None,
    }
    Some(bytes)
}
