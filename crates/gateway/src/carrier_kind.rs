//! Which carriers there are. What differs between them is in their capability tables; this names them where something
//! of the gateway's own belongs to one: its settings, its routes, its control interface.

use call::CarrierCapabilities;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CarrierKind {
    Twilio,
    Plivo,
    Exotel,
    Mcube,
    Browser,
}

impl CarrierKind {
    pub const ALL: [CarrierKind; 5] = [
        CarrierKind::Twilio,
        CarrierKind::Plivo,
        CarrierKind::Exotel,
        CarrierKind::Mcube,
        CarrierKind::Browser,
    ];

    /// The carrier's table, as it is before a call has agreed on its sound.
    pub fn table(self) -> &'static CarrierCapabilities {
        match self {
            CarrierKind::Twilio => &carriers::twilio::CAPABILITIES,
            CarrierKind::Plivo => &carriers::plivo::CAPABILITIES,
            CarrierKind::Exotel => &carriers::exotel::CAPABILITIES,
            CarrierKind::Mcube => &carriers::mcube::CAPABILITIES,
            CarrierKind::Browser => &carriers::browser::CAPABILITIES,
        }
    }

    pub fn name(self) -> &'static str {
        self.table().name
    }

    pub fn named(name: &str) -> Option<CarrierKind> {
        CarrierKind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
