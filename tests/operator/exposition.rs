//! Prometheus' text format (version 0.0.4), read as strictly as its page describes it.

use std::collections::{BTreeMap, BTreeSet};

/// Families by name.
pub(crate) type Page = BTreeMap<String, Family>;

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Reads a page.
pub(crate) fn read(text: &str) -> Result<Page, String> {
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut page = Page::new();
    let mut current: Option<String> = None;
    let mut series = BTreeSet::new();
    for line in text.lines() {
        let wrong = |what: &str| Err(format!("{what}: {line}"));
        if let Some(help) = line.strip_prefix("# HELP ") {
            let Some((name, help)) = help.split_once(' ') else { return wrong("no text") };
            if !is_name(name) || help.is_empty() {
                return wrong("no HELP");
            }
            if page.insert(name.to_owned(), Family::default()).is_some() {
                return wrong("a family twice");
            }
            current = Some(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let Some((name, kind)) = kind.split_once(' ') else { return wrong("no type") };
            let family = page.get_mut(name).filter(|_| current.as_deref() == Some(name));
            let Some(family) = family else { return wrong("a TYPE that does not follow its HELP") };
            if !family.kind.is_empty() || !["counter", "gauge", "histogram"].contains(&kind) {
                return wrong("a type twice, or none that there is");
            }
            kind.clone_into(&mut family.kind);
        } else {
            let sample = sample(line).ok_or_else(|| format!("no sample: {line}"))?;
            let family = current.as_ref().and_then(|name| page.get_mut(name));
            let (Some(family), Some(name)) = (family, &current) else { return wrong("no family before") };
            let suffix = sample.name.strip_prefix(name.as_str());
            let belongs = match family.kind.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].map(Some).contains(&suffix),
                "" => return wrong("no TYPE before"),
                _ => suffix == Some(""),
            };
            if !belongs {
                return wrong("a sample of another family");
            }
            if family.kind == "counter" && !name.ends_with("_total") {
                return wrong("a counter that is not called _total");
            }
            if !series.insert(line[..line.rfind(' ').unwrap()].to_owned()) {
                return wrong("a series twice");
            }
            family.samples.push(sample);
        }
    }
    page.values().try_for_each(check_histogram).map(|()| page)
}

/// Buckets grow to the one without a bound, which is the count.
fn check_histogram(family: &Family) -> Result<(), String> {
    if family.kind != "histogram" {
        return Ok(());
    }
    let of = |suffix: &'static str| family.samples.iter().filter(move |sample| sample.name.ends_with(suffix));
    let buckets: Vec<(f64, f64)> =
        of("_bucket").map(|bucket| (bucket.labels["le"].parse().unwrap(), bucket.value)).collect();
    let count = of("_count").next().map(|sample| sample.value);
    let grows = buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
    let ends = buckets.last().is_some_and(|last| last.0 == f64::INFINITY && Some(last.1) == count);
    if grows && ends && of("_sum").count() == 1 { Ok(()) } else { Err(format!("no histogram: {family:?}")) }
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(|character: char| !is_name_character(character))?;
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    let value = value.strip_prefix(' ')?.parse().ok()?;
    is_name(name).then(|| Sample { name: name.to_owned(), labels, value })
}

/// The labels up to the brace, and what is behind it.
fn labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, behind) = rest.split_once("=\"")?;
        if !is_name(name) || name.contains(':') {
            return None;
        }
        let mut value = String::new();
        let mut characters = behind.char_indices();
        let end = loop {
            match characters.next()? {
                (index, '"') => break index + 1,
                (_, '\\') => value.push(match characters.next()?.1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    _ => return None,
                }),
                (_, other) => value.push(other),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        match behind[end..].split_at_checked(1)? {
            (",", more) => rest = more,
            ("}", behind) => return Some((labels, behind)),
            _ => return None,
        }
    }
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_:".contains(character)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(is_name_character)
}

#[test]
fn pages_that_are_none_are_refused() {
    const HEAD: &str = "# HELP a_total x\n# TYPE a_total counter\n";
    assert!(read(&format!("{HEAD}a_total{{b=\"\\\\\\\"\\n\",c=\"\"}} 1\na_total 2e3\n")).is_ok());
    for body in [
        "a_total 1",
        "a_total\n",
        "a_total x\n",
        "a_total  1\n",
        "b 1\n",
        "a_total_x 1\n",
        "a_total 1\na_total 1\n",
        "a_total{b=\"\\x\"} 1\n",
        "a_total{b=\"} 1\n",
        "a_total{b=\"1\",b=\"2\"} 1\n",
        "a_total{1=\"\"} 1\n",
        "a_total{b=\"1\" c=\"2\"} 1\n",
        "# HELP a_total x\n",
        "# TYPE a_total counter\n",
        "# HELP b x\nb 1\n",
        "# HELP b x\n# TYPE b counter\nb 1\n",
        "# HELP b x\n# TYPE b kind\nb 1\n",
        "\n",
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
    ] {
        assert!(read(&format!("{HEAD}{body}")).is_err(), "{body:?}");
    }
}
