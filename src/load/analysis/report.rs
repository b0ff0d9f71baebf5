//! The report: Markdown with tables, the names of the charts, and what the figures say.

use super::charts::{self, NamedChart, compared};
use super::counts::Counted;
use super::findings::{self, figure};
use super::markdown::{Table, picture};
use super::recovery::Recovered;
use super::steps::{
    BOUNDED_DELAY, FEWEST, KILL_AFTER, MOST, SERVERS, SERVERS_COMPARED, STEADY_FOR, STEADY_PER_SECOND,
};
use super::variant::{BOUNDED_LOAD, Family, GIVEN};
use super::{Analysis, Circumstances};
use crate::load::chart::Chart;
use crate::load::output::units::count;

/// A report as it is put together: the text, and the charts that it names.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Markdown.
    pub text: String,
    /// In the order of the text, each to be drawn into `<name>.svg`.
    pub charts: Vec<NamedChart>,
}

/// The report of what was measured; what was not measured is left out.
pub fn report(analysis: &Analysis) -> Report {
    let mut report = Report::default();
    report.paragraph("# Requests per server, and a server that is killed");
    report.circumstances(analysis);
    report.asked(analysis);
    report.balance(analysis);
    report.spread(analysis);
    report.bounded(analysis);
    report.recovery(analysis);
    report.method(analysis);
    report
}

impl Report {
    fn paragraph(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref().trim_end();
        if !text.is_empty() {
            self.text.push_str(text);
            self.text.push_str("\n\n");
        }
    }

    fn sentences(&mut self, sentences: &[String]) {
        self.paragraph(sentences.join(" "));
    }

    fn chart(&mut self, chart: Option<NamedChart>) {
        let Some(chart) = chart else { return };
        let title = match &chart.chart {
            Chart::Lines(lines) => &lines.title,
            Chart::Bars(bars) => &bars.title,
        };
        self.paragraph(picture(title, &chart.name));
        self.charts.push(chart);
    }

    fn circumstances(&mut self, analysis: &Analysis) {
        let Circumstances { version, command, date, machine, system, proxy_engine, load_engine, seconds } =
            &analysis.circumstances;
        self.paragraph(format!(
            "- {date}: {machine}, {system}\n- {version}; proxy on {proxy_engine}, load tester on {load_engine}; the load \
             tester, the proxy and its servers share the machine\n- Repeat it with: `{command}` ({seconds:.0} s)"
        ));
        self.sentences(&findings::doubts(analysis));
    }

    /// What system A wants to see, and where it is.
    fn asked(&mut self, analysis: &Analysis) {
        self.paragraph("## What was asked for, and what came out");
        let mut table = Table::of_texts(&["asked for", "in short", "section"]);
        let rows = [
            ("requests per server for N = 3, as bars", short_balance(analysis), "1"),
            ("mean and standard deviation for N = 2 to 6", short_spread(analysis), "2"),
            ("the same with other hash functions", short_functions(analysis), "1, 2"),
            ("recovery after a server is killed", short_recovery(analysis), "4"),
        ];
        for (asked, short, section) in rows {
            let short = short.unwrap_or_else(|| "not measured".to_owned());
            table.row(&[asked, &short, section]);
        }
        self.paragraph(table.text());
    }

    fn balance(&mut self, analysis: &Analysis) {
        if analysis.counted(GIVEN, SERVERS, false).is_none() {
            return;
        }
        self.paragraph(format!("## 1. {} requests over N = {SERVERS}", count(analysis.settings.requests)));
        for family in Family::ALL {
            self.paragraph(format!("### {}", title(family)));
            self.paragraph(balance_table(analysis, family, false));
            self.chart(charts::balance(analysis, family, false));
            self.sentences(&findings::balance(analysis, family));
        }
    }

    fn spread(&mut self, analysis: &Analysis) {
        if compared(analysis, Family::Slots, false).is_empty() {
            return;
        }
        self.paragraph(format!("## 2. Mean and standard deviation for N = {} to {}", FEWEST, MOST));
        self.paragraph(
            "The mean is what there is to share, by the number of servers, whatever the placement; the standard deviation is \
             what a placement makes of it.",
        );
        for family in Family::ALL {
            self.paragraph(format!("### {}", title(family)));
            self.paragraph(spread_table(analysis, family, false));
            self.chart(charts::mean(analysis, family));
            self.chart(charts::spread(analysis, family, false));
            self.sentences(&findings::spread(analysis, family));
        }
    }

    fn bounded(&mut self, analysis: &Analysis) {
        if compared(analysis, Family::Slots, true).is_empty() {
            return;
        }
        self.paragraph(format!("## 3. The same with `bounded_load = {BOUNDED_LOAD}`"));
        self.paragraph(format!(
            "A server that has {BOUNDED_LOAD} times its share of what is in flight gets no further request: the next one in the \
             key's order does. Each server takes {} ms for an answer here, with {} connections, so that there is something in \
             flight. What is shown are answers over the whole run, to be compared with those above; the bound itself is one on \
             what is in flight when a request is sent. The two agree as far as all servers answer equally fast: of two with as \
             much in flight, the faster one answers more.",
            BOUNDED_DELAY.as_millis(),
            analysis.settings.bounded_connections()
        ));
        for family in Family::ALL {
            self.paragraph(format!("### {}", title(family)));
            self.paragraph(bounded_table(analysis, family));
            self.chart(charts::bound(analysis, family));
            // The others are even enough for more pictures to show nothing more.
            if family == Family::Slots {
                self.chart(charts::balance(analysis, family, true));
                self.paragraph(spread_table(analysis, family, true));
                self.chart(charts::spread(analysis, family, true));
            }
            self.sentences(&findings::bounded(analysis, family));
        }
    }

    fn recovery(&mut self, analysis: &Analysis) {
        if analysis.recovered.is_empty() {
            return;
        }
        self.paragraph("## 4. A server is killed");
        self.paragraph(format!(
            "{} requests per second at fixed moments for {} s, each with a key at random; after {} s the busiest server gets \
             `kill -9`. Latencies count from the moment at which a request was due, so that whoever had to wait shows. \"Active \
             again\" is when Ringway's status, asked every few milliseconds, first says so of a new process: its first answers \
             may come a little before that.",
            count(STEADY_PER_SECOND as u64),
            STEADY_FOR.as_secs(),
            KILL_AFTER.as_secs()
        ));
        self.paragraph(recovery_table(&analysis.recovered));
        for recovered in &analysis.recovered {
            self.paragraph(format!("### `{}`", recovered.variant.label));
            self.chart(Some(charts::recovery(recovered)));
            self.sentences(&findings::recovery(recovered));
        }
    }

    fn method(&mut self, analysis: &Analysis) {
        let settings = analysis.settings;
        self.paragraph("## How it was measured");
        self.paragraph(format!(
            "- Each measurement has a Ringway of its own with as many echo workers, all started for it and stopped after it.\n- \
             A request's key is its `X-Request-Id`: six digits, drawn uniformly from the seed {}. The same seed gives the same \
             keys, and without a bound the same counts, for every placement and at every run.\n- {} connections, each with the \
             next request as soon as the last one is answered (sections 1 and 2).\n- Who answered is what `X-Replica` says.\n- \
             Standard deviations are over all servers: the root of the mean square of what each differs from the mean. \"Keys at \
             random\" have sqrt(n * p * (1 - p)) with p = 1/N: that much is luck even if every server gets every key with the \
             same probability.\n- Only balance is compared, not how many keys \
             change their server when one comes or goes: there `modulo` is the worst, since most do.\n- All figures are in `data.json`, and the charts as `.svg` and `.png` beside it.",
            settings.seed, settings.connections
        ));
    }
}

fn title(family: Family) -> &'static str {
    match family {
        Family::Slots => "The ring of 512 slots",
        Family::Others => "The other placements",
    }
}

fn short_balance(analysis: &Analysis) -> Option<String> {
    let counted = analysis.counted(GIVEN, SERVERS, false)?;
    let parts: Vec<String> =
        counted.answers.iter().map(|server| format!("{:.1} %", counted.percent(server))).collect();
    Some(format!("the given functions: {}", parts.join(", ")))
}

fn short_spread(analysis: &Analysis) -> Option<String> {
    let deviations: Option<Vec<String>> = SERVERS_COMPARED
        .into_iter()
        .map(|servers| Some(figure(analysis.counted(GIVEN, servers, false)?.balance.standard_deviation)))
        .collect();
    Some(format!("the given functions: standard deviations {}", deviations?.join(", ")))
}

fn short_functions(analysis: &Analysis) -> Option<String> {
    let mut all: Vec<&Counted> =
        analysis.of_family(Family::Slots, false).filter(|counted| counted.servers == SERVERS).collect();
    all.sort_by(|one, other| one.balance.standard_deviation.total_cmp(&other.balance.standard_deviation));
    let (best, worst) = (all.first()?, all.last()?);
    let named = |counted: &Counted| {
        format!("`{}` ({} times fair)", counted.variant.label, figure(counted.balance.largest_over_fair))
    };
    Some(format!("N = {SERVERS}: from {} to {}", named(best), named(worst)))
}

fn short_recovery(analysis: &Analysis) -> Option<String> {
    let of = |recovered: &Recovered| {
        let after =
            recovered.replaced_after_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms:.0} ms"));
        format!("`{}`: replaced after {after}, {} failed", recovered.variant.label, recovered.unserved())
    };
    let all: Vec<String> = analysis.recovered.iter().map(of).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn balance_table(analysis: &Analysis, family: Family, bounded: bool) -> String {
    let names: Vec<String> = (1..=SERVERS).map(|number| format!("server {number}")).collect();
    let mut heads = vec!["placement"];
    heads.extend(names.iter().map(String::as_str));
    heads.extend(["standard deviation", "times keys at random", "largest by fair"]);
    let mut table = Table::of_figures(&heads);
    for counted in family.variants().filter_map(|variant| analysis.counted(variant, SERVERS, bounded)) {
        let mut cells = vec![counted.variant.label.to_owned()];
        cells.extend(counted.answers.iter().map(|server| server.requests.to_string()));
        cells.push(figure(counted.balance.standard_deviation));
        cells.push(over_random(counted));
        cells.push(figure(counted.balance.largest_over_fair));
        table.row(&cells);
    }
    table.text().to_owned()
}

fn over_random(counted: &Counted) -> String {
    counted.balance.over_random().map_or_else(|| "-".to_owned(), figure)
}

fn spread_table(analysis: &Analysis, family: Family, bounded: bool) -> String {
    let names = SERVERS_COMPARED.map(|servers| format!("N = {servers}"));
    let mut heads = vec!["mean ± standard deviation"];
    heads.extend(names.iter().map(String::as_str));
    let mut table = Table::of_figures(&heads);
    let row = |label: &str, variant, deviation: fn(&Counted) -> f64| -> Vec<String> {
        let counted =
            SERVERS_COMPARED.into_iter().filter_map(|servers| analysis.counted(variant, servers, bounded));
        let cells = counted
            .map(|counted| format!("{} ± {}", figure(counted.balance.mean), figure(deviation(counted))));
        std::iter::once(label.to_owned()).chain(cells).collect()
    };
    let compared = compared(analysis, family, bounded);
    for variant in &compared {
        table.row(&row(variant.label, variant, |counted| counted.balance.standard_deviation));
    }
    if let Some(first) = compared.first() {
        table.row(&row("keys at random", first, |counted| counted.balance.random_deviation));
    }
    table.text().to_owned()
}

fn bounded_table(analysis: &Analysis, family: Family) -> String {
    let mut table = Table::of_figures(&[
        "N = 3",
        "largest by fair, without",
        "with the bound",
        "standard deviation, without",
        "with the bound",
        "answered elsewhere, at least",
    ]);
    for variant in family.variants() {
        let of = |bounded| analysis.counted(variant, SERVERS, bounded);
        if let (Some(free), Some(bound)) = (of(false), of(true)) {
            table.row(&[
                variant.label.to_owned(),
                figure(free.balance.largest_over_fair),
                figure(bound.balance.largest_over_fair),
                figure(free.balance.standard_deviation),
                figure(bound.balance.standard_deviation),
                format!("{:.1} %", bound.diverted_percent(free)),
            ]);
        }
    }
    table.text().to_owned()
}

fn recovery_table(recovered: &[Recovered]) -> String {
    let mut table = Table::of_figures(&[
        "placement",
        "killed",
        "replaced after",
        "requests",
        "failed",
        "retries",
        "cut answers",
        "p99",
        "slowest",
    ]);
    for one in recovered {
        table.row(&[
            one.variant.label.to_owned(),
            format!("{} ({:.0} %)", one.killed, one.killed_percent),
            one.replaced_after_ms.map_or_else(|| "not seen".to_owned(), |after| format!("{after:.0} ms")),
            one.requests.to_string(),
            one.unserved().to_string(),
            one.retries.to_string(),
            one.aborted_after_head.to_string(),
            format!("{} ms", figure(one.p99_ms)),
            format!("{} ms", figure(one.longest_ms)),
        ]);
    }
    table.text().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::analysis::tests::{analysis, with_counts};

    #[test]
    fn a_report_has_its_sections_and_names_each_of_its_charts_once() {
        let report = report(&analysis());
        for section in ["## 1. 10,000 requests over N = 3", "## 2. Mean", "## 3. The same", "## 4. A server"]
        {
            assert!(report.text.contains(section), "{section} is missing");
        }
        let names: Vec<&str> = report.charts.iter().map(|chart| chart.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "balance-slots",
                "balance-others",
                "mean-slots",
                "spread-slots",
                "mean-others",
                "spread-others",
                "bound-slots",
                "balance-slots-bounded",
                "spread-slots-bounded",
                "bound-others",
                "recovery-given-linear",
            ]
        );
        for name in names {
            assert_eq!(report.text.matches(&format!("({name}.svg)")).count(), 1, "{name}");
        }
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let report = report(&with_counts(Vec::new()));
        assert!(report.charts.is_empty());
        assert!(!report.text.contains("## 1.") && !report.text.contains("## 4."), "{}", report.text);
        assert_eq!(report.text.matches("not measured").count(), 4);
    }

    #[test]
    fn every_row_of_a_table_has_as_many_cells_as_its_head() {
        let text = report(&analysis()).text;
        let mut columns = None;
        for line in text.lines() {
            let cells = line.starts_with('|').then(|| line.matches('|').count());
            if let (Some(before), Some(now)) = (columns, cells) {
                assert_eq!(before, now, "{line}");
            }
            columns = cells;
        }
    }

    #[test]
    fn figures_of_the_text_are_those_that_were_measured() {
        let text = report(&analysis()).text;
        assert!(text.contains("| given, linear | 8400 | 800 | 800 | 3583 | 76.0 | 2.52 |"), "{text}");
        assert!(text.contains("the given functions: 84.0 %, 8.0 %, 8.0 %"), "{text}");
        assert!(text.contains("`given, linear`: replaced after 120 ms, 7 failed"), "{text}");
    }
}
