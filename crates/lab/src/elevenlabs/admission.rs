//! What a conversation starts with: are these overrides allowed, is every variable there?

use serde_json::{Map, Value};

use super::agent::{AgentDoc, OVERRIDES};

/// The agent as this conversation has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Effective {
    pub(super) first_message: String,
    pub(super) language: String,
    pub(super) text_only: bool,
    pub(super) client_events: Vec<String>,
    pub(super) max_duration_seconds: u64,
    pub(super) variables: Map<String, Value>,
    pub(super) complaints: Vec<String>,
}

/// Why a conversation cannot start: closed with 1008 and this `error_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inadmissible {
    pub(super) error_type: &'static str,
    pub(super) problem: String,
}

pub(super) fn admit(agent: &AgentDoc, start: Option<&Value>) -> Result<Effective, Inadmissible> {
    let mut effective = Effective {
        first_message: agent.first_message.clone(),
        language: agent.language.clone(),
        text_only: !agent.sends("audio"),
        client_events: agent.client_events.clone(),
        max_duration_seconds: agent.max_duration_seconds,
        variables: agent.variable_defaults.clone().into_iter().collect(),
        complaints: Vec::new(),
    };
    let mut prompt = agent.prompt.clone();
    let empty = Map::new();
    let section =
        |name: &str| start.and_then(|start| start.get(name)).and_then(Value::as_object).unwrap_or(&empty);

    for (path, value) in leaves(section("conversation_config_override")) {
        // An official client without sound sends `text_only` one level too high; it is taken as meant.
        if path == "text_only" {
            effective.text_only |= value == Value::Bool(true);
            continue;
        }
        if !OVERRIDES.contains(&path.as_str()) {
            effective.complaints.push(format!("unknown override {path:?} was ignored"));
            continue;
        }
        if !agent.may_override(&path) {
            return Err(Inadmissible {
                error_type: "override_error",
                problem: format!("Override for field '{path}' is not allowed by config."),
            });
        }
        if value.is_null() || value == "" {
            effective.complaints.push(format!("override {path:?} is empty and taken literally"));
        }
        match (path.as_str(), &value) {
            ("agent.first_message", Value::String(text)) => effective.first_message = text.clone(),
            ("agent.language", Value::String(text)) => effective.language = text.clone(),
            ("agent.prompt.prompt", Value::String(text)) => prompt = text.clone(),
            ("conversation.text_only", Value::Bool(only)) => effective.text_only = *only,
            ("conversation.max_duration_seconds", Value::Number(seconds)) => {
                effective.max_duration_seconds = seconds.as_u64().unwrap_or(effective.max_duration_seconds);
            }
            ("conversation.client_events", Value::Array(events)) => {
                effective.client_events =
                    events.iter().filter_map(|e| e.as_str().map(str::to_owned)).collect();
            }
            _ => {}
        }
    }
    for (name, value) in section("dynamic_variables") {
        if name.starts_with("system__") {
            effective.complaints.push(format!("dynamic variable {name:?} is reserved and was ignored"));
            continue;
        }
        if !(value.is_string() || value.is_number() || value.is_boolean()) {
            return Err(Inadmissible {
                error_type: "value_error",
                problem: format!("dynamic variable {name:?} is neither text, number nor boolean"),
            });
        }
        effective.variables.insert(name.clone(), value.clone());
    }
    let absent: Vec<String> = agent
        .required_variables(&effective.first_message, &prompt)
        .into_iter()
        .filter(|name| !effective.variables.contains_key(name))
        .collect();
    if !absent.is_empty() {
        return Err(Inadmissible {
            error_type: "missing_dynamic_variable",
            problem: format!("Missing required dynamic variables: {absent:?}"),
        });
    }
    Ok(effective)
}

/// Every value of a nested object with its dotted path; lists count as values.
fn leaves(object: &Map<String, Value>) -> Vec<(String, Value)> {
    fn walk(object: &Map<String, Value>, prefix: &str, depth: u32, found: &mut Vec<(String, Value)>) {
        for (name, value) in object {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                Value::Object(inner) if depth < 6 && !OVERRIDES.contains(&path.as_str()) => {
                    walk(inner, &path, depth + 1, found);
                }
                _ => found.push((path, value.clone())),
            }
        }
    }
    let mut found = Vec::new();
    walk(object, "", 0, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_override_must_be_switched_on() {
        let start = json!({"conversation_config_override": {"agent": {"first_message": "Hi"}}});
        let mut agent = AgentDoc::default();

        assert_eq!(admit(&agent, Some(&start)).unwrap_err().error_type, "override_error");

        agent.overrides_allowed = vec!["agent.first_message".into()];
        assert_eq!(admit(&agent, Some(&start)).unwrap().first_message, "Hi");
    }

    #[test]
    fn every_placeholder_needs_a_value() {
        let mut agent =
            AgentDoc { first_message: "Hello {{name}}, {{ greeting }}".into(), ..AgentDoc::default() };
        agent.variable_defaults.insert("greeting".into(), "welcome".into());

        assert_eq!(admit(&agent, None).unwrap_err().error_type, "missing_dynamic_variable");

        let start = json!({"dynamic_variables": {"name": "Asha", "system__call_sid": "x"}});
        let effective = admit(&agent, Some(&start)).unwrap();
        assert_eq!(
            super::super::agent::fill_in(&effective.first_message, &effective.variables),
            "Hello Asha, welcome"
        );
        assert_eq!(effective.complaints.len(), 1);
    }

    #[test]
    fn empty_overrides_of_an_official_client_change_nothing() {
        let start =
            json!({"conversation_config_override": {}, "dynamic_variables": {}, "custom_llm_extra_body": {}});

        let effective = admit(&AgentDoc::default(), Some(&start)).unwrap();

        assert_eq!(effective, admit(&AgentDoc::default(), None).unwrap());
    }
}
