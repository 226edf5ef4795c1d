//! Forms in both of their clothes: URL-encoded, and as the parts of a multipart body.

/// A decoded form; names may repeat.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn one<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let named = self.0.iter().find(|(known, value)| known == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// The values of `name[]`, `name[0]`, `name[1]` …, and of plain `name`.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let is_it = |known: &str| {
            let Some(rest) = known.strip_prefix(name) else { return false };
            let inside = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            rest.is_empty() || inside.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        };
        self.0.iter().filter(|(known, _)| is_it(known)).map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Reads a body by its content type; none if it is no form, or a torn one.
    pub(super) fn read(content_type: &str, body: &[u8]) -> Option<Form> {
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        match kind.trim().to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => {
                Some(Form(url::form_urlencoded::parse(body).into_owned().collect()))
            }
            "multipart/form-data" => {
                let boundary = parameter(parameters, "boundary").filter(|boundary| !boundary.is_empty())?;
                parts(std::str::from_utf8(body).ok()?, boundary).map(Form)
            }
            _ => None,
        }
    }
}

/// `name=value` or `name="value"` among the parameters of a header.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (known, value) = parameter.split_once('=')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn parts(body: &str, boundary: &str) -> Option<Vec<(String, String)>> {
    let delimiter = format!("--{boundary}");
    let mut pieces = body.split(delimiter.as_str());
    // Whatever is before the first boundary is for people.
    pieces.next()?;
    let mut fields = Vec::new();
    for piece in pieces {
        if piece.starts_with("--") {
            return Some(fields);
        }
        let (headers, value) = piece.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
        let disposition = headers.lines().find_map(|line| {
            let (name, rest) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-disposition").then_some(rest)
        })?;
        fields.push((parameter(disposition, "name")?.to_owned(), value.strip_suffix("\r\n")?.to_owned()));
    }
    // The closing boundary never came.
    None
}

/// How a form is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormKind {
    #[default]
    Multipart,
    Urlencoded,
}

impl FormKind {
    /// The content type and the body.
    pub(super) fn write(self, fields: &[(String, String)]) -> (String, String) {
        match self {
            FormKind::Urlencoded => (
                "application/x-www-form-urlencoded".to_owned(),
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish(),
            ),
            FormKind::Multipart => {
                let boundary = crate::chance::sid("------------------------");
                let mut body = String::new();
                for (name, value) in fields {
                    body.push_str(&format!(
                        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                    ));
                }
                body.push_str(&format!("--{boundary}--\r\n"));
                (format!("multipart/form-data; boundary={boundary}"), body)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let fields = [("CallSid", "c 1&="), ("Status", ""), ("Events[]", "a"), ("Events[]", "ü\r\nb")];
        let fields: Vec<(String, String)> =
            fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        for kind in [FormKind::Multipart, FormKind::Urlencoded] {
            let (content_type, body) = kind.write(&fields);

            assert_eq!(Form::read(&content_type, body.as_bytes()), Some(Form(fields.clone())));
        }
    }

    #[test]
    fn torn_and_foreign_bodies_are_no_forms() {
        let kind = "multipart/form-data; boundary=\"b\"";
        for (content_type, body) in [
            ("application/json", "{}"),
            ("multipart/form-data", "--b\r\n"),
            (kind, ""),
            (kind, "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"),
            (kind, "--b\r\n\r\n1\r\n--b--"),
            (kind, "--bContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--"),
        ] {
            assert_eq!(Form::read(content_type, body.as_bytes()), None, "{body:?}");
        }
    }

    #[test]
    fn lists_are_named_in_three_ways() {
        let (content_type, body) = FormKind::Urlencoded.write(&[
            ("E[]".into(), "1".into()),
            ("E[0]".into(), "2".into()),
            ("E".into(), "3".into()),
            ("Ex".into(), "4".into()),
        ]);

        assert_eq!(Form::read(&content_type, body.as_bytes()).unwrap().list("E"), ["1", "2", "3"]);
    }
}
