//! What counts with a bound say beside those without.

use super::{figure, listed};
use crate::load::analysis::Analysis;
use crate::load::analysis::counts::Counted;
use crate::load::analysis::variant::{BOUNDED_LOAD, Family};

/// What is less than this many percent more of the requests is not worth a word.
const NOTHING_PERCENT: f64 = 0.5;

/// Of all numbers of servers together.
pub fn bounded(analysis: &Analysis, family: Family) -> Vec<String> {
    let pairs: Vec<(&Counted, &Counted)> = analysis
        .of_family(family, true)
        .filter_map(|bounded| Some((analysis.counted(&bounded.variant, bounded.servers, false)?, bounded)))
        .collect();
    if pairs.is_empty() {
        return Vec::new();
    }
    let mut sentences = vec![largest(&pairs, analysis.settings.bounded_connections())];
    sentences.extend(price(&pairs));
    sentences.extend(untouched(&pairs));
    sentences
}

/// What the bound does to the answers of the busiest server, and what may be concluded from that.
fn largest(pairs: &[(&Counted, &Counted)], connections: u32) -> String {
    let all = pairs.len();
    let largest = |counted: &Counted| counted.balance.largest_over_fair;
    let most = |bounded: bool| {
        let of = |&(free, bound): &(&Counted, &Counted)| largest(if bounded { bound } else { free });
        pairs.iter().map(of).fold(0.0, f64::max)
    };
    let is_above = |counted: &Counted| {
        counted.balance.largest_over_fair > in_flight_over_fair(connections, counted.servers)
    };
    let free = pairs.iter().filter(|(free, _)| is_above(free)).count();
    let over = pairs.iter().filter(|(_, bound)| is_above(bound)).count();
    let rounded = pairs.iter().map(|(_, bound)| in_flight_over_fair(connections, bound.servers));
    let mut text = format!(
        "The busiest server of any measurement answered {} times a fair share without the bound, and {} times with it. With \
         {connections} in flight the bound, which is rounded up to whole requests, is up to {} times a fair share; the busiest \
         server's share of the answers is larger than that in {free} of {all} measurements without it, and in {over} with it.",
        figure(most(false)),
        figure(most(true)),
        figure(rounded.fold(BOUNDED_LOAD, f64::max)),
    );
    if over > 0 {
        text.push_str(
            " That does not say that the bound was broken: it does not limit totals, servers do not all answer equally fast on \
             a machine that they share, and each core of the proxy knows of the others' requests some milliseconds late.",
        );
    }
    text
}

/// What a server may have in flight, by its fair share, when it gets a request as the last of all connections.
fn in_flight_over_fair(connections: u32, servers: u32) -> f64 {
    let fair = f64::from(connections) / f64::from(servers);
    (BOUNDED_LOAD * f64::from(connections) / f64::from(servers)).ceil() / fair
}

/// What it costs: requests that did not go where their key says.
fn price(pairs: &[(&Counted, &Counted)]) -> Option<String> {
    let diverted = |(free, bound): &(&Counted, &Counted)| bound.diverted_percent(free);
    let (most, (free, _)) = pairs
        .iter()
        .map(|pair| (diverted(pair), pair))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (most > NOTHING_PERCENT).then(|| {
        format!(
            "The price is that a key is no longer always served by its own server: with `{}` and N = {} at least {most:.1} % of \
             the requests were answered by another one.",
            free.variant.label, free.servers
        )
    })
}

/// Who was even enough anyway.
fn untouched(pairs: &[(&Counted, &Counted)]) -> Option<String> {
    let mut names: Vec<&str> = pairs.iter().map(|(free, _)| free.variant.label).collect();
    names.dedup();
    let moved = |name: &str| {
        pairs
            .iter()
            .any(|(free, bound)| free.variant.label == name && bound.diverted_percent(free) > NOTHING_PERCENT)
    };
    let untouched: Vec<String> =
        names.into_iter().filter(|name| !moved(name)).map(|name| format!("`{name}`")).collect();
    (!untouched.is_empty()).then(|| {
        format!(
            "Where shares are even anyway the bound has next to nothing to do: {} (less than {NOTHING_PERCENT} % of the requests \
             at every N).",
            listed(&untouched)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::analysis::counts::tests::counted;
    use crate::load::analysis::tests::with_counts;
    use crate::load::analysis::variant::{GIVEN, RENDEZVOUS};

    #[test]
    fn a_bound_is_rounded_up_to_whole_requests() {
        assert_eq!(in_flight_over_fair(192, 6), 40.0 / 32.0);
        assert_eq!(in_flight_over_fair(192, 5), 48.0 / 38.4);
        assert_eq!(in_flight_over_fair(193, 6), 41.0 / (193.0 / 6.0));
    }

    #[test]
    fn what_the_bound_does_is_said_with_its_price() {
        let analysis =
            with_counts(vec![counted(GIVEN, false, &[840, 80, 80]), counted(GIVEN, true, &[410, 400, 190])]);
        let text = bounded(&analysis, Family::Slots).join(" ");
        assert!(text.contains("2.52 times a fair share without the bound, and 1.23 times with it"), "{text}");
        assert!(text.contains("in 1 of 1 measurements without it, and in 0 with it."), "{text}");
        assert!(text.contains("at least 43.0 % of the requests"), "{text}");
        assert!(!text.contains("even anyway") && !text.contains("broken"), "{text}");
    }

    #[test]
    fn answers_beyond_the_bound_are_no_proof_that_it_was_broken() {
        let analysis =
            with_counts(vec![counted(GIVEN, false, &[840, 80, 80]), counted(GIVEN, true, &[600, 200, 200])]);
        let text = bounded(&analysis, Family::Slots).join(" ");
        assert!(text.contains("and in 1 with it. That does not say that the bound was broken"), "{text}");
    }

    #[test]
    fn where_nothing_is_diverted_no_price_is_named() {
        let analysis = with_counts(vec![
            counted(RENDEZVOUS, false, &[334, 333, 333]),
            counted(RENDEZVOUS, true, &[333, 334, 333]),
        ]);
        let text = bounded(&analysis, Family::Others).join(" ");
        assert!(text.contains("`rendezvous` (less than 0.5 %") && !text.contains("price"), "{text}");
        assert!(bounded(&analysis, Family::Slots).is_empty());
    }
}
