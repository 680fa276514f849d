//! `cargo oci login`: a user and a password → asked of the registry → kept where Docker and Podman look for them.

use std::io::{self, IsTerminal, Read};

use miette::miette;

use crate::cli::LoginArgs;
use crate::error::Result;
use crate::event::{Event, Listener, Question};
use crate::plan::Environment;
use crate::registry::check;
use crate::registry::credentials::{self, Credential, CredentialStore, Secret};

/// No password is longer.
const MOST_BYTES: u64 = 64 << 10;

/// Whoever can be asked something.
pub type Asked<'a> = &'a dyn Fn(Question) -> io::Result<String>;

/// Checks a user's password with the registry, and keeps it.
///
/// # Errors
/// When there is nobody to ask for them, the registry does not accept them, or they cannot be kept; then nothing is.
pub fn login(args: &LoginArgs, asked: Asked, listener: Listener) -> Result<()> {
    let registry = args.registry.as_str();
    let user = match &args.username {
        Some(user) => user.clone(),
        None => ask(asked, Question::User { registry }, "user", || pipe(registry, "USER"))?.trim().to_owned(),
    };
    check_user(&user)?;
    let password = match &args.password {
        Some(typed) => {
            listener(Event::Warning {
                message: "others on this machine can see a password in `--password`; `--password-stdin` hides it"
                    .to_owned(),
            });
            typed.0.clone()
        }
        None if args.password_stdin => piped()?,
        None => ask(asked, Question::Password { user: &user, registry }, "password", || pipe(registry, &user))?,
    };
    let password = match password.is_empty() {
        true => {
            return Err(miette!(
                help = "nothing was kept; `--password-stdin` reads it from standard input: is anything there?",
                "the password is empty"
            ));
        }
        false => Secret::new(password),
    };
    check(registry, &Credential::Basic { user: user.clone(), password: password.clone() }, listener)?;
    let place = credentials::store(&Environment::of_this_process(), registry, &user, &password)?;
    if let CredentialStore::File(file) = &place {
        let message =
            format!("the password is not encrypted in {file}; name a helper in its `credsStore` to change that");
        listener(Event::Warning { message });
    }
    listener(Event::LoggedIn { registry: registry.to_owned(), user, place: place.to_string() });
    Ok(())
}

fn ask(asked: Asked, question: Question, what: &str, help: impl FnOnce() -> String) -> Result<String> {
    if !io::stdin().is_terminal() {
        return Err(miette!(help = help(), "there is no terminal to ask for the {what} at"));
    }
    asked(question).map_err(|error| miette!("cannot ask for the {what}: {error}"))
}

/// How nobody needs to be asked.
fn pipe(registry: &str, user: &str) -> String {
    format!("`cargo oci login {registry} --username {user} --password-stdin < FILE` needs none")
}

/// The password on standard input, without the line break at its end.
fn piped() -> Result<String> {
    let mut text = String::new();
    let read = io::stdin().lock().take(MOST_BYTES + 1).read_to_string(&mut text);
    match read {
        Ok(read) if read as u64 > MOST_BYTES => Err(miette!(
            help = "nothing was kept; give it the password or token alone",
            "the password on standard input is longer than 64 KiB"
        )),
        Ok(_) => Ok(text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line)).to_owned()),
        Err(error) => Err(miette!("cannot read the password from standard input: {error}")),
    }
}

/// A user's name as HTTP can say it (RFC 7617): a colon would end it.
fn check_user(user: &str) -> Result<()> {
    match user {
        "" => Err(miette!(help = "name one with `--username`", "the name of the user is empty")),
        user if user.contains(|c: char| c == ':' || c.is_control()) => Err(miette!(
            help = "leave the password out of it: it is asked for, or comes from `--password-stdin`",
            "the name of a user holds no colon and no control characters"
        )),
        _ => Ok(()),
    }
}
