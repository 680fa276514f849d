//! Registries that take their time: what is waited for, and for how long.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::home::Home;
use crate::support::process::Ran;
use crate::support::strict::answer::Answer;
use crate::support::strict::http::{Body, Origin, Request, Server};
use crate::support::strict::single::image;

/// Answers a request that is the n-th, or leaves that to a registry with one image.
type Rule = fn(&Request, usize) -> Option<Answer>;

struct Patient {
    rule: Rule,
    count: AtomicUsize,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Origin for Patient {
    fn answer(&self, request: &Request, _: &mut Body<'_>) -> Answer {
        self.seen.lock().expect("no thread panics").push(format!("{} {}", request.method, request.path()));
        (self.rule)(request, self.count.fetch_add(1, Ordering::Relaxed)).unwrap_or_else(|| image(request))
    }
}

/// What came of an inspection, how long it took, and the requests.
struct Inspected {
    ran: Ran,
    took: Duration,
    seen: Vec<String>,
}

fn inspect(rule: Rule, home: &Home, flags: &[&str]) -> Inspected {
    let seen = Arc::new(Mutex::default());
    let origin = Patient { rule, count: AtomicUsize::new(0), seen: Arc::clone(&seen) };
    let server = Server::start(TcpListener::bind("127.0.0.1:0").expect("a port"), Arc::new(origin));
    let image = format!("{}/acme/x:1", server.address());
    let start = Instant::now();
    let ran = home.oci(&[&["inspect"], flags, &[&image]].concat(), "");
    let took = start.elapsed();
    drop(server);
    let seen = seen.lock().expect("no thread panics").clone();
    Inspected { ran, took, seen }
}

fn later(seconds: u64, request: &Request) -> Answer {
    Answer { pause: Duration::from_secs(seconds), ..image(request) }
}

#[test]
fn busy_registries_are_waited_for() {
    thread::scope(|scope| {
        // A cache that fetches the manifest first.
        scope.spawn(|| {
            let slow = inspect(|request, n| (n == 0).then(|| later(16, request)), &Home::new(), &[]);
            assert_eq!(slow.ran.status, 0, "{}", slow.ran.stderr);
            let manifests = slow.seen.iter().filter(|seen| seen.ends_with("/manifests/1")).count();
            assert_eq!(manifests, 1, "{:?}", slow.seen);
            let waiting = "Waiting for the response to HEAD http://127.0.0.1:";
            assert_eq!(slow.ran.stderr.matches(waiting).count(), 1, "{}", slow.ran.stderr);
            assert!(slow.ran.stderr.contains("/v2/acme/x/manifests/1 (at most 300 s)"), "{}", slow.ran.stderr);
        });
        // A pause that the registry asked for is no silence.
        scope.spawn(|| {
            let rule: Rule = |_, n| (n == 0).then(|| Answer::new(429).with("Retry-After", "15"));
            let limited = inspect(rule, &Home::new(), &["--timeout", "5s"]);
            assert_eq!(limited.ran.status, 0, "{}", limited.ran.stderr);
            assert!(limited.took >= Duration::from_secs(15), "{:?}", limited.took);
            assert!(limited.ran.stderr.contains("Retrying in 15.0s: HEAD "), "{}", limited.ran.stderr);
        });
    });
}

#[test]
fn timeout_limits_the_silence_of_each_request() {
    // Each answer is in time, and all of them together are not.
    let rule: Rule = |request, _| Some(later(1, request));
    let in_time = inspect(rule, &Home::new(), &["--timeout", "3s"]);
    assert_eq!(in_time.ran.status, 0, "{}", in_time.ran.stderr);
    assert!(in_time.took > Duration::from_secs(3), "{:?}", in_time.took);
    let rule: Rule = |request, n| (n == 0).then(|| later(4, request));
    for home in [Home::new().env("CARGO_OCI_TIMEOUT", "1s"), Home::new().env("CARGO_OCI_TIMEOUT", "")] {
        let repeated = inspect(rule, &home, &[]);
        assert_eq!(repeated.ran.status, 0, "{}", repeated.ran.stderr);
        let says = repeated.ran.stderr.contains("/manifests/1: the server was silent for 1 second");
        let is_limited = repeated.seen.iter().filter(|seen| seen.starts_with("HEAD")).count() > 1;
        assert_eq!((says, is_limited), (repeated.took < Duration::from_secs(4), says), "{}", repeated.ran.stderr);
    }
}

#[test]
fn flag_precedes_the_variable_of_the_timeout() {
    let rule: Rule = |request, n| (n == 0).then(|| later(2, request));
    let home = Home::new().env("CARGO_OCI_TIMEOUT", "1s");
    let ran = inspect(rule, &home, &["--timeout", "1m"]).ran;
    assert!(ran.status == 0 && !ran.stderr.contains("silent"), "{}", ran.stderr);
}
