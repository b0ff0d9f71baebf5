//! Bytes with places for a request's key: `/items/{key}`.

use thiserror::Error;

/// Text in which `{key}` stands for a request's key and `{{` and `}}` for braces: the rule of the commands of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The texts around the places: one more than there are places. Any of them may be empty.
    texts: Box<[Box<[u8]>]>,
}

/// Why bytes are no [`Template`]. Each text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A word between braces that stands for nothing.
    #[error("'{{{0}}}' stands for nothing here; known is {{key}}, and {{{{ and }}}} stand for braces")]
    Unknown(Box<str>),
    /// A brace that belongs to no place.
    #[error("a brace stands alone at '{0}'; write {{{{ or }}}} for a brace, or {{key}}")]
    Brace(Box<str>),
}

/// The most characters of a template that an error quotes.
const QUOTED_CHARACTERS_MAX: usize = 20;
/// The only word that stands for something.
const KEY: &[u8] = b"key";

impl Template {
    /// Reads what was written.
    pub fn parse(written: &[u8]) -> Result<Self, TemplateError> {
        let mut texts = Vec::new();
        let mut text = Vec::new();
        let mut rest = written;
        while let Some(at) = rest.iter().position(|byte| b"{}".contains(byte)) {
            text.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with(b"{{") || rest.starts_with(b"}}") {
                text.push(rest[0]);
                rest = &rest[2..];
            } else {
                rest = behind_place(rest)?;
                texts.push(std::mem::take(&mut text).into());
            }
        }
        text.extend_from_slice(rest);
        texts.push(text.into());
        Ok(Template { texts: texts.into() })
    }

    /// The bytes as they are, without a place in them.
    pub fn verbatim(bytes: impl Into<Box<[u8]>>) -> Self {
        Template { texts: [bytes.into()].into() }
    }

    /// The texts around the places, one more than there are places.
    pub fn texts(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.texts.iter().map(|text| &**text)
    }

    /// How often the key stands in it.
    pub fn places(&self) -> usize {
        self.texts.len() - 1
    }

    /// How long it is without its keys, in bytes.
    pub fn text_bytes(&self) -> usize {
        self.texts.iter().map(|text| text.len()).sum()
    }

    /// Whether it stands for nothing, whatever the key.
    pub fn is_empty(&self) -> bool {
        self.places() == 0 && self.text_bytes() == 0
    }

    /// What it stands for with this key.
    pub fn expand(&self, key: u64) -> Vec<u8> {
        self.texts().collect::<Vec<_>>().join(key.to_string().as_bytes())
    }
}

/// What stands behind the place at the beginning of `bytes`, which begin with a brace.
fn behind_place(bytes: &[u8]) -> Result<&[u8], TemplateError> {
    let end = bytes.iter().position(|&byte| byte == b'}').filter(|_| bytes[0] == b'{');
    match end.map(|end| (&bytes[1..end], &bytes[end + 1..])) {
        Some((KEY, behind)) => Ok(behind),
        Some((word @ [_, ..], _)) if word.iter().all(u8::is_ascii_lowercase) => {
            Err(TemplateError::Unknown(quoted(word)))
        }
        _ => Err(TemplateError::Brace(quoted(bytes))),
    }
}

fn quoted(bytes: &[u8]) -> Box<str> {
    // Four bytes are the longest character, so that not all of a long body is converted.
    let beginning = &bytes[..bytes.len().min(4 * QUOTED_CHARACTERS_MAX)];
    let plain = |character: char| if character.is_control() { ' ' } else { character };
    String::from_utf8_lossy(beginning).chars().take(QUOTED_CHARACTERS_MAX).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expanded(written: &str, key: u64) -> String {
        String::from_utf8(Template::parse(written.as_bytes()).unwrap().expand(key)).unwrap()
    }

    #[test]
    fn the_place_stands_for_the_key_and_doubled_braces_for_braces() {
        for (written, expected) in [
            ("", ""),
            ("/items", "/items"),
            ("{key}", "42"),
            ("/{key}/é/{key}{key}", "/42/é/4242"),
            ("{{key}}", "{key}"),
            ("{{\"id\": {key}}}", "{\"id\": 42}"),
            ("{{{key}}}", "{42}"),
        ] {
            assert_eq!(expanded(written, 42), expected, "{written}");
        }
    }

    #[test]
    fn anything_else_between_braces_is_refused_with_what_to_write() {
        for (written, expected) in [
            ("/{id}", "'{id}' stands for nothing here; known is {key}, and {{ and }} stand for braces"),
            ("{", "a brace stands alone at '{'; write {{ or }} for a brace, or {key}"),
            ("a}b", "alone at '}b'"),
            ("{}", "alone at '{}'"),
            ("{Key}", "alone at '{Key}'"),
            ("{\"a\":\n 1}", "alone at '{\"a\":  1}'"),
            ("{{key}", "alone at '}'"),
            ("}{key}", "alone at '}{key}'"),
            ("{étrange, très étrange, plus long}", "alone at '{étrange, très étran'"),
        ] {
            let error = Template::parse(written.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }

    #[test]
    fn only_what_stands_for_nothing_is_empty() {
        let is_empty = |written: &[u8]| Template::parse(written).unwrap().is_empty();
        assert!(is_empty(b"") && !is_empty(b"{key}") && !is_empty(b"a"));
        assert!(Template::verbatim(*b"").is_empty() && !Template::verbatim(*b"{").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_written_by_doubling_their_braces(
            bytes in proptest::collection::vec(prop_oneof![Just(b'{'), Just(b'}'), any::<u8>()], 0..40)
        ) {
            let doubled: Vec<u8> = bytes
                .iter()
                .flat_map(|&byte| std::iter::repeat_n(byte, 1 + usize::from(b"{}".contains(&byte))))
                .collect();
            prop_assert_eq!(Template::parse(&doubled).unwrap(), Template::verbatim(bytes));
        }

        #[test]
        fn its_length_is_that_of_its_texts_and_keys(written in "([{}]{2}|\\{key\\}|a|é){0,12}", key: u64) {
            if let Ok(template) = Template::parse(written.as_bytes()) {
                let length = template.text_bytes() + template.places() * key.to_string().len();
                prop_assert_eq!(template.expand(key).len(), length);
            }
        }
    }
}
