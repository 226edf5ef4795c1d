//! A small, bounded tree of XML elements: how the carriers that speak XML read a document.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Twilio's limit for a whole document; nobody else names one.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// `<Response><Connect><Stream><Parameter>` is four; markup inside `<Say>` adds a few.
const DEPTH_MAX: usize = 12;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Element>,
    /// The text directly inside, without that of the children.
    pub(crate) text: String,
    /// The text of the whole, in document order.
    flowing: String,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn whole_text(&self) -> String {
        self.flowing.clone()
    }

    /// The element as it was opened, for people.
    pub(crate) fn opening_tag(&self) -> String {
        let attributes: String =
            self.attributes.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect();
        format!("<{}{attributes}>", self.name)
    }
}

pub(crate) fn parse(text: &str) -> Result<Element, String> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(format!("the document has more than {DOCUMENT_BYTES_MAX} bytes"));
    }
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut root: Option<Element> = None;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return Err("elements are nested too deeply".into());
                }
                open.push(element_of(&start)?);
            }
            Event::Empty(start) => close(element_of(&start)?, &mut open, &mut root)?,
            Event::End(_) => {
                let element = open.pop().ok_or("an element ends that never began")?;
                close(element, &mut open, &mut root)?;
            }
            Event::Text(text) => {
                push_text(&mut open, &text.xml10_content().map_err(|error| error.to_string())?)?
            }
            Event::CData(text) => {
                push_text(&mut open, &text.xml10_content().map_err(|error| error.to_string())?)?
            }
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                if let Some(character) = character {
                    push_text(&mut open, character.encode_utf8(&mut [0; 4]))?;
                } else {
                    let name = reference.xml10_content().map_err(|error| error.to_string())?;
                    let value = quick_xml::escape::resolve_predefined_entity(&name)
                        .ok_or_else(|| format!("unknown entity &{name};"))?;
                    push_text(&mut open, value)?;
                }
            }
            Event::DocType(_) => return Err("document types are not allowed".into()),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(element) = open.last() {
        return Err(format!("<{}> is not closed", element.name));
    }
    root.ok_or_else(|| "the document is empty".into())
}

fn element_of(start: &BytesStart<'_>) -> Result<Element, String> {
    let name = std::str::from_utf8(start.name().as_ref()).map_err(|error| error.to_string())?.to_owned();
    let mut element = Element { name, ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = std::str::from_utf8(attribute.key.as_ref()).map_err(|error| error.to_string())?.to_owned();
        let value = attribute
            .normalized_value(quick_xml::XmlVersion::Implicit1_0)
            .map_err(|error| error.to_string())?
            .into_owned();
        element.attributes.push((name, value));
    }
    Ok(element)
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), String> {
    if let Some(parent) = open.last_mut() {
        parent.flowing.push_str(&element.flowing);
        parent.children.push(element);
    } else if root.is_some() {
        return Err("there is more than one root".into());
    } else {
        *root = Some(element);
    }
    Ok(())
}

fn push_text(open: &mut [Element], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => {
            element.text.push_str(text);
            element.flowing.push_str(text);
            Ok(())
        }
        None if text.trim().is_empty() => Ok(()),
        None => Err("text outside of the root".into()),
    }
}
