//! What each replica had of a run.

use serde::Serialize;

use crate::load::record::Record;

/// One replica.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replica {
    /// Its name as its answers give it, which is any text; `None` stands for all beyond the most that are told apart.
    pub name: Option<String>,
    /// Its answers, of any status.
    pub answers: u64,
    /// Their part of all answers that name a replica, 0 to 1.
    pub share: f64,
    /// Its number in the record.
    #[serde(skip)]
    pub(super) number: usize,
}

/// How evenly the answers are spread over the replicas.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evenness {
    /// How many replicas.
    pub replicas: usize,
    /// The mean of their answers.
    pub mean: f64,
    /// The standard deviation of their answers: of these replicas, not an estimate from a sample of them.
    pub standard_deviation: f64,
}

/// The replicas by name.
pub(super) fn replicas(record: &Record) -> Vec<Replica> {
    let all: u64 = record.replicas().map(|(_, answers)| answers).sum();
    let mut replicas: Vec<Replica> = record
        .replicas()
        .enumerate()
        .map(|(number, (name, answers))| Replica {
            name: (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned()),
            answers,
            share: answers as f64 / all.max(1) as f64,
            number,
        })
        .collect();
    // The nameless last.
    replicas.sort_by(|a, b| (a.name.is_none(), &a.name).cmp(&(b.name.is_none(), &b.name)));
    replicas
}

/// `None` where no replica has a name.
pub(super) fn evenness(replicas: &[Replica]) -> Option<Evenness> {
    let answers: Vec<f64> = replicas
        .iter()
        .filter(|replica| replica.name.is_some())
        .map(|replica| replica.answers as f64)
        .collect();
    if answers.is_empty() {
        return None;
    }
    let count = answers.len() as f64;
    let mean = answers.iter().sum::<f64>() / count;
    let variance = answers.iter().map(|answers| (answers - mean).powi(2)).sum::<f64>() / count;
    Some(Evenness { replicas: answers.len(), mean, standard_deviation: variance.sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::summary::tests::answered;

    #[test]
    fn replicas_come_by_name_with_their_share() {
        let mut record = Record::default();
        for name in ["b", "a", "b", "b"] {
            record.answer(&answered(200, Some(name.as_bytes()), 5));
        }
        record.answer(&answered(200, None, 5));
        let found: Vec<_> = replicas(&record)
            .into_iter()
            .map(|replica| (replica.name.unwrap(), replica.answers, replica.share, replica.number))
            .collect();
        assert_eq!(found, [("a".to_owned(), 1, 0.25, 1), ("b".to_owned(), 3, 0.75, 0)]);
    }

    #[test]
    fn mean_and_deviation_are_of_the_named_replicas() {
        let replica = |name: Option<&str>, answers| Replica {
            name: name.map(str::to_owned),
            answers,
            share: 0.0,
            number: 0,
        };
        let named = [replica(Some("a"), 2), replica(Some("b"), 4), replica(Some("c"), 6), replica(None, 900)];
        let evenness_found = evenness(&named).unwrap();
        assert_eq!((evenness_found.replicas, evenness_found.mean), (3, 4.0));
        assert!((evenness_found.standard_deviation - (8.0_f64 / 3.0).sqrt()).abs() < 1e-9);
        assert_eq!(evenness(&[]), None);
        assert_eq!(evenness(&[replica(None, 3)]), None);
    }
}
