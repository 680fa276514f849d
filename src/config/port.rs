//! Ports that an image says it listens on: `8080`, `8080/tcp`, `53/udp`.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// A port and its protocol, in the form of image configs: `8080/tcp` (image-spec, `config.md`, "ExposedPorts").
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
        // `+1` is a number to Rust.
        let number = number.parse().ok().filter(|_| number.bytes().all(|digit| digit.is_ascii_digit()));
        match (number, protocol) {
            (Some(number), Some(protocol)) => Ok(Port { number, protocol }),
            _ => Err(format!("`{text}` is not a port: write 1 to 65535, and `/tcp`, `/udp` or `/sctp` behind it")),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_without_a_protocol_is_tcps() {
        let port = |text: &str| text.parse::<Port>().map(|port| port.to_string());
        assert_eq!(port("8080").as_deref(), Ok("8080/tcp"));
        assert_eq!(port("65535/sctp").as_deref(), Ok("65535/sctp"));
        for wrong in ["0", "65536", "http", "", "80/", "80/TCP", "80/icmp", "+80", "80-90", "80:80"] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
    }
}
