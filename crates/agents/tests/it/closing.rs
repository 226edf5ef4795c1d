//! Why a session is gone, and whether to dial again.

use std::time::Duration;

use agents::elevenlabs::{ErrorBody, Leg};
use call::{AgentCommand, AgentLeft, Retry};
use serde_json::json;

use crate::sessions::{Session, plan};

#[test]
fn refusals_tell_a_person_what_to_mend_and_the_call_what_to_try() {
    let after = |s| Retry::After(Duration::from_secs(s));
    let cases = [
        (
            401,
            r#"{"detail":{"status":"invalid_api_key","message":"Invalid API key"}}"#,
            None,
            Retry::Never,
            "set a valid",
        ),
        (
            401,
            r#"{"detail":{"status":"quota_exceeded","message":"0 credits left"}}"#,
            None,
            Retry::Never,
            "credit",
        ),
        (
            401,
            r#"{"detail":{"code":"missing_permissions","message":"convai_read"}}"#,
            None,
            Retry::Never,
            "permission",
        ),
        (403, r#"{"detail":"only_for_creator+"}"#, None, Retry::Never, "plan"),
        (404, r#"{"detail":{"status":"agent_not_found","message":"?"}}"#, None, Retry::Never, "agent_id"),
        (
            422,
            r#"{"detail":[{"loc":["query","agent_id"],"msg":"field required","type":"missing"}]}"#,
            None,
            Retry::Never,
            "query.agent_id: field required",
        ),
        (
            429,
            r#"{"detail":{"status":"too_many_concurrent_requests","message":"limit 10"}}"#,
            None,
            after(3),
            "in use",
        ),
        (429, r#"{"detail":{"code":"concurrent_limit_exceeded"}}"#, Some(7), after(7), "in use"),
        (429, r#"{"detail":{"code":"rate_limit_exceeded"}}"#, None, Retry::Backoff, "fewer"),
        (429, "", Some(u64::MAX), after(3600), "fewer"),
        (500, "<html>oops</html>", None, Retry::Backoff, "oops"),
        (503, "", Some(2), after(2), "trouble"),
        (302, "", None, Retry::Never, "base_url"),
        (200, "", None, Retry::Never, "base_url"),
        (400, r#"{"detail":{"message":"bad"}}"#, None, Retry::Never, "bad"),
        (0, "", None, Retry::Never, "status 0"),
    ];
    for (status, body, retry_after_s, retry, words) in cases {
        let departure = Leg::refused(status, body, retry_after_s);

        assert_eq!(departure.cause, AgentLeft::Refused { status });
        assert_eq!(departure.retry, retry, "{status} {body}");
        assert!(departure.detail.contains(words), "{status} {body}: {}", departure.detail);
    }
}

#[test]
fn spent_credit_is_no_matter_of_keys() {
    let departure = Leg::refused(401, r#"{"detail":{"status":"quota_exceeded","message":"x"}}"#, None);

    assert!(!departure.detail.contains("key"), "{}", departure.detail);
}

#[test]
fn all_four_shapes_of_error_bodies_are_read() {
    let new = r#"{"detail":{"type":"authentication_error","code":"invalid_api_key","message":"No.","status":"old_code","request_id":"req_1","param":null}}"#;
    assert_eq!(
        ErrorBody::parse(new),
        ErrorBody {
            code: Some("invalid_api_key".into()),
            message: Some("No.".into()),
            request_id: Some("req_1".into())
        }
    );
    assert_eq!(
        ErrorBody::parse(r#"{"detail":{"status":"voice_not_found","message":"Which?"}}"#).code.as_deref(),
        Some("voice_not_found")
    );
    assert_eq!(
        ErrorBody::parse(r#"{"detail":[{"loc":["body",0],"msg":"no"},{"msg":"nor this"}]}"#)
            .message
            .as_deref(),
        Some("body.0: no; nor this")
    );
    assert_eq!(ErrorBody::parse(r#"{"detail":"Just words"}"#).message.as_deref(), Some("Just words"));
    assert_eq!(ErrorBody::parse("no JSON\n at all").message.as_deref(), Some("no JSON at all"));
    assert_eq!(ErrorBody::parse("null"), ErrorBody::default());
    assert!(ErrorBody::parse(&"ä".repeat(5_000)).message.unwrap().chars().count() <= 301);
}

fn after_error(code: i64, kind: &str, close: Option<u16>) -> call::AgentDeparture {
    let mut session = Session::telephone();
    session.read(
        &json!({"type": "error", "error_event": {"code": code, "error_type": kind, "message": "words"}}),
    );
    session.leg.closed(close, "")
}

#[test]
fn close_codes_have_their_own_retry_policy() {
    let session = Session::telephone();
    let all_in_use = Retry::After(Duration::from_secs(3));
    let cases = [
        (Some(1000), AgentLeft::Finished, Retry::Over),
        (Some(1001), AgentLeft::Closed { code: 1001 }, Retry::Backoff),
        (Some(1002), AgentLeft::Closed { code: 1002 }, Retry::Backoff),
        (Some(1005), AgentLeft::Closed { code: 1005 }, Retry::Backoff),
        (Some(1006), AgentLeft::Lost, Retry::Backoff),
        (None, AgentLeft::Lost, Retry::Backoff),
        (Some(1008), AgentLeft::Closed { code: 1008 }, Retry::Never),
        (Some(1009), AgentLeft::Closed { code: 1009 }, Retry::Never),
        (Some(1011), AgentLeft::Closed { code: 1011 }, Retry::Backoff),
        (Some(1012), AgentLeft::Closed { code: 1012 }, Retry::Backoff),
        (Some(3008), AgentLeft::Closed { code: 3008 }, all_in_use),
        (Some(4999), AgentLeft::Closed { code: 4999 }, Retry::Backoff),
    ];
    for (code, cause, retry) in cases {
        let departure = session.leg.closed(code, "");
        assert_eq!((departure.cause, departure.retry), (cause, retry), "{code:?}: {}", departure.detail);
        assert!(departure.detail.contains("conv_1"), "{}", departure.detail);
    }
}

#[test]
fn the_last_error_decides_where_the_code_is_vague() {
    for kind in
        ["llm_timeout", "transport_receive_timeout", "tts_cascade_error", "asyncio_timeout", "unknown"]
    {
        assert_eq!(after_error(1002, kind, Some(1002)).retry, Retry::Backoff, "{kind}");
    }
    assert_eq!(after_error(1002, "safety_violation", Some(1002)).retry, Retry::Never);
    assert_eq!(after_error(1002, "quota_exceeded", Some(1002)).retry, Retry::Never);
    assert_eq!(after_error(1000, "max_duration_exceeded", Some(1000)).retry, Retry::Over);

    let override_error = after_error(1008, "override_error", Some(1008));
    assert!(override_error.detail.contains("override"), "{}", override_error.detail);
    let variable = after_error(1008, "missing_dynamic_variable", Some(1008));
    assert!(variable.detail.contains("dynamic_variables"), "{}", variable.detail);

    // The network broke before the close that was announced.
    assert_eq!(after_error(1008, "override_error", None).retry, Retry::Never);
    // Spent credit can look like an orderly end.
    assert_eq!(after_error(1002, "quota_exceeded", Some(1000)).retry, Retry::Never);
}

#[test]
fn an_agent_that_talked_about_payments_was_not_out_of_credit() {
    let departure =
        Session::telephone().leg.closed(Some(1000), "the caller asked about a credit card payment");

    assert_eq!(departure.retry, Retry::Over);
}

#[test]
fn a_session_closed_before_it_stood_is_not_a_finished_conversation() {
    let departure = Session::new(plan(audio::Rate::Hz8000)).leg.closed(Some(1000), "");

    assert_eq!((departure.cause, departure.retry), (AgentLeft::Closed { code: 1000 }, Retry::Backoff));
}

#[test]
fn our_own_leaving_is_never_retried() {
    let mut session = Session::telephone();

    session.write(AgentCommand::Leave);

    for code in [Some(1000), Some(1005), Some(1006), Some(1011), None] {
        let departure = session.leg.closed(code, "");
        assert_eq!((departure.cause, departure.retry), (AgentLeft::Finished, Retry::Over), "{code:?}");
    }
}
