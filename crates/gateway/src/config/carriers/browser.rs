//! `[carriers.browser]`.

use super::super::keys::section;

section! {
    /// The browser as a telephone, on the gateway's own page.
    pub struct Browser {
        /// Whether the page can place calls.
        enabled: bool = true,
        /// The path of its media socket.
        path: String = "/browser".to_owned(),
    }
}
