//! What counts without a bound say.

use super::{CHANCE, figure, is_chance, listed};
use crate::load::analysis::Analysis;
use crate::load::analysis::charts::compared;
use crate::load::analysis::counts::Counted;
use crate::load::analysis::ring::{Crowd, RENDEZVOUS_SLOTS, slots_reached};
use crate::load::analysis::steps::{FEWEST, MOST, SERVERS, SERVERS_COMPARED};
use crate::load::analysis::variant::{Family, GIVEN, RENDEZVOUS, Variant};

/// Of three servers.
pub fn balance(analysis: &Analysis, family: Family) -> Vec<String> {
    let counted = |variant| analysis.counted(variant, SERVERS, false);
    let (even, uneven): (Vec<&Counted>, Vec<&Counted>) =
        family.variants().filter_map(counted).partition(|counted| is_chance(counted));
    let mut sentences = Vec::new();
    if !even.is_empty() {
        let names: Vec<String> = even.iter().map(|counted| code(&counted.variant)).collect();
        sentences.push(format!(
            "As even as keys drawn at random can be expected to be (up to {CHANCE} times their standard deviation): {}.",
            listed(&names)
        ));
    }
    if !uneven.is_empty() {
        let alike = uneven.chunk_by(|one, other| one.answers == other.answers);
        let names: Vec<String> = alike.map(lopsided).collect();
        sentences.push(format!("Further from even than chance explains: {}.", names.join("; ")));
    }
    if family == Family::Slots {
        sentences.extend(counted(GIVEN).and_then(reason));
    }
    sentences
}

/// Placements with the same counts.
fn lopsided(alike: &[&Counted]) -> String {
    let names: Vec<String> = alike.iter().map(|counted| code(&counted.variant)).collect();
    let Some(counted) = alike.first() else { return String::new() };
    let of_random = counted.balance.over_random().map(figure).unwrap_or_default();
    let busiest = counted.busiest().map_or_else(String::new, |server| {
        format!("{} got {:.1} % of the requests, ", server.name, counted.percent(server))
    });
    let largest = figure(counted.balance.largest_over_fair);
    format!(
        "{} ({busiest}{largest} times a fair share; {of_random} times the standard deviation of keys at random)",
        listed(&names)
    )
}

/// Why the formulas as given are lopsided, if they are, and if who has the most is who should have it for that reason.
fn reason(counted: &Counted) -> Option<String> {
    let ordinals: Vec<u32> = counted.answers.iter().map(|server| server.ordinal).collect();
    let crowd = Crowd::of(&ordinals)?;
    let busiest = counted.busiest()?;
    if is_chance(counted) || busiest.ordinal != crowd.owner || crowd.empty_percent() < 50.0 {
        return None;
    }
    Some(format!(
        "The reason is in the formulas: for small numbers i² + j² + 2j + 25 is small, so that all virtual servers of the {} \
         servers stand between the slots {} and {}. The {} slots from there around to slot {}, {:.0} % of the ring, belong to \
         the one that comes next, and that is {}'s. Besides, i² + 2i + 17 reaches only {} of the 512 slots at all.",
        counted.servers,
        crowd.first,
        crowd.last,
        crowd.empty,
        crowd.first,
        crowd.empty_percent(),
        busiest.name,
        slots_reached()
    ))
}

/// Over the numbers of servers.
pub fn spread(analysis: &Analysis, family: Family) -> Vec<String> {
    let mut means: Vec<(&Variant, f64)> = compared(analysis, family, false)
        .into_iter()
        .filter_map(|variant| Some((variant, mean_over_random(analysis, variant)?)))
        .collect();
    means.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let mut sentences = Vec::new();
    if let (Some((best, least)), Some((worst, most))) = (means.first(), means.last())
        && means.len() > 1
    {
        sentences.push(format!(
            "On the average over N = {} to {}, {} comes closest to an even spread ({} times the standard deviation of keys at \
             random), {} stays furthest from it ({} times).",
            FEWEST,
            MOST,
            code(best),
            figure(*least),
            code(worst),
            figure(*most)
        ));
        sentences.push(growth(analysis, worst));
        let even: Vec<String> = means
            .iter()
            .filter(|(variant, _)| always_even(analysis, variant))
            .map(|(v, _)| code(v))
            .collect();
        sentences.push(format!("Within what chance explains at every N: {}.", listed(&even)));
    }
    match family {
        Family::Slots => sentences.extend(probings(analysis)),
        Family::Others => sentences.extend(slots_of_rendezvous(analysis)),
    }
    sentences
}

/// Why rendezvous hashing does not come closer to keys at random: what it places are slots, a limited number of them.
fn slots_of_rendezvous(analysis: &Analysis) -> Option<String> {
    let ratio = mean_over_random(analysis, RENDEZVOUS)?;
    let expected = (1.0 + analysis.settings.requests as f64 / RENDEZVOUS_SLOTS as f64).sqrt();
    Some(format!(
        "Ringway's `rendezvous` places {RENDEZVOUS_SLOTS} slots and not single keys, so that the slots' luck comes on top of the \
         keys': about {} times keys at random are to be expected of that for so many requests, and {} times were measured.",
        figure(expected),
        figure(ratio)
    ))
}

/// The standard deviation by that of keys at random, on the average over the numbers of servers.
fn mean_over_random(analysis: &Analysis, variant: &Variant) -> Option<f64> {
    let ratios: Option<Vec<f64>> = SERVERS_COMPARED
        .into_iter()
        .map(|servers| analysis.counted(variant, servers, false)?.balance.over_random())
        .collect();
    ratios.filter(|ratios| !ratios.is_empty()).map(|ratios| ratios.iter().sum::<f64>() / ratios.len() as f64)
}

fn always_even(analysis: &Analysis, variant: &Variant) -> bool {
    SERVERS_COMPARED
        .into_iter()
        .filter_map(|servers| analysis.counted(variant, servers, false))
        .all(is_chance)
}

/// Whether more servers help the most lopsided placement.
fn growth(analysis: &Analysis, variant: &Variant) -> String {
    let part = |servers| {
        let counted = analysis.counted(variant, servers, false)?;
        Some((counted.percent(counted.busiest()?), counted.balance.largest_over_fair))
    };
    let (Some((few, few_over)), Some((many, many_over))) = (part(FEWEST), part(MOST)) else {
        return String::new();
    };
    let verdict = if many > 0.9 * few {
        "more servers take next to nothing off the busiest one"
    } else if many_over > 1.1 * few_over {
        "more servers take something off the busiest one, but less than their number promises"
    } else {
        "the busiest one's part shrinks as servers are added"
    };
    format!(
        "With {} the busiest server has {few:.1} % of the requests at N = {} and {many:.1} % at N = {} ({} and {} times a fair \
         share): {verdict}.",
        code(variant),
        FEWEST,
        MOST,
        figure(few_over),
        figure(many_over)
    )
}

/// What linear and quadratic probing do to each of the ring's functions.
fn probings(analysis: &Analysis) -> Option<String> {
    let variants = compared(analysis, Family::Slots, false);
    let pairs: Vec<String> = variants
        .chunks_exact(2)
        .filter(|pair| pair[0].name.ends_with("-linear") && pair[1].name.ends_with("-quadratic"))
        .map(|pair| probing(analysis, pair[0], pair[1]))
        .collect();
    (!pairs.is_empty()).then(|| format!("Quadratic instead of linear probing: {}.", pairs.join("; ")))
}

fn probing(analysis: &Analysis, linear: &Variant, quadratic: &Variant) -> String {
    let function = linear.name.trim_end_matches("-linear");
    let differing: Vec<String> = SERVERS_COMPARED
        .into_iter()
        .filter_map(|n| Some((analysis.counted(linear, n, false)?, analysis.counted(quadratic, n, false)?)))
        .filter(|(linear, quadratic)| linear.answers != quadratic.answers)
        .map(|(linear, _)| linear.servers.to_string())
        .collect();
    if differing.is_empty() {
        return format!("with `{function}` every count stays the same");
    }
    let means = (mean_over_random(analysis, linear), mean_over_random(analysis, quadratic));
    let (Some(before), Some(after)) = means else { return format!("with `{function}` nothing to compare") };
    let verdict = match after / before {
        less if less < 0.9 => "more even",
        more if more > 1.1 => "less even",
        _ => "about as even, so that the dashed line lies on the other",
    };
    format!(
        "with `{function}` other counts at N = {}, on the average {verdict} ({} and {} times keys at random)",
        listed(&differing),
        figure(before),
        figure(after)
    )
}

fn code(variant: &Variant) -> String {
    format!("`{}`", variant.label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::analysis::counts::tests::counted;
    use crate::load::analysis::tests::{analysis, with_counts};
    use crate::load::analysis::variant::VARIANTS;

    #[test]
    fn the_reason_is_given_only_where_the_figures_bear_it_out() {
        let cases: [(&[u64], bool); 4] = [
            (&[8_400, 800, 800], true),
            // Somebody else has the most, so that it cannot be that.
            (&[800, 8_400, 800], false),
            (&[3_340, 3_330, 3_330], false),
            (&[0, 0, 0], false),
        ];
        for (counts, expected) in cases {
            let analysis = with_counts(vec![counted(GIVEN, false, counts)]);
            let sentences = balance(&analysis, Family::Slots).join(" ");
            assert_eq!(sentences.contains("between the slots 26 and 114"), expected, "{sentences}");
            assert_eq!(sentences.contains("83 % of the ring"), expected, "{sentences}");
        }
    }

    #[test]
    fn what_chance_explains_is_told_from_what_it_does_not() {
        let analysis = with_counts(vec![
            counted(RENDEZVOUS, false, &[3_400, 3_300, 3_300]),
            counted(&VARIANTS[7], false, &[5_000, 2_500, 2_500]),
        ]);
        let sentences = balance(&analysis, Family::Others);
        assert_eq!(sentences.len(), 2);
        assert!(sentences[0].contains("`rendezvous`") && !sentences[0].contains("`maglev`"), "{sentences:?}");
        assert!(sentences[1].contains("`maglev` (Server-1 got 50.0 %"), "{sentences:?}");
    }

    #[test]
    fn the_spread_names_the_best_and_the_worst_and_whether_servers_help() {
        let text = spread(&analysis(), Family::Slots).join(" ");
        assert!(text.contains("`given, quadratic` stays furthest from it (76.7 times)"), "{text}");
        assert!(text.contains("more servers take next to nothing off the busiest one"), "{text}");
        assert!(text.contains("with `given` every count stays the same"), "{text}");
        assert!(spread(&analysis(), Family::Others).join(" ").contains("shrinks as servers are added"));
    }

    #[test]
    fn nothing_measured_says_nothing() {
        let empty = with_counts(Vec::new());
        for family in Family::ALL {
            assert!(balance(&empty, family).is_empty() && spread(&empty, family).is_empty());
        }
    }
}
