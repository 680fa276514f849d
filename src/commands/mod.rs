//! The commands: make the plan, call the verbs, give the result.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`build`] | `cargo oci build`, from the plan to the result |
//! | [`push`] | `cargo oci push`: the same, and on to registries |
//! | [`load`], [`run`] | `cargo oci load` and `run`: the same, on to engines, and run there |
//! | [`bundle`] | `cargo oci bundle`: the same, or any image, and on to what a runtime starts |
//! | [`inspect`] | `cargo oci inspect`: what an image holds |
//! | [`validate`] | `cargo oci validate`: an image is what it says, or not |
//! | [`generate_key`], [`sign`], [`verify`] | `cargo oci generate-key`, `sign` and `verify`: keys, signatures, and whether they are right |
//! | [`attach`], [`referrers`] | `cargo oci attach` and `referrers`: what is attached to an image |
//! | [`sbom`] | `cargo oci sbom`: what an image would be made of |
//! | [`login`], [`logout`] | `cargo oci login` and `logout`: credentials kept and forgotten |
//! | [`cache`] | `cargo oci cache`: what is kept between runs |
//! | [`completions`], [`man`] | `cargo oci completions` and `man`: what was said of the arguments, for shells and as pages |

pub mod attach;
pub mod build;
pub mod bundle;
pub mod cache;
pub mod completions;
pub mod generate_key;
pub mod inspect;
pub mod load;
pub mod login;
pub mod logout;
pub mod man;
pub mod push;
pub mod referrers;
pub mod run;
pub mod sbom;
pub mod sign;
pub mod validate;
pub mod verify;
