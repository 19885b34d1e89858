//! The plan.

use serde_json::json;

use super::*;
use crate::testing::Bench;

#[tokio::test]
async fn the_plan_is_told_and_handed_over() {
    let bench = Bench::new();
    let sent = json!({"todos": [
        {"content": "read", "status": "done", "activeForm": "Reading", "id": "1"},
        {"text": "write", "status": "in_progress", "priority": "high"},
        {"content": "test"},
    ]});
    let output = bench.call("todo", sent).await.unwrap();
    assert_eq!(output.result, "1 of 3 done:\n[x] read\n[>] write\n[ ] test");
    let plan = output.plan.unwrap();
    assert_eq!((plan[0].status, plan[1].priority), (PlanStatus::Completed, PlanPriority::High));
    assert_eq!(bench.call("todo", json!({"todos": []})).await.unwrap().plan, Some(vec![]));
    assert!(bench.tell("todo", json!({"todos": [{"content": " "}]})).await.contains("entry 1"));
    let told = bench.tell("todo", json!({"todos": [{"content": "a", "status": "soon"}]})).await;
    assert!(told.contains("unknown variant `soon`") && told.contains("in_progress"), "{told}");
    assert_eq!(bench.tell("think", json!({"thought": "hm"})).await, "Noted.");
}
