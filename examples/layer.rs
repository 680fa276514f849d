//! Makes one layer of one file, and says what it is: what `benches/layer` measures.

use std::fs::File;
use std::io;

use cargo_oci::image::layer::{FileContent, LayerEntry, with_parents, write};
use cargo_oci::image::{Compression, CompressionOptions};

fn main() -> io::Result<()> {
    let [compression, threads, from, to] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| io::Error::other("usage: layer COMPRESSION THREADS FILE BLOB"))?;
    let compression: Compression = compression.parse().map_err(io::Error::other)?;
    let threads = threads.parse().map_err(io::Error::other)?;
    let entries = with_parents(vec![LayerEntry::file("app/program", 0o755, FileContent::Path(from.into()))], false);
    let layer = write(&entries, CompressionOptions { compression, threads }, File::create(to)?)?;
    let sizes = [layer.descriptor.digest().to_string(), layer.diff_id.to_string(), layer.descriptor.size().to_string()];
    io::Write::write_all(&mut io::stdout(), format!("{}\n", sizes.join(" ")).as_bytes())
}
