//! A form or query as it came: in order, repeated names kept, decoded.

/// Twilio's own forms have some two thousand bytes. Sixty-four thousand leave room for whatever it adds, and none for
/// filling our memory.
const BYTES_MAX: usize = 64 * 1024;

/// Twilio sends some thirty.
const PARAMS_MAX: usize = 256;

/// Every parameter of a request, decoded but otherwise untouched: not trimmed, empty values included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

/// Why a form cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("the form has more than {BYTES_MAX} bytes")]
    TooLarge,
    #[error("the form has more than {PARAMS_MAX} parameters")]
    TooMany,
    #[error("a parameter of the form is not UTF-8")]
    NotUtf8,
}

impl FormError {
    /// The HTTP status that says so.
    pub fn status(self) -> u16 {
        match self {
            FormError::TooLarge | FormError::TooMany => 413,
            FormError::NotUtf8 => 400,
        }
    }
}

impl Params {
    /// Reads an `application/x-www-form-urlencoded` body.
    pub fn from_form(body: &[u8]) -> Result<Params, FormError> {
        if body.len() > BYTES_MAX {
            return Err(FormError::TooLarge);
        }
        let mut params = Vec::new();
        for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            if params.len() == PARAMS_MAX {
                return Err(FormError::TooMany);
            }
            let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            params.push((decode(name)?, decode(value)?));
        }
        Ok(Params(params))
    }

    /// Reads the query of a `GET`: what comes after the question mark.
    pub fn from_query(query: &str) -> Result<Params, FormError> {
        Params::from_form(query.as_bytes())
    }

    /// Parameters from elsewhere, for signing a request of our own.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Params {
        Params(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// The first value of this name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The first value of this name, unless it is empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// Every value of this name, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(found, _)| *found == name).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Decodes `+` and `%xx`. A percent sign without two digits stands for itself, as browsers and frameworks have it.
fn decode(encoded: &[u8]) -> Result<String, FormError> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, after) {
            (b'+', _) => decoded.push(b' '),
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            (&byte, _) => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| FormError::NotUtf8)
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
