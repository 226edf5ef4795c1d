//! Mcube.

use carriers::mcube::call_control::ten_digits;

use super::{Check, is_loopback};

/// Shorter secrets can be tried out.
const TOKEN_CHARS_MIN: usize = 16;

const NAME_CHARS_MAX: usize = 64;

impl Check<'_> {
    pub(super) fn mcube(&mut self) {
        let mcube = &self.config.carriers.mcube;
        self.safe_url("carriers.mcube.api_base_url", &mcube.api_base_url);
        if let Some(number) = &mcube.exe_number
            && ten_digits(number).is_none()
        {
            self.wrong(
                "carriers.mcube.exe_number",
                format!("is `{number}`, which is not an Indian telephone number"),
                "write the executive's ten digits as Mcube has them, such as 9876543210",
            );
        }
        if mcube.stream_path.ends_with('/') {
            self.wrong(
                "carriers.mcube.stream_path",
                format!("is `{}`", mcube.stream_path),
                "name a path without a slash at its end, such as /ws; the sockets are below it",
            );
        }
        self.mcube_names();
        self.mcube_bots();
        self.mcube_proof();
        self.mcube_outbound();
    }

    fn mcube_names(&mut self) {
        let mcube = &self.config.carriers.mcube;
        let field = mcube.transfer_number_field.trim();
        if field.is_empty() || field.chars().count() > NAME_CHARS_MAX || field != mcube.transfer_number_field
        {
            self.wrong(
                "carriers.mcube.transfer_number_field",
                format!(
                    "is `{}`",
                    mcube.transfer_number_field.chars().take(NAME_CHARS_MAX).collect::<String>()
                ),
                "write the one word that Mcube expects: number, transferTo or to",
            );
        } else if ["event", "streamId", "callId"].contains(&field) {
            self.wrong(
                "carriers.mcube.transfer_number_field",
                format!("is `{field}`, which the message has already"),
                "write the one word that Mcube expects: number, transferTo or to",
            );
        }
        let fields = &mcube.fields;
        for (name, words) in [
            ("business_id", &fields.business_id),
            ("agent_id", &fields.agent_id),
            ("did", &fields.did),
            ("customer_number", &fields.customer_number),
            ("customer_name", &fields.customer_name),
        ] {
            if words.iter().any(|word| word.trim().is_empty()) {
                self.wrong(
                    format!("carriers.mcube.fields.{name}"),
                    "holds an empty name",
                    "list the names that Mcube may use, such as [\"agentId\", \"agent_id\"]; none at all is []",
                );
            }
        }
    }

    fn mcube_bots(&mut self) {
        let known: Vec<&str> = self.config.bots.iter().map(|bot| bot.name.as_str()).collect();
        for (agent, bot) in &self.config.carriers.mcube.agents {
            if !known.contains(&bot.as_str()) {
                self.wrong(
                    format!("carriers.mcube.agents.{agent}"),
                    format!("names the bot `{bot}`, which does not exist"),
                    format!("name one of: {}", known.join(", ")),
                );
            }
        }
    }

    /// Whoever can reach unguarded webhooks and sockets can hold calls at somebody else's expense.
    fn mcube_proof(&mut self) {
        let (mcube, server) = (&self.config.carriers.mcube, &self.config.server);
        let tokens = mcube.token.iter().map(|token| ("token".to_owned(), token));
        let more =
            mcube.more_tokens.iter().enumerate().map(|(at, token)| (format!("more_tokens.{at}"), token));
        for (name, token) in tokens.chain(more).collect::<Vec<_>>() {
            let letters = token.reveal().chars().count();
            if letters == 0 {
                self.wrong(
                    format!("carriers.mcube.{name}"),
                    "is empty, so everybody would know it",
                    "make one with `openssl rand -hex 24`, or take the key out",
                );
            } else if letters < TOKEN_CHARS_MIN {
                self.warn(
                    format!("carriers.mcube.{name}"),
                    format!("has {letters} characters and can be guessed"),
                    "make a longer one with `openssl rand -hex 24`",
                );
            }
        }
        let public = server.public_url.as_ref().is_some_and(|url| !is_loopback(url));
        let open = !server.listen.ip().is_loopback() || public;
        if mcube.allow_unauthenticated {
            let reach = match open {
                true => "CAN REACH THIS GATEWAY FROM OUTSIDE",
                false => "CAN REACH THIS GATEWAY",
            };
            self.warn(
                "carriers.mcube.allow_unauthenticated",
                format!("is on: MCUBE'S WEBHOOKS AND MEDIA SOCKETS ARE OPEN TO ANYBODY WHO {reach}"),
                "set carriers.mcube.token, put ?token=… behind the addresses that Mcube is given, and set this to false",
            );
        } else if mcube.is_used() && !mcube.has_token() && open {
            self.warn(
                "carriers.mcube.token",
                "is missing, so Mcube's webhooks and media sockets are refused",
                "make one with `openssl rand -hex 24` and put ?token=… behind the addresses that Mcube is given",
            );
        }
    }

    fn mcube_outbound(&mut self) {
        let (mcube, server) = (&self.config.carriers.mcube, &self.config.server);
        match (&mcube.api_token, &mcube.exe_number) {
            (Some(_), None) => self.warn(
                "carriers.mcube.exe_number",
                "is missing, so calls can be placed only where the request names the executive's number itself",
                "set it (MCUBE_EXE_NUMBER) to the executive's ten digits",
            ),
            (None, Some(_)) => self.warn(
                "carriers.mcube.api_token",
                "is missing, so carriers.mcube.exe_number is not used and no call can be placed",
                "set it (MCUBE_API_TOKEN) to the token of Mcube's interface",
            ),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if mcube.is_used() && server.public_url.is_none() {
            self.warn(
                "server.public_url",
                "is missing, so Mcube cannot be told where its media goes, and no call can be placed",
                "set it (WEBHOOK_BASE_URL) to the https address under which Mcube reaches this gateway",
            );
        }
    }
}
