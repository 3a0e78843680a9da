use std::sync::Arc;

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};

/// What can go wrong with certificates and TLS configurations.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// A certificate or key cannot be used.
    #[error("cannot use the certificate or key")]
    Use(#[from] rustls::Error),
    /// A text is no PEM of what is needed.
    #[error("no {wanted} in PEM form can be read: {reason}")]
    Pem {
        /// `certificate`, `private key`.
        wanted: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The client verifier cannot be built.
    #[error("cannot verify clients with this authority")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// A small certificate authority: the control room is its own root, as house law 8 (out of band) asks.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A certificate with its private key and the root it was issued by (all DER).
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Root certificate.
    pub root: Vec<u8>,
    /// Own certificate.
    pub certificate: Vec<u8>,
    /// Own private key, PKCS#8.
    pub key: Vec<u8>,
}

impl Authority {
    /// Makes a new authority with a P-256 key.
    pub fn generate(name: &str) -> Result<Self, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// Issues a certificate for `name`, valid as client and as server of that DNS name.
    pub fn issue(&self, name: &str) -> Result<Identity, PkiError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            root: self.certificate.to_vec(),
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
        })
    }
}

impl Identity {
    /// Reads an identity from PEM: the root, the own certificate, its private key in PKCS#8.
    pub fn from_pem(root: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, PkiError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(key).map_err(|reason| PkiError::Pem {
            wanted: "private key in PKCS#8",
            reason: reason.to_string(),
        })?;
        Ok(Self {
            root: first_certificate(root)?,
            certificate: first_certificate(certificate)?,
            key: key.secret_pkcs8_der().to_vec(),
        })
    }

    /// The same certificate towards somebody of another root, in PEM.
    pub fn trusting(&self, root: &[u8]) -> Result<Self, PkiError> {
        Ok(Self {
            root: first_certificate(root)?,
            ..self.clone()
        })
    }

    /// Writes root, certificate and private key as PEM texts.
    pub fn to_pem(&self) -> [String; 3] {
        [
            pem("CERTIFICATE", &self.root),
            pem("CERTIFICATE", &self.certificate),
            pem("PRIVATE KEY", &self.key),
        ]
    }
}

fn first_certificate(pem: &[u8]) -> Result<Vec<u8>, PkiError> {
    let found = certificates(pem)?.into_iter().next();
    Ok(found.map(|certificate| certificate.to_vec()).unwrap_or_default())
}

/// PEM (RFC 7468): base64 in lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    const LINE_CHARS: usize = 64;
    let base64 = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, character) in base64.chars().enumerate() {
        if index > 0 && index % LINE_CHARS == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n-----END {label}-----\n")
}

fn roots(identity: &Identity) -> Result<Arc<RootCertStore>, PkiError> {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from(identity.root.clone()))?;
    Ok(Arc::new(store))
}

fn own(identity: &Identity) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.clone()));
    (vec![CertificateDer::from(identity.certificate.clone())], key)
}

/// Builds a TLS 1.3 server configuration that demands a client certificate of the same root.
pub fn server_tls(identity: &Identity) -> Result<Arc<ServerConfig>, PkiError> {
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(identity)?, Arc::clone(&provider)).build()?;
    let (chain, key) = own(identity);
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// Builds a server configuration for senders of others (syslog over TLS: RFC 5425; OTLP over HTTPS): TLS 1.2 and 1.3, with a
/// certificate chain and key in PEM form. With `client_roots`, senders must show a certificate of one of them.
pub fn listener_tls(chain: &[u8], key: &[u8], client_roots: Option<&[u8]>) -> Result<Arc<ServerConfig>, PkiError> {
    let provider = Arc::new(default_provider());
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|reason| PkiError::Pem {
        wanted: "private key",
        reason: reason.to_string(),
    })?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match client_roots {
        Some(roots) => {
            let mut store = RootCertStore::empty();
            for root in certificates(roots)? {
                store.add(root)?;
            }
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider).build()?)
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(builder.with_single_cert(certificates(chain)?, key)?))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let fault = |reason: String| PkiError::Pem {
        wanted: "certificate",
        reason,
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(fault("there is none".to_owned())),
        found => found.map_err(|reason| fault(reason.to_string())),
    }
}

/// Builds a client configuration (TLS 1.2 and 1.3) for somebody else's server: it trusts the roots given in PEM and shows no
/// certificate.
pub fn peer_tls(roots: &[u8]) -> Result<Arc<ClientConfig>, PkiError> {
    let mut store = RootCertStore::empty();
    for root in certificates(roots)? {
        store.add(root)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Builds a TLS 1.3 client configuration that shows its certificate and trusts only the same root.
pub fn client_tls(identity: &Identity) -> Result<Arc<ClientConfig>, PkiError> {
    let (chain, key) = own(identity);
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(identity)?)
        .with_client_auth_cert(chain, key)?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_build_from_an_issued_identity() {
        let identity = Authority::generate("drill").unwrap().issue("guard-a").unwrap();
        server_tls(&identity).unwrap();
        client_tls(&identity).unwrap();
        let [root, certificate, key] = identity.to_pem();
        let read = Identity::from_pem(root.as_bytes(), certificate.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(
            (&read.root, &read.certificate, &read.key),
            (&identity.root, &identity.certificate, &identity.key)
        );
        peer_tls(root.as_bytes()).unwrap();
        assert!(Identity::from_pem(root.as_bytes(), b"nothing", key.as_bytes()).is_err());
    }
}
