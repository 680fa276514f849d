//! Why a bundle that was signed without a key does not verify, in words for whoever has to act on it.

use sigstore_verify::{CertificateError, Error, TimestampError, TransparencyLogError};

/// Returns what is wrong.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::SignatureInvalid(_) => "the signature does not match the statement and the certificate".to_owned(),
        Error::ArtifactMismatch(_) => "the statement is about another subject".to_owned(),
        Error::Certificate(error) => of_certificate(error),
        Error::TransparencyLog(error) => of_log(error),
        Error::Timestamp(error) => of_timestamp(error),
        Error::Types(error) => format!("it cannot be read: {error}"),
        Error::Bundle(error) => format!("it is not as a bundle is: {error}"),
        other => other.to_string(),
    }
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ChainInvalid(why) if why.contains("CertExpired") => {
            "the certificate had expired when it was used".to_owned()
        }
        CertificateError::ChainInvalid(why) if why.contains("CertNotValidYet") => {
            "the certificate was not valid yet when it was used".to_owned()
        }
        CertificateError::ChainInvalid(why) if why.contains("EkuNotFound") => {
            "the certificate is not for signing code".to_owned()
        }
        CertificateError::ChainInvalid(why) if why.contains("UnknownIssuer") || why.contains("InvalidSignature") => {
            "the certificate is not of an authority in the trusted root".to_owned()
        }
        CertificateError::Sct(why) => {
            format!("nothing proves that the certificate is in a certificate log of the trusted root: {why}")
        }
        other => other.to_string(),
    }
}

fn of_log(error: &TransparencyLogError) -> String {
    match error {
        TransparencyLogError::InclusionPromise(why) if why.contains("No log key") => {
            "its entry is of a log that the trusted root does not have for that time".to_owned()
        }
        TransparencyLogError::InclusionPromise(_) => {
            "the log has not signed this entry, or not at this time and position".to_owned()
        }
        TransparencyLogError::InclusionProof(_) => {
            "the proof does not lead from its entry to the state of the log".to_owned()
        }
        TransparencyLogError::Checkpoint(why) => {
            format!("the state of the log is not signed by a log in the trusted root: {why}")
        }
        TransparencyLogError::EntryMismatch(_) => "its entry in the log is that of another signature".to_owned(),
        other => other.to_string(),
    }
}

fn of_timestamp(error: &TimestampError) -> String {
    match error {
        TimestampError::NoVerifiedTimestamp(_) => "nothing proves when it was signed".to_owned(),
        other => other.to_string(),
    }
}
