//! A registry of the tests, for other tools: it has the habits of one product, on this computer, until its stdin ends.
//!
//! ```console
//! $ cargo run --example strict_registry -- gitlab
//! 127.0.0.1:39911 strict-user pass:word-8c1f43f2a6
//! $ cargo run --example strict_registry -- proxycache --layout target/oci/hello --tls ca.pem
//! ```
//!
//! It prints where it is, and the user and the password that it knows. The repository `acme/hello` exists, empty or with
//! the layout as tag `1`. With `--tls` it speaks TLS, and its authority is written to that file. `.ci/registries-table` has
//! other tools at it.

// What the tests alone use.
#![allow(dead_code, unreachable_pub, clippy::format_collect, clippy::format_push_string)]

#[path = "../tests/support/strict/mod.rs"]
mod strict;
#[path = "../tests/support/tls.rs"]
mod tls;

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::Parser;
use strict::personality::Personality;
use strict::tokens::{Access, PASSWORD};
use strict::{Behaviour, StrictRegistry};
use tls::{Authority, TlsProxy};

const REPOSITORY: &str = "acme/hello";

/// Which registry.
#[derive(Parser)]
struct Args {
    /// Whose habits it has, such as `ghcr`
    personality: String,
    /// Put this layout there
    #[arg(long)]
    layout: Option<PathBuf>,
    /// Speak TLS, and write the certificate of the authority to this file
    #[arg(long)]
    tls: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let Some(personality) = Personality::ALL.into_iter().find(|known| known.name() == args.personality) else {
        let names = Personality::ALL.map(Personality::name).join(", ");
        return Err(io::Error::other(format!("no registry is called {}: there are {names}", args.personality)));
    };
    let registry = StrictRegistry::start(Behaviour::of(personality));
    registry.create(REPOSITORY);
    if let Some(layout) = &args.layout {
        registry.put_layout(layout, REPOSITORY, "1");
    }
    let mut host = registry.reference("").trim_end_matches('/').to_owned();
    if let Some(file) = &args.tls {
        let authority = Authority::new();
        std::fs::write(file, authority.pem())?;
        TlsProxy::before(&host, &authority).host().clone_into(&mut host);
    }
    let login = if personality.access() == Access::Open {
        String::new()
    } else {
        format!(" {} {PASSWORD}", personality.user())
    };
    let mut out = io::stdout();
    writeln!(out, "{host}{login}")?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
