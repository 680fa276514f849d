//! `cargo oci login`: check credentials with a registry, and store them where Docker and Podman look for them.

use std::io::{self, IsTerminal, Read};

use miette::{Report, miette};

use super::Outcome;
use crate::cli::LoginArgs;
use crate::context::GlobalContext;
use crate::error::Result;
use crate::event::{Event, Question};
use crate::interrupt::blocking;
use crate::reference::RegistryName;
use crate::registry::credentials::{self, Credential, CredentialStore, Secret};
use crate::registry::{HostSettings, Ping};

/// The most bytes that are read as a password.
const MOST_BYTES: u64 = 64 << 10;

/// Checks a user's password with the registry, and stores it.
///
/// # Errors
/// Returns an error if user or password are unknown, the registry does not accept them, or they cannot be stored.
pub(crate) fn run(args: &LoginArgs, context: &GlobalContext) -> Result<Outcome> {
    let registry = args.registry.as_str();
    let user = match &args.username {
        Some(user) => user.clone(),
        None => ask(context, Question::User { registry }, "user", || pipe(registry, "USER"))?.trim().to_owned(),
    };
    check_user(&user)?;
    let password = match &args.password {
        Some(typed) => {
            context.warn("other users of this machine can see a password in `--password`; use `--password-stdin`");
            typed.0.clone()
        }
        None if args.password_stdin => piped()?,
        None => ask(context, Question::Password { user: &user, registry }, "password", || pipe(registry, &user))?,
    };
    if password.is_empty() {
        return Err(miette!(
            help = "nothing was stored; `--password-stdin` reads the password from standard input: is anything there?",
            "the password is empty"
        ));
    }
    let password = Secret::new(password);
    let credential = Credential::Basic { user: user.clone(), password: password.clone() };
    let service = check(args, &credential, context)?;
    let place = credentials::store(&context.environment, registry, &user, &password)?;
    if let CredentialStore::File(file) = &place {
        context.warn(format!("the password is not encrypted in {file}; set a credential helper as its `credsStore`"));
    }
    context.report(Event::LoggedIn { registry: registry.to_owned(), user, place: place.to_string() });
    if let Some(service) = service
        && let Some(path) = HostSettings::remember_service(&context.environment, &args.registry, &service)?
    {
        context.report(Event::Wrote { only: None, path });
    }
    Ok(Outcome::Done)
}

/// Checks a credential with the registry. Returns the token service in another domain that the user trusts with it, if any.
///
/// # Errors
/// Returns an error if the registry does not accept the credential, or must not be asked.
fn check(args: &LoginArgs, credential: &Credential, context: &GlobalContext) -> Result<Option<RegistryName>> {
    let registry = args.registry.as_str();
    let mut trusted = args.trust_token_service.clone();
    loop {
        let Ping::Withheld(service) = context.ping(&args.registry, credential, trusted.as_ref())? else {
            return Ok(trusted);
        };
        let name = service.parse().ok().filter(|name| Some(name) != trusted.as_ref());
        match name {
            Some(name) if io::stdin().is_terminal() && is_trusted(registry, &service, context)? => trusted = Some(name),
            name => return Err(withheld(registry, &service, name.as_ref())),
        }
    }
}

fn is_trusted(registry: &str, service: &str, context: &GlobalContext) -> Result<bool> {
    let answer = context.ask(Question::TrustTokenService { registry, service });
    let answer = answer.map_err(|error| miette!("cannot ask whether to trust {service}: {error}"))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn withheld(registry: &str, service: &str, name: Option<&RegistryName>) -> Report {
    let help = match name {
        Some(name) => format!(
            "nothing was stored; if {service} belongs to {registry}, run `cargo oci login {registry} --trust-token-service {}`",
            name.as_str()
        ),
        None => {
            format!("nothing was stored; a token service is trusted over https only: ask the operator of {registry}")
        }
    };
    miette!(help = help, "the password was not sent: the token service {service} of {registry} is in another domain")
}

fn ask(context: &GlobalContext, question: Question, what: &str, help: impl FnOnce() -> String) -> Result<String> {
    if !io::stdin().is_terminal() {
        return Err(miette!(help = help(), "cannot prompt for the {what}: no terminal"));
    }
    context.ask(question).map_err(|error| miette!("cannot prompt for the {what}: {error}"))
}

/// Returns the help line with a command that needs no terminal.
fn pipe(registry: &str, user: &str) -> String {
    format!("`cargo oci login {registry} --username {user} --password-stdin < FILE` needs no terminal")
}

/// Reads the password from standard input, without the line break at its end.
fn piped() -> Result<String> {
    let read = blocking::run(|| {
        let mut text = String::new();
        io::stdin().lock().take(MOST_BYTES + 1).read_to_string(&mut text)?;
        Ok(text)
    });
    match read {
        Ok(text) if text.len() as u64 > MOST_BYTES => Err(miette!(
            help = "nothing was stored; pipe the password or token alone",
            "the password on standard input exceeds the limit of 64 KiB"
        )),
        Ok(text) => {
            Ok(text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line)).to_owned())
        }
        Err(error) => Err(miette!("cannot read the password from standard input: {error}")),
    }
}

/// Checks a user's name: HTTP's Basic authentication ends it at a colon (RFC 7617, section 2).
fn check_user(user: &str) -> Result<()> {
    match user {
        "" => Err(miette!(help = "set it with `--username`", "the user name is empty")),
        user if user.contains(|c: char| c == ':' || c.is_control()) => Err(miette!(
            help = "omit the password from it: it is prompted for, or read with `--password-stdin`",
            "a user name cannot have a colon or control characters"
        )),
        _ => Ok(()),
    }
}
