//! How the kernel backs this process's memory.

use std::io;

use rustix::thread::disable_transparent_huge_pages;

/// Backs memory with small pages from now on, where the allocator would ask for huge ones: those hold 2 MiB for whoever
/// needs a few KiB, and a core's connections come and go all over them.
///
/// # Errors
/// The kernel knows no such setting.
pub fn use_small_pages() -> io::Result<()> {
    Ok(disable_transparent_huge_pages(true)?)
}

/// Leaves the size of pages to the kernel again. Programs that this process becomes, or starts, inherit the setting.
///
/// # Errors
/// The kernel knows no such setting.
pub fn leave_page_size() -> io::Result<()> {
    Ok(disable_transparent_huge_pages(false)?)
}
