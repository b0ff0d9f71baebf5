//! What a caller wrote -> a value: the query's parameters, and the body of `/add` and `/rm`. Pure.

use axum::extract::Query;
use axum::http::Uri;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::answer::Refused;
use crate::control::view::{ServiceView, View};

/// The parameters of `/add` and `/rm`. Any other is refused: a misspelt `service` must not change another one.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallQuery {
    /// Which service is meant.
    pub(super) service: Option<Box<str>>,
    /// Whether the answer waits for the replicas.
    pub(super) wait: Option<Wait>,
}

/// The parameters of `/rep`, which waits for nothing.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Which service is meant.
    pub(super) service: Option<Box<str>>,
}

/// What an answer may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wait {
    /// All that were added are active, all that were removed gone.
    Active,
}

/// The parameters of a target's query, percent-decoded.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Refused> {
    let read = Query::try_from_uri(uri).map(|Query(read)| read);
    read.map_err(|rejection| Refused::bad(format!("the query cannot be read: {}", innermost(&rejection))))
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// `n` and `hostnames` of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) n: i64,
    pub(super) names: Vec<String>,
}

const EXAMPLE: &str = r#"{"n":2,"hostnames":["a"]}"#;

impl Order {
    /// Reads a body. Its content type is not looked at, and members of other names are ignored, as system A does. One that
    /// is there twice is refused: readers differ in which of the two they take.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refused> {
        if body.trim_ascii().is_empty() {
            return Err(Refused::bad(format!("the body is empty; send {EXAMPLE}")));
        }
        // The parser refuses what counts and is nested deeper than 128 levels, and skips the rest without recursion.
        match serde_json::from_slice::<Members>(body) {
            Err(error) if !error.is_data() => {
                Err(Refused::bad(format!("the body is no JSON ({error}); send {EXAMPLE}")))
            }
            // A list of the same values would be read as well.
            _ if !body.trim_ascii_start().starts_with(b"{") => {
                Err(Refused::bad(format!("the body is no JSON object; send {EXAMPLE}")))
            }
            Err(error) => Err(Refused::bad(format!("the body cannot be read ({error}); send {EXAMPLE}"))),
            Ok(Members { n, hostnames }) => Ok(Order { n: count(n)?, names: names(hostnames)? }),
        }
    }
}

/// The members of the body's object that count, as they are written.
#[derive(Deserialize)]
struct Members {
    #[serde(default, deserialize_with = "present")]
    n: Option<Value>,
    #[serde(default)]
    hostnames: Option<Value>,
}

/// What is there, `null` too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn count(n: Option<Value>) -> Result<i64, Refused> {
    match n {
        None => Err(Refused::bad(format!("n is missing; send {EXAMPLE}"))),
        Some(Value::Number(number)) => number.as_i64().ok_or_else(|| {
            // A whole number of more than 64 bits is read as a floating one.
            match number.as_f64() {
                Some(number) if number.abs() >= i64::MAX as f64 => Refused::bad("n is too large"),
                _ => Refused::bad("n is no whole number; write it without a fraction or an exponent"),
            }
        }),
        Some(_) => Err(Refused::bad("n is no whole number; write it as a JSON number")),
    }
}

fn names(hostnames: Option<Value>) -> Result<Vec<String>, Refused> {
    let no_list =
        || Refused::bad("hostnames is no list of strings; write it as [\"a\",\"b\"], or leave it out");
    match hostnames {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(name) => Ok(name),
                _ => Err(no_list()),
            })
            .collect(),
        Some(_) => Err(no_list()),
    }
}

/// The service that a reader means: the named one; else the only one; else the only one whose replicas are Ringway's own.
pub(super) fn service_of<'a>(view: &'a View, named: Option<&str>) -> Result<&'a ServiceView, Refused> {
    if let Some(name) = named {
        let found = view.services.iter().find(|service| &*service.name == name);
        return found.ok_or_else(|| crate::control::call::CallError::NoService(name.into()).into());
    }
    if let [only] = &view.services[..] {
        return Ok(only);
    }
    let mut owned = view.services.iter().filter(|service| service.provider != "static");
    match (owned.next(), owned.next()) {
        (Some(only), None) => Ok(only),
        _ if view.services.is_empty() => {
            Err(Refused::bad("there is no service; the configuration names none"))
        }
        _ => {
            let names: Vec<_> = view.services.iter().map(|service| &*service.name).collect();
            Err(crate::control::call::CallError::Ambiguous(names.join(", ")).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::algorithm::Algorithm;

    #[test]
    fn a_body_is_read_as_system_a_writes_it() {
        let cases: [(&str, i64, &[&str]); 9] = [
            (r#"{"n":4,"hostnames":["a","b"]}"#, 4, &["a", "b"]),
            (r#"{"hostnames":[],"n":1}"#, 1, &[]),
            (r#" {"n":1} "#, 1, &[]),
            (r#"{"n":1,"hostnames":null}"#, 1, &[]),
            (r#"{"n":0}"#, 0, &[]),
            (r#"{"n":-9223372036854775808}"#, i64::MIN, &[]),
            (r#"{"n":9223372036854775807,"hostnames":[""]}"#, i64::MAX, &[""]),
            (r#"{"n":1,"replicas":[1,2],"N":{"n":2}}"#, 1, &[]),
            (r#"{"n":1,"hostnames":["a\u0000\n\u00e9"]}"#, 1, &["a\0\né"]),
        ];
        for (body, n, names) in cases {
            let names = names.iter().map(ToString::to_string).collect();
            assert_eq!(Order::read(body.as_bytes()), Ok(Order { n, names }), "{body}");
        }
    }

    #[test]
    fn any_other_body_is_refused_with_the_rule_that_it_breaks() {
        let deep = format!("{{\"n\":1,\"hostnames\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let cases: [(&[u8], &str); 27] = [
            (b"", "the body is empty"),
            (b" \r\n", "the body is empty"),
            (b"n=3", "no JSON ("),
            (b"{\"n\":1", "no JSON ("),
            (b"{\"n\":1}{}", "no JSON ("),
            (b"{\"n\":01}", "no JSON ("),
            (b"{\"n\":1e999}", "no JSON ("),
            (b"{\"n\":1,\"hostnames\":[\"\xff\"]}", "no JSON ("),
            (deep.as_bytes(), "recursion limit"),
            (b"[]", "no JSON object"),
            (b"[1,[]]", "no JSON object"),
            (b"3", "no JSON object"),
            (b"null", "no JSON object"),
            (b"{\"n\":1,\"n\":2}", "duplicate field `n`"),
            (b"{\"n\":1,\"hostnames\":[],\"hostnames\":[\"a\"]}", "duplicate field `hostnames`"),
            (b"{}", "n is missing"),
            (b"{\"N\":1}", "n is missing"),
            (b"{\"n\":null}", "n is no whole number"),
            (b"{\"n\":\"3\"}", "n is no whole number"),
            (b"{\"n\":3.0}", "n is no whole number"),
            (b"{\"n\":1e2}", "n is no whole number"),
            (b"{\"n\":9223372036854775808}", "n is too large"),
            (b"{\"n\":99999999999999999999999}", "n is too large"),
            (b"{\"n\":NaN}", "no JSON ("),
            (b"{\"n\":1,\"hostnames\":\"a\"}", "hostnames is no list of strings"),
            (b"{\"n\":1,\"hostnames\":{}}", "hostnames is no list of strings"),
            (b"{\"n\":1,\"hostnames\":[\"a\",1]}", "hostnames is no list of strings"),
        ];
        for (body, expected) in cases {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let refused = Order::read(body).expect_err(&shown);
            assert!(refused.reason.contains(expected), "{shown}: {}", refused.reason);
            assert_eq!(refused.status, 400, "{shown}");
        }
    }

    #[test]
    fn parameters_are_percent_decoded_and_unknown_ones_refused() {
        let read = |target: &str| query::<CallQuery>(&target.parse().unwrap());
        let service = |name: &str| CallQuery { service: Some(name.into()), wait: None };
        assert_eq!(read("/rep"), Ok(CallQuery::default()));
        assert_eq!(read("/rep?"), Ok(CallQuery::default()));
        assert_eq!(read("/rep?service=a%2db+c"), Ok(service("a-b c")));
        assert_eq!(read("/rep?service="), Ok(service("")));
        let waiting = CallQuery { service: None, wait: Some(Wait::Active) };
        assert_eq!(read("/rep?wait=active"), Ok(waiting));
        for (target, expected) in [
            ("/rep?serivce=a", "unknown field `serivce`"),
            ("/rep?service=a&service=b", "duplicate field `service`"),
            ("/rep?wait=ready", "unknown variant `ready`"),
            ("/rep?wait", "unknown variant ``"),
        ] {
            let refused = read(target).expect_err(target);
            assert!(refused.reason.contains(expected), "{target}: {}", refused.reason);
        }
    }

    fn view(services: &[(&str, &'static str)]) -> View {
        let service = |&(name, provider): &(&str, &'static str)| ServiceView {
            name: name.into(),
            provider,
            algorithm: Algorithm::default(),
            replicas: Vec::new(),
        };
        View { services: services.iter().map(service).collect(), storage_fault: None }
    }

    #[test]
    fn the_service_may_be_left_out_where_one_can_be_meant() {
        let (web, api, own) = (("web", "static"), ("api", "static"), ("own", "process"));
        let found = |services: &[(&str, &'static str)], named| {
            service_of(&view(services), named).map(|service| service.name.to_string()).map_err(|e| e.reason)
        };
        assert_eq!(found(&[web], None).as_deref(), Ok("web"));
        assert_eq!(found(&[web, own], None).as_deref(), Ok("own"));
        assert_eq!(found(&[web, own], Some("web")).as_deref(), Ok("web"));
        for (services, named, expected) in [
            (&[web, api][..], None, "there are several services (web, api); name one with ?service=NAME"),
            (&[own, ("two", "docker"), web], None, "several services (own, two, web)"),
            (&[], None, "there is no service; the configuration names none"),
            (&[web], Some("we"), "there is no service 'we'"),
            (&[], Some("web"), "there is no service 'web'"),
        ] {
            let reason = found(services, named).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
