//! Field lines (RFC 9110 5) as views of the bytes that they were read from.

use std::fmt;

use super::{KnownField, KnownSet, ListMembers, list_members};

/// A range of bytes in the buffer that a head was parsed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte; not below `start`.
    pub end: u32,
}

impl Span {
    /// The bytes of `buffer` in this range, none where it leaves the buffer.
    #[inline]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Where one field line's name and value stand, and which field it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldLine {
    /// The name, without the colon.
    pub name: Span,
    /// The value, without whitespace around it.
    pub value: Span,
    /// The field that `name` names.
    pub known: KnownField,
}

/// The field lines of one head; reused from head to head, so that parsing does not allocate in the steady state.
#[derive(Clone, Debug, Default)]
pub struct FieldTable {
    lines: Vec<FieldLine>,
    present: KnownSet,
    repeated: KnownSet,
}

impl FieldTable {
    /// An empty table; allocates nothing.
    pub const fn new() -> FieldTable {
        FieldTable { lines: Vec::new(), present: KnownSet::EMPTY, repeated: KnownSet::EMPTY }
    }

    /// Forgets the lines and keeps the memory.
    pub fn clear(&mut self) {
        self.lines.clear();
        self.present = KnownSet::EMPTY;
        self.repeated = KnownSet::EMPTY;
    }

    /// Appends a line.
    #[inline]
    pub fn push(&mut self, line: FieldLine) {
        let known = KnownSet::of(&[line.known]);
        self.repeated = self.repeated.with(self.present.and(known));
        self.present = self.present.with(known);
        self.lines.push(line);
    }

    /// How many lines there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines as fields of `bytes`, the buffer that their spans were taken from.
    #[inline]
    pub fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { bytes, table: self }
    }
}

/// One field line's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Which field it is.
    pub known: KnownField,
    /// The name as it was sent; a token.
    pub name: &'a [u8],
    /// The value without whitespace around it; may hold obs-text (bytes from 0x80 on).
    pub value: &'a [u8],
}

/// The field lines of one head, in the order they were sent.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    /// Not its parts: they were written one by one, and to copy two at once would have to wait for both.
    table: &'a FieldTable,
}

static NO_LINES: FieldTable = FieldTable::new();

impl<'a> Fields<'a> {
    /// No fields at all.
    pub const EMPTY: Fields<'static> = Fields { bytes: &[], table: &NO_LINES };

    /// How many lines there are.
    pub const fn len(&self) -> usize {
        self.table.lines.len()
    }

    /// Whether there is no line.
    pub const fn is_empty(&self) -> bool {
        self.table.lines.is_empty()
    }

    /// The buffer that the lines' spans refer to.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The lines' places in that buffer.
    pub const fn lines(&self) -> &'a [FieldLine] {
        self.table.lines.as_slice()
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let bytes = self.bytes;
        self.lines().iter().map(move |line| Field {
            known: line.known,
            name: line.name.of(bytes),
            value: line.value.of(bytes),
        })
    }

    /// Whether any line is `known`; constant time.
    #[inline]
    pub const fn contains(&self, known: KnownField) -> bool {
        self.table.present.contains(known)
    }

    /// Whether more than one line is `known`; constant time.
    #[inline]
    pub const fn is_repeated(&self, known: KnownField) -> bool {
        self.table.repeated.contains(known)
    }

    /// The values of every line that is `known`, in order; looks at no line where there is none.
    pub fn all(&self, known: KnownField) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
        let (bytes, lines) = (self.bytes, if self.contains(known) { self.lines() } else { &[] });
        lines.iter().filter(move |line| line.known == known).map(move |line| line.value.of(bytes))
    }

    /// The value of the first line that is `known`.
    #[inline]
    pub fn first(&self, known: KnownField) -> Option<&'a [u8]> {
        self.all(known).next()
    }

    /// The value of the first line of that name, in any case; for names that are not known fields too.
    pub fn first_named(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The members of the list that all lines of `known` form together (RFC 9110 5.3).
    pub fn members(&self, known: KnownField) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all(known).flat_map(|value| -> ListMembers<'a> { list_members(value) })
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self
            .iter()
            .map(|field| (field.name.escape_ascii().to_string(), field.value.escape_ascii().to_string()));
        formatter.debug_map().entries(pairs).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `text` ("Name: value", one a row) as a table of it.
    fn table_of(text: &str) -> FieldTable {
        let mut table = FieldTable::new();
        let mut start = 0;
        for row in text.split_inclusive('\n') {
            let colon = start + row.find(':').expect("each row has a colon");
            let end = start + row.trim_end().len();
            let span = |start: usize, end: usize| Span { start: start as u32, end: end as u32 };
            let name = span(start, colon);
            let known = KnownField::from_name(name.of(text.as_bytes()));
            table.push(FieldLine { name, value: span(colon + 2, end), known });
            start += row.len();
        }
        table
    }

    #[test]
    fn fields_are_found_by_kind_and_by_name() {
        let text = "Host: a\nX-Own: 1\nCookie: b=1\nx-own: 2\ncookie: c=2\n";
        let table = table_of(text);
        let fields = table.fields(text.as_bytes());
        assert_eq!(fields.len(), 5);
        assert_eq!(fields.first(KnownField::Host), Some(&b"a"[..]));
        assert_eq!(fields.first_named(b"X-OWN"), Some(&b"1"[..]));
        assert_eq!(fields.first_named(b"absent"), None);
        assert_eq!(fields.all(KnownField::Cookie).collect::<Vec<_>>(), [b"b=1", b"c=2"]);
        assert!(fields.is_repeated(KnownField::Cookie) && !fields.is_repeated(KnownField::Host));
        assert!(!fields.contains(KnownField::Date));
        assert_eq!(fields.all(KnownField::Date).count(), 0);
    }

    #[test]
    fn a_list_may_be_spread_over_lines() {
        let text = "Via: 1.1 a, 1.1 b\nHost: x\nVia: 1.1 c\n";
        let table = table_of(text);
        let members: Vec<_> = table.fields(text.as_bytes()).members(KnownField::Via).collect();
        assert_eq!(members, [b"1.1 a", b"1.1 b", b"1.1 c"]);
    }

    #[test]
    fn a_cleared_table_remembers_nothing() {
        let mut table = table_of("Host: a\nHost: b\n");
        table.clear();
        let fields = table.fields(b"");
        assert!(
            fields.is_empty() && !fields.contains(KnownField::Host) && !fields.is_repeated(KnownField::Host)
        );
    }

    #[test]
    fn a_span_outside_its_buffer_is_empty() {
        assert_eq!(Span { start: 2, end: 9 }.of(b"abc"), b"");
        assert_eq!(Span { start: 1, end: 3 }.of(b"abc"), b"bc");
    }
}
