//! The program as its users meet it: the real binary between clients and replicas made of sockets, on each engine.
#![allow(clippy::unwrap_used, reason = "a test that panics names its line")]

mod balance;
mod bodies;
mod commands;
mod drain;
mod error_answers;
mod faults;
mod forwarding;
mod framing;
#[macro_use]
#[path = "../shared/harness/mod.rs"]
mod harness;
mod json_keys;
mod limits;
mod load;
mod memory;
mod nginx;
mod pools;
mod refusals;
mod routing;
mod tunnels;

suite! { [epoll io_uring] {
    routing:
        a_request_goes_to_the_service_of_its_host_and_path,
        a_key_stays_with_its_replica_and_keys_spread,
        a_request_without_its_key_is_refused_where_the_service_says_so;
    json_keys:
        a_key_in_the_body_finds_the_replica_that_a_header_finds,
        a_key_is_awaited_in_pieces_and_the_body_arrives_whole,
        a_body_without_its_key_is_refused_or_cut_off,
        a_client_that_expects_100_is_told_before_its_key_is_awaited;
    forwarding:
        a_replica_learns_where_a_request_came_from,
        what_a_trusted_peer_says_of_a_request_is_passed_on,
        the_fields_of_where_a_request_came_from_are_the_configurations,
        a_client_behind_a_trusted_peer_is_placed_by_its_own_address,
        a_request_without_host_is_meant_for_the_address_that_it_came_to,
        fields_of_one_connection_stay_on_it,
        every_answer_has_one_date,
        messages_are_signed_as_the_configuration_says,
        a_request_passes_as_many_proxies_as_it_says,
        a_request_without_an_id_is_given_one,
        an_invented_id_places_no_request,
        an_absolute_target_is_forwarded_in_origin_form;
    framing:
        a_client_of_1_0_keeps_its_connection_only_if_it_asks,
        a_chunked_upload_arrives_whole,
        a_client_that_expects_100_is_told_to_continue,
        answers_without_a_body_leave_the_connection_in_step,
        a_body_until_close_reaches_clients_of_both_versions,
        a_client_that_has_ended_its_stream_is_still_answered,
        a_connection_lingers_only_where_its_client_may_still_send,
        pipelined_requests_are_answered_in_order;
    balance:
        a_full_core_refuses_nobody_while_another_has_room,
        few_connections_are_spread_evenly_over_the_cores;
    bodies:
        large_bodies_pass_unchanged_in_little_memory,
        a_slow_reader_holds_the_replica_back,
        a_slow_replica_holds_the_client_back;
    refusals:
        malformed_requests_are_refused_and_go_nowhere,
        a_head_that_drips_is_cut_off,
        a_body_that_stalls_is_cut_off,
        a_body_that_drips_is_cut_off,
        an_idle_connection_is_closed_in_time,
        a_client_that_does_not_read_is_cut_off,
        a_client_that_sips_its_answer_is_cut_off;
    limits:
        connections_beyond_the_limit_are_told_so,
        a_place_that_is_freed_is_used_again,
        a_silent_connection_beyond_the_limit_is_closed_after_a_second,
        connections_beyond_the_surplus_wait,
        an_address_has_its_connections_over_all_cores,
        a_trusted_peer_may_have_as_many_as_it_likes,
        an_address_of_ipv6_is_limited_as_well,
        an_address_that_fills_the_surplus_keeps_nobody_waiting,
        a_drain_waits_for_those_that_are_told;
    error_answers:
        a_failure_is_told_in_the_form_that_its_client_prefers,
        a_head_request_gets_the_head_of_its_failure,
        a_failure_has_an_id_that_its_replica_and_the_log_know,
        without_ids_a_failure_has_none;
    faults:
        each_method_meets_a_close_at_each_moment,
        each_method_meets_a_reset_at_each_moment,
        each_method_meets_a_stall_at_each_moment,
        a_refused_connection_is_tried_elsewhere_whatever_the_method,
        a_connection_that_is_not_accepted_times_out,
        a_cut_is_visible_in_every_framing,
        an_answer_that_is_no_http_is_a_fault,
        retries_end_after_two_and_with_the_budget,
        a_replica_that_dies_under_its_pool_costs_no_budget,
        a_body_is_sent_again_whole_or_not_at_all,
        a_body_under_way_is_sent_again_and_goes_on,
        an_early_answer_reaches_a_client_that_still_sends,
        a_client_that_leaves_lets_its_replica_go,
        a_slow_answer_arrives_whole;
    pools:
        a_stale_connection_never_doubles_a_post,
        a_body_is_not_lost_with_a_stale_connection,
        a_small_body_is_there_before_a_connection_is_taken,
        uploads_leave_connections_to_others,
        requests_wait_for_a_connection_in_order,
        a_replica_that_comes_back_is_used_again;
    tunnels:
        an_upgrade_becomes_a_tunnel_both_ways,
        a_refused_upgrade_ends_the_connection,
        what_would_carry_requests_unseen_is_not_asked_of_a_replica,
        a_switch_to_what_was_not_offered_is_a_fault,
        a_silent_tunnel_is_closed_in_time;
    drain:
        what_is_under_way_finishes_and_nothing_new_begins,
        a_stuck_request_is_cut_when_the_time_is_over,
        a_second_signal_ends_at_once,
        a_tunnel_lives_until_the_time_is_over;
    load:
        a_killed_replica_costs_its_clients_nothing,
        a_killed_replica_never_doubles_a_post;
    memory:
        a_waiting_connection_is_small,
        a_head_in_parts_is_bounded,
        an_answer_that_nobody_reads_is_bounded,
        bodies_stalled_both_ways_are_bounded;
    nginx:
        files_come_through_byte_by_byte;
    commands:
        an_address_in_use_is_an_error_that_says_so;
} }
