//! `client.trusted` and `[proxy]`.

use super::{Expected, assert_errors};

#[test]
fn whom_to_believe_and_what_to_say() {
    let cases: &[(&str, Expected<'_>)] = &[
        ("[client]\ntrusted = 10", (2, "client.trusted", "must be a string")),
        ("client.trusted = \"10.0.0.0/33\"", (1, "client.trusted", "needs a number of bits from 0 to 32")),
        (
            "client.trusted = [\n\"::1\",\n\"lan\"]",
            (3, "client.trusted[1]", "'lan' is no address or network"),
        ),
        ("client.trusted = \"10.0.0.1/8\"", (1, "client.trusted", "write 10.0.0.0/8, or the address alone")),
        ("client.trust = []", (1, "client.trust", "did you mean 'trusted'?")),
        ("[proxy]\nforward = \"off\"", (2, "proxy.forward", "did you mean 'forwarded'?")),
        (
            "[proxy]\nforwarded = \"none\"",
            (2, "proxy.forwarded", "write \"x-forwarded\" or \"forwarded\" or \"both\" or \"off\""),
        ),
        ("[proxy]\nvia = true", (2, "proxy.via", "must be a string, not true or false")),
        ("[proxy]\nvia = \"answers\"", (2, "proxy.via", "write \"requests\" or \"both\" or \"off\"")),
        ("[proxy]\nrequest_id = \"Host\"", (2, "proxy.request_id", "'Host' is no field for ids")),
        ("[proxy]\nrequest_id = false", (2, "proxy.request_id", "must be a string, not true or false")),
        ("[proxy]\nrequest_ids = \"\"", (2, "proxy.request_ids", "did you mean 'request_id'?")),
        ("[proxy]\nanswer_request_id = 1", (2, "proxy.answer_request_id", "must be true or false")),
        (
            "[proxy]\nrequest_id = \"\"\nanswer_request_id = true",
            (3, "proxy.answer_request_id", "names no field"),
        ),
        ("proxi = 1", (1, "proxi", "did you mean 'proxy'?")),
    ];
    for (text, expected) in cases {
        assert_errors(text, &[*expected]);
    }
}
