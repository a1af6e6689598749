//! Prompts: every WAV file in the sounds directory, decoded at the start.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::audio::Wav;
use crate::directory::Prompt;

/// Bytes that one file may have: ten minutes at 16 kHz.
const FILE_MAX: u64 = 20 << 20;
/// Files that are read.
const FILES_MAX: usize = 2000;

/// Reads them, sorted by name. A file that cannot be read is a warning: the calls that need it
/// fail, all others go on.
pub(super) fn read(directory: &Path) -> Vec<Prompt> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "wav"));
    paths.sort();
    if paths.len() > FILES_MAX {
        tracing::warn!("{}: only the first {FILES_MAX} sounds are read", directory.display());
        paths.truncate(FILES_MAX);
    }
    let read = |path: &Path| match prompt(path) {
        Ok(prompt) => Some(prompt),
        Err(e) => {
            tracing::warn!("{}: {e}; it will not be heard", path.display());
            None
        }
    };
    paths.iter().filter_map(|it| read(it)).collect()
}

fn prompt(path: &Path) -> io::Result<Prompt> {
    let name = path.file_stem().and_then(|it| it.to_str());
    let name = name.ok_or_else(|| io::Error::other("the name is not UTF-8"))?.to_owned();
    if fs::metadata(path)?.len() > FILE_MAX {
        return Err(io::Error::other("larger than 20 MiB"));
    }
    let wav = Wav::parse(&fs::read(path)?).map_err(|e| io::Error::other(e.to_string()))?;
    if ![8_000, 16_000, 48_000].contains(&wav.rate) {
        let why = format!("{} samples a second; 8000, 16000 or 48000 are played", wav.rate);
        return Err(io::Error::other(why));
    }
    Ok(Prompt { name, rate: wav.rate, samples: Arc::from(wav.samples) })
}
