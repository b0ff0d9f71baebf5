//! `replicas` of the provider `docker`: containers.

use crate::base::command_template::CommandTemplate;

use super::error::Fault;
use super::section::Section;
use super::value::Value;
use super::{DockerConfig, LABELS_MAX, MEMORY_BYTES_MIN, PullPolicy, Reach, VOLUMES_MAX, owned};

/// The keys that only containers have.
pub(super) const KEYS: [&str; 11] = [
    "image",
    "port",
    "network",
    "labels",
    "memory",
    "cpus",
    "read_only",
    "volumes",
    "pull",
    "reach",
    "engine",
];

const IMAGE_BYTES_MAX: usize = 512;
const NETWORK_BYTES_MAX: usize = 128;
/// Networks that engines have by these names, and that give a container no address.
const NETWORKS_WITHOUT_ADDRESS: [&str; 2] = ["host", "none"];
const LABEL_NAME_BYTES_MAX: usize = 255;
/// What the names of the labels begin with by which Ringway finds its containers again.
const RESERVED_PREFIX: &str = "ringway.";
const USER_BYTES_MAX: usize = 128;
const MEMORY_BYTES_MAX: u64 = 1 << 50;
/// A hundredth of a CPU, which is the least that engines grant, to more than machines have.
const CPU_THOUSANDTHS_MIN: u32 = 10;
const CPU_THOUSANDTHS_MAX: u32 = 1_024_000;

/// Reads the table of a service's own containers.
pub(super) fn read(section: &mut Section<'_>) -> DockerConfig {
    let count = owned::count(section);
    let image = image(section);
    let port = port(section);
    let environment = owned::environment(section);
    refuse_program(section, "env", environment.iter().any(|(_, value)| value.names_program()));
    let command = owned::command_if_any(section);
    refuse_program(section, "command", command.iter().any(CommandTemplate::names_program));
    let pulls =
        [("never", PullPolicy::Never), ("missing", PullPolicy::Missing), ("always", PullPolicy::Always)];
    let reaches = [("address", Some(Reach::Address)), ("name", Some(Reach::Name))];
    DockerConfig {
        count,
        image,
        port,
        command,
        environment,
        network: section.value("network").and_then(|value| network(&value)),
        labels: labels(section),
        memory: section.value("memory").and_then(|value| memory(&value)),
        cpu_thousandths: section.value("cpus").and_then(|value| {
            value.thousandths(CPU_THOUSANDTHS_MIN..=CPU_THOUSANDTHS_MAX, "write how many CPUs it may use")
        }),
        user: section.value("user").and_then(|value| user(&value)),
        read_only: section.flag("read_only", false),
        volumes: volumes(section),
        pull: section.word("pull", &pulls, &[], PullPolicy::default()),
        reach: section.word("reach", &reaches, &[], None),
        engine: section
            .value("engine")
            .and_then(|value| value.check(value.text("\"unix:///var/run/docker.sock\"")?.parse())),
        supervision: owned::supervision(section),
    }
}

fn refuse_program(section: &Section<'_>, key: &str, names_program: bool) {
    if names_program {
        section.fail(key, Fault::NoProgram);
    }
}

fn image(section: &mut Section<'_>) -> Box<str> {
    let Some(value) = section.value("image") else {
        section.fail("image", Fault::Missing("image = \"ringway-worker\""));
        return Box::default();
    };
    let written = value.text("\"ringway-worker\"").unwrap_or_default();
    let proper = (1..=IMAGE_BYTES_MAX).contains(&written.len())
        && written.bytes().all(|byte| byte.is_ascii_graphic())
        && !written.starts_with('-');
    let fault = Fault::Image { bytes_max: IMAGE_BYTES_MAX };
    value.check(if proper { Ok(written.into()) } else { Err(fault) }).unwrap_or_default()
}

fn port(section: &mut Section<'_>) -> u16 {
    let advice = "write the port at which the server in the container listens";
    if !section.has("port") {
        section.fail("port", Fault::Missing("port = 5000"));
    }
    section.number("port", 1..=u16::MAX, 1, advice)
}

fn network(value: &Value<'_>) -> Option<Box<str>> {
    let written = value.text("\"backend\"")?;
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let proper = (1..=NETWORK_BYTES_MAX).contains(&written.len())
        && written.bytes().all(is_name_byte)
        && written.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && !NETWORKS_WITHOUT_ADDRESS.contains(&written);
    value.check(if proper { Ok(written.into()) } else { Err(Fault::ContainerNetwork) })
}

fn labels(section: &mut Section<'_>) -> Box<[(Box<str>, Box<str>)]> {
    let Some(value) = section.value("labels") else { return Box::default() };
    let entries = value.entries(LABELS_MAX, "labels = { team = \"web\" }");
    entries.iter().filter_map(|(name, value)| label(name, value)).collect()
}

fn label(name: &str, value: &Value<'_>) -> Option<(Box<str>, Box<str>)> {
    let name = value.check(label_name(name));
    let content = value.system_string(0..=owned::WORD_BYTES_MAX, "\"web\"");
    Some((name?.into(), content?.into()))
}

fn label_name(name: &str) -> Result<&str, Fault> {
    let proper = (1..=LABEL_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'=');
    match proper {
        false => Err(Fault::LabelName { bytes_max: LABEL_NAME_BYTES_MAX }),
        true if name.starts_with(RESERVED_PREFIX) => Err(Fault::ReservedLabel { prefix: RESERVED_PREFIX }),
        true => Ok(name),
    }
}

/// Bytes, or a number with a unit.
fn memory(value: &Value<'_>) -> Option<u64> {
    if value.is_whole_number() {
        return value
            .number(MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX, "write the memory in bytes, or as in \"512m\"");
    }
    let written = value.text("\"512m\"")?;
    value.check(amount(written).ok_or(Fault::Memory))
}

fn amount(written: &str) -> Option<u64> {
    let digits = written.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = written.split_at(digits);
    let unit: u64 = match unit {
        "" | "b" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(unit)?;
    (MEMORY_BYTES_MIN..=MEMORY_BYTES_MAX).contains(&bytes).then_some(bytes)
}

/// A name or number, and a group; a number may stand without quotes.
fn user(value: &Value<'_>) -> Option<Box<str>> {
    if value.is_whole_number() {
        let number = value.number(0..=u32::MAX - 1, "write the user's number")?;
        return Some(number.to_string().into());
    }
    let written = value.text("\"1000:1000\"")?;
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !b":/".contains(&byte))
    };
    let (user, group) = written.split_once(':').map_or((written, None), |(user, group)| (user, Some(group)));
    let proper = written.len() <= USER_BYTES_MAX && is_name(user) && group.is_none_or(is_name);
    value.check(if proper { Ok(written.into()) } else { Err(Fault::ContainerUser) })
}

fn volumes(section: &mut Section<'_>) -> Box<[CommandTemplate]> {
    const EXAMPLE: &str = "[\"data-{name}:/data\"]";
    let Some(value) = section.value("volumes") else { return Box::default() };
    let volumes = value.one_or_list_or_none(VOLUMES_MAX, EXAMPLE);
    volumes.iter().filter_map(|value| volume(value, EXAMPLE)).collect()
}

fn volume(value: &Value<'_>, example: &'static str) -> Option<CommandTemplate> {
    let written = value.system_string(1..=owned::WORD_BYTES_MAX, example)?;
    let template: CommandTemplate = value.check(written.parse())?;
    let proper = is_volume(&template.expand(1, "name", "")) && !template.names_program();
    let fault = || Fault::Volume(written.chars().take(80).collect());
    value.check(if proper { Ok(template) } else { Err(fault()) })
}

fn is_volume(written: &str) -> bool {
    let mut parts = written.split(':');
    let (Some(source), Some(target)) = (parts.next(), parts.next()) else { return false };
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_name = source.len() > 1
        && source.bytes().all(is_name_byte)
        && source.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let mode = parts.next();
    (source.starts_with('/') || is_name)
        && target.starts_with('/')
        && target.len() > 1
        && mode.is_none_or(|mode| ["ro", "rw"].contains(&mode))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_units() {
        for (written, expected) in [
            ("6291456", Some(6_291_456)),
            ("6291456b", Some(6_291_456)),
            ("6144k", Some(6_291_456)),
            ("512m", Some(512 << 20)),
            ("512M", Some(512 << 20)),
            ("2g", Some(2 << 30)),
            ("5m", None),
            ("0", None),
            ("", None),
            ("m", None),
            ("1.5g", None),
            ("-1g", None),
            ("512mb", None),
            ("512 m", None),
            ("99999999999999999999g", None),
            ("18446744073709551615g", None),
        ] {
            assert_eq!(amount(written), expected, "{written}");
        }
    }

    #[test]
    fn volumes_have_a_source_and_an_absolute_target() {
        for written in ["/srv:/data", "/srv:/data:ro", "data:/data:rw", "data-name.1:/x"] {
            assert!(is_volume(written), "{written}");
        }
        for written in [
            "",
            "data",
            "data:",
            ":/data",
            "./data:/data",
            "data:data",
            "a:/data",
            "/s:/",
            "/s:/d:rx",
            "/s:/d:ro:x",
            "-data:/d",
            "da ta:/d",
        ] {
            assert!(!is_volume(written), "{written}");
        }
    }
}
