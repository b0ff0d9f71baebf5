//! Mistakes in `replicas` of the provider `docker`.

use super::assert_errors;

/// A service of containers has exactly this error; the keys stand on line 6, below provider, image and port.
fn assert_docker_error(keys: &str, (key, said): (&str, &str)) {
    let text = format!(
        "[[service]]\n[service.replicas]\nprovider = \"docker\"\nimage = \"worker\"\nport = 5000\n{keys}"
    );
    assert_errors(&text, &[(6, &format!("service[0].replicas.{key}"), said)]);
}

#[test]
fn a_container_needs_an_image_and_a_port() {
    let text = "[[service]]\n[service.replicas]\nprovider = \"docker\"\n";
    assert_errors(
        text,
        &[
            (2, "service[0].replicas.image", "is missing; write it as in image = \"ringway-worker\""),
            (2, "service[0].replicas.port", "is missing; write it as in port = 5000"),
        ],
    );
    let text = "[[service]]\n[service.replicas]\nimage = \"worker\"\nport = 5000\n";
    let said = "is missing; write it as in provider = \"docker\"";
    assert_errors(text, &[(2, "service[0].replicas.provider", said)]);
}

#[test]
fn keys_of_another_provider_say_whose_they_are() {
    let to_process = "belongs to provider = \"process\", and this is \"docker\"";
    assert_docker_error("ports = \"2000-3000\"", ("ports", to_process));
    assert_docker_error("directory = \"x\"", ("directory", to_process));
    let to_static = "belongs to provider = \"static\", and this is \"docker\"";
    assert_docker_error("addresses = [\"127.0.0.1:1\"]", ("addresses", to_static));
}

#[test]
fn containers_that_cannot_be() {
    let cases: &[(&str, (&str, &str))] = &[
        ("command = []", ("command", "is an empty list")),
        ("command = [\"{ringway}\"]", ("command", "{ringway} stands for this program, which the container")),
        ("env = { A = \"{ringway}\" }", ("env", "write the path of a program in the image")),
        ("env = { RINGWAY_X = \"\" }", ("env.RINGWAY_X", "are Ringway's own")),
        ("network = \"host\"", ("network", "is no network on which containers have addresses of their own")),
        ("network = \"none\"", ("network", "write the name of a bridge")),
        ("network = \"a b\"", ("network", "is no network")),
        ("network = \"\"", ("network", "is no network")),
        (
            "labels = { \"ringway.owner\" = \"x\" }",
            ("labels.ringway.owner", "labels that begin with ringway."),
        ),
        ("labels = { \"a b\" = \"x\" }", ("labels.a b", "is no name of a label")),
        ("labels = { a = 1 }", ("labels.a", "must be a string, not a whole number")),
        ("labels = [\"a\"]", ("labels", "must be a table, not a list; write it as in labels = {")),
        ("memory = \"5m\"", ("memory", "is no amount of memory; write bytes, or a number with k, m or g")),
        ("memory = 1024", ("memory", "must be at least 6291456")),
        ("memory = 0.5", ("memory", "must be a string, not a fraction")),
        ("cpus = 0", ("cpus", "must be at least 0.01")),
        ("cpus = \"1\"", ("cpus", "must be a number, not a string")),
        ("user = \"a:b:c\"", ("user", "write a name or a number, and if need be a group")),
        ("user = -1", ("user", "must be at least 0")),
        ("read_only = 1", ("read_only", "must be true or false")),
        ("volumes = [\"./data:/data\"]", ("volumes[0]", "'./data:/data' is no volume; write SOURCE:TARGET")),
        ("volumes = [\"data\"]", ("volumes[0]", "is no volume")),
        ("volumes = [\"{ringway}:/data\"]", ("volumes[0]", "is no volume")),
        ("volumes = [\"{nam}:/data\"]", ("volumes[0]", "stands for nothing here")),
        ("pull = \"sometimes\"", ("pull", "write \"never\" or \"missing\" or \"always\"")),
        ("reach = \"ip\"", ("reach", "write \"address\" or \"name\"")),
        ("engine = \"/var/run/docker.sock\"", ("engine", "write unix:///PATH or tcp://HOST:PORT")),
        ("engine = \"ssh://host\"", ("engine", "is no address of an engine")),
        ("count = 1025", ("count", "must be at most 1024")),
        ("memori = 1", ("memori", "did you mean 'memory'?")),
        ("stop_signal = \"SIGKILL\"", ("stop_signal", "write \"SIGINT\" or")),
    ];
    for (keys, expected) in cases {
        assert_docker_error(keys, *expected);
    }
}

#[test]
fn images_and_ports_that_cannot_be() {
    let assert_error = |image: &str, port: &str, line: usize, key: &str, said: &str| {
        let text =
            format!("[[service]]\n[service.replicas]\nprovider = \"docker\"\nimage = {image}\nport = {port}");
        assert_errors(&text, &[(line, &format!("service[0].replicas.{key}"), said)]);
    };
    for image in ["\"\"", "\"a b\"", "\"-x\"", "\"é\""] {
        assert_error(image, "1", 4, "image", "is no image; write 1 to 512 visible ASCII characters");
    }
    assert_error("\"x\"", "0", 5, "port", "must be at least 1; write the port at which the server");
    assert_error("\"x\"", "65536", 5, "port", "must be at most 65535");
}

#[test]
fn names_of_a_state_that_cannot_be() {
    for name in ["", "a b", "-a", "a/b", &"x".repeat(33)] {
        let text = format!("[state]\nname = \"{name}\"");
        assert_errors(&text, &[(2, "state.name", "is no proper name; write 1 to 32 letters")]);
    }
}
