//! A look at the agents' own settings when the gateway starts.
//!
//! An ElevenLabs agent whose settings do not fit is found out by the first caller otherwise. Start-up does not wait for
//! the answer: a provider that is down for a minute is no reason not to come up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agents::elevenlabs::Override;
use agents::elevenlabs::inspect::{self, AgentReport, Severity};
use tracing::{info, warn};

use crate::config::{AgentKind, Bot};
use crate::elevenlabs_setup;
use crate::gateway::{ELEVENLABS, Gateway};

const ASK_WITHIN: Duration = Duration::from_secs(10);

/// What is known of each bot's agent.
#[derive(Debug, Default)]
pub struct AgentReports {
    known: Mutex<HashMap<String, Arc<AgentReport>>>,
}

impl AgentReports {
    fn learn(&self, bot: &str, report: AgentReport) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(bot.to_owned(), Arc::new(report));
    }

    /// Whether a continued conversation may leave out the greeting. Without knowledge, whoever brings a greeting of their
    /// own must have allowed that in the agent's settings.
    pub fn allows_first_message(&self, bot: &Bot) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&bot.name)
            .map_or(bot.first_message.is_some(), |report| report.allows(Override::FirstMessage))
    }
}

/// Asks for the settings of every bot's agent and says what does not fit.
pub async fn look_at_agents(gateway: Arc<Gateway>) {
    for bot in gateway.config.bots.iter().filter(|bot| bot.agent == AgentKind::ElevenLabs) {
        let Ok(account) = gateway.elevenlabs_account(bot) else { continue };
        if account.api_key.is_none() {
            // A public agent's settings are not shown to strangers.
            continue;
        }
        let request = inspect::agent_request(&account);
        let report = match gateway.outward.send(ELEVENLABS, &request, ASK_WITHIN).await {
            Ok(reply) => inspect::read_agent(&reply).map_err(|departure| departure.detail),
            Err(error) => Err(error.to_string()),
        };
        match report {
            Ok(report) => {
                tell(&gateway, bot, &report);
                gateway.agent_reports.learn(&bot.name, report);
            }
            Err(words) => warn!(bot = %bot.name, "the agent's settings could not be looked at: {words}"),
        }
    }
}

fn tell(gateway: &Gateway, bot: &Bot, report: &AgentReport) {
    for finding in elevenlabs_setup::findings(&gateway.config, bot, report) {
        match finding.severity {
            Severity::Breaks | Severity::Warns => {
                warn!(bot = %bot.name, "{} ({})", finding.words, finding.mend);
            }
            Severity::Hint => info!(bot = %bot.name, "{} ({})", finding.words, finding.mend),
        }
    }
}
