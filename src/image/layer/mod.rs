//! Reading and writing layers: entries ↔ tar ↔ compressed blob (image-spec, `layer.md`).
//!
//! | file | what it does |
//! | --- | --- |
//! | [`entry`] | files, folders and links of a layer to write, with their parent folders |
//! | `write`, `name` | entries → tar → blob, hashed while it is written |
//! | `chunk`, `chunk_writer` | the tar in chunks of one size, hashed and compressed in parallel |
//! | [`compression`], `gzip`, `deflate` | chunks → gzip, zstd or plain tar |
//! | [`decompress`] | blob → tar |
//! | [`tar_reader`], `field`, [`pax`] | tar → entries, for tars from untrusted images |
//! | [`quote`] | names from a tar in error messages |

mod chunk;
mod chunk_writer;
pub mod compression;
pub mod decompress;
pub(crate) mod deflate;
pub mod entry;
mod field;
mod gzip;
mod host_file;
pub(crate) mod name;
pub mod pax;
pub mod quote;
pub mod tar_reader;
mod write;

pub use entry::{EntryKind, FileContent, LayerEntry, ROOT_FOLDERS, with_parents};
pub use write::{Layer, diff_id, tar_size, write, write_with_progress};
