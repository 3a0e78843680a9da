use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use leckwehr_incident::What;
use leckwehr_publish::{Language, PublishError, SiteConfig, Tlp, build_site, verify_site};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{Mirror, Wires};
use crate::error::ControlError;
use crate::room::Room;

/// A reader may trust a copy for this long, in milliseconds.
const VALID_MS: i64 = 24 * 3_600_000;
/// Largest file read back from a mirror, in bytes.
const READ_BACK_BYTES_MAX: usize = 8 << 20;

impl<W: Wires> Room<W> {
    /// Builds the status site, brings it to every mirror, reads it back, and records how many copies are right.
    pub(crate) async fn publish(&mut self) -> Result<(), ControlError> {
        let (ledger_size, checkpoint) = self.ledger_line();
        let issued = self.wires.now();
        let config = SiteConfig {
            base_url: "https://status.example/".into(),
            title: self.config.estate.name.clone(),
            languages: vec![Language::De, Language::En],
            tlp: Tlp::Clear,
            issued,
            valid_until: issued.plus_ms(VALID_MS),
            seq: self.site_seq + 1,
            prev_manifest_hash: self.site_hash.clone(),
            ledger_size,
            checkpoint,
        };
        let site = match build_site(self.journal.situation(), &self.config.estate, &config, &self.site_key) {
            Ok(site) => site,
            Err(error) => {
                return self.record("publish", vec![not_renewed(&error)]);
            }
        };
        self.site_seq += 1;
        self.site_hash = Some(site.manifest_hash.clone());
        let files: Vec<(String, Vec<u8>)> = site
            .in_order()
            .into_iter()
            .map(|(name, content)| (name.to_owned(), content.to_vec()))
            .collect();
        save(&self.config.folder.join("site"), &files).map_err(|source| ControlError::Io {
            what: "cannot write the status site".into(),
            source,
        })?;
        let mirrors = self.config.mirrors.clone();
        let copies = join_all(mirrors.iter().map(|mirror| self.bring(mirror, &files))).await;
        let key = self.site_key.verifying_key();
        let right = |copy: &io::Result<BTreeMap<String, Vec<u8>>>| {
            copy.as_ref()
                .is_ok_and(|files| verify_site(files, &key, self.site_seq, self.wires.now()).is_ok())
        };
        let mirrors_ok = copies.iter().filter(|copy| right(copy)).count() as u32;
        let published = What::SitePublished {
            seq: self.site_seq,
            manifest: site.manifest_hash,
            mirrors_ok,
            mirrors: mirrors.len() as u32,
        };
        self.record("publish", vec![published])
    }

    /// Brings the site to one mirror, for a bounded time: one that hangs must not hold up the incident.
    async fn bring(&self, mirror: &Mirror, files: &[(String, Vec<u8>)]) -> io::Result<BTreeMap<String, Vec<u8>>> {
        let patience = Duration::from_millis(self.wires.mirror_ms_max());
        timeout(patience, self.hand_over_site(mirror, files)).await?
    }

    /// Puts every file in the given order, the manifest last, and gets every file back.
    async fn hand_over_site(&self, mirror: &Mirror, files: &[(String, Vec<u8>)]) -> io::Result<BTreeMap<String, Vec<u8>>> {
        let stream = self.wires.connect(mirror.address).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // Ends with this function, however that ends.
        let mut connection = JoinSet::from_iter([connection]);
        for (name, content) in files {
            request(&mut sender, Method::PUT, name, mirror, Bytes::copy_from_slice(content)).await?;
        }
        let mut copy = BTreeMap::new();
        for (name, _) in files {
            copy.insert(
                name.clone(),
                request(&mut sender, Method::GET, name, mirror, Bytes::new()).await?,
            );
        }
        connection.abort_all();
        Ok(copy)
    }
}

async fn request(
    sender: &mut hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    method: Method,
    name: &str,
    mirror: &Mirror,
    body: Bytes,
) -> io::Result<Vec<u8>> {
    let request = Request::builder()
        .method(method)
        .uri(format!("/{name}"))
        .header("host", &mirror.name)
        .header("authorization", &mirror.token)
        .body(Full::new(body))
        .map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), READ_BACK_BYTES_MAX)
        .collect()
        .await
        .map_err(io::Error::other)?;
    if status.is_success() {
        Ok(body.to_bytes().to_vec())
    } else {
        Err(io::Error::other(format!("{} answers {status}", mirror.name)))
    }
}

/// Writes a site into a folder in the given order, the manifest last.
pub fn save(folder: &std::path::Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)?;
    }
    Ok(())
}

/// A site that could not be built: what the public reads is older than what is known.
fn not_renewed(error: &PublishError) -> What {
    What::NotKnown {
        room: "publish".into(),
        what: format!("the status site was not renewed, its copies say what they said before: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use leckwehr_incident::{Fact, Situation, Timestamp};

    use super::*;

    #[test]
    fn a_site_that_was_not_built_is_no_missing_feature() {
        let mut situation = Situation::default();
        let fact = not_renewed(&PublishError::TooLarge { files: 20_000 });
        situation.apply(&Fact::new(Timestamp(0), "publish", fact)).unwrap();
        assert!(situation.unknown[0].contains("was not renewed") && !situation.unknown[0].contains("not built yet"));
    }
}
