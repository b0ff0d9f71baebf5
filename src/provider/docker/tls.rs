//! TLS to an engine, as engines' own tools have it: the authority, the certificate and the key of one folder; and what to do
//! when the two sides do not agree.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error as ThisError;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as RustlsError, InvalidMessage, RootCertStore,
    crypto::ring,
};

/// Both sides do not come to TLS with each other, so that nothing was asked. The words say what to do.
#[derive(Debug, ThisError)]
#[error("{0}")]
pub(super) struct TlsFault(pub(super) String);

/// How TLS is spoken with one engine.
pub(super) struct Tls {
    connector: TlsConnector,
    host: Box<str>,
    name: ServerName<'static>,
    folder: PathBuf,
    /// Whether the folder has a certificate of Ringway's own.
    has_certificate: bool,
}

impl Tls {
    /// With the folder's authority only, and its certificate if there is one.
    ///
    /// # Errors
    /// When the folder cannot be used, in words for the operator.
    pub(super) fn new(folder: &Path, host: &str) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("'{host}' is no name that a certificate can have"))?;
        let has_certificate = folder.join("cert.pem").exists() || folder.join("key.pem").exists();
        let connector = connector(folder, has_certificate)?;
        Ok(Tls { connector, host: host.into(), name, folder: folder.to_owned(), has_certificate })
    }

    /// Greets the engine.
    ///
    /// # Errors
    /// A [`TlsFault`] within, if it is not the connection that failed.
    pub(super) async fn greet(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await.map_err(|error| match self.fault(&error) {
            Some(fault) => io::Error::new(error.kind(), fault),
            None => error,
        })
    }

    /// What is wrong, if an error before the first answer is about TLS. An engine can refuse a certificate as late as that.
    pub(super) fn fault(&self, error: &(dyn Error + 'static)) -> Option<TlsFault> {
        let words = match rustls_error(error)? {
            RustlsError::InvalidCertificate(error) => self.distrust(error),
            RustlsError::AlertReceived(alert) => self.refusal(*alert),
            RustlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
                "it speaks no TLS at this port; write the port at which it does (2376 as a rule), or unset DOCKER_TLS_VERIFY"
                    .to_owned()
            }
            RustlsError::PeerIncompatible(error) => format!("it speaks no TLS that Ringway does: {error:?}"),
            other => format!("TLS with it fails: {other}"),
        };
        Some(TlsFault(words))
    }

    /// Why its certificate is not trusted.
    fn distrust(&self, error: &CertificateError) -> String {
        use CertificateError as Fault;
        let Tls { host, folder, .. } = self;
        match error {
            Fault::UnknownIssuer | Fault::BadSignature => format!(
                "its certificate is not signed by the authority in {}; put the ca.pem of that engine there (DOCKER_CERT_PATH says where)",
                folder.join("ca.pem").display()
            ),
            Fault::Expired | Fault::ExpiredContext { .. } => {
                "its certificate has expired, or its authority's; make a new one, or set this machine's clock"
                    .to_owned()
            }
            Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
                "its certificate is not valid yet; set this machine's clock".to_owned()
            }
            Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
                format!("its certificate is not for {host}{}", presented(error))
            }
            other => format!("its certificate is not accepted: {other}; make another one"),
        }
    }

    /// Why it ended the greeting.
    fn refusal(&self, alert: AlertDescription) -> String {
        let folder = self.folder.display();
        match alert {
            AlertDescription::ProtocolVersion => "it speaks no TLS from version 1.2 on".to_owned(),
            AlertDescription::InternalError | AlertDescription::UnrecognisedName => {
                format!("it ends the TLS connection ({alert:?}); its log says why")
            }
            _ if !self.has_certificate => format!(
                "it wants a certificate of Ringway's ({alert:?}); put cert.pem and key.pem, signed by its authority, into {folder}"
            ),
            _ => format!(
                "it does not accept the certificate {folder}/cert.pem ({alert:?}); have it signed by that engine's authority, for clients, and see that it has not expired"
            ),
        }
    }
}

fn presented(error: &CertificateError) -> String {
    const SHOWN_MAX: usize = 5;
    let advice = "make one that names it as subjectAltName";
    match error {
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let names: Vec<&str> = presented.iter().take(SHOWN_MAX).map(|name| bare(name)).collect();
            format!(", but for {}; write one of these as the engine's host, or {advice}", names.join(", "))
        }
        _ => format!("; {advice}"),
    }
}

/// A name without its kind, which rustls writes around it: `DnsName("engine.example")`, `IpAddress(10.0.0.7)`.
fn bare(name: &str) -> &str {
    let within = name.split_once('(').and_then(|(_, within)| within.strip_suffix(')'));
    within.map_or(name, |within| within.trim_matches('"'))
}

/// The error of TLS in an error's chain. What stands within an [`io::Error`] is not its source.
fn rustls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a RustlsError> {
    if let Some(found) = error.downcast_ref::<RustlsError>() {
        return Some(found);
    }
    let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match within {
        Some(within) => rustls_error(within),
        None => rustls_error(error.source()?),
    }
}

fn connector(folder: &Path, has_certificate: bool) -> Result<TlsConnector, String> {
    let authority = folder.join("ca.pem");
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&authority)? {
        roots.add(certificate).map_err(|error| format!("{}: {error}", authority.display()))?;
    }
    if roots.is_empty() {
        return Err(format!("{}: there is no certificate in it", authority.display()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?
        .with_root_certificates(roots);
    let config = if has_certificate {
        let (own, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        let key_of = |error| format!("{}: {error}", key.display());
        let key = PrivateKeyDer::from_pem_file(&key).map_err(key_of)?;
        let refused = |error| format!("{}: {error}", own.display());
        builder.with_client_auth_cert(certificates(&own)?, key).map_err(refused)?
    } else {
        builder.with_no_client_auth()
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let of_path = |error| format!("{}: {error}; DOCKER_CERT_PATH says where it is", path.display());
    CertificateDer::pem_file_iter(path).map_err(of_path)?.collect::<Result<Vec<_>, _>>().map_err(of_path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version};

    use super::*;
    use crate::provider::docker::endpoint::Endpoint;
    use crate::provider::docker::engine::Engine;
    use crate::provider::docker::fault::{About, Step, explain};
    use crate::provider::docker::owner::Owner;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK";

    fn certificate_folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates")
    }

    /// What an engine does at its port.
    #[derive(Clone, Copy)]
    enum Port {
        /// It speaks TLS with this certificate.
        Tls(&'static str),
        /// It speaks TLS of this version, and wants a certificate of the client's.
        Mutual(&'static SupportedProtocolVersion),
        /// It answers whatever comes as engines do that speak no TLS.
        Plain,
    }

    fn acceptor(port: Port) -> Option<TlsAcceptor> {
        let (certificate, version, is_mutual) = match port {
            Port::Tls(certificate) => (certificate, &version::TLS13, false),
            Port::Mutual(version) => ("server.pem", version, true),
            Port::Plain => return None,
        };
        let (folder, provider) = (certificate_folder(), Arc::new(ring::default_provider()));
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let builder = if is_mutual {
            let mut roots = RootCertStore::empty();
            roots.add(certificates(&folder.join("ca.pem")).unwrap().remove(0)).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(folder.join("server-key.pem")).unwrap();
        let config = builder.with_single_cert(certificates(&folder.join(certificate)).unwrap(), key).unwrap();
        Some(TlsAcceptor::from(Arc::new(config)))
    }

    /// An engine that answers one call.
    async fn engine(port: Port) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            let Some(acceptor) = acceptor(port) else {
                _ = stream.read(&mut bytes).await.unwrap();
                return stream
                    .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                    .await
                    .unwrap();
            };
            match acceptor.accept(stream).into_fallible().await {
                Ok(mut stream) => {
                    _ = stream.read(&mut bytes).await.unwrap();
                    stream.write_all(ANSWER).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
                // What is closed before it is read takes back what was sent.
                Err((_, mut stream)) => while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {},
            }
        });
        address
    }

    /// What comes of a call, with this authority and this certificate: nothing, or what the operator is told.
    async fn call(port: Port, authority: &str, certificate: Option<&str>) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let copy = |from: &str, to: &str| {
            fs::copy(certificate_folder().join(from), folder.path().join(to)).unwrap();
        };
        copy(authority, "ca.pem");
        if let Some(certificate) = certificate {
            copy(certificate, "cert.pem");
            copy("client-key.pem", "key.pem");
        }
        let address = engine(port).await;
        let endpoint = Endpoint {
            address: format!("tcp://{address}").parse().unwrap(),
            certificates: Some(folder.path().into()),
        };
        let engine = Engine::new(&endpoint, Owner::named("edge"))?;
        let about = About { engine: &engine.address(), image: "", network: "", container: "" };
        engine.ping().await.map_err(|error| explain(&error, Step::Speak, &about))
    }

    #[tokio::test]
    async fn a_disagreement_says_what_to_do() {
        let (tls12, tls13) = (Port::Mutual(&version::TLS12), Port::Mutual(&version::TLS13));
        let ours = Some("client.pem");
        let cases = [
            ("ca.pem", None, Port::Tls("server.pem"), ""),
            ("ca.pem", ours, Port::Tls("server.pem"), ""),
            ("ca.pem", ours, tls12, ""),
            ("ca.pem", ours, tls13, ""),
            ("other-ca.pem", ours, tls13, "is not signed by the authority in"),
            ("ca.pem", ours, Port::Tls("expired.pem"), "has expired, or its authority's; make a new one"),
            (
                "ca.pem",
                ours,
                Port::Tls("misnamed.pem"),
                "is not for 127.0.0.1, but for engine.example; write one of these",
            ),
            ("ca.pem", None, tls12, "it wants a certificate of Ringway's"),
            ("ca.pem", None, tls13, "it wants a certificate of Ringway's"),
            ("ca.pem", Some("foreign.pem"), tls12, "it does not accept the certificate"),
            ("ca.pem", Some("foreign.pem"), tls13, "it does not accept the certificate"),
            ("ca.pem", ours, Port::Plain, "it speaks no TLS at this port; write the port"),
        ];
        for (authority, certificate, port, said) in cases {
            match call(port, authority, certificate).await {
                Ok(()) => assert_eq!(said, "", "nothing was told"),
                Err(words) => {
                    assert!(!said.is_empty() && words.contains(said), "'{said}' is not in '{words}'");
                    assert!(words.starts_with("the engine at tcp://127.0.0.1:"), "{words}");
                }
            }
        }
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |said: &str| {
            let error = Tls::new(folder.path(), "engine").err().unwrap();
            assert!(error.contains(said), "'{said}' is not in '{error}'");
        };
        refused("ca.pem: ");
        fs::write(folder.path().join("ca.pem"), "nothing\n").unwrap();
        refused("ca.pem: there is no certificate in it");
        for (from, to) in [("ca.pem", "ca.pem"), ("client.pem", "cert.pem")] {
            fs::copy(certificate_folder().join(from), folder.path().join(to)).unwrap();
        }
        refused("key.pem: ");
        fs::copy(certificate_folder().join("server-key.pem"), folder.path().join("key.pem")).unwrap();
        refused("cert.pem: ");
    }
}
