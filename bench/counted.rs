//! `counted KERNEL TIMES`: does one of the kernels so many times, for a tool that counts instructions; `bench/instructions`
//! is what uses it.
//!
//! `counted --list` prints the kernels, each with the repetitions that it takes until all of its inputs have had their
//! turn; `counted --features` what the processor says that it can do, as far as something here asks it.

//!
//! Its allocator is the C library's: where mimalloc, which the program has, puts a block is a matter of chance, and with
//! it how many instructions it takes to copy one.

use std::process::ExitCode;

mod kernels;

use kernels::Kernel;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--list"] => kernels::all().iter().for_each(|kernel| println!("{}\t{}", kernel.round, path(kernel))),
        ["--features"] => println!("{}", features().join(" ")),
        [name, times] => return run(name, times),
        _ => return fail("usage: counted --list | --features | KERNEL TIMES"),
    }
    ExitCode::SUCCESS
}

fn run(name: &str, times: &str) -> ExitCode {
    let kernels = kernels::all();
    let Some(kernel) = kernels.iter().find(|kernel| path(kernel) == name) else {
        return fail(&format!("there is no kernel '{name}'; --list shows all"));
    };
    let Ok(times) = times.parse() else { return fail(&format!("'{times}' is no number of times")) };
    kernel.prepare()(times);
    ExitCode::SUCCESS
}

fn path(kernel: &Kernel) -> String {
    format!("{}/{}", kernel.group, kernel.name)
}

fn fail(message: &str) -> ExitCode {
    eprintln!("counted: {message}");
    ExitCode::from(2)
}

/// httparse asks for SSE 4.2 and AVX2, the CRC-32 for PCLMULQDQ, SHA-256 for SHA; the C library's copying takes what is
/// widest. Our own scan asks for nothing: it takes SSE2, which every x86-64 has.
fn features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let asked = [
        ("sse4.2", is_x86_feature_detected!("sse4.2")),
        ("pclmulqdq", is_x86_feature_detected!("pclmulqdq")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("sha", is_x86_feature_detected!("sha")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let asked: [(&str, bool); 0] = [];
    asked.into_iter().filter(|(_, detected)| *detected).map(|(name, _)| name).collect()
}
