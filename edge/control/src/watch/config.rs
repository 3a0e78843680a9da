use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::receive::SourceConfig;

/// Files that one watch follows.
pub const FOLLOW_FILES_MAX: usize = 1_000;

/// What is watched, and where it is written down.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("watch.toml");
/// std::fs::write(&path, r#"
///     ledger = "watch"
///     learning-minutes = 60
///     [[follow]]
///     path = "/var/log/auth.log"
///     [[source]]
///     name = "routers"
///     kind = "netflow"
///     listen = "127.0.0.1:2055"
/// "#).unwrap();
/// let config = leckwehr_control::WatchConfig::read(&path).unwrap();
/// assert_eq!(config.ledger, folder.path().join("watch"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WatchConfig {
    /// Folder of ledger and state; one that is there is continued.
    pub ledger: PathBuf,
    /// Folder of the estate.
    #[serde(default)]
    pub estate: Option<PathBuf>,
    /// Folders or files of Sigma rules, beside Leckwehr's own.
    #[serde(default)]
    pub rules: Vec<PathBuf>,
    /// Minutes from the first start in which everything is taken as normal.
    #[serde(default)]
    pub learning_minutes: u32,
    /// Loopback address of the console, on which alarms can be closed.
    #[serde(default)]
    pub console: Option<SocketAddr>,
    /// Ends of paths of files that nobody has a reason to touch.
    #[serde(default)]
    pub canaries: Vec<String>,
    /// Files that somebody writes.
    #[serde(default)]
    pub follow: Vec<FollowConfig>,
    /// Sockets to listen on.
    #[serde(default)]
    pub source: Vec<SourceConfig>,
}

/// A file that somebody writes: plain lines of any format.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FollowConfig {
    /// The file; it may not be there yet, and may be rotated.
    pub path: PathBuf,
    /// Whether the first start reads what is in it already.
    #[serde(default = "yes")]
    pub from_start: bool,
}

fn yes() -> bool {
    true
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WatchConfigError {
    /// It cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It is not as it should be.
    #[error("{}: {reason}", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong.
        reason: String,
    },
}

impl WatchConfig {
    /// Reads a configuration; paths in it are relative to its folder.
    ///
    /// # Errors
    /// That it cannot be read, or what is wrong in it, with line and column.
    pub fn read(path: &Path) -> Result<Self, WatchConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| WatchConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let form = |reason: String| WatchConfigError::Form {
            path: path.to_owned(),
            reason,
        };
        let mut config: Self = toml::from_str(&text).map_err(|error| form(error.to_string()))?;
        if config.follow.is_empty() && config.source.is_empty() {
            return Err(form(
                "it names neither a [[follow]] nor a [[source]]: there is nothing to watch".to_owned(),
            ));
        }
        if config.follow.len() > FOLLOW_FILES_MAX {
            return Err(form(format!("more than {FOLLOW_FILES_MAX} [[follow]]")));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let here = |path: &mut PathBuf| *path = folder.join(&*path);
        here(&mut config.ledger);
        config.estate.iter_mut().for_each(here);
        config.rules.iter_mut().for_each(here);
        config.follow.iter_mut().for_each(|follow| here(&mut follow.path));
        for source in &mut config.source {
            let files = [&mut source.certificate, &mut source.key, &mut source.client_roots];
            files.into_iter().flatten().for_each(here);
        }
        Ok(config)
    }
}
