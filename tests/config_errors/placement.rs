//! Mistakes in `placement`, and in the weights that it gives a meaning to.

use super::{Expected, assert_errors, assert_service_error};

#[test]
fn algorithms_that_are_not_known() {
    let all = "write \"rendezvous\" or \"maglev\" or \"ketama\" or \"slots\" or \"modulo\"";
    let place = "service[0].placement.algorithm";
    assert_service_error("placement.algorithm = \"best\"", (3, place, all));
    assert_service_error("placement = { algorithm = \"ring\", slots = 512, replicas = 4 }", (3, place, all));
    assert_service_error("placement.algorithm = 1", (3, place, "write it as in \"rendezvous\""));
    assert_service_error(
        "placement.algoritm = \"maglev\"",
        (3, "service[0].placement.algoritm", "did you mean 'algorithm'?"),
    );
    assert_service_error(
        "placement.seed = 1",
        (3, "service[0].placement.seed", "known here: algorithm, bounded_load; correct it"),
    );
}

#[test]
fn keys_of_another_algorithm_say_whose_they_are() {
    let cases = [
        ("rendezvous", "slots = 512", "slots", "slots"),
        ("maglev", "hash = \"given\"", "hash", "slots"),
        ("ketama", "probing = \"linear\"", "probing", "slots"),
        ("modulo", "slots = \"of no type that it could have\"", "slots", "slots"),
        ("rendezvous", "factor = 1", "factor", "modulo"),
        ("slots", "factor = 1", "factor", "modulo"),
    ];
    for (algorithm, written, key, owner) in cases {
        let place = format!("service[0].placement.{key}");
        let said = format!(
            "belongs to algorithm = \"{owner}\", and this is \"{algorithm}\"; \
             remove this key, or write algorithm = \"{owner}\""
        );
        let keys = format!("placement = {{ algorithm = \"{algorithm}\", {written} }}");
        assert_service_error(&keys, (3, &place, &said));
    }
    let said = "belongs to algorithm = \"slots\", and this is \"rendezvous\"";
    assert_service_error("placement.slots = 512", (3, "service[0].placement.slots", said));
}

#[test]
fn rings_and_maps_that_cannot_be() {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("slots", "slots = 63", "slots", "at least 64; write how many slots the ring has"),
        ("slots", "slots = 131072", "slots", "at most 65536"),
        ("slots", "slots = 65", "slots", "must be a power of two; write 64 or 128"),
        ("slots", "slots = 65535", "slots", "write 32768 or 65536"),
        ("slots", "slots = 512.0", "slots", "must be a whole number, not a fraction"),
        ("slots", "hash = \"md5\"", "hash", "write \"given\" or \"modified\" or \"cryptographic\""),
        ("slots", "probing = \"cubic\"", "probing", "write \"linear\" or \"quadratic\""),
        ("slots", "probeing = 1", "probeing", "did you mean 'probing'?"),
        ("slots", "virtual = 9", "virtual", "known here: algorithm, bounded_load, slots, hash, probing"),
        ("modulo", "factor = 0", "factor", "at least 1; write how many replicas share a shard"),
        ("modulo", "factor = 9", "factor", "at most 8"),
    ];
    for (algorithm, written, key, said) in cases {
        let keys = format!("placement = {{ algorithm = \"{algorithm}\", {written} }}");
        assert_service_error(&keys, (3, &format!("service[0].placement.{key}"), said));
    }
}

#[test]
fn bounds_of_the_load_that_bound_nothing() {
    let cases = [
        ("1", "at least 1.01; write how many times its fair share"),
        ("0", "leave the key out for no bound"),
        ("-1.5", "at least 1.01"),
        ("1.009", "at least 1.01"),
        ("10.001", "at most 10; write how many times"),
        ("11", "at most 10;"),
        ("99999999999999999999999999999999999999999999", "at most 10;"),
        ("1.2345", "is no number with 3 decimals at most; write how many times"),
        ("1.25e0", "is no number with 3 decimals at most"),
        ("inf", "is no number with 3 decimals at most"),
        ("false", "must be a number, not true or false; write it as in 1.25"),
        ("\"1.25\"", "must be a number, not a string"),
    ];
    for (written, said) in cases {
        let keys = format!("placement = {{ algorithm = \"modulo\", bounded_load = {written} }}");
        assert_service_error(&keys, (3, "service[0].placement.bounded_load", said));
    }
}

#[test]
fn weights_where_nothing_is_weighed() {
    let service = |algorithm: &str, weight: u32| {
        format!(
            "[[service]]\nplacement.algorithm = \"{algorithm}\"\nreplicas.addresses = [\n\"127.0.0.1:1\",\n\
             {{ address = \"127.0.0.1:2\", weight = {weight} }}]\n"
        )
    };
    for algorithm in ["slots", "modulo"] {
        let said =
            format!("\"{algorithm}\" has no weights, each replica takes the same part; remove the weight");
        let expected: Expected<'_> = (5, "service[0].replicas.addresses[1].weight", &said);
        assert_errors(&service(algorithm, 2), &[expected]);
    }
    for (algorithm, weight) in [("slots", 1), ("modulo", 1), ("rendezvous", 2), ("maglev", 2), ("ketama", 2)]
    {
        let text = service(algorithm, weight);
        assert!(ringway::config::Config::parse("ringway.toml", &text).is_ok(), "{text}");
    }
}
