//! The engine as its other users see it: by the docker command, and not by the library that the program under test uses, so
//! that both cannot misunderstand the engine in the same way. The image needs the command anyway.

use std::fs;
use std::process::{Command, Output};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::harness::engines::skip;
use crate::harness::proxy::PROGRAM;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// An engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Docker {
    /// Its address.
    pub(crate) host: String,
}

impl Docker {
    /// The engine of this machine, with the image; without one this says so.
    ///
    /// # Panics
    /// Without one, when no test may be skipped.
    pub(crate) fn of_machine() -> Option<Docker> {
        static FOUND: OnceLock<Result<Docker, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_HOST.to_owned());
            let docker = Docker { host };
            docker.attempt(&["version"]).map_err(|said| format!("no engine ({said})"))?;
            docker.make_image();
            Ok(docker)
        });
        found.as_ref().map_err(|reason| skip("docker", reason)).ok().cloned()
    }

    /// Makes the image of the program under test, unless it is there: it is named by the program's content, so that runs of
    /// one build share it.
    pub(crate) fn make_image(&self) {
        if self.attempt(&["image", "inspect", image()]).is_err() {
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/docker/scratch-image");
            let made = self.output(Command::new(script).args([image(), PROGRAM]));
            made.unwrap_or_else(|said| panic!("{script}: {said}"));
        }
    }

    /// What a command of docker's prints; its lines end without a line feed.
    ///
    /// # Panics
    /// When it fails.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.attempt(arguments).unwrap_or_else(|said| panic!("docker {arguments:?}: {said}"))
    }

    /// The same for a command that may fail.
    pub(crate) fn attempt(&self, arguments: &[&str]) -> Result<String, String> {
        self.output(Command::new("docker").args(arguments))
    }

    fn output(&self, command: &mut Command) -> Result<String, String> {
        let output = command.env("DOCKER_HOST", &self.host).output();
        let Output { status, stdout, stderr } = output.map_err(|error| format!("docker: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if status.success() { Ok(text(&stdout)) } else { Err(text(&stderr)) }
    }

    /// The lines that such a command prints.
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<String> {
        self.run(arguments).lines().map(str::to_owned).collect()
    }
}

/// The image's name.
pub(crate) fn image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let program = fs::read(PROGRAM).expect("the program");
        let hash = Sha256::digest(program);
        let digits: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("ringway-test:{digits}")
    })
}
