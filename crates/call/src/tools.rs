//! What an agent may have done on its behalf.
//!
//! Some tools are the call's own (hang up, transfer, keys, silence); the rest are the bot's, run by the shell over
//! HTTP. Every tool call is answered, unknown ones with an error: an agent that waits for an answer is silent.

use serde::{Deserialize, Serialize};

/// The agent asks for something to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// The arguments as the agent wrote them: a JSON object, or anything else when it is confused.
    pub arguments: serde_json::Value,
    pub wants_answer: bool,
}

/// Run one of the bot's own tools; the answer comes back as [`ToolOutcome`].
#[derive(Clone, Debug, PartialEq)]
pub struct ToolRun {
    pub id: String,
    pub name: String,
    pub arguments: serde_json::Value,
}

/// How a tool of the bot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolOutcome {
    pub id: String,
    pub result: String,
    pub is_error: bool,
}

/// The tools that a call performs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnTool {
    EndCall,
    TransferToNumber,
    TransferToAgent,
    PlayKeypadTouchTone,
    VoicemailDetection,
    DetectLanguage,
    SkipTurn,
}

impl OwnTool {
    /// By the names that providers and the older services use for them.
    pub fn by_name(name: &str) -> Option<OwnTool> {
        Some(match name {
            "end_call" | "hang_up" | "hangup" => OwnTool::EndCall,
            "transfer_to_number" | "transfer_call" => OwnTool::TransferToNumber,
            "transfer_to_agent" => OwnTool::TransferToAgent,
            "play_keypad_touch_tone" | "send_dtmf" => OwnTool::PlayKeypadTouchTone,
            "voicemail_detection" => OwnTool::VoicemailDetection,
            "detect_language" | "language_detection" => OwnTool::DetectLanguage,
            "skip_turn" => OwnTool::SkipTurn,
            _ => return None,
        })
    }
}
