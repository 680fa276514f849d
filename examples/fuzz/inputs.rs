//! The inputs of a target, by number: those of the corpus, then those that are made of them.

use std::io;
use std::path::{Path, PathBuf};

use cargo_oci::fuzz::FuzzTarget;
use fastrand::Rng;

use crate::mutate::mutate;

/// The folder of cargo-fuzz.
const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");

/// The inputs of a run.
pub(crate) struct Inputs {
    corpus: Vec<Vec<u8>>,
    words: &'static [&'static str],
    /// Where chance begins.
    pub(crate) seed: u64,
    /// How many inputs are made, beside the corpus.
    pub(crate) runs: u64,
}

impl Inputs {
    /// Reads the corpus of a target.
    pub(crate) fn of(target: &FuzzTarget, seed: u64, runs: u64) -> io::Result<Inputs> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(Path::new(FUZZ).join("corpus").join(target.name))? {
            paths.push(entry?.path());
        }
        // The order in a folder differs between machines.
        paths.sort();
        let corpus = paths.iter().map(std::fs::read).collect::<io::Result<_>>()?;
        Ok(Inputs { corpus, words: target.words, seed, runs })
    }

    /// Returns how many there are.
    pub(crate) fn count(&self) -> u64 {
        self.corpus.len() as u64 + self.runs
    }

    /// Returns an input. It depends on nothing but the corpus, the seed and the number.
    pub(crate) fn get(&self, number: u64) -> Vec<u8> {
        if let Some(input) = usize::try_from(number).ok().and_then(|number| self.corpus.get(number)) {
            return input.clone();
        }
        // Neighbouring seeds make similar numbers at first.
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93);
        mutate(&self.corpus, self.words, &mut Rng::with_seed(seed))
    }

    /// Writes an input that something was found with. Returns its path.
    pub(crate) fn save(&self, target: &FuzzTarget, number: u64) -> io::Result<PathBuf> {
        let folder = Path::new(FUZZ).join("artifacts").join(target.name);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}-{number}", self.seed));
        std::fs::write(&path, self.get(number))?;
        Ok(path)
    }
}
