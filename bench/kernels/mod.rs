//! The operations that are measured one by one, with their inputs: in nanoseconds by `benches/micro.rs`, in
//! instructions by `bench/instructions`.
//!
//! A kernel brings the loop along in which it is repeated, so that both measure the same machine code, and the price of
//! the loop can be measured as well (`nothing`).

mod bodies;
mod forwarding;
mod heads;
mod keys;
mod publication;
mod tables;

/// An operation that can be repeated.
pub(crate) struct Kernel {
    /// What it is compared with: kernels of the same group.
    pub(crate) group: &'static str,
    /// Which one of the group.
    pub(crate) name: String,
    /// The bytes that it reads; 0 where they say nothing.
    #[allow(dead_code, reason = "instructions are not counted by the byte")]
    pub(crate) bytes: usize,
    /// After how many repetitions all of its inputs have had their turn, or enough of them.
    #[allow(dead_code, reason = "whoever measures time repeats for a time")]
    pub(crate) round: u64,
    prepare: Box<dyn Fn() -> Repeated>,
}

/// Does its operation so many times.
pub(crate) type Repeated = Box<dyn FnMut(u64)>;

impl Kernel {
    fn new(group: &'static str, name: impl Into<String>, prepare: impl Fn() -> Repeated + 'static) -> Kernel {
        Kernel { group, name: name.into(), bytes: 0, round: 1_000, prepare: Box::new(prepare) }
    }

    fn of_bytes(self, bytes: usize) -> Kernel {
        Kernel { bytes, ..self }
    }

    fn in_rounds_of(self, round: u64) -> Kernel {
        Kernel { round, ..self }
    }

    /// Makes the inputs. Costs more than many operations.
    pub(crate) fn prepare(&self) -> Repeated {
        (self.prepare)()
    }
}

/// All kernels, those of one group next to each other.
pub(crate) fn all() -> Vec<Kernel> {
    let nothing = Kernel::new("loop", "nothing", || repeated(|| std::hint::black_box(())));
    let groups =
        [heads::all(), forwarding::all(), bodies::all(), keys::all(), tables::all(), publication::all()];
    std::iter::once(nothing).chain(groups.into_iter().flatten()).collect()
}

fn repeated(mut operation: impl FnMut() + 'static) -> Repeated {
    Box::new(move |times| {
        for _ in 0..times {
            operation();
        }
    })
}
