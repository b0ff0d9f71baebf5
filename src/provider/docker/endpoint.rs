//! Which engine is meant: what the configuration says, else the environment, else the default.

use std::env;
use std::path::PathBuf;

use crate::base::engine_address::EngineAddress;

/// What the environment says of engines, as their own tools read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineEnvironment {
    /// `DOCKER_HOST`.
    pub host: Option<String>,
    /// `DOCKER_TLS_VERIFY`: TLS, unless it is empty.
    pub tls_verify: Option<String>,
    /// `DOCKER_CERT_PATH`: the folder of `ca.pem`, `cert.pem` and `key.pem`.
    pub cert_path: Option<String>,
    /// `HOME`, in which `.docker` is the default for that.
    pub home: Option<String>,
}

impl EngineEnvironment {
    /// This process's own.
    pub fn of_process() -> Self {
        let variable = |name| env::var(name).ok();
        EngineEnvironment {
            host: variable("DOCKER_HOST"),
            tls_verify: variable("DOCKER_TLS_VERIFY"),
            cert_path: variable("DOCKER_CERT_PATH"),
            home: variable("HOME"),
        }
    }
}

/// An engine, and how to speak with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: EngineAddress,
    /// Over TLS, with the certificates of this folder.
    pub(super) certificates: Option<PathBuf>,
}

impl Endpoint {
    /// The engine that a service's setting and the environment mean.
    ///
    /// # Errors
    /// When the environment makes no sense, in words for the operator.
    pub(super) fn choose(
        setting: Option<&EngineAddress>,
        environment: &EngineEnvironment,
    ) -> Result<Self, String> {
        let written = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let address = match (setting, written(&environment.host)) {
            (Some(setting), _) => setting.clone(),
            (None, Some(host)) => host.parse().map_err(|error| format!("DOCKER_HOST: {error}"))?,
            (None, None) => EngineAddress::default_socket(),
        };
        let is_tls =
            matches!(address, EngineAddress::Tcp { .. }) && written(&environment.tls_verify).is_some();
        if !is_tls {
            return Ok(Endpoint { address, certificates: None });
        }
        let of_home = || written(&environment.home).map(|home| PathBuf::from(home).join(".docker"));
        let folder = written(&environment.cert_path).map(PathBuf::from).or_else(of_home);
        let folder = folder.ok_or("DOCKER_TLS_VERIFY asks for TLS, and neither DOCKER_CERT_PATH nor HOME says where the certificates are")?;
        Ok(Endpoint { address, certificates: Some(folder) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(host: &str, tls: &str, certificates: &str, home: &str) -> EngineEnvironment {
        let some = |text: &str| Some(text.to_owned());
        EngineEnvironment {
            host: some(host),
            tls_verify: some(tls),
            cert_path: some(certificates),
            home: some(home),
        }
    }

    #[test]
    fn the_setting_wins_over_the_environment_and_that_over_the_default() {
        let setting: EngineAddress = "unix:///set.sock".parse().unwrap();
        let tcp: EngineAddress = "tcp://engine:2376".parse().unwrap();
        let cases = [
            (Some(&setting), environment("tcp://a:1", "1", "/certs", ""), "unix:///set.sock", None),
            (None, environment("unix:///env.sock", "1", "/certs", ""), "unix:///env.sock", None),
            (None, environment("", "", "", ""), "unix:///var/run/docker.sock", None),
            (None, EngineEnvironment::default(), "unix:///var/run/docker.sock", None),
            (None, environment("tcp://a:1", "", "/certs", ""), "tcp://a:1", None),
            (None, environment("tcp://a:1", "1", "/certs", "/root"), "tcp://a:1", Some("/certs")),
            (Some(&tcp), environment("", "1", "", "/root"), "tcp://engine:2376", Some("/root/.docker")),
        ];
        for (setting, environment, address, certificates) in cases {
            let chosen = Endpoint::choose(setting, &environment).unwrap();
            assert_eq!(chosen.address.to_string(), address);
            assert_eq!(chosen.certificates, certificates.map(PathBuf::from));
        }
    }

    #[test]
    fn an_environment_that_makes_no_sense_is_an_error() {
        let error = Endpoint::choose(None, &environment("ssh://host", "", "", "")).unwrap_err();
        assert!(error.starts_with("DOCKER_HOST: 'ssh://host' is no address"), "{error}");
        let error = Endpoint::choose(None, &environment("tcp://a:1", "1", "", "")).unwrap_err();
        assert!(error.contains("where the certificates are"), "{error}");
    }
}
