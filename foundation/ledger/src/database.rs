use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use crate::error::LedgerError;
use crate::folder::DATABASE;
use crate::hash::Hash;
use crate::ledger::Step;
use crate::report::{Damage, Place};
use crate::source::{Fault, Source};
use crate::sum::PAGE_BYTES;
use crate::tile::{TILE_WIDTH, Tile, decode_tile};
use crate::wal::LOG;

/// Format of the store, kept in `user_version`.
const FORMAT: i64 = 1;

/// The tables, in the words in which SQLite keeps them: a database with other words was changed.
const TABLES: [(&str, &str); 3] = [
    (
        "entries",
        "CREATE TABLE entries (idx INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
    ),
    (
        "head",
        "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), checkpoint TEXT NOT NULL) STRICT",
    ),
    (
        "tiles",
        "CREATE TABLE tiles (level INTEGER NOT NULL, n INTEGER NOT NULL, hashes BLOB NOT NULL, PRIMARY KEY (level, n)) STRICT",
    ),
];

/// The SQLite file of a store folder.
pub(crate) struct Database(Connection);

/// What one append writes.
pub(crate) struct Batch<'a> {
    pub first: u64,
    pub entries: &'a [Vec<u8>],
    pub tiles: &'a [(Tile, Vec<Hash>)],
    pub old_checkpoint: &'a str,
    pub checkpoint: &'a str,
}

impl Database {
    /// Makes a new database with a checkpoint over no entries.
    pub fn create(dir: &Path, checkpoint: &str) -> Result<(), LedgerError> {
        let mut connection = Connection::open(dir.join(DATABASE))?;
        connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
        prepare_for_writing(&connection)?;
        let transaction = connection.transaction()?;
        for (_, sql) in TABLES {
            transaction.execute(sql, [])?;
        }
        transaction.execute("INSERT INTO head VALUES (1, ?1)", [checkpoint])?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
        Ok(())
    }

    /// Opens the database for appending.
    pub fn open_for_append(dir: &Path) -> Result<Self, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(dir.join(DATABASE), flags)?;
        prepare_for_writing(&connection)?;
        Self(connection).checked()
    }

    /// Opens the database for reading and fixes the moment at which it is read. No file is changed, apart from the marks of
    /// readers in `ledger.db-shm` while a log exists.
    ///
    /// Without a write-ahead log the file is opened as immutable: SQLite then creates no files beside it either.
    pub fn open_for_reading(dir: &Path) -> Result<Self, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let mode = if dir.join(LOG).exists() { "" } else { "&immutable=1" };
        let uri = format!("file:{}?mode=ro{mode}", uri_path(&dir.join(DATABASE)));
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        harden(&connection)?;
        connection.execute_batch("BEGIN")?;
        Self(connection).checked()
    }

    fn checked(self) -> Result<Self, LedgerError> {
        let found: i64 = self.0.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > FORMAT {
            return Err(LedgerError::Version { found, known: FORMAT });
        }
        Ok(self)
    }

    /// Returns the checkpoint.
    pub fn checkpoint(&self) -> Result<String, LedgerError> {
        Ok(self.0.query_row("SELECT checkpoint FROM head", [], |row| row.get(0))?)
    }

    /// Writes a batch in one transaction; when this returns, it is on disk.
    pub fn append(&mut self, batch: &Batch<'_>, on_step: &mut dyn FnMut(Step)) -> Result<(), LedgerError> {
        let transaction = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        on_step(Step::Begun);
        {
            let mut insert = transaction.prepare_cached("INSERT INTO entries VALUES (?1, ?2)")?;
            for (index, entry) in (batch.first..).zip(batch.entries) {
                insert.execute(params![index as i64, entry])?;
            }
            on_step(Step::EntriesWritten);
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO tiles VALUES (?1, ?2, ?3) ON CONFLICT (level, n) DO UPDATE SET hashes = excluded.hashes",
            )?;
            for (tile, hashes) in batch.tiles {
                upsert.execute(params![tile.level, tile.n as i64, hashes.as_flattened()])?;
            }
            on_step(Step::TilesWritten);
            let mut replace = transaction.prepare_cached("UPDATE head SET checkpoint = ?2 WHERE checkpoint = ?1")?;
            if replace.execute([batch.old_checkpoint, batch.checkpoint])? != 1 {
                return Err(LedgerError::Unusable);
            }
            on_step(Step::CheckpointWritten);
        }
        transaction.commit().map_err(LedgerError::Commit)?;
        on_step(Step::Committed);
        Ok(())
    }

    /// Moves the write-ahead log into the database; false if a reader is in the way.
    pub fn empty_log(&self) -> Result<bool, LedgerError> {
        let busy: i64 = self.0.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(busy == 0)
    }

    /// Looks at what entries and tiles do not show: the tables themselves, rows that belong to no tree of `size`, and,
    /// where there are no page sums, the structure of the file.
    pub fn check_structure(&self, size: u64) -> Vec<Damage> {
        self.structure(size).unwrap_or_else(|error| vec![damage(Place::File, &error)])
    }

    fn structure(&self, size: u64) -> Result<Vec<Damage>, rusqlite::Error> {
        let mut found = Vec::new();
        let mut statement = self
            .0
            .prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
        let tables: Vec<(String, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        if !tables.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).eq(TABLES) {
            found.push(damage(Place::File, "its tables are not those of a ledger"));
        }
        let count = |sql: &str| self.0.query_row(sql, [], |row| row.get::<_, i64>(0));
        let entries = count("SELECT count(*) FROM entries")?;
        if entries != size as i64 {
            found.push(damage(
                Place::File,
                format!("holds {entries} entries, the checkpoint covers {size}"),
            ));
        }
        let (tiles, expected) = (count("SELECT count(*) FROM tiles")?, Tile::all(size).count() as i64);
        if tiles != expected {
            found.push(damage(Place::File, format!("holds {tiles} tiles, {expected} are needed")));
        }
        let mut statement = self.0.prepare("PRAGMA integrity_check(10)")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: String = row.get(0)?;
            if line != "ok" {
                found.push(damage(Place::File, line));
            }
        }
        Ok(found)
    }
}

impl Source for Database {
    fn bundle(&self, n: u64, width: u16) -> Result<Vec<Vec<u8>>, Fault> {
        let first = n * TILE_WIDTH;
        let end = first + u64::from(width);
        let mut entries = Vec::with_capacity(usize::from(width));
        let mut read = || {
            let mut statement = self
                .0
                .prepare_cached("SELECT idx, data FROM entries WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")?;
            let mut rows = statement.query([first as i64, end as i64])?;
            while let Some(row) = rows.next()? {
                if row.get::<_, i64>(0)? != (first + entries.len() as u64) as i64 {
                    break;
                }
                entries.push(row.get(1)?);
            }
            Ok::<_, rusqlite::Error>(())
        };
        let result = read();
        let next = Place::Entry(first + entries.len() as u64);
        result.map_err(|error| Fault(damage(next, &error)))?;
        if entries.len() < usize::from(width) {
            return Err(Fault(damage(next, "is missing")));
        }
        Ok(entries)
    }

    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, Fault> {
        let place = Place::tile(tile);
        let read = || {
            self.0
                .prepare_cached("SELECT hashes FROM tiles WHERE level = ?1 AND n = ?2")?
                .query_row(params![tile.level, tile.n as i64], |row| row.get::<_, Vec<u8>>(0))
                .optional()
        };
        let bytes = read().map_err(|error| Fault(damage(place, &error)))?;
        let bytes = bytes.ok_or_else(|| Fault(damage(place, "is missing")))?;
        decode_tile(&bytes, tile.width).ok_or_else(|| Fault(damage(place, format!("does not hold {} hashes", tile.width))))
    }

    fn checkpoint_file(&self) -> &'static str {
        DATABASE
    }

    fn bundle_file(&self, _: u64, _: u16) -> String {
        DATABASE.to_owned()
    }

    fn tile_file(&self, _: Tile) -> String {
        DATABASE.to_owned()
    }
}

fn damage(place: Place, what: impl ToString) -> Damage {
    Damage::new(DATABASE, place, what)
}

fn prepare_for_writing(connection: &Connection) -> Result<(), LedgerError> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    harden(connection)
}

/// A database file may come from an attacker: its schema must not call functions, its cells are checked.
fn harden(connection: &Connection) -> Result<(), LedgerError> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(())
}

/// Writes a path for a `file:` URI: bytes outside the unreserved set of RFC 3986 are percent-encoded.
fn uri_path(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text += &format!("%{byte:02x}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_wait_for_the_disk_and_paths_are_escaped() {
        let dir = tempfile::tempdir().unwrap();
        Database::create(dir.path(), "checkpoint").unwrap();
        let database = Database::open_for_append(dir.path()).unwrap();
        let pragma = |name| {
            database
                .0
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .unwrap()
        };
        assert_eq!(pragma("journal_mode"), "wal".to_owned().into());
        // 2 is FULL: the write-ahead log is synced at every commit.
        assert_eq!(pragma("synchronous"), 2.into());
        assert_eq!(pragma("page_size"), 4096.into());
        assert_eq!(uri_path(Path::new("/a b/%?#ü")), "/a%20b/%25%3f%23%c3%bc");
    }
}
