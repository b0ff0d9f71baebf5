//! Waiting for a whole head without parsing the same bytes over and over.

use super::{HeadError, HeadLimits, HeadScanner, Parse};

/// How far a head has come.
///
/// Nearly every head comes in one read: the first attempt parses at once. One that comes in pieces is only searched for
/// its end from then on, each byte once, and parsed again when that is found; so a head that drips in costs linear time.
#[derive(Debug, Default)]
pub struct HeadProgress {
    scanner: Option<HeadScanner>,
}

impl HeadProgress {
    /// Whether `bytes`, the head from its beginning, are worth parsing.
    ///
    /// # Errors
    /// [`HeadError::HeadTooLarge`], once it is longer than it may be.
    pub fn is_worth_parsing(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<bool, HeadError> {
        if bytes.is_empty() {
            return Ok(false);
        }
        match &mut self.scanner {
            None => Ok(true),
            Some(scanner) => Ok(scanner.scan(bytes, limits)?.is_some()),
        }
    }

    /// What the parse of `bytes` found; `None` while the head is not whole.
    ///
    /// # Errors
    /// As [`HeadProgress::is_worth_parsing`].
    pub fn take<T>(
        &mut self,
        parse: Parse<T>,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<(T, usize)>, HeadError> {
        match parse {
            Parse::Complete { head, length } => Ok(Some((head, length))),
            Parse::Partial => {
                let mut scanner = HeadScanner::new();
                scanner.scan(bytes, limits)?;
                self.scanner = Some(scanner);
                Ok(None)
            }
        }
    }
}
