//! Connections by key, where a key never names a later connection in the same place.

/// Values in places that are used again; each use of a place has its own generation.
pub(crate) struct Slots<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// Generations have 30 bits, so that a key is below 2^62 and leaves two bits to the caller.
const GENERATION_MASK: u32 = (1 << 30) - 1;

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Stores a value, and returns its key.
    pub(crate) fn insert(&mut self, value: T) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, value: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        place.value = Some(value);
        u64::from(place.generation) << 32 | u64::from(index)
    }

    /// The value, unless it is gone: an event may be older than the end of its connection.
    pub(crate) fn find(&mut self, key: u64) -> Option<&mut T> {
        let place = self.places.get_mut(key as u32 as usize)?;
        if u64::from(place.generation) == key >> 32 { place.value.as_mut() } else { None }
    }

    /// Drops the value, and with it closes its sockets.
    pub(crate) fn remove(&mut self, key: u64) {
        if self.find(key).is_none() {
            return;
        }
        let place = &mut self.places[key as u32 as usize];
        place.value = None;
        place.generation = place.generation.wrapping_add(1) & GENERATION_MASK;
        self.free.push(key as u32);
    }
}
