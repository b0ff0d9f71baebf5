//! A summary as JSON: one object on one line, so that the results of several runs can be appended to one file.
//!
//! Names are stable: within a version some may be added, none removed or given another meaning. Times are numbers whose
//! unit ends their name; what is not known is `null`; shares are from 0 to 1. All but ASCII is escaped.
//!
//! | name | what it is |
//! |---|---|
//! | `version` | of this description: 1 |
//! | `url`, `method`, `engine`, `connections`, `threads`, `keep_alive` | what was asked, and from where |
//! | `pace` | `{"loop": "closed"}`, or `{"loop": "open", "asked_per_second", "reached_per_second", "arrivals"}` |
//! | `warm_up_ms`, `elapsed_ms`, `interrupted` | what was not counted, what was, and whether it ended early |
//! | `planned` | `{"duration_ms"}` or `{"requests"}` |
//! | `requests` | `begun`, `answered` (1xx to 3xx), `refused` (4xx and 5xx), `failed` (no answer), `unfinished`; `begun` and the failures of the kind `never_sent` are together what these four are |
//! | `answers_per_second` | of `answered`, within `elapsed_ms` |
//! | `received_bytes`, `sent_bytes`, `received_bytes_per_second`, `sent_bytes_per_second` | heads included |
//! | `latency`, `reads`, `writes`, `service`, `lateness`, `connects` | `null`, or `count`, `mean_us`, `standard_deviation_us`, `min_us`, `p50_us`, `p75_us`, `p90_us`, `p95_us`, `p99_us`, `p999_us`, `p9999_us`, `max_us`; a percentile is `null` where there are too few to know it. `latency` is of `answered` only |
//! | `histogram` | `latency` in bins: `up_to_us`, `count` |
//! | `statuses` | answers by status code |
//! | `failures` | `kind`, `count`, and an `example` |
//! | `replicas` | `name`, `answers` (of any status), `share`; `name` is `null` for all beyond the most that are told apart |
//! | `evenness` | `replicas`, and of their answers `mean`, `standard_deviation` |
//! | `timeline` | `interval_ms`, and `rows` of `start_ms`, `answers`, `answers_per_second`, `refusals`, `failures`, `p50_us`, `p99_us`, `max_us`, `replicas` (answers of each of the `replicas` above, in their order) |
//! | `client` | `running_share`, `waiting_share` (for a CPU) of its threads' time |
//! | `verdicts` | `kind`, and a sentence as `text` |

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::load::summary::Summary;

/// Of what stands above.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    #[serde(flatten)]
    summary: &'a Summary,
}

/// The object and a line feed.
pub fn json(summary: &Summary) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    Document { version: VERSION, summary }.serialize(&mut Serializer::with_formatter(&mut out, Ascii))?;
    out.push(b'\n');
    Ok(out)
}

/// Compact, with all but printable ASCII escaped: what steers a terminal may be beyond what JSON has to escape.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if matches!(character, ' '..='~') {
                writer.write_all(&[character as u8])?;
            } else {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::load::failure::{Failure, FailureKind};
    use crate::load::plan::{Arrivals, End, Pace};
    use crate::load::record::Record;
    use crate::load::summary::Subject;
    use crate::load::summary::tests::{answered, record, subject};

    fn value(subject: &Subject<'_>, record: &Record) -> Value {
        serde_json::from_slice(&json(&Summary::of(subject, record)).unwrap()).unwrap()
    }

    #[test]
    fn every_name_stands_in_the_description() {
        let value = value(&subject(), &record());
        let description = include_str!("json.rs").split("use std::io").next().unwrap();
        let mut names = 0;
        let mut check = |object: &Value| {
            for name in object.as_object().unwrap().keys() {
                names += 1;
                assert!(description.contains(&format!("`{name}`")), "{name}");
            }
        };
        check(&value);
        ["requests", "latency", "evenness", "timeline", "client"].iter().for_each(|name| check(&value[name]));
        ["histogram", "failures", "replicas"].iter().for_each(|name| check(&value[name][0]));
        check(&value["timeline"]["rows"][0]);
        assert_eq!(names, 73);
    }

    #[test]
    fn values_are_those_of_the_summary() {
        let closed = value(&subject(), &record());
        for (pointer, expected) in [
            ("/version", "1"),
            ("/url", "\"http://127.0.0.1:5000/home\""),
            ("/pace", "{\"loop\":\"closed\"}"),
            ("/planned", "{\"duration_ms\":1000.0}"),
            ("/elapsed_ms", "1000.0"),
            ("/requests/refused", "10"),
            ("/answers_per_second", "200.0"),
            ("/statuses", "{\"200\":200,\"503\":10}"),
            ("/latency/count", "200"),
            ("/latency/p999_us", "null"),
            ("/service", "null"),
            ("/failures/0/kind", "\"reset\""),
            ("/replicas/0/share", "0.5"),
            ("/timeline/interval_ms", "10.0"),
            ("/timeline/rows/1/start_ms", "10.0"),
            ("/timeline/rows/1/replicas", "[1,1]"),
            ("/client/running_share", "0.3"),
            ("/verdicts", "[]"),
        ] {
            assert_eq!(closed.pointer(pointer).unwrap().to_string(), expected, "{pointer}");
        }
        let pace = Pace::Open { per_second: 500.0, arrivals: Arrivals::Even };
        let open = value(&Subject { pace, end: End::Requests(213), ..subject() }, &record());
        assert_eq!(
            open["pace"].to_string(),
            "{\"arrivals\":\"even\",\"asked_per_second\":500.0,\"loop\":\"open\",\"reached_per_second\":213.0}"
        );
        assert_eq!(open["planned"].to_string(), "{\"requests\":213}");
    }

    #[test]
    fn it_is_one_line_of_printable_ascii_whatever_servers_write() {
        let mut record = Record::default();
        record.answer(&answered(200, Some("\x1b[2J\u{9b}é\u{1f600}\"".as_bytes()), 0));
        let detail = "a\nb\r\u{202e}".to_owned();
        record.fail(Failure { kind: FailureKind::Malformed, detail }, Duration::ZERO);
        let text = json(&Summary::of(&subject(), &record)).unwrap();
        let (last, line) = text.split_last().unwrap();
        assert!(*last == b'\n' && line.iter().all(|byte| matches!(byte, b' '..=b'~')));
        let value: Value = serde_json::from_slice(line).unwrap();
        assert_eq!(value["replicas"][0]["name"], "\x1b[2J\u{9b}é\u{1f600}\"");
        assert_eq!(value["failures"][0]["example"], "a\nb\r\u{202e}");
    }
}
