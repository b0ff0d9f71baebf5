//! Tokens -> the paths that a file names, resolved to the package's root or to a crate.

use super::tokens::Token;

/// One path that a file names, from `crate` or a crate's name on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// The module that a file is.
#[derive(Debug)]
pub(crate) struct Origin {
    modules: Vec<String>,
}

impl Origin {
    /// Of the file at this path below src/.
    pub(crate) fn of(file: &str) -> Origin {
        let name = file.strip_suffix(".rs").unwrap_or(file);
        let mut modules: Vec<String> = name.split('/').map(str::to_owned).collect();
        if modules.len() > 1 && modules.last().is_some_and(|last| last == "mod") {
            modules.pop();
        }
        Origin { modules }
    }

    /// The layer that the file belongs to: `lib` and `main` are layers of their own.
    pub(crate) fn layer(&self) -> String {
        self.modules[0].clone()
    }

    /// The modules from the root to the file: none for the two roots themselves.
    fn within_package(&self) -> Vec<String> {
        if self.modules == ["lib"] || self.modules == ["main"] { Vec::new() } else { self.modules.clone() }
    }
}

/// All paths of a file.
pub(crate) fn references(tokens: &[Token], origin: &Origin) -> Vec<Reference> {
    let mut reader =
        Reader { tokens, at: 0, modules: origin.within_package(), blocks: Vec::new(), found: vec![] };
    while reader.at < tokens.len() {
        reader.step();
    }
    reader.found
}

/// Words before which a path may begin with `::`, so that they are no part of it.
const KEYWORDS: &[&str] =
    &["return", "break", "in", "else", "match", "if", "while", "mut", "dyn", "impl", "as", "for"];

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The module at this place of the file.
    modules: Vec<String>,
    /// For each open brace whether it opened a module.
    blocks: Vec<bool>,
    found: Vec<Reference>,
}

impl Reader<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }

    fn step(&mut self) {
        match self.text(self.at) {
            // Not the `use<'a>` of a type that says what it captures.
            "use" if self.text(self.at + 1) != "<" => {
                self.at += 1;
                self.use_tree(&mut Vec::new());
            }
            "mod" if self.text(self.at + 2) == "{" => {
                self.modules.push(self.text(self.at + 1).to_owned());
                self.blocks.push(true);
                self.at += 3;
            }
            "{" => {
                self.blocks.push(false);
                self.at += 1;
            }
            "}" => {
                if self.blocks.pop() == Some(true) {
                    self.modules.pop();
                }
                self.at += 1;
            }
            _ => self.inline(),
        }
    }

    /// A path outside `use`: names with `::` between them.
    fn inline(&mut self) {
        let start = self.at;
        let mut path = vec![self.text(start).to_owned()];
        self.at += 1;
        if !is_name(&path[0]) || KEYWORDS.contains(&self.text(start)) || self.continues_another(start) {
            return;
        }
        while self.text(self.at) == "::" && is_name(self.text(self.at + 1)) {
            path.push(self.text(self.at + 1).to_owned());
            self.at += 2;
        }
        // `pub(crate)` and lone names say nothing of other modules.
        if path.len() > 1 {
            let line = self.tokens[self.at - 1].line;
            self.add(path, line);
        }
    }

    /// A field or method is no path, nor is what follows a type in angle brackets.
    fn continues_another(&self, at: usize) -> bool {
        let before = |count: usize| at.checked_sub(count).map_or("", |at| self.text(at));
        before(1) == "." || (before(1) == "::" && before(2) == ">")
    }

    /// One tree of a `use`: `a::b`, `a::{b, c}`, `a::*`, `a as b`; `prefix` is what stands before it.
    fn use_tree(&mut self, prefix: &mut Vec<String>) {
        let depth = prefix.len();
        let mut is_group = false;
        while self.at < self.tokens.len() {
            match self.text(self.at) {
                "::" => self.at += 1,
                "{" => {
                    is_group = true;
                    self.group(prefix);
                }
                "as" => self.at += 2,
                "," | "}" | ";" => break,
                name => {
                    prefix.push(name.to_owned());
                    self.at += 1;
                }
            }
        }
        if !is_group && prefix.len() > depth {
            let mut path = prefix.clone();
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            self.add(path, self.tokens[self.at - 1].line);
        }
        prefix.truncate(depth);
    }

    fn group(&mut self, prefix: &mut Vec<String>) {
        while !matches!(self.text(self.at), "}" | "") {
            self.at += 1;
            self.use_tree(prefix);
        }
        self.at += 1;
    }

    /// Adds a path, with `self` and `super` at its beginning resolved.
    fn add(&mut self, path: Vec<String>, line: usize) {
        let relative = path.iter().take_while(|name| *name == "self" || *name == "super").count();
        let resolved = if relative > 0 {
            let ups = path[..relative].iter().filter(|name| *name == "super").count();
            let kept = self.modules.len().saturating_sub(ups);
            let modules = self.modules[..kept].iter().cloned();
            std::iter::once("crate".to_owned())
                .chain(modules)
                .chain(path[relative..].iter().cloned())
                .collect()
        } else {
            path
        };
        self.found.push(Reference { path: resolved, line });
    }
}
