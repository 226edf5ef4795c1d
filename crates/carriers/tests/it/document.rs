//! Documents, read by somebody else's parser.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// An element without what does not matter: the order of its attributes, the way it was escaped.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    inside: Vec<Element>,
}

/// The one element that a document is.
pub(crate) fn read(document: &str) -> Element {
    let mut reader = quick_xml::Reader::from_str(document);
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push(element(&start)),
            Event::Empty(start) => open.last_mut().unwrap().inside.push(element(&start)),
            Event::End(_) => {
                let done = open.pop().unwrap();
                open.last_mut().unwrap().inside.push(done);
            }
            Event::Text(text) => {
                let text = text.xml_content(XmlVersion::Explicit1_0).unwrap();
                open.last_mut().unwrap().text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().unwrap();
                let text = match reference.resolve_char_ref().unwrap() {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&name).unwrap().to_owned(),
                };
                open.last_mut().unwrap().text.push_str(&text);
            }
            Event::Eof => break,
            Event::Decl(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(open.len(), 1, "every element is closed");
    open.remove(0).inside.remove(0)
}

fn element(start: &BytesStart<'_>) -> Element {
    let attributes = start.attributes().map(|attribute| {
        let attribute = attribute.unwrap();
        let name = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
        (name, attribute.normalized_value(XmlVersion::Explicit1_0).unwrap().into_owned())
    });
    Element {
        name: String::from_utf8(start.name().as_ref().to_vec()).unwrap(),
        attributes: attributes.collect(),
        ..Element::default()
    }
}
