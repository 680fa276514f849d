//! The commands: make the plan, call the verbs, give the result.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`build`] | `cargo oci build`, from the plan to the result |
//! | [`push`] | `cargo oci push`: the same, and on to registries |
//! | [`load`], [`run`] | `cargo oci load` and `run`: the same, on to engines, and run there |
//! | [`bundle`] | `cargo oci bundle`: the same, or any image, and on to what a runtime starts |
//! | [`login`], [`logout`] | `cargo oci login` and `logout`: credentials kept and forgotten |
//! | `bases` | a reference → the source it means, pulled |
//! | `assemble` | plan, base and binaries → images in a layout |
//! | `programs` | the programs of all images, compiled or not |
//! | `loaders` | what dynamic programs need of a base |
//! | `assets` | the key `files` → the layer of assets for each platform |
//! | `outputs` | a finished layout → other places and forms |

mod assemble;
mod assets;
mod bases;
pub mod build;
pub mod bundle;
pub mod load;
mod loaders;
pub mod login;
pub mod logout;
mod outputs;
mod programs;
pub mod push;
pub mod run;
