//! The timeline as CSV: a row for each interval.
//!
//! Columns: `start_ms`, `answers`, `answers_per_second`, `refusals`, `failures`, `p50_us`, `p99_us`, `max_us` (the last three
//! empty where nothing was answered), then for each replica one that is called `replica:` and its name, with its answers.

use std::io;
use std::time::Duration;

use csv::Writer;

use crate::base::printable::printable;
use crate::load::summary::Summary;
use crate::load::summary::replicas::Replica;
use crate::load::summary::rows::Row;

const COLUMNS: [&str; 8] =
    ["start_ms", "answers", "answers_per_second", "refusals", "failures", "p50_us", "p99_us", "max_us"];

/// A head and the rows of the timeline.
pub fn timeline(summary: &Summary) -> io::Result<Vec<u8>> {
    let mut writer = Writer::from_writer(Vec::new());
    let replicas = summary.replicas.iter().map(column);
    writer.write_record(COLUMNS.map(str::to_owned).into_iter().chain(replicas))?;
    for row in &summary.timeline.rows {
        writer.write_record(cells(row))?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// What comes before the name keeps it apart from the other columns, and a spreadsheet from taking it for a formula.
fn column(replica: &Replica) -> String {
    match &replica.name {
        Some(name) => format!("replica:{}", printable(name)),
        None => "replicas without a name here".to_owned(),
    }
}

fn cells(row: &Row) -> impl Iterator<Item = String> {
    let micros = |time: Option<Duration>| {
        time.map_or(String::new(), |time| format!("{:.1}", time.as_nanos() as f64 / 1e3))
    };
    [
        row.start.as_millis().to_string(),
        row.answers.to_string(),
        format!("{:.1}", row.answers_per_second),
        row.refusals.to_string(),
        row.failures.to_string(),
        micros(row.p50),
        micros(row.p99),
        micros(row.max),
    ]
    .into_iter()
    .chain(row.replicas.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use csv::{Reader, StringRecord};

    use super::*;
    use crate::load::record::Record;
    use crate::load::summary::tests::{answered, lasting, record, subject};

    fn read(record: &Record) -> (StringRecord, Vec<StringRecord>) {
        let text = timeline(&Summary::of(&subject(), record)).unwrap();
        let mut reader = Reader::from_reader(text.as_slice());
        let head = reader.headers().unwrap().clone();
        (head, reader.records().map(Result::unwrap).collect())
    }

    #[test]
    fn what_is_written_reads_back() {
        let (head, rows) = read(&record());
        let columns: Vec<&str> = head.iter().collect();
        assert_eq!(columns[..8], COLUMNS);
        assert_eq!(columns[8..], ["replica:Server-1", "replica:Server-2"]);
        assert_eq!(rows.len(), 100);
        let sum = |column: usize| rows.iter().map(|row| row[column].parse::<u64>().unwrap()).sum::<u64>();
        assert_eq!([1, 3, 4, 8, 9].map(sum), [200, 10, 3, 100, 100]);
        assert_eq!((&rows[1][0], &rows[1][2]), ("10", "200.0"));
    }

    #[test]
    fn an_interval_without_answers_has_no_times() {
        let (_, rows) = read(&lasting(Duration::from_millis(20)));
        let cells: Vec<&str> = rows[0].iter().collect();
        assert_eq!(cells, ["0", "0", "0.0", "0", "0", "", "", ""]);
    }

    #[test]
    fn names_are_neither_formulas_nor_commands_to_a_terminal() {
        let mut record = Record::default();
        for name in ["=1+1", "@a,\"b\"", "\x1b[2J\r\nx", "answers", "-\u{e9}"] {
            record.answer(&answered(200, Some(name.as_bytes()), 0));
        }
        let (head, rows) = read(&record);
        let columns: Vec<&str> = head.iter().skip(COLUMNS.len()).collect();
        let expected = [
            "replica:\\u{1b}[2J\\r\\nx",
            "replica:-\\u{e9}",
            "replica:=1+1",
            "replica:@a,\"b\"",
            "replica:answers",
        ];
        assert_eq!(columns, expected);
        assert_eq!(rows.len(), 1);
    }
}
