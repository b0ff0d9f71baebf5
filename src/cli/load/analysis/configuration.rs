//! The configuration of the Ringway that is measured.

use super::KEY_FIELD;
use crate::cli::cores::EngineKind;
use crate::load::analysis::steps::Step;

/// The name of the service.
pub(super) const SERVICE: &str = "echo";

/// Its text. Paths in it are relative to the folder in which it lies; what is not said is the default, as it is for
/// everybody, but for the time that an end may take: nothing is in flight then that anybody waits for.
pub(super) fn text(step: Step, engine: EngineKind) -> String {
    format!(
        r#"engine = "{engine}"
[listen]
http = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[state]
directory = "state"
[drain]
timeout_ms = 1000
[[service]]
name = "{SERVICE}"
key = ["header:{key}"]
fallback = "reject"
placement = {placement}
[service.replicas]
provider = "process"
count = {servers}
drain_ms = 1000
stop_timeout_ms = 2000
command = ["{{ringway}}", "worker", "echo", "--listen", "127.0.0.1:{{port}}", "--id", "{{name}}", "--delay-ms", "{delay_ms}"]
"#,
        engine = engine.name(),
        key = KEY_FIELD.to_ascii_lowercase(),
        placement = step.variant().placement(step.is_bounded()),
        servers = step.servers(),
        delay_ms = step.delay().as_millis(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::algorithm::{Algorithm, BoundedLoad};
    use crate::config::{Config, ReplicasConfig};
    use crate::load::analysis::steps::{Experiment, steps};

    #[test]
    fn every_step_has_a_configuration_that_ringway_takes() {
        let mut algorithms: Vec<Algorithm> = Vec::new();
        for step in steps(&Experiment::ALL) {
            let config = Config::parse("analysis", &text(step, EngineKind::Epoll)).unwrap();
            let service = &config.services[0];
            let bounded = step.is_bounded().then_some(BoundedLoad { factor_thousandths: 1_250 });
            assert_eq!(service.bounded_load, bounded, "{step:?}");
            let ReplicasConfig::Process(process) = &service.replicas else { panic!("{step:?}") };
            assert_eq!(process.count, step.servers() as usize, "{step:?}");
            if !algorithms.contains(&service.algorithm) {
                algorithms.push(service.algorithm);
            }
        }
        assert_eq!(algorithms.len(), 10, "{algorithms:?}");
    }
}
