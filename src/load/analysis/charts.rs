//! The analysis as charts.

use super::Analysis;
use super::counts::{Balance, Counted};
use super::recovery::Recovered;
use super::steps::{SERVERS, SERVERS_COMPARED, STEADY_PER_SECOND};
use super::variant::{BOUNDED_LOAD, Family, Variant};
use crate::load::chart::{Axis, Bar, BarChart, BarGroup, Chart, LineChart, Mark, Scale, Series};
use crate::load::output::units::count;

/// How much is shown before a kill, and after the replacement, in milliseconds.
const AROUND_MS: f64 = 250.0;
/// How much is shown after a kill without a replacement.
const NOT_REPLACED_MS: f64 = 1_000.0;

/// A chart and the name of its files, without an ending.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedChart {
    /// The name.
    pub name: String,
    /// The chart.
    pub chart: Chart,
}

/// The bars of requests per server over three servers; `None` if that was not measured.
pub fn balance(analysis: &Analysis, family: Family, bounded: bool) -> Option<NamedChart> {
    let counted = |variant| analysis.counted(variant, SERVERS, bounded);
    let measured: Vec<&Counted> = family.variants().filter_map(counted).collect();
    let first = measured.first()?;
    let group = |counted: &&Counted| BarGroup {
        label: group_label(&counted.variant),
        bars: counted
            .answers
            .iter()
            .map(|server| Bar { value: server.requests as f64, spread: None })
            .collect(),
    };
    let chart = Chart::Bars(BarChart {
        title: format!(
            "Requests per server, N = {SERVERS}{}: {}",
            if bounded { ", bounded" } else { "" },
            family.label()
        ),
        subtitle: subtitle(analysis, bounded),
        x_label: "Placement".to_owned(),
        y: linear("Requests"),
        legend: first.answers.iter().map(|server| server.name.clone()).collect(),
        groups: measured.iter().map(group).collect(),
        reference: Some((first.balance.mean, "fair share".to_owned())),
    });
    Some(NamedChart { name: name("balance", family, bounded), chart })
}

/// The bars of the mean with the standard deviation as a whisker, over the numbers of servers.
pub fn mean(analysis: &Analysis, family: Family) -> Option<NamedChart> {
    let compared = compared(analysis, family, false);
    if compared.is_empty() {
        return None;
    }
    let bar = |variant, servers| {
        let balance = analysis.counted(variant, servers, false).map(|counted| counted.balance);
        balance.map_or_else(Bar::default, |balance| Bar {
            value: balance.mean,
            spread: Some(balance.standard_deviation),
        })
    };
    let chart = Chart::Bars(BarChart {
        title: format!("Requests per server, mean and standard deviation: {}", family.label()),
        subtitle: format!("{}; {}", subtitle(analysis, false), whiskers(analysis, &compared)),
        x_label: "Number of servers".to_owned(),
        y: linear("Requests"),
        legend: compared.iter().map(|variant| group_label(variant)).collect(),
        groups: SERVERS_COMPARED
            .into_iter()
            .map(|servers| BarGroup {
                label: format!("N = {servers}"),
                bars: compared.iter().map(|variant| bar(variant, servers)).collect(),
            })
            .collect(),
        reference: None,
    });
    Some(NamedChart { name: name("mean", family, false), chart })
}

/// The lines of the standard deviation over the number of servers. Ratios matter here, so that the axis is logarithmic; a
/// deviation of nothing has no place on it and is left out. Quadratic probing is dashed, because it often does the same as
/// linear probing does.
pub fn spread(analysis: &Analysis, family: Family, bounded: bool) -> Option<NamedChart> {
    let compared = compared(analysis, family, bounded);
    let first = *compared.first()?;
    let line = |name: &str, variant, value: fn(&Counted) -> f64, is_dashed| Series {
        name: name.to_owned(),
        is_dashed,
        points: SERVERS_COMPARED
            .into_iter()
            .filter_map(|servers| analysis.counted(variant, servers, bounded))
            .map(|counted| (f64::from(counted.servers), value(counted)))
            .filter(|(_, value)| *value > 0.0)
            .collect(),
    };
    let mut series: Vec<Series> = compared
        .iter()
        .map(|variant| {
            let deviation = |counted: &Counted| counted.balance.standard_deviation;
            line(&group_label(variant), variant, deviation, variant.is_quadratic())
        })
        .collect();
    let random = |counted: &Counted| counted.balance.random_deviation;
    series.push(line("keys at random (computed)", first, random, true));
    let chart = Chart::Lines(LineChart {
        title: format!("Standard deviation of requests per server: {}", family.label()),
        subtitle: subtitle(analysis, bounded),
        x: linear("Number of servers"),
        y: Axis { label: "Standard deviation [requests]".to_owned(), scale: Scale::Logarithmic },
        series,
        marks: Vec::new(),
    });
    Some(NamedChart { name: name("spread", family, bounded), chart })
}

/// The most loaded server's requests by the fair share, without and with a bound.
pub fn bound(analysis: &Analysis, family: Family) -> Option<NamedChart> {
    let largest = |counted: &Counted| Bar { value: counted.balance.largest_over_fair, spread: None };
    let groups: Vec<BarGroup> = family
        .variants()
        .filter_map(|variant| {
            let free = analysis.counted(variant, SERVERS, false)?;
            let bounded = analysis.counted(variant, SERVERS, true)?;
            Some(BarGroup { label: group_label(variant), bars: vec![largest(free), largest(bounded)] })
        })
        .collect();
    if groups.is_empty() {
        return None;
    }
    let chart = Chart::Bars(BarChart {
        title: format!("The most loaded of {SERVERS} servers, without and with a bound: {}", family.label()),
        subtitle: subtitle(analysis, false),
        x_label: "Placement".to_owned(),
        y: linear("Answers, in fair shares"),
        legend: vec!["without".to_owned(), format!("bounded_load = {BOUNDED_LOAD}")],
        groups,
        reference: Some((BOUNDED_LOAD, format!("{BOUNDED_LOAD} fair shares"))),
    });
    Some(NamedChart { name: format!("bound-{}", family.name()), chart })
}

/// Answers per second of each server around the kill, and what failed.
pub fn recovery(recovered: &Recovered) -> NamedChart {
    let killed = recovered.killed_at_ms;
    let until = killed + recovered.replaced_after_ms.map_or(NOT_REPLACED_MS, |after| after + AROUND_MS);
    let line = |name: &str, count: &dyn Fn(usize) -> u64, is_dashed| Series {
        name: name.to_owned(),
        is_dashed,
        points: (0..recovered.moments.len())
            .map(|index| ((index as f64 + 0.5) * recovered.moment_ms, count(index)))
            .filter(|(at, _)| (killed - AROUND_MS..=until).contains(at))
            .map(|(at, count)| (at - killed, count as f64 / recovered.moment_ms * 1e3))
            .collect(),
    };
    let mut series: Vec<Series> = recovered
        .servers
        .iter()
        .enumerate()
        .map(|(server, name)| line(name, &|index| recovered.moments[index].answers[server], false))
        .collect();
    let failed = format!("failed ({} in the whole run)", recovered.unserved());
    series.push(line(&failed, &|index| recovered.moments[index].unserved, true));
    let mut marks = vec![Mark { x: 0.0, text: format!("kill -9 of {}", recovered.killed) }];
    if let Some(after) = recovered.replaced_after_ms {
        marks.push(Mark { x: after, text: format!("active again, {after:.0} ms") });
    }
    let chart = Chart::Lines(LineChart {
        title: format!("A server is killed: {}", recovered.variant.label),
        subtitle: format!(
            "{} requests/s at fixed moments, {} servers; each point is what came within {:.0} ms",
            count(STEADY_PER_SECOND as u64),
            recovered.servers.len(),
            recovered.moment_ms
        ),
        x: linear("Time since the kill [ms]"),
        y: linear("Requests per second"),
        series,
        marks,
    });
    NamedChart { name: format!("recovery-{}", recovered.variant.name), chart }
}

/// The placements that were measured over every number of servers that is compared.
pub(super) fn compared(analysis: &Analysis, family: Family, bounded: bool) -> Vec<&'static Variant> {
    let is_compared = |variant: &&Variant| {
        SERVERS_COMPARED.into_iter().all(|n| analysis.counted(variant, n, bounded).is_some())
    };
    family.variants().filter(is_compared).collect()
}

fn subtitle(analysis: &Analysis, bounded: bool) -> String {
    let bound = if bounded { format!(", bounded_load = {BOUNDED_LOAD}") } else { String::new() };
    format!("{} requests, keys of six digits at random{bound}", count(analysis.settings.requests))
}

/// What whiskers are, and where one of them is not all there.
fn whiskers(analysis: &Analysis, compared: &[&Variant]) -> String {
    let is_cut = |variant: &&Variant| {
        analysis.counted.iter().any(|counted| {
            let Balance { mean, standard_deviation, .. } = counted.balance;
            counted.variant.name == variant.name && !counted.bounded && standard_deviation > mean
        })
    };
    let cut = if compared.iter().any(is_cut) { ", cut off at zero" } else { "" };
    format!("whiskers: ± one standard deviation{cut}")
}

/// There are six groups side by side.
fn group_label(variant: &Variant) -> String {
    variant.label.replace("cryptographic", "crypto.")
}

fn name(what: &str, family: Family, bounded: bool) -> String {
    format!("{what}-{}{}", family.name(), if bounded { "-bounded" } else { "" })
}

fn linear(label: &str) -> Axis {
    Axis { label: label.to_owned(), scale: Scale::Linear }
}
