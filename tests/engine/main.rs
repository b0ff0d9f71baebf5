//! The engine suite: every rule of the seam, checked on every engine and through the layers that stand on one.

// All of this is tests; the setting that exempts those knows only functions marked as such.
#![allow(clippy::unwrap_used)]

mod adapted;
mod adoption;
mod bench;
mod crowd;
mod deadlines;
mod echo;
mod ends;
mod peer;
mod record;
mod simulation;
mod tasks;

use adapted::Adapted;
use bench::{Adverse, Calm, check, check_twice};
use record::Recorded;

/// Makes a test of every case, on one bench.
macro_rules! cases {
    ($bench:ty, $check:ident: $($module:ident::$case:ident)*) => {
        $(#[test] fn $case() { $check::<$bench, _>($module::$case::<$bench>); })*
    };
}

/// The cases that hold on every bench.
macro_rules! suite {
    ($name:ident, $bench:ty, $check:ident) => {
        mod $name {
            use super::*;
            cases! { $bench, $check:
                echo::what_is_sent_comes_back
                echo::a_thousand_small_messages_come_back
                echo::both_directions_flow_at_once_in_bounded_memory
                echo::bytes_leave_in_the_order_in_which_they_were_queued
                echo::an_idle_connection_holds_no_buffer
                deadlines::a_read_dropped_by_a_deadline_loses_no_byte
                deadlines::a_flush_dropped_by_a_deadline_loses_and_repeats_no_byte
                deadlines::timed_out_is_no_end_of_file
                deadlines::a_connect_that_times_out_leaves_no_socket
                deadlines::a_connect_is_refused_where_nobody_listens
                deadlines::an_accept_dropped_by_a_deadline_loses_no_connection
                ends::an_end_knows_its_address
                ends::either_peer_may_end_its_stream_and_still_read
                ends::a_reset_is_seen_by_the_reader_and_stays
                ends::a_reset_that_the_writer_saw_is_no_end_of_file_to_the_reader
                ends::an_aborted_connection_is_a_reset_and_no_end_of_file
                ends::a_stopped_listener_hands_out_what_is_queued_and_then_none
                ends::halves_dropped_while_they_wait_end_the_stream
                ends::halves_dropped_with_a_full_pipe_lose_nothing_that_was_taken_in_order
                ends::one_half_lives_without_the_other
                ends::a_connection_is_quiet_until_something_comes
                tasks::sleepers_wake_in_the_order_of_their_deadlines
                tasks::a_task_may_spawn_and_its_children_run
                tasks::a_waker_that_outlives_its_task_is_harmless
                tasks::a_timer_moves_earlier_and_later
                tasks::a_dropped_timer_wakes_nobody
                crowd::a_thousand_connections_at_once
            }
        }
    };
}

/// The suite on an engine of the kernel: plain, and through both layers. `start` says how to make one.
macro_rules! kernel {
    ($name:ident, $engine:ty) => {
        mod $name {
            use super::*;
            bench::kernel_bench!(Kernel, $engine);
            suite!(plain, Kernel, check);
            suite!(records, Recorded<Kernel>, check);
            suite!(adapted, Adapted<Kernel>, check);
            suite!(adapted_records, Adapted<Recorded<Kernel>>, check);
            cases! { Kernel, check:
                tasks::another_thread_wakes_a_sleeping_core
                adoption::a_connection_is_served_by_the_thread_that_adopts_it
            }
        }
    };
}

kernel!(epoll, ringway::engine::epoll::Epoll);
kernel!(io_uring, ringway::engine::io_uring::IoUring);

mod simulated {
    use super::*;
    suite!(calm, Calm, check_twice);
    suite!(adverse, Adverse, check_twice);
    suite!(records, Recorded<Adverse>, check_twice);
    suite!(adapted, Adapted<Adverse>, check_twice);
}
