//! What a request was for, and which credentials the server has seen: what decides, beside the status, what to do about an
//! error.

use reqwest::{Method, Url};

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestPhase {
    /// Find out what a tag names, before a push.
    FindTag,
    /// Read an image, or what is attached to it.
    Pull,
    /// Find out whether a blob exists, or upload it.
    Upload,
    /// Upload a manifest or an index under its digest.
    PutManifest,
    /// Set a tag.
    MoveTag,
    /// List what is attached, or add to the list.
    Attach,
    /// Get a token.
    Token,
    /// Check credentials before they are stored.
    Login,
    /// Read or write on another server, where the registry sent the request to.
    Storage,
}

impl RequestPhase {
    /// Returns the phase of a request to a registry at `origin`. `is_push` is whether the registry is pushed to.
    pub(crate) fn of(method: &Method, url: &Url, origin: &Url, is_push: bool) -> RequestPhase {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let path = url.path();
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_in = |part: &str| path.contains(part);
        match () {
            () if url.origin() != origin.origin() => RequestPhase::Storage,
            () if path == "/v2/" => RequestPhase::Login,
            () if is_in("/manifests/") && is_read => {
                if is_push {
                    RequestPhase::FindTag
                } else {
                    RequestPhase::Pull
                }
            }
            () if is_in("/manifests/") && name.contains(':') => RequestPhase::PutManifest,
            () if is_in("/manifests/sha256-") || is_in("/manifests/sha512-") => RequestPhase::Attach,
            () if is_in("/manifests/") => RequestPhase::MoveTag,
            () if is_in("/referrers/") && is_push => RequestPhase::Attach,
            () if is_read && !is_push => RequestPhase::Pull,
            // The Location of an upload may be anywhere.
            () => RequestPhase::Upload,
        }
    }
}

/// Which credentials the server has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// None, because there are none.
    Nothing,
    /// None, although there are some: no server asked for them that may have them.
    Withheld,
    /// Those of a file or a credential helper.
    Stored,
    /// Those of this program's environment variables.
    Environment,
    /// Credentials that it has accepted.
    Accepted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phase_follows_from_the_request() {
        let origin = Url::parse("https://a.io").expect("a URL");
        for (method, path, is_push, phase) in [
            (Method::HEAD, "/v2/x/manifests/1", true, RequestPhase::FindTag),
            (Method::HEAD, "/v2/x/manifests/1", false, RequestPhase::Pull),
            (Method::GET, "/v2/x/blobs/sha256:1", false, RequestPhase::Pull),
            (Method::GET, "/v2/x/referrers/sha256:1", false, RequestPhase::Pull),
            (Method::GET, "/v2/x/referrers/sha256:1", true, RequestPhase::Attach),
            (Method::HEAD, "/v2/x/blobs/sha256:1", true, RequestPhase::Upload),
            (Method::POST, "/v2/x/blobs/uploads/", true, RequestPhase::Upload),
            (Method::PATCH, "/elsewhere/7", true, RequestPhase::Upload),
            (Method::GET, "/elsewhere/7", true, RequestPhase::Upload),
            (Method::PUT, "/v2/x/manifests/sha256:1", true, RequestPhase::PutManifest),
            (Method::PUT, "/v2/x/manifests/sha256-1", true, RequestPhase::Attach),
            (Method::PUT, "/v2/x/manifests/1", true, RequestPhase::MoveTag),
            (Method::GET, "/v2/", false, RequestPhase::Login),
            (Method::PUT, "https://b.io/7", true, RequestPhase::Storage),
        ] {
            let url = origin.join(path).expect("a URL");
            assert_eq!(RequestPhase::of(&method, &url, &origin, is_push), phase, "{method} {path}");
        }
    }
}
