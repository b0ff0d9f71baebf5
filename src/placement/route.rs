//! From host and path to a service.

use std::collections::HashMap;

use crate::base::route_match::{HOST_BYTES_MAX, HostPattern, PathPrefix, RouteMatch};

/// Which requests are a service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteRule {
    /// Those of a host pattern and a path prefix.
    Match(RouteMatch),
    /// Those of exactly these paths, of any host, before any other rule is looked at.
    Reserved(Box<[Box<str>]>),
}

/// The match rules of all services, compiled. Reserved paths come first. Then hosts decide (exact, then the longest wildcard, then any), within
/// a host the longest path; a host without a matching path leaves the choice to the next one.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    reserved: Vec<(Box<[u8]>, usize)>,
    exact: HostMap,
    /// By suffix, with the dot in front.
    below: HostMap,
    any: PathTable,
}

type HostMap = HashMap<Box<[u8]>, PathTable, ahash::RandomState>;

impl RouteTable {
    /// Compiles the rules; the answer of a look-up is a rule's position. Of two equal rules the first wins.
    pub fn build<'a>(rules: impl IntoIterator<Item = &'a RouteRule>) -> Self {
        let mut table = RouteTable::default();
        for (service, rule) in rules.into_iter().enumerate() {
            let rule = match rule {
                RouteRule::Match(rule) => rule,
                RouteRule::Reserved(paths) => {
                    table.reserved.extend(paths.iter().map(|path| (path.as_bytes().into(), service)));
                    continue;
                }
            };
            let paths = match &rule.host {
                HostPattern::Exact(name) => table.exact.entry(name.as_bytes().into()).or_default(),
                HostPattern::Below(suffix) => table.below.entry(suffix.as_bytes().into()).or_default(),
                HostPattern::Any => &mut table.any,
            };
            paths.insert(&rule.path, service);
        }
        table
    }

    /// The service for a request: `host` as the request names it (in any case, with or without port; empty if it names
    /// none), `path` without its query. Where all services take any host, the host is not even looked at.
    ///
    /// Costs a hash for the host and one for each of its labels if there are wildcards, and a comparison for each path
    /// of a host that applies. Allocates nothing.
    pub fn find(&self, host: &[u8], path: &[u8]) -> Option<usize> {
        self.find_reserved(path).or_else(|| self.find_by_host(host, path)).or_else(|| self.any.find(path))
    }

    /// A handful at most, where there are any.
    fn find_reserved(&self, path: &[u8]) -> Option<usize> {
        self.reserved.iter().find(|(reserved, _)| **reserved == *path).map(|(_, service)| *service)
    }

    fn find_by_host(&self, host: &[u8], path: &[u8]) -> Option<usize> {
        if self.exact.is_empty() && self.below.is_empty() {
            return None;
        }
        let mut buffer = [0; HOST_BYTES_MAX];
        let host = normal_host(host, &mut buffer)?;
        let exact = self.exact.get(host).and_then(|paths| paths.find(path));
        exact.or_else(|| self.find_below(host, path))
    }

    /// The dots from left to right give the suffixes from the longest to the shortest. The one at the very front is
    /// left out: `.example.com` is no name below `example.com`.
    fn find_below(&self, host: &[u8], path: &[u8]) -> Option<usize> {
        if self.below.is_empty() {
            return None;
        }
        let dots = (1..host.len()).filter(|&at| host[at] == b'.');
        dots.filter_map(|at| self.below.get(&host[at..])).find_map(|paths| paths.find(path))
    }
}

/// The services of one host, longest path first.
#[derive(Clone, Debug, Default)]
struct PathTable(Vec<(PathPrefix, usize)>);

impl PathTable {
    fn insert(&mut self, prefix: &PathPrefix, service: usize) {
        let length = prefix.as_str().len();
        let rank = self.0.partition_point(|(other, _)| other.as_str().len() >= length);
        self.0.insert(rank, (prefix.clone(), service));
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        self.0.iter().find(|(prefix, _)| prefix.matches(path)).map(|(_, service)| *service)
    }
}

/// The host as patterns spell it: no port, no trailing dot, lower case, in `buffer`. `None` if it is longer than any
/// pattern's name may be, so that no pattern but "any" can apply.
fn normal_host<'b>(host: &[u8], buffer: &'b mut [u8; HOST_BYTES_MAX]) -> Option<&'b [u8]> {
    let name = without_port(host);
    let name = name.strip_suffix(b".").unwrap_or(name);
    let lower = buffer.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    Some(lower)
}

/// RFC 9110 7.2: `uri-host [ ":" port ]`; the colons of an IPv6 address stand in brackets.
fn without_port(host: &[u8]) -> &[u8] {
    let end = if host.starts_with(b"[") {
        host.iter().position(|&byte| byte == b']').map(|at| at + 1)
    } else {
        host.iter().position(|&byte| byte == b':')
    };
    end.map_or(host, |end| &host[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rules: &[(&str, &str)]) -> RouteTable {
        let rules: Vec<_> = rules
            .iter()
            .map(|(host, path)| {
                RouteRule::Match(RouteMatch { host: host.parse().unwrap(), path: path.parse().unwrap() })
            })
            .collect();
        RouteTable::build(&rules)
    }

    #[test]
    fn the_most_specific_host_wins_and_then_the_longest_path() {
        let rules = [
            ("*", "/"),
            ("example.com", "/"),
            ("example.com", "/api"),
            ("example.com", "/api/v2/"),
            ("*.example.com", "/"),
            ("*.eu.example.com", "/"),
            ("deep.eu.example.com", "/only"),
            ("[2001:db8::1]", "/"),
            ("192.0.2.1", "/"),
        ];
        let table = table(&rules);
        let cases: &[(&str, &str, (&str, &str))] = &[
            ("example.com", "/", ("example.com", "/")),
            ("EXAMPLE.com", "/x", ("example.com", "/")),
            ("example.com:8080", "/x", ("example.com", "/")),
            ("example.com.", "/x", ("example.com", "/")),
            ("example.com.:80", "/x", ("example.com", "/")),
            ("example.com", "/api", ("example.com", "/api")),
            ("example.com", "/api/x", ("example.com", "/api")),
            ("example.com", "/apix", ("example.com", "/")),
            ("example.com", "/api/v2", ("example.com", "/api")),
            ("example.com", "/api/v2/", ("example.com", "/api/v2/")),
            ("example.com", "/api/v2/x", ("example.com", "/api/v2/")),
            ("www.example.com", "/", ("*.example.com", "/")),
            ("a.b.example.com", "/", ("*.example.com", "/")),
            ("a.EU.example.com:1", "/", ("*.eu.example.com", "/")),
            ("eu.example.com", "/", ("*.example.com", "/")),
            ("deep.eu.example.com", "/only/x", ("deep.eu.example.com", "/only")),
            ("deep.eu.example.com", "/other", ("*.eu.example.com", "/")),
            (".example.com", "/", ("*", "/")),
            ("badexample.com", "/", ("*", "/")),
            ("[2001:db8::1]", "/", ("[2001:db8::1]", "/")),
            ("[2001:DB8::1]:443", "/", ("[2001:db8::1]", "/")),
            ("[2001:db8::2]", "/", ("*", "/")),
            ("[2001:db8::1", "/", ("*", "/")),
            ("192.0.2.1:80", "/", ("192.0.2.1", "/")),
            ("", "/", ("*", "/")),
            (":80", "/", ("*", "/")),
            ("example.com", "*", ("example.com", "/")),
        ];
        for (host, path, expected) in cases {
            let found = table.find(host.as_bytes(), path.as_bytes()).map(|service| rules[service]);
            assert_eq!(found, Some(*expected), "{host} {path}");
        }
    }

    #[test]
    fn what_no_rule_takes_is_nobodys() {
        let table = table(&[("example.com", "/api"), ("*.example.org", "/")]);
        for (host, path) in
            [("example.com", "/"), ("example.net", "/api"), ("", "/api"), ("example.org", "/")]
        {
            assert_eq!(table.find(host.as_bytes(), path.as_bytes()), None, "{host} {path}");
        }
        assert_eq!(RouteTable::default().find(b"example.com", b"/"), None);
    }

    #[test]
    fn without_a_matching_path_the_choice_passes_to_the_wildcard_and_then_to_any() {
        let table = table(&[
            ("a.example.com", "/one"),
            ("*.example.com", "/two"),
            ("*.com", "/three"),
            ("*", "/four"),
        ]);
        for (path, expected) in [("/one", 0), ("/two", 1), ("/three", 2), ("/four", 3)] {
            assert_eq!(table.find(b"a.example.com", path.as_bytes()), Some(expected), "{path}");
        }
    }

    #[test]
    fn of_equal_rules_the_first_wins() {
        assert_eq!(table(&[("*", "/a"), ("*", "/b"), ("*", "/a")]).find(b"", b"/a"), Some(0));
    }

    #[test]
    fn a_host_that_no_pattern_could_name_still_finds_the_service_of_any() {
        let table = table(&[("example.com", "/"), ("*.com", "/"), ("*", "/")]);
        for length in [HOST_BYTES_MAX, HOST_BYTES_MAX + 1, 60_000] {
            assert_eq!(table.find(&vec![b'x'; length], b"/"), Some(2), "{length} bytes");
        }
        assert_eq!(table.find(&[0xff, b'.', 0, b':'], b"/"), Some(2));
    }

    #[test]
    fn reserved_paths_come_before_every_host_and_mean_themselves_alone() {
        let rules = [
            RouteRule::Match(RouteMatch {
                host: "example.com".parse().unwrap(),
                path: "/rep".parse().unwrap(),
            }),
            RouteRule::Match(RouteMatch::default()),
            RouteRule::Reserved(["/rep", "/add"].map(Into::into).into()),
        ];
        let table = RouteTable::build(&rules);
        for (path, expected) in [("/rep", 2), ("/add", 2), ("/rep/", 0), ("/rep/x", 0), ("/rm", 1), ("", 1)] {
            assert_eq!(table.find(b"example.com", path.as_bytes()), Some(expected), "{path}");
        }
    }
}
