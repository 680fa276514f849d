//! Ports that an image declares: `8080`, `8080/tcp`, `53/udp`.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::value::Text;

/// A port and its protocol, as image configs write it: `8080/tcp` (image-spec, `config.md`, "ExposedPorts").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    number: NonZeroU16,
    protocol: &'static str,
}

/// The protocols that engines know.
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = PROTOCOLS.into_iter().find(|known| *known == protocol);
        // Rust parses `+1` too.
        let number = number.parse().ok().filter(|_| number.bytes().all(|digit| digit.is_ascii_digit()));
        match (number, protocol) {
            (Some(number), Some(protocol)) => Ok(Port { number, protocol }),
            _ if text.contains(':') => Err(format!(
                "invalid port `{text}`: an image declares ports of the container alone, such as `{}`; \
                             `cargo oci run --publish {text}` connects them with this machine",
                text.rsplit(':').next().unwrap_or_default()
            )),
            _ => Err(format!("invalid port `{text}`: expected 1 to 65535, with `/tcp`, `/udp` or `/sctp` after it")),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

impl Text for Port {
    const MAY_BE_NUMBER: bool = true;

    fn schema() -> Json {
        let number = "0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
        let pattern = format!("^{number}(/({}))?$", PROTOCOLS.join("|"));
        json!({ "type": ["string", "integer"], "pattern": pattern, "minimum": 1, "maximum": 65535 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_defaults_to_tcp() {
        for (text, written) in [("8080", "8080/tcp"), ("65535/sctp", "65535/sctp")] {
            assert_eq!(text.parse::<Port>().map(|port| port.to_string()).as_deref(), Ok(written));
        }
        for wrong in ["0", "65536", "http", "", "80/", "80/TCP", "80/icmp", "+80", "80-90", "80:80"] {
            assert!(wrong.parse::<Port>().is_err(), "{wrong}");
        }
    }
}
