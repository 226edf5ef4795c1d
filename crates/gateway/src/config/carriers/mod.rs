//! `[carriers.*]`: the phone side.

mod browser;
mod exotel;
mod mcube;
mod plivo;
mod twilio;

pub use browser::Browser;
pub use exotel::{Exotel, ExotelRegion};
pub use mcube::{Mcube, McubeFields};
pub use plivo::{ContentType, Plivo};
pub use twilio::{Twilio, WhenGone};

use super::keys::section;

section! {
    /// The phone side: one table per carrier.
    pub struct Carriers {
        /// Twilio.
        twilio: Twilio = Twilio::default(),
        /// Plivo.
        plivo: Plivo = Plivo::default(),
        /// Exotel.
        exotel: Exotel = Exotel::default(),
        /// Mcube.
        mcube: Mcube = Mcube::default(),
        /// The page of this gateway that makes a browser a telephone.
        browser: Browser = Browser::default(),
    }
}
