//! Tools: those the agent asks us to run, and the traces of those its platform runs itself.

use call::{AgentEvent, Oddity, ToolCall, ToolStage, ToolTrace};
use serde_json::{Value, json};
use wire::Outbox;

use super::leg::send;
use super::messages::{AgentTool, ClientToolCall, McpToolCall, ToAgent};

pub(super) fn traced(id: String, name: String, stage: ToolStage) -> AgentEvent {
    AgentEvent::ToolTraced(ToolTrace { id, name, stage })
}

pub(super) fn tool_called(tool: ClientToolCall) -> AgentEvent {
    AgentEvent::ToolCalled(ToolCall {
        id: tool.tool_call_id,
        name: tool.tool_name,
        arguments: tool.parameters,
        // Older messages do not say; an answer too many is ignored, one too few blocks the agent.
        wants_answer: tool.expects_response.unwrap_or(true),
    })
}

pub(super) fn failed(tool: &AgentTool) -> bool {
    tool.is_error == Some(true) || tool.is_blocked == Some(true)
}

/// A transfer or keys that the platform took for done: on a WebSocket it has no telephone to do it with, we have.
///
/// Only the full payload, where the agent is set to send it, says whom to call or what to press.
pub(super) fn act_in_its_place(tool: &AgentTool) -> Option<AgentEvent> {
    if failed(tool) || tool.tool_type.as_deref().is_some_and(|kind| kind != "system") {
        return None;
    }
    let result: Value = serde_json::from_str(tool.full_tool_result.as_deref()?).ok()?;
    let text = |name: &str| result.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let arguments = match tool.tool_name.as_str() {
        "transfer_to_number" => json!({"number": text("transfer_number")?, "reason": text("reason")}),
        "play_keypad_touch_tone" => json!({"dtmf_tones": text("dtmf_tones")?}),
        _ => return None,
    };
    Some(AgentEvent::ToolCalled(ToolCall {
        id: tool.tool_call_id.clone(),
        name: tool.tool_name.clone(),
        arguments,
        wants_answer: false,
    }))
}

pub(super) fn follow_mcp_tool(tool: McpToolCall, events: &mut Vec<AgentEvent>, outbox: &mut Outbox) {
    let stage = match tool.state.as_str() {
        "loading" => ToolStage::Requested,
        "success" => ToolStage::Done,
        "failure" => ToolStage::Failed,
        "awaiting_approval" => {
            // Nobody on a telephone line can approve it. Saying so at once spares the caller the wait.
            let refusal = ToAgent::McpToolApprovalResult {
                tool_call_id: tool.tool_call_id.clone(),
                is_approved: false,
            };
            send(&refusal, outbox);
            ToolStage::Failed
        }
        _ => return events.push(AgentEvent::Odd(Oddity::UnknownMessage)),
    };
    events.push(traced(tool.tool_call_id, tool.tool_name, stage));
}
