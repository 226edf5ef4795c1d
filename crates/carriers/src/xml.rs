//! Just enough XML for the documents that carriers are answered with: elements, attributes, text, escaped.

use std::marker::PhantomData;

/// A document that grows. `E` is what may be wrong with what is written into it.
#[derive(Debug)]
pub(crate) struct Xml<E>(String, PhantomData<fn() -> E>);

impl<E> Xml<E> {
    pub(crate) fn new() -> Xml<E> {
        Xml(r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_owned(), PhantomData)
    }

    /// One element with those attributes that have a value. Without content it closes itself.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, Option<&str>)],
        inside: impl FnOnce(&mut Xml<E>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.escaped(value, true);
            self.0.push('"');
        }
        self.0.push('>');
        let empty = self.0.len();
        inside(self)?;
        if self.0.len() == empty {
            self.0.insert(empty - 1, '/');
        } else {
            self.0.push_str("</");
            self.0.push_str(name);
            self.0.push('>');
        }
        Ok(())
    }

    pub(crate) fn empty(&mut self, name: &str, attributes: &[(&str, Option<&str>)]) -> Result<(), E> {
        self.element(name, attributes, |_| Ok(()))
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), E> {
        self.escaped(text, false);
        Ok(())
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }

    fn escaped(&mut self, text: &str, in_attribute: bool) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' if in_attribute => self.0.push_str("&quot;"),
                // A reader turns bare ones into spaces there, and carriage returns into line feeds everywhere.
                '\t' | '\n' if in_attribute => self.0.push_str(&format!("&#{};", c as u32)),
                '\r' => self.0.push_str("&#13;"),
                // XML 1.0 §2.2 has no way to write these. A control character in a text to be spoken is no reason to
                // lose the call.
                '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
                c => self.0.push(c),
            }
        }
    }
}
