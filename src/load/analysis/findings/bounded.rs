//! What counts with a bound say beside those without.

use super::{figure, listed};
use crate::load::analysis::Analysis;
use crate::load::analysis::counts::Counted;
use crate::load::analysis::variant::{BOUNDED_LOAD, Family};

/// The bound holds for what is in flight at every moment; sums over a run, with its first and last moments, may exceed it by
/// this part of it.
const TOLERANCE: f64 = 0.02;
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
    let mut sentences = vec![kept(&pairs, analysis.settings.bounded_connections())];
    sentences.extend(price(&pairs));
    sentences.extend(untouched(&pairs));
    sentences
}

/// Whether the bound is kept.
fn kept(pairs: &[(&Counted, &Counted)], connections: u32) -> String {
    let largest = |counted: &Counted| counted.balance.largest_over_fair;
    let most = |bounded: bool| {
        let of = |&(free, bound): &(&Counted, &Counted)| largest(if bounded { bound } else { free });
        pairs.iter().map(of).fold(0.0, f64::max)
    };
    let limits = pairs.iter().map(|(_, bound)| in_flight_over_fair(connections, bound.servers));
    let rounded = limits.fold(BOUNDED_LOAD, f64::max);
    let exceeds = |bound: &Counted| {
        largest(bound) > in_flight_over_fair(connections, bound.servers) * (1.0 + TOLERANCE)
    };
    let over = pairs.iter().filter(|(_, bound)| exceeds(bound)).count();
    let all = pairs.len();
    let verdict = if over == 0 {
        format!("the bound was kept in all {all} measurements")
    } else {
        format!("in {over} of {all} measurements that is more than the bound")
    };
    format!(
        "The largest share of any measurement was {} times a fair one without the bound, and {} times with it: {verdict}. \
         (It limits what a server has in flight at a moment, rounded up to whole requests: with {connections} in flight that \
         is up to {} times a fair share.)",
        figure(most(false)),
        figure(most(true)),
        figure(rounded)
    )
}

/// What a server may have in flight, by its fair share, while all connections have a request under way.
fn in_flight_over_fair(connections: u32, servers: u32) -> f64 {
    let fair = f64::from(connections) / f64::from(servers);
    (BOUNDED_LOAD * f64::from(connections + 1) / f64::from(servers)).ceil() / fair
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
        assert_eq!(in_flight_over_fair(192, 6), 41.0 / 32.0);
        assert_eq!(in_flight_over_fair(192, 3), 81.0 / 64.0);
    }

    #[test]
    fn a_bound_that_is_kept_is_said_to_be_with_its_price() {
        let analysis =
            with_counts(vec![counted(GIVEN, false, &[840, 80, 80]), counted(GIVEN, true, &[410, 400, 190])]);
        let text = bounded(&analysis, Family::Slots).join(" ");
        assert!(text.contains("2.52 times a fair one without the bound, and 1.23 times with it"), "{text}");
        assert!(text.contains("the bound was kept in all 1 measurements"), "{text}");
        assert!(text.contains("at least 43.0 % of the requests"), "{text}");
        assert!(!text.contains("even anyway"), "{text}");
    }

    #[test]
    fn a_bound_that_is_exceeded_is_said_to_be() {
        let analysis =
            with_counts(vec![counted(GIVEN, false, &[840, 80, 80]), counted(GIVEN, true, &[600, 200, 200])]);
        let text = bounded(&analysis, Family::Slots).join(" ");
        assert!(text.contains("in 1 of 1 measurements that is more than the bound"), "{text}");
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
