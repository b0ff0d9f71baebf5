//! Words of a command with places for what differs between replicas: `--port={port}`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A string in which `{port}`, `{name}` and `{ringway}` stand for what they say and `{{` and `}}` for braces.
///
/// It is read once, and what is put in is never read again: a name with braces in it stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandTemplate(Box<[Part]>);

/// Text and placeholders, in their order; no text is empty and no two texts are neighbours, so that templates that
/// say the same are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Text(Box<str>),
    Place(Placeholder),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Placeholder {
    Port,
    Name,
    Ringway,
}

/// Why a string is no [`CommandTemplate`]. Each text says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandTemplateError {
    /// A word between braces that stands for nothing.
    #[error(
        "'{{{0}}}' stands for nothing here; known are {{port}}, {{name}} and {{ringway}}, and {{{{ and }}}} stand for braces"
    )]
    Unknown(Box<str>),
    /// A brace that belongs to no placeholder.
    #[error(
        "a brace stands alone at '{0}'; write {{{{ or }}}} for a brace, or {{port}}, {{name}} or {{ringway}}"
    )]
    Brace(Box<str>),
}

/// The most characters of a template that an error quotes.
const QUOTED_CHARACTERS_MAX: usize = 20;

impl CommandTemplate {
    /// The string for one replica: its port, its name, and the path of this program.
    pub fn expand(&self, port: u16, name: &str, ringway: &str) -> String {
        let mut expanded = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => expanded.push_str(text),
                Part::Place(Placeholder::Port) => expanded.push_str(&port.to_string()),
                Part::Place(Placeholder::Name) => expanded.push_str(name),
                Part::Place(Placeholder::Ringway) => expanded.push_str(ringway),
            }
        }
        expanded
    }

    /// Whether `{ringway}` stands in it.
    pub fn names_program(&self) -> bool {
        self.0.contains(&Part::Place(Placeholder::Ringway))
    }

    /// Whether it stands for the empty string.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Placeholder {
    const ALL: [Placeholder; 3] = [Placeholder::Port, Placeholder::Name, Placeholder::Ringway];

    /// The word between the braces.
    const fn word(self) -> &'static str {
        match self {
            Placeholder::Port => "port",
            Placeholder::Name => "name",
            Placeholder::Ringway => "ringway",
        }
    }
}

impl FromStr for CommandTemplate {
    type Err = CommandTemplateError;

    fn from_str(written: &str) -> Result<Self, CommandTemplateError> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                text.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let (placeholder, behind) = placeholder(rest)?;
            push_text(&mut parts, &mut text);
            parts.push(Part::Place(placeholder));
            rest = behind;
        }
        text.push_str(rest);
        push_text(&mut parts, &mut text);
        Ok(CommandTemplate(parts.into()))
    }
}

/// The placeholder at the beginning of `text`, which begins with a brace, and what stands behind it.
fn placeholder(text: &str) -> Result<(Placeholder, &str), CommandTemplateError> {
    let alone = || CommandTemplateError::Brace(text.chars().take(QUOTED_CHARACTERS_MAX).collect());
    let (word, behind) = text.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or_else(alone)?;
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(alone());
    }
    let found = Placeholder::ALL.into_iter().find(|placeholder| placeholder.word() == word);
    let unknown = || CommandTemplateError::Unknown(word.chars().take(QUOTED_CHARACTERS_MAX).collect());
    Ok((found.ok_or_else(unknown)?, behind))
}

fn push_text(parts: &mut Vec<Part>, text: &mut String) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text).into()));
    }
}

/// The string as it may be written: reading it gives the same template.
impl fmt::Display for CommandTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => formatter.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Part::Place(placeholder) => write!(formatter, "{{{}}}", placeholder.word())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(written: &str) -> CommandTemplate {
        written.parse().unwrap()
    }

    #[test]
    fn placeholders_stand_for_what_they_say_and_doubled_braces_for_braces() {
        let cases = [
            ("", ""),
            ("./server", "./server"),
            ("{port}", "20000"),
            ("--listen=127.0.0.1:{port}", "--listen=127.0.0.1:20000"),
            ("{name}/{name}", "web-1/web-1"),
            ("{ringway}", "/usr/bin/ringway"),
            ("{{port}}", "{port}"),
            ("{{{port}}}", "{20000}"),
            ("${{HOME}}é{name}", "${HOME}éweb-1"),
            ("{{{{", "{{"),
        ];
        for (written, expected) in cases {
            assert_eq!(template(written).expand(20_000, "web-1", "/usr/bin/ringway"), expected, "{written}");
        }
    }

    #[test]
    fn what_is_put_in_is_not_read_again() {
        assert_eq!(template("{name}{ringway}").expand(1, "{port}", "}}"), "{port}}}");
    }

    #[test]
    fn anything_else_between_braces_is_refused_with_what_to_write() {
        let cases = [
            (
                "{prot}",
                "'{prot}' stands for nothing here; known are {port}, {name} and {ringway}, and {{ and }}",
            ),
            ("a{portname}", "'{portname}' stands for nothing"),
            ("a{", "alone at '{'; write {{ or }} for a brace, or {port}, {name} or {ringway}"),
            ("a}b", "alone at '}b'"),
            ("{}", "alone at '{}'"),
            ("{Port}", "alone at '{Port}'"),
            ("{ port }", "alone at '{ port }'"),
            ("{{port}", "alone at '}'"),
            ("{port}}", "alone at '}'"),
            ("{\"key\": 1}", "alone at '{\"key\": 1}'"),
            ("{étrange, très étrange, plus long}", "alone at '{étrange, très étran'"),
        ];
        for (written, expected) in cases {
            let error = written.parse::<CommandTemplate>().unwrap_err().to_string();
            assert!(error.contains(expected), "{written}: {error}");
        }
    }

    #[test]
    fn only_the_empty_string_is_empty() {
        assert!(template("").is_empty());
        assert!(!template("{name}").is_empty() && !template("{{").is_empty());
    }

    proptest! {
        #[test]
        fn a_template_that_is_shown_and_read_again_is_the_same(written in "([{}]{1,2}|port|name|é| |a){0,12}") {
            if let Ok(read) = written.parse::<CommandTemplate>() {
                prop_assert_eq!(template(&read.to_string()), read);
            }
        }

        #[test]
        fn any_text_can_be_written_by_doubling_its_braces(text in "[{}a-zé ]{0,24}") {
            let written = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(template(&written).expand(1, "name", "ringway"), text);
        }
    }
}
