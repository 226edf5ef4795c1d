//! `<Connect><Stream>`: the media stream as a verb.

use super::Method;
use super::call::Call;
use super::dialect::{Reports, Spoken};
use super::signature;
use super::twiml::StreamSpec;
use crate::chance;
use crate::phone::order::Leave;
use crate::phone::stream::Opening;

impl Call {
    /// Opens the stream and stays in it until it ends. Ok means: on to the next verb, refused or not.
    pub(super) async fn stream(&mut self, spec: StreamSpec) -> Result<(), Leave> {
        let mut headers = vec![("User-Agent".to_owned(), "Twilio.TmeWs/1.0".to_owned())];
        if let Some(signed) = self.asking.sign_upgrade(&spec.url) {
            headers.push((signature::HEADER.to_owned(), signed));
        }
        let opening = Opening {
            headers,
            parameters: spec.parameters.clone(),
            faults: self.faults.clone(),
            ..Opening::at(&spec.url)
        };
        let dialect = Spoken::new(
            self.network.config.account_sid.clone(),
            self.state.sid.clone(),
            chance::sid("MZ"),
            spec.parameters.clone(),
            self.reports(&spec),
        );
        self.phone.stream(&opening, Box::new(dialect)).await?;
        Ok(())
    }

    fn reports(&self, spec: &StreamSpec) -> Option<Reports> {
        let action = spec.status_callback.as_ref()?;
        let url = self.resolve(&action.url)?;
        let method: Method = action.method.into();
        Some(Reports {
            asking: self.asking.clone(),
            queue: self.callbacks.queue(),
            url,
            method,
            name: spec.name.clone(),
        })
    }
}
