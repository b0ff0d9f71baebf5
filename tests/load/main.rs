//! `ringway load` as its users meet it: the real binary against servers made of sockets, on each engine.
#![allow(clippy::unwrap_used, reason = "a test that panics names its line")]

mod analysis;
#[macro_use]
#[path = "../shared/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "other suites use the rest")]
mod harness;
mod run;
mod runs;
mod seeds;
mod server;
#[path = "../shared/seeds.rs"]
mod shared;
mod simulated;
mod targets;

suite! { [epoll io_uring] {
    runs:
        every_request_of_a_number_is_sent_once,
        a_request_is_what_the_options_say,
        the_paths_of_a_file_are_asked_in_order,
        writes_are_counted_apart,
        a_stall_shows_in_an_open_loop_and_hardly_in_a_closed_one,
        what_no_connection_was_free_for_is_a_failure,
        an_interrupted_run_has_a_summary,
        connections_end_after_each_request_where_that_is_asked,
        a_warm_up_is_not_counted,
        tables_and_charts_are_written,
        a_result_that_cannot_be_written_costs_none_of_the_others;
    targets:
        nobody_listens_there,
        answers_of_4xx_and_5xx_are_no_answers,
        what_is_no_answer_is_counted_by_its_kind,
        a_server_that_ends_its_connections_is_followed,
        an_answer_without_end_is_cut_off,
        an_early_refusal_of_a_long_body_is_an_answer,
        names_from_answers_cannot_steer_a_terminal;
} }

#[test]
fn arguments_that_make_no_sense_are_refused_before_anything_is_sent() {
    targets::arguments_that_make_no_sense_are_refused();
}
