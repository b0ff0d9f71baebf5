//! What a kill says.

use super::figure;
use crate::load::analysis::counts::percent;
use crate::load::analysis::recovery::Recovered;
use crate::load::analysis::steps::STEADY_FOR;

/// Of one placement.
pub fn recovery(recovered: &Recovered) -> Vec<String> {
    let mut sentences = vec![replaced(recovered), served(recovered)];
    if recovered.longest_ms > 0.0 {
        sentences.push(format!(
            "The slowest answer of the whole run took {} ms from the moment at which the request was due; the median {} ms, the \
             99th percentile {} ms.",
            figure(recovered.longest_ms),
            figure(recovered.p50_ms),
            figure(recovered.p99_ms)
        ));
    }
    sentences
}

fn replaced(recovered: &Recovered) -> String {
    let Recovered { killed, killed_percent, .. } = recovered;
    match recovered.replaced_after_ms {
        Some(after) => format!(
            "{killed}, which had answered {killed_percent:.1} % of the requests until then, was active again as a new process {} \
             ms after it was killed.",
            figure(after)
        ),
        None => format!(
            "{killed}, which had answered {killed_percent:.1} % of the requests until then, was not active again before the run \
             of {} s was over.",
            STEADY_FOR.as_secs()
        ),
    }
}

fn served(recovered: &Recovered) -> String {
    let unserved = recovered.unserved();
    let again = match recovered.retries {
        0 => "no attempt had to be repeated".to_owned(),
        1 => "1 attempt was repeated".to_owned(),
        retries => format!("{retries} attempts were repeated"),
    };
    if unserved == 0 {
        return format!("None of {} requests failed; {again}.", recovered.requests);
    }
    let kinds: Vec<String> = recovered
        .failures
        .iter()
        .map(|(kind, count)| format!("{count} {}", kind.replace('_', " ")))
        .collect();
    let kinds = if kinds.is_empty() { String::new() } else { format!("; without one: {}", kinds.join(", ")) };
    format!(
        "{unserved} of {} requests ({:.3} %) failed ({} with an answer of 4xx or 5xx, {} without an answer{kinds}); {again}.",
        recovered.requests,
        percent(unserved, recovered.requests),
        recovered.refused,
        recovered.failed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::analysis::recovery::tests::recovered;

    #[test]
    fn a_replacement_without_a_failure_is_said_to_be_one() {
        let text = recovery(&recovered(0, Some(620))).join(" ");
        assert!(text.contains("Server-1, which had answered 75.0 %"), "{text}");
        assert!(text.contains("120 ms after it was killed"), "{text}");
        assert!(text.contains("None of 1000 requests failed; 4 attempts were repeated"), "{text}");
    }

    #[test]
    fn failures_and_a_missing_replacement_are_named() {
        let text = recovery(&recovered(7, None)).join(" ");
        assert!(text.contains("was not active again"), "{text}");
        assert!(text.contains("7 of 1000 requests (0.700 %) failed"), "{text}");
        assert!(text.contains("7 without an answer; without one: 7 reset"), "{text}");
    }
}
