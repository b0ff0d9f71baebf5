//! How the kernel backs this process's memory, and what the allocator keeps of it.

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

/// Has the allocator give back what this thread has freed: of each size of block it keeps a page for the next one, and it
/// looks for empty pages only while it allocates. Takes up to a millisecond: for a thread that has come to rest. Does nothing
/// where the program has the system's allocator.
pub(super) fn give_back() {
    #[cfg(feature = "mimalloc")]
    // SAFETY: the function takes no pointer and frees only what nobody has; any thread may call it at any time.
    unsafe {
        libmimalloc_sys::mi_collect(true);
    }
}
