//! What the user can do about a failed request: the one table of it. The first row that matches counts.

use super::error::{RequestError, RequestProblem};
use super::error_body::ErrorBody;
use super::phase::RequestPhase::{self, Attach, FindTag, Login, MoveTag, Pull, PutManifest, Storage, Token, Upload};
use super::phase::Shown::{self, Accepted, Environment, Nothing, Stored, Withheld};
use super::refusal::IMMUTABLE;
use crate::reference::is_loopback;

/// What the server says beside the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The repository does not exist.
    NameUnknown,
    /// The name is not allowed.
    NameInvalid,
    /// A blob of a manifest does not exist.
    BlobUnknown,
    /// A tag must not change.
    Immutable,
    /// Nothing must change.
    ReadOnly,
    /// There is no space left for this user.
    Quota,
    /// It does not implement that.
    Unsupported,
    /// It speaks, but not as registries do.
    Foreign,
    /// Nothing, or anything else.
    Other,
}

/// A row of the table. An empty list, and no reason, match everything.
struct HelpRow {
    /// First and last status of ranges.
    statuses: &'static [(u16, u16)],
    phases: &'static [RequestPhase],
    shown: &'static [Shown],
    reason: Option<Reason>,
    /// With `{registry}`, `{repository}` and `{status}`.
    help: &'static str,
}

const DENIED: &[(u16, u16)] = &[(401, 401), (403, 403)];
const REJECTED: &[(u16, u16)] = &[(400, 412), (414, 428), (430, 499)];
const UNSUPPORTED: &[(u16, u16)] = &[(405, 405), (501, 501)];
const TRANSIENT: &[(u16, u16)] = &[(408, 408), (425, 425), (500, 500), (502, 504), (506, 506), (508, 599)];
const ANY: &[(u16, u16)] = &[];
const READS: &[RequestPhase] = &[FindTag, Pull];
const WRITES: &[RequestPhase] = &[Upload, PutManifest, MoveTag, Attach];
const TO_REGISTRY: &[RequestPhase] = &[FindTag, Pull, Upload, PutManifest, MoveTag, Attach];
const ALL: &[RequestPhase] = &[];
const SHOWN: &[Shown] = &[Stored, Environment];
const ALWAYS: &[Shown] = &[];

const fn row(
    statuses: &'static [(u16, u16)],
    phases: &'static [RequestPhase],
    shown: &'static [Shown],
    reason: Option<Reason>,
    help: &'static str,
) -> HelpRow {
    HelpRow { statuses, phases, shown, reason, help }
}

#[rustfmt::skip]
const ROWS: &[HelpRow] = &[
    // Storage that the registry sends to has no credentials of ours, and knows no repositories.
    row(&[(400, 428), (430, 499)], &[Storage], ALWAYS, None,
        "try again; if it fails again, report it to the operator of {registry}, which sent the request there"),

    // What the server says decides before the status.
    row(REJECTED, WRITES, ALWAYS, Some(Reason::Quota),
        "free some space in {registry}/{repository}, or have its quota raised"),
    row(REJECTED, &[MoveTag], ALWAYS, Some(Reason::Immutable),
        "push another tag with `--tag`, or have {registry} allow that this one changes"),
    row(&[(400, 599)], WRITES, ALWAYS, Some(Reason::ReadOnly),
        "push to another registry with `--repository` or the key `repository`, or later to this one"),
    row(&[(400, 400), (404, 404), (422, 422)], TO_REGISTRY, ALWAYS, Some(Reason::NameInvalid),
        "use another repository name or tag: {registry} does not allow this one"),
    row(&[(400, 400), (404, 404)], &[PutManifest, MoveTag, Attach], ALWAYS, Some(Reason::BlobUnknown),
        "run the same command again: {registry} lacks a blob that it had"),

    // Who may do what.
    row(DENIED, &[Login], ALWAYS, None,
        "check both; many registries expect an access token as the password, and some a user name such as `tenancy/user`"),
    row(DENIED, ALL, &[Nothing], None,
        "run `cargo oci login {registry}`, or check the repository name: some registries return {status} for repositories \
         that do not exist"),
    row(DENIED, ALL, &[Withheld], None,
        "the credentials were not sent: `-v` shows which server was asked for access, and what it returned"),
    row(DENIED, &[Pull], &[Accepted], None,
        "have the owner of {registry}/{repository} allow the user to pull it, and check the repository name"),
    row(DENIED, ALL, &[Accepted], None,
        "have the owner of {registry}/{repository} allow the user to push to it, and check the repository name"),
    row(&[(401, 401)], ALL, &[Environment], None,
        "set these variables to other credentials, or unset them and run `cargo oci login {registry}`"),
    row(&[(401, 401)], ALL, &[Stored], None,
        "run `cargo oci login {registry}` to replace them, and check the repository name"),
    row(&[(403, 403)], &[Token], &[Environment], None,
        "check what these variables are set to, and what the user may do in {registry}/{repository}"),
    row(&[(403, 403)], &[Token], &[Stored], None,
        "check what the user may do in {registry}/{repository}, or replace the credentials with `cargo oci login {registry}`"),
    row(&[(403, 403)], &[Pull], SHOWN, None,
        "have the owner of {registry}/{repository} allow the user to pull it, and check the repository name"),
    row(&[(403, 403)], ALL, SHOWN, None,
        "have the owner of {registry}/{repository} allow the user to push to it, and check the repository name"),
    row(&[(429, 429)], &[FindTag, Pull, Upload, PutManifest, MoveTag, Attach, Token], &[Nothing], None,
        "try again later, or run `cargo oci login {registry}`: many registries allow users more requests"),
    row(&[(429, 429)], ALL, ALWAYS, None, "try again later"),

    // What does not exist.
    row(&[(300, 404)], &[Login], ALWAYS, None,
        "enter the host, and the port if there is one, that the names of images begin with, such as ghcr.io"),
    row(&[(404, 404)], TO_REGISTRY, ALWAYS, Some(Reason::Foreign),
        "check that {registry} is a container registry, with its API at /v2/ and not below a path, and check the repository \
         name"),
    row(&[(404, 404)], READS, &[Nothing], Some(Reason::NameUnknown),
        "check the repository name; if the repository is private, run `cargo oci login {registry}`"),
    row(&[(404, 404)], READS, ALWAYS, Some(Reason::NameUnknown), "check the repository name"),
    row(&[(404, 404)], READS, &[Nothing], None,
        "check the repository name, and its tag or digest; if the repository is private, run `cargo oci login {registry}`"),
    row(&[(404, 404)], READS, ALWAYS, None, "check the repository name, and its tag or digest"),
    row(&[(404, 404)], WRITES, &[Nothing], None,
        "check the repository name, create the repository, which some registries (such as Amazon ECR) require before the \
         first push, or run `cargo oci login {registry}`"),
    row(&[(404, 404)], WRITES, ALWAYS, None,
        "check the repository name, or create the repository: some registries (such as Amazon ECR) require that before the \
         first push"),

    // What the server, or a proxy before it, does not do.
    row(UNSUPPORTED, &[Upload, PutManifest, MoveTag], ALWAYS, None,
        "push to another registry with `--repository` or the key `repository`: this one may be read-only, as caches are"),
    row(REJECTED, &[Upload, PutManifest, MoveTag], ALWAYS, Some(Reason::Unsupported),
        "push to another registry with `--repository` or the key `repository`: this one may be read-only, as caches are"),
    row(&[(413, 413)], WRITES, ALWAYS, Some(Reason::Foreign),
        "raise the limit for request bodies of the proxy before {registry}, such as `client_max_body_size` of nginx"),
    row(&[(413, 413)], WRITES, ALWAYS, None,
        "raise the limit for request bodies of {registry}, or of the proxy before it"),
    row(&[(411, 411), (416, 416)], &[Upload], ALWAYS, None,
        "report it to the operator of {registry}: neither one request nor chunks are accepted"),
    row(&[(409, 409), (412, 412)], WRITES, ALWAYS, None,
        "run the same command again: another client may be writing to {registry}/{repository}"),
    row(&[(400, 400), (406, 406), (415, 415), (422, 422)], &[PutManifest, MoveTag], ALWAYS, None,
        "check that {registry} supports OCI images and indexes; `--no-index` pushes an image of one platform without an index"),
    row(&[(400, 400), (422, 422)], &[Upload], ALWAYS, None,
        "try again; if it fails again, report it to the operator of {registry}"),
    row(&[(507, 507)], ALL, ALWAYS, None, "have the operator of {registry} free some space"),
    row(TRANSIENT, ALL, ALWAYS, None,
        "try again later; if it fails again, report it to the operator of {registry}"),
    row(ANY, &[Token], ALWAYS, None, "report it to the operator of {registry}, which names this token service"),
    row(ANY, ALL, ALWAYS, None, "check that {registry} is a container registry that supports OCI images"),
];

/// What a request was about.
pub(super) struct HelpContext<'a> {
    pub(super) phase: RequestPhase,
    pub(super) shown: Shown,
    /// The registry's name as users write it.
    pub(super) registry: &'a str,
    pub(super) repository: &'a str,
    /// Whether a proxy is between here and the server.
    pub(super) is_proxied: bool,
}

/// Returns what the user can do about a failed request, or `None` if the user stopped it.
pub(super) fn help(error: &RequestError, context: &HelpContext<'_>) -> Option<String> {
    let HelpContext { phase, registry, .. } = context;
    // The server that failed may be another one, such as a token service.
    let host = match error.url.split("://").nth(1).and_then(|rest| rest.split('/').next()) {
        Some("registry-1.docker.io") | None => registry,
        Some(host) => host,
    };
    let is_write = WRITES.contains(phase);
    Some(match &error.problem {
        RequestProblem::Interrupted => return None,
        RequestProblem::Status { status, body } => in_table(status.as_u16(), reason(body), context),
        RequestProblem::Certificate(problem) => problem.help(host),
        RequestProblem::PlainHttp => {
            format!("if {host} has no TLS and you trust the network up to it, add `--insecure-registry {host}`")
        }
        RequestProblem::Connect(_) if context.is_proxied => {
            format!("check that the proxy of this computer's settings, such as HTTPS_PROXY, connects to {host}")
        }
        RequestProblem::Connect(_) if is_loopback(host) => {
            format!("check that a registry runs at {host} on this computer")
        }
        RequestProblem::Connect(_) => {
            format!("check the host {host} and the network; set HTTPS_PROXY if the network requires a proxy")
        }
        RequestProblem::Timeout(_) => format!("try again later, or let {host} take longer with `--timeout`"),
        RequestProblem::Unsent | RequestProblem::Transport(_) => {
            format!("try again; if it fails again, check the network between here and {host}")
        }
        RequestProblem::OldManifest => "convert the image with `skopeo copy --format oci`".to_owned(),
        RequestProblem::InvalidResponse(_) if *phase == Token || is_write => {
            format!("report it to the operator of {registry}")
        }
        RequestProblem::InvalidResponse(_) => format!("check that {host} is a container registry"),
        RequestProblem::Untrusted(_) => {
            "check the registry's host; if it is right, its operator has to fix the address of the token service"
                .to_owned()
        }
    })
}

/// Returns whether the server says that something else than missing rights stops a push.
pub(super) fn has_other_reason(error: &RequestError, context: &HelpContext<'_>) -> bool {
    let RequestProblem::Status { body, .. } = &error.problem else { return false };
    WRITES.contains(&context.phase) && matches!(reason(body), Reason::Quota | Reason::ReadOnly | Reason::Immutable)
}

fn in_table(status: u16, reason: Reason, context: &HelpContext<'_>) -> String {
    let row = ROWS.iter().find(|row| {
        (row.statuses.is_empty() || row.statuses.iter().any(|(first, last)| (*first..=*last).contains(&status)))
            && (row.phases.is_empty() || row.phases.contains(&context.phase))
            && (row.shown.is_empty() || row.shown.contains(&context.shown))
            && row.reason.is_none_or(|expected| expected == reason)
    });
    // The last row matches everything.
    let help = row.map(|row| row.help).unwrap_or_default();
    help.replace("{status}", &status.to_string())
        .replace("{registry}", context.registry)
        .replace("{repository}", context.repository)
}

fn reason(body: &ErrorBody) -> Reason {
    match () {
        () if body.mentions(&IMMUTABLE) => Reason::Immutable,
        () if body.mentions(&["read-only", "read only", "readonly"]) => Reason::ReadOnly,
        () if body.mentions(&["quota", "upper limit"]) => Reason::Quota,
        () if body.has_code("NAME_UNKNOWN") => Reason::NameUnknown,
        () if body.has_code("NAME_INVALID") || body.has_code("TAG_INVALID") => Reason::NameInvalid,
        () if body.has_code("MANIFEST_BLOB_UNKNOWN") || body.has_code("BLOB_UNKNOWN") => Reason::BlobUnknown,
        () if body.has_code("UNSUPPORTED") => Reason::Unsupported,
        () if body.is_foreign() => Reason::Foreign,
        () => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUSES: [u16; 33] = [
        301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416,
        418, 421, 422, 425, 428, 429, 431, 500, 501, 503, 507,
    ];
    const PHASES: [RequestPhase; 9] = [FindTag, Pull, Upload, PutManifest, MoveTag, Attach, Token, Login, Storage];
    const CREDENTIALS: [Shown; 5] = [Nothing, Withheld, Stored, Environment, Accepted];
    const REASONS: [Reason; 9] = [
        Reason::NameUnknown,
        Reason::NameInvalid,
        Reason::BlobUnknown,
        Reason::Immutable,
        Reason::ReadOnly,
        Reason::Quota,
        Reason::Unsupported,
        Reason::Foreign,
        Reason::Other,
    ];

    /// A case of the table.
    #[derive(Debug)]
    struct Case {
        status: u16,
        phase: RequestPhase,
        shown: Shown,
        reason: Reason,
    }

    impl Case {
        fn all() -> impl Iterator<Item = Case> {
            STATUSES.into_iter().flat_map(|status| {
                PHASES.into_iter().flat_map(move |phase| {
                    CREDENTIALS.into_iter().flat_map(move |shown| {
                        REASONS.into_iter().map(move |reason| Case { status, phase, shown, reason })
                    })
                })
            })
        }

        fn help(&self) -> String {
            let Case { phase, shown, .. } = *self;
            let context = HelpContext { phase, shown, registry: "R", repository: "x/y", is_proxied: false };
            in_table(self.status, self.reason, &context)
        }

        fn is(&self, statuses: &[u16]) -> bool {
            statuses.contains(&self.status)
        }

        fn is_in(&self, phases: &[RequestPhase]) -> bool {
            phases.contains(&self.phase)
        }

        fn are(&self, shown: &[Shown]) -> bool {
            shown.contains(&self.shown)
        }
    }

    /// What a help line names, and when that may be the cause.
    type Rule = (&'static str, fn(&Case) -> bool);

    /// Returns whether credentials that are not wrong may have too few rights.
    fn lacks_right(case: &Case) -> bool {
        case.are(&[Accepted]) && case.is(&[401, 403]) || case.are(&[Stored, Environment]) && case.is(&[403])
    }

    const RULES: [Rule; 29] = [
        // Logging in: where nothing was shown, or where what was shown may be wrong.
        ("cargo oci login", |case| {
            case.are(&[Nothing]) && case.is(&[401, 403, 404, 429])
                || case.are(&[Stored, Environment]) && case.is(&[401])
                || case.are(&[Stored]) && case.is(&[403]) && case.is_in(&[Token])
        }),
        ("cargo oci login", |case| !case.is_in(&[Login, Storage])),
        ("these variables", |case| case.are(&[Environment]) && case.is(&[401, 403]) && !case.is_in(&[Storage, Login])),
        ("were not sent", |case| case.are(&[Withheld]) && case.is(&[401, 403])),
        ("replace", |case| case.are(&[Stored]) && case.is(&[401, 403])),
        ("access token", |case| case.is_in(&[Login]) && case.is(&[401, 403])),
        ("allow the user to push", |case| !case.is_in(&[Pull, Login, Storage]) && lacks_right(case)),
        ("allow the user to pull", |case| case.is_in(&[Pull]) && lacks_right(case)),
        ("what the user may do", |case| case.are(&[Stored, Environment]) && case.is(&[403]) && case.is_in(&[Token])),
        ("more requests", |case| case.is(&[429]) && case.are(&[Nothing])),
        // Names.
        ("the repository name", |case| case.is(&[401, 403, 404]) && !case.is_in(&[Login, Storage])),
        ("its tag or digest", |case| {
            case.is(&[404]) && case.is_in(&[FindTag, Pull]) && case.reason != Reason::NameUnknown
        }),
        ("another repository name", |case| case.reason == Reason::NameInvalid),
        ("create the repository", |case| case.is(&[404]) && case.is_in(WRITES)),
        ("not below a path", |case| case.is(&[404]) && case.reason == Reason::Foreign),
        ("enter the host", |case| case.is_in(&[Login]) && case.status <= 404),
        // What the server does not do.
        ("read-only", |case| case.is(&[405, 501]) || case.reason == Reason::Unsupported),
        ("`--repository`", |case| {
            case.is_in(WRITES)
                && (case.is(&[405, 501]) || matches!(case.reason, Reason::Unsupported | Reason::ReadOnly))
        }),
        ("request bodies", |case| case.is(&[413]) && case.is_in(WRITES)),
        ("the proxy before", |case| case.is(&[413])),
        ("`--no-index`", |case| case.is_in(&[PutManifest, MoveTag]) && case.is(&[400, 406, 415, 422])),
        ("another client", |case| case.is(&[409, 412]) && case.is_in(WRITES)),
        ("another tag", |case| case.is_in(&[MoveTag]) && case.reason == Reason::Immutable),
        ("quota", |case| case.reason == Reason::Quota && case.is_in(WRITES)),
        ("space", |case| case.reason == Reason::Quota || case.is(&[507])),
        ("lacks a blob", |case| case.reason == Reason::BlobUnknown && case.is_in(WRITES)),
        ("try again", |case| {
            matches!(case.status, 408 | 425 | 429 | 500..)
                || case.is_in(&[Storage])
                || case.is_in(&[Upload]) && case.is(&[400, 422])
        }),
        ("token service", |case| case.is_in(&[Token])),
        ("is a container registry that", |case| !case.is(&[401, 403, 404, 429]) && !case.is_in(&[Token])),
    ];

    #[test]
    fn help_names_no_cause_that_does_not_apply() {
        let mut wrong: Vec<String> = Vec::new();
        for case in Case::all() {
            let help = case.help();
            let broken = RULES.iter().filter(|(words, applies)| help.contains(words) && !applies(&case));
            wrong.extend(broken.map(|(words, _)| format!("{words:?} of {case:?}: {help}")));
        }
        assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
    }

    #[test]
    fn help_exists_for_every_case() {
        for case in Case::all() {
            let help = case.help();
            assert!(!help.is_empty() && !help.contains(['{', '}']), "{case:?}: {help}");
            for never in ["certificate", "TLS", "network", "HTTPS_PROXY", "clock"] {
                assert!(!help.contains(never), "{case:?}: {help}");
            }
        }
    }

    #[test]
    fn help_has_a_case_for_each_row() {
        let unused = ROWS.iter().filter(|row| {
            let shape = |help: &str| help.replace("{registry}", "R").replace("{repository}", "x/y");
            let help = shape(row.help);
            !Case::all().any(|case| case.help() == help.replace("{status}", &case.status.to_string()))
        });
        let unused: Vec<_> = unused.map(|row| row.help).collect();
        assert!(unused.is_empty(), "{unused:#?}");
    }

    #[test]
    fn rules_name_words_of_the_table() {
        for (words, _) in RULES {
            assert!(ROWS.iter().any(|row| row.help.contains(words)), "{words:?}");
        }
    }

    #[test]
    fn reason_is_read_from_the_body() {
        for (body, expected) in [
            (r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#, Reason::NameUnknown),
            (r#"{"errors":[{"code":"TAG_INVALID","message":"it is Immutable"}]}"#, Reason::Immutable),
            (r#"{"errors":[{"code":"TAG_INVALID"}]}"#, Reason::NameInvalid),
            (r#"{"errors":[{"code":"DENIED","message":"the quota is exceeded"}]}"#, Reason::Quota),
            (r#"{"errors":[{"code":"DENIED","message":"in read-only mode"}]}"#, Reason::ReadOnly),
            (r#"{"errors":[{"code":"UNSUPPORTED","message":"x"}]}"#, Reason::Unsupported),
            ("<html>", Reason::Foreign),
            (r#"{"errors":[{"code":"DENIED"}]}"#, Reason::Other),
            ("", Reason::Other),
        ] {
            assert_eq!(reason(&ErrorBody::parse(body.as_bytes())), expected, "{body}");
        }
    }
}
