use std::env;
use std::fs;

use clap::Parser;

use super::*;
use crate::load::requests::Class;

#[derive(Debug, Parser)]
#[command(name = "load")]
struct Command {
    #[command(flatten)]
    options: LoadOptions,
}

const ADDRESS: &str = "127.0.0.1:5000";
const CPUS: usize = 8;

/// The words of a command line, parted by blanks, `~` in a word standing for one.
fn options(line: &str) -> Result<LoadOptions, String> {
    let words = line.split_whitespace().map(|word| word.replace('~', " "));
    match Command::try_parse_from(["load".to_owned()].into_iter().chain(words)) {
        Ok(command) => Ok(command.options),
        Err(error) => Err(error.to_string()),
    }
}

fn plan(line: &str) -> Result<Plan, String> {
    let options = options(line)?;
    let planned = options.check().and_then(|()| options.requests()).map_err(|error| error.to_string());
    let threads = options.threads(NonZeroUsize::new(CPUS).unwrap());
    Ok(options.plan(ADDRESS.parse().unwrap(), threads, planned?))
}

/// Number `index` of the requests of a command line.
fn request(line: &str, index: u64) -> String {
    let mut out = Vec::new();
    plan(line).unwrap_or_else(|error| panic!("{line}: {error}")).requests.write(index, &mut out);
    String::from_utf8(out).unwrap()
}

/// A file of these bytes under the system's directory for such, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("ringway-load-{}-{name}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Scratch(path)
    }

    fn shown(&self) -> String {
        // A blank is what parts words above.
        self.0.display().to_string().replace(' ', "~")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn without_options_it_is_a_closed_loop_of_ten_seconds() {
    let plan = plan("http://h/a").unwrap();
    assert_eq!(plan.address, ADDRESS.parse().unwrap());
    assert_eq!((plan.connections.get(), plan.threads.get()), (50, CPUS / 2));
    assert_eq!((plan.pace, plan.end), (Pace::Closed, End::After(Duration::from_secs(10))));
    assert_eq!((plan.warm_up, plan.timeout), (Duration::ZERO, Duration::from_secs(10)));
    assert_eq!((plan.keep_alive, &*plan.replica_field), (true, "X-Replica"));
    let options = options("h").unwrap();
    assert_eq!(
        (options.engine, &options.json, &options.csv, &options.charts, options.quiet),
        (Engine::Epoll, &None, &None, &None, false)
    );
}

#[test]
fn each_option_has_its_place_in_the_plan() {
    let open = |per_second, arrivals| Pace::Open { per_second, arrivals };
    let millis = Duration::from_millis;
    type Expectation = fn(&Plan) -> bool;
    let facts: [(&str, Expectation); 8] = [
        ("-c 1 h", |plan| plan.connections.get() == 1 && plan.threads.get() == 1),
        ("-c 1000000 -t 1024 h", |plan| plan.connections.get() == 1_000_000 && plan.threads.get() == 1_024),
        ("--connections 3 h", |plan| plan.connections.get() == 3 && plan.threads.get() == 3),
        ("--no-keep-alive h", |plan| !plan.keep_alive),
        ("--replica-field Server h", |plan| &*plan.replica_field == "Server"),
        ("-n 1000 h", |plan| plan.end == End::Requests(1_000)),
        ("-w 1.5 h", |plan| plan.warm_up == Duration::from_millis(1_500)),
        ("--timeout 1h h", |plan| plan.timeout == Duration::from_secs(3_600)),
    ];
    for (line, holds) in facts {
        let plan = plan(line).unwrap();
        assert!(holds(&plan), "{line}: {plan:?}");
    }
    for (line, end) in
        [("-d 500ms h", millis(500)), ("-d 2m h", millis(120_000)), ("-d 7days h", DURATION_MAX)]
    {
        assert_eq!(plan(line).unwrap().end, End::After(end), "{line}");
    }
    for (line, pace) in [
        ("-r 100 h", open(100.0, plan::Arrivals::Even)),
        ("-r 0.5 --arrivals even h", open(0.5, plan::Arrivals::Even)),
        ("--rate 1e7 --arrivals poisson h", open(RATE_MAX, plan::Arrivals::Poisson)),
    ] {
        assert_eq!(plan(line).unwrap().pace, pace, "{line}");
    }
}

#[test]
fn requests_are_what_the_options_say() {
    for (line, expected) in [
        ("http://h:81/a", "GET /a HTTP/1.1\r\nHost: h:81\r\n\r\n"),
        ("-X DELETE h", "DELETE / HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("-H X-Id:~{key} -H Host:~b h", "GET / HTTP/1.1\r\nX-Id: 3\r\nHost: b\r\n\r\n"),
        ("-b k={key} h", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nk=3"),
        ("-b {{}} -X GET h", "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"),
        ("--body-size 4 h", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nxxxx"),
        ("--no-keep-alive h", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
        ("--keys 2 --first-key 7 h/{key}", "GET /8 HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("--writes 0 -b b h", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("--writes 100 -b b h", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb"),
        ("--writes 100 --write-method X --write-path /{key} h", "X /3 HTTP/1.1\r\nHost: h\r\n\r\n"),
    ] {
        let sequential = if line.contains("{key}") { "--distribution sequential " } else { "" };
        assert_eq!(request(&format!("{sequential}{line}"), 3), expected, "{line}");
    }
}

#[test]
fn the_seed_and_the_distribution_decide_on_the_keys() {
    let keys = |line: &str| (0..50).map(|index| request(line, index)).collect::<Vec<_>>();
    assert_eq!(keys("h/{key}"), keys("--seed 1 --keys 100000 --distribution uniform h/{key}"));
    assert_ne!(keys("h/{key}"), keys("--seed 2 h/{key}"));
    assert_eq!(keys("--distribution zipf h/{key}"), keys("--distribution zipf:1 h/{key}"));
    assert_ne!(keys("--distribution zipf h/{key}"), keys("--distribution zipf:0.5 h/{key}"));
}

#[test]
fn files_are_read_and_their_faults_named() {
    let paths = Scratch::new("paths", b"# recorded\n/a\nPUT /b\n");
    let broken = Scratch::new("broken", b"/a\nb\n");
    let body = Scratch::new("body", b"{\"a\": 1}");
    let line = format!("--paths {} --body-file {} h", paths.shown(), body.shown());
    let rest = " HTTP/1.1\r\nHost: h\r\nContent-Length: 8\r\n\r\n{\"a\": 1}";
    assert_eq!(
        [0, 1, 2].map(|index| request(&line, index)),
        ["POST /a", "PUT /b", "POST /a"].map(|line| line.to_owned() + rest)
    );
    let mut out = Vec::new();
    assert_eq!(plan(&line).unwrap().requests.write(1, &mut out).class, Class::Write);
    let zipf = format!("--distribution zipf:10 --paths {} h", paths.shown());
    assert!((0..9).all(|index| request(&zipf, index).starts_with("GET /a ")));
    let fault = options(&format!("--paths {} h", broken.shown())).unwrap().requests().unwrap_err();
    let expected = format!("{}: line 2: a path begins with '/'", broken.0.display());
    assert_eq!((fault.code(), fault.to_string()), (1, expected));
    for option in ["--paths", "--body-file"] {
        let fault = options(&format!("{option} /nowhere/at/all h")).unwrap().requests().unwrap_err();
        assert_eq!(fault.code(), 1);
        assert!(fault.to_string().starts_with("cannot read /nowhere/at/all: No such file"), "{fault}");
    }
}

#[test]
fn a_file_has_its_limit() {
    let file = Scratch::new("long", &[b'x'; 1024 * 1024 + 1]);
    let expected = LoadError::File(format!("{} is longer than 1 MiB", file.0.display()));
    assert_eq!(read(&file.0, 1024 * 1024), Err(expected));
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_write() {
    for (line, expected) in [
        ("", "<URL>"),
        ("https://h", "only plain HTTP is spoken"),
        ("h/a~b", "encode a blank as %20"),
        ("h/{id}", "'{id}' stands for nothing here; known is {key}"),
        ("-c 0 h", "write a whole number from 1 to 1000000"),
        ("-c 1000001 h", "write a whole number from 1 to 1000000"),
        ("-t 0 h", "write a whole number from 1 to 1024"),
        ("-t 3 -c 2 h", "3 threads cannot share 2 connections; write -t 2 or -c 3"),
        ("-d 0 h", "write a time from 1ms to 7days, such as 500ms, 10s or 2m"),
        ("-d 8days h", "write a time from 1ms to 7days"),
        ("-d ten h", "write a time from 1ms to 7days"),
        ("-n 0 h", "write a whole number from 1 to"),
        ("-d 1s -n 5 h", "cannot be used with"),
        ("-r 0 h", "write a number from 0.001 to 10000000"),
        ("-r 10000001 h", "write a number from 0.001 to 10000000"),
        ("--arrivals poisson h", "--rate <N>"),
        ("-r 1 --arrivals random h", "[possible values: even, poisson]"),
        ("-w 8days h", "write a time from 0s to 7days"),
        ("--timeout 0 h", "write a time from 1ms to 1h"),
        ("-X CONNECT h", "CONNECT opens a tunnel"),
        ("-X A~B h", "a method is a word such as GET"),
        ("-b {\"a\":1} h", "a brace stands alone at '{\"a\":1}'; write {{ or }} for a brace, or {key}"),
        ("-b a --body-size 1 h", "cannot be used with"),
        ("--body-size 67108865 h", "write a whole number from 0 to 67108864"),
        ("-H X-Id h", "write it as 'Name: value'"),
        ("-H Content-Length:1 h", "Content-Length is written as the body needs it; leave it out"),
        ("-H Connection:close h", "give --no-keep-alive"),
        ("-H Host:a -H Host:b h", "Host is given twice"),
        ("--keys 0 h/{key}", "write a whole number from 1 to 1000000000000"),
        (
            "--keys 5 h",
            "no {key} stands in the URL, the header, the body or --write-path, so --keys says nothing",
        ),
        (
            "--first-key 5 h",
            "so --first-key says nothing; write {key} where the key belongs, or leave --first-key out",
        ),
        ("--distribution zipf h", "so --distribution says nothing"),
        ("--distribution normal h", "write uniform, zipf, zipf:EXPONENT or sequential"),
        ("--distribution zipf:11 h", "write an exponent from 0 to 10"),
        ("--paths file --keys 5 h", "cannot be used with"),
        ("--paths file --first-key 5 h", "cannot be used with"),
        ("--paths file h/a", "write the URL without a path, or leave --paths out"),
        ("--writes 101 h", "write a percentage from 0 to 100"),
        ("--write-path /a h", "--writes <PERCENT>"),
        ("--write-method PUT h", "--writes <PERCENT>"),
        ("--writes 1 --write-path a h", "a path begins with '/'"),
        ("--engine kqueue h", "[possible values: auto, io_uring, epoll]"),
        ("--replica-field X:Y h", "write the name of a field, such as X-Replica"),
        ("--json - --csv - h", "only one of --json and --csv can be standard output"),
    ] {
        let error = plan(line).expect_err(line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn reports_go_to_files_or_to_standard_output() {
    let options = options("--json - --csv a.csv --charts out -q --engine io_uring h").unwrap();
    assert_eq!(options.json, Some(Output::Standard));
    assert_eq!(options.csv, Some(Output::File("a.csv".into())));
    assert_eq!((options.charts, options.quiet), (Some("out".into()), true));
    for engine in [Engine::Auto, Engine::IoUring, Engine::Epoll] {
        let options = self::options(&format!("--engine {} h", engine.name())).unwrap();
        assert_eq!(options.engine, engine);
    }
}

#[test]
fn a_run_is_prepared_for_the_address_that_accepts_and_for_no_other() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let prepared = |line: &str| options(line).unwrap().prepare(u64::MAX);
    assert_eq!(prepared(&format!("http://{address}/")).unwrap().address, address);
    // What the options say wrong is said first: no connection is tried for it.
    let usage = prepared(&format!("--keys 5 http://{address}/")).unwrap_err();
    assert_eq!(usage.code(), 2);
    let (_held, address) = reach::tests::deaf();
    let refused = prepared(&format!("http://{address}/")).unwrap_err();
    assert_eq!(refused.code(), 3);
    assert!(refused.to_string().contains(&address.to_string()), "{refused}");
}

#[test]
fn connections_beyond_the_limit_of_descriptors_are_refused_with_what_is_possible() {
    let check = |line: &str, descriptors| {
        let options = options(line).unwrap();
        options
            .check_descriptors(NonZeroUsize::new(2).unwrap(), descriptors)
            .map_err(|error| error.to_string())
    };
    assert_eq!(check("http://a/ -c 984", 1_024), Ok(()));
    let error = check("http://a/ -c 985", 1_024).unwrap_err();
    assert!(error.contains("may have 1024;") && error.ends_with("or write -c 984 at most"), "{error}");
    assert!(check("http://a/ -c 1", 20).is_err());
}

#[test]
fn bodies_that_would_fill_the_memory_are_refused() {
    assert!(plan("http://a/ -c 64 --body-size 67108864").is_ok());
    let error = plan("http://a/ -c 65 --body-size 67108864").unwrap_err();
    assert!(error.contains("more than 4 GiB; write -c 64 at most"), "{error}");
    assert!(plan("http://a/ -c 1000000 --body-size 4000").is_ok());
}

#[test]
fn the_methods_of_mixed_requests_are_named() {
    let listed = Scratch::new("methods", b"/one\nDELETE /two\n");
    let plain = Scratch::new("no-methods", b"/one\n");
    for (line, expected) in [
        ("http://a/".to_owned(), "GET"),
        ("http://a/ -b x".to_owned(), "POST"),
        ("http://a/ --writes 2.5 --write-method PATCH".to_owned(), "GET and 2.5 % PATCH"),
        (format!("http://a/ --paths {}", listed.shown()), "GET or as listed"),
        (format!("http://a/ --paths {} --writes 10", listed.shown()), "GET or as listed and 10 % PUT"),
        (format!("http://a/ --paths {}", plain.shown()), "GET"),
    ] {
        let requests = plan(&line).unwrap().requests;
        assert_eq!(options(&line).unwrap().methods(&requests), expected, "{line}");
    }
}
