//! Turns, lists and search: what follows from the events.

use wharf_protocol::rest::{SessionQuery, UsageBy, UsageQuery, UsageReport, UsageRow};
use wharf_protocol::{Seq, SessionStatus, StopReason, Timestamp, TurnStatus};

use super::{Backend, Driver, bodies};
use crate::QueryError;
use crate::spending::{DAYS, OTHERS, PAIRS_OF_A_DAY};

pub async fn a_turn_runs_and_ends_once(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    let turn = Driver::turn_id("t");
    assert_eq!(store.turn(driver.id(), &turn).await.unwrap(), None);

    driver.append(vec![(Some("t"), bodies::received("t", "hello"))]).await.unwrap();
    let queued = store.turn(driver.id(), &turn).await.unwrap().unwrap();
    assert_eq!((queued.status, queued.first_seq, queued.message_id.as_str()), (TurnStatus::Queued, Seq(2), "p-t"));

    driver
        .append(vec![(Some("t"), bodies::prompt_started("t", false)), (Some("t"), bodies::turn_started("t"))])
        .await
        .unwrap();
    let running = store.turn(driver.id(), &turn).await.unwrap().unwrap();
    assert_eq!((running.status, running.started_at), (TurnStatus::Running, Some(driver.now)));

    driver.append(vec![(Some("t"), bodies::completed("t"))]).await.unwrap();
    driver.append(vec![(Some("t"), bodies::failed()), (Some("t"), bodies::withdrawn("t"))]).await.unwrap();
    let (ended, hash) = store.turn_of_prompt(driver.id(), &bodies::prompt_id("t")).await.unwrap().unwrap();
    assert_eq!(hash, "hash of hello");
    assert_eq!(ended.status, TurnStatus::Completed, "an end is not overwritten");
    assert_eq!(ended.response.as_deref(), Some("answer to t"));
    assert_eq!((ended.stop_reason, ended.usage), (Some(StopReason::EndTurn), Some(bodies::USAGE)));
    assert_eq!((ended.last_seq, ended.error.is_none()), (Some(Seq(5)), true));
    assert_eq!(store.turn(driver.id(), &turn).await.unwrap(), Some(ended));
    assert_eq!(store.turn_of_prompt(driver.id(), &bodies::prompt_id("x")).await.unwrap(), None);
}

pub async fn turns_that_do_not_complete(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    for turn in ["a", "b", "c"] {
        driver.append(vec![(Some(turn), bodies::received(turn, turn))]).await.unwrap();
    }
    driver.append(vec![(Some("a"), bodies::turn_started("a")), (Some("a"), bodies::cancelled("a"))]).await.unwrap();
    driver.append(vec![(Some("b"), bodies::turn_started("b")), (Some("b"), bodies::failed())]).await.unwrap();
    driver.append(vec![(None, bodies::withdrawn("c"))]).await.unwrap();

    let turns = store.turns(driver.id(), None, 10).await.unwrap();
    let shown: Vec<_> = turns.iter().map(|turn| (turn.turn_id.as_str(), turn.status, turn.error.is_some())).collect();
    let expected =
        [("c", TurnStatus::Withdrawn, false), ("b", TurnStatus::Failed, true), ("a", TurnStatus::Cancelled, false)];
    assert_eq!(shown, expected);
    assert!(turns.iter().all(|turn| turn.ended_at.is_some()));
    assert_eq!(turns[2].response.as_deref(), Some("half an answer to a"));

    let page = store.turns(driver.id(), Some(turns[0].first_seq), 1).await.unwrap();
    assert_eq!(page, turns[1..2]);
    assert!(store.turns(&"other".parse().unwrap(), None, 10).await.unwrap().is_empty());
}

pub async fn a_steered_prompt_belongs_to_the_turn_it_joins(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    driver
        .append(vec![(Some("a"), bodies::received("a", "one")), (Some("a"), bodies::turn_started("a"))])
        .await
        .unwrap();
    // Accepted for a turn of its own, for the running one, and for none.
    driver.append(vec![(Some("b"), bodies::received("b", "two"))]).await.unwrap();
    driver.append(vec![(Some("a"), bodies::received("c", "three"))]).await.unwrap();
    driver.append(vec![(None, bodies::received("d", "four"))]).await.unwrap();
    assert_eq!(store.turn_of_prompt(driver.id(), &bodies::prompt_id("d")).await.unwrap(), None);
    for prompt in ["b", "c", "d"] {
        driver.append(vec![(Some("a"), bodies::prompt_started(prompt, true))]).await.unwrap();
    }
    driver.append(vec![(None, bodies::withdrawn("c")), (Some("a"), bodies::completed("a"))]).await.unwrap();

    for prompt in ["a", "b", "c", "d"] {
        let (turn, _) = store.turn_of_prompt(driver.id(), &bodies::prompt_id(prompt)).await.unwrap().unwrap();
        assert_eq!((turn.turn_id.as_str(), turn.status), ("a", TurnStatus::Completed), "prompt {prompt}");
    }
    assert_eq!(store.turns(driver.id(), None, 10).await.unwrap().len(), 1);
    let joined = store.turn(driver.id(), &Driver::turn_id("b")).await.unwrap().unwrap();
    assert_eq!(joined.turn_id.as_str(), "a", "the turn that was promised leads to the one it became");
    assert!(store.unfinished().await.unwrap().is_empty());
}

pub async fn sessions_in_pages_with_ties(backend: &dyn Backend) {
    let store = backend.open();
    for n in 0..10_i64 {
        Driver::create_at(&store, &format!("s-{n}"), Timestamp(1_000 + n / 4), "/work").await;
    }
    let mut seen = Vec::new();
    let mut query = SessionQuery { limit: Some(3), ..SessionQuery::default() };
    loop {
        let page = store.sessions(&query).await.unwrap();
        assert_eq!(page.total, 10);
        seen.extend(page.sessions.iter().map(|session| session.id.to_string()));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["s-9", "s-8", "s-7", "s-6", "s-5", "s-4", "s-3", "s-2", "s-1", "s-0"]);
    assert_eq!(store.session_count().await.unwrap(), 10);

    let exact = SessionQuery { limit: Some(10), ..SessionQuery::default() };
    assert_eq!(store.sessions(&exact).await.unwrap().next_cursor, None);
    let bad = SessionQuery { cursor: Some("page 2".to_owned()), ..SessionQuery::default() };
    assert!(matches!(store.sessions(&bad).await, Err(QueryError::BadCursor)));
}

pub async fn sessions_by_filter(backend: &dyn Backend) {
    let store = backend.open();
    Driver::create_at(&store, "a", Timestamp(1_000), "/one").await;
    let mut b = Driver::create_at(&store, "b", Timestamp(1_001), "/two").await;
    let mut c = Driver::create_at(&store, "c", Timestamp(1_002), "/two").await;
    b.append(vec![(None, bodies::status(SessionStatus::Busy))]).await.unwrap();
    c.append(vec![(None, bodies::archived(true))]).await.unwrap();

    let check = async |query: SessionQuery, expected: &[&str]| {
        let page = store.sessions(&query).await.unwrap();
        let ids: Vec<&str> = page.sessions.iter().map(|session| session.id.as_str()).collect();
        assert_eq!((ids.as_slice(), page.total), (expected, expected.len() as u64), "{query:?}");
    };
    let all = SessionQuery::default;
    check(all(), &["b", "a"]).await;
    check(SessionQuery { archived: Some(true), ..all() }, &["c"]).await;
    check(SessionQuery { cwd: Some("/two".into()), ..all() }, &["b"]).await;
    check(SessionQuery { cwd: Some("/two".into()), archived: Some(true), ..all() }, &["c"]).await;
    check(SessionQuery { status: Some(SessionStatus::Busy), ..all() }, &["b"]).await;
    check(SessionQuery { status: Some(SessionStatus::Idle), ..all() }, &["a"]).await;
    check(SessionQuery { status: Some(SessionStatus::Error), ..all() }, &[]).await;
    b.append(vec![(None, bodies::status(SessionStatus::Idle))]).await.unwrap();
    c.append(vec![(None, bodies::archived(false))]).await.unwrap();
    check(SessionQuery { status: Some(SessionStatus::Idle), ..all() }, &["c", "b", "a"]).await;
    check(SessionQuery { status: Some(SessionStatus::Busy), ..all() }, &[]).await;
}

pub async fn sessions_by_words(backend: &dyn Backend) {
    let store = backend.open();
    let mut a = Driver::create_at(&store, "a", Timestamp(1_000), "/one").await;
    let mut b = Driver::create_at(&store, "b", Timestamp(1_001), "/two").await;
    a.turn("t", "Fix the parser, please", 0).await;
    a.turn("u", "then run \"cargo test\" AND report", 0).await;
    b.turn("t", "Explain the scheduler", 0).await;
    b.append(vec![(None, bodies::title("Parsers and such"))]).await.unwrap();

    let check = async |q: &str, expected: &[&str]| {
        let page = store.sessions(&SessionQuery { q: Some(q.to_owned()), ..SessionQuery::default() }).await.unwrap();
        let mut ids: Vec<&str> = page.sessions.iter().map(|session| session.id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!((ids.as_slice(), page.total), (expected, expected.len() as u64), "{q}");
    };
    check("parser", &["a", "b"]).await;
    check("PARS fix", &["a"]).await;
    check("explain scheduler", &["b"]).await;
    check("cargo OR nothing", &[]).await;
    check("\"cargo test\" AND", &["a"]).await;
    check("  ", &["a", "b"]).await;
    for unusual in ["\"", "*", "()", "^ -", "'; --", "NEAR(", "{a b}: :", "\0"] {
        check(unusual, &[]).await;
    }
    let mut c = Driver::create_at(&store, "c", Timestamp(1_002), "/three").await;
    c.turn("t", "ログイン画面のエラーを直して", 0).await;
    c.append(vec![(None, bodies::title("修复解析器的 Unicode 错误 Ümläut"))]).await.unwrap();
    for word in ["解析器", "修复", "错误", "析", "画面", "エラー", "UNICODE", "解析器 错误", "ümläut", "的 uni"]
    {
        check(word, &["c"]).await;
    }
    for absent in ["析解", "解析错误", "画エ", "解析器 scheduler", "nicode"] {
        check(absent, &[]).await;
    }
    // The old title is gone, the prompt it was made of is not.
    b.append(vec![(None, bodies::title("Other"))]).await.unwrap();
    check("such", &[]).await;
    check("scheduler", &["b"]).await;
}

pub async fn unfinished_sessions(backend: &dyn Backend) {
    let store = backend.open();
    for name in ["queued", "running", "done", "withdrawn", "deleted"] {
        let mut driver = Driver::create(&store, name).await;
        driver.append(vec![(Some("t"), bodies::received("t", "x"))]).await.unwrap();
        let next = match name {
            "running" => bodies::turn_started("t"),
            "done" => bodies::completed("t"),
            "withdrawn" => bodies::withdrawn("t"),
            _ => bodies::title("x"),
        };
        driver.append(vec![(Some("t"), next)]).await.unwrap();
        if name == "deleted" {
            store.delete(driver.id(), driver.fence).await.unwrap();
        }
    }
    for (name, ends) in [("commands", 1), ("commands-done", 2)] {
        let mut driver = Driver::create(&store, name).await;
        let started = ["x", "y"].map(|id| (None, bodies::command_started(id)));
        driver.append(started.into()).await.unwrap();
        let ended = ["x", "y"].map(|id| (None, bodies::command_ended(id)));
        driver.append(ended.into_iter().take(ends).collect()).await.unwrap();
    }
    let ids: Vec<String> = store.unfinished().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["commands", "queued", "running"]);
}

pub async fn what_was_spent_is_counted_once(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    let spend = |model: &str, nano_usd: Option<u64>| (None, bodies::spent(model, nano_usd));
    driver.append(vec![spend("a/one", Some(300)), spend("a/two", None)]).await.unwrap();
    driver.append(vec![spend("a/one", Some(50))]).await.unwrap();
    // A log of an earlier version says less.
    driver.append(vec![(None, bodies::spent_before())]).await.unwrap();
    let ask = async |by: UsageBy| store.usage(&UsageQuery { by, ..UsageQuery::default() }).await.unwrap();
    let told = |report: &UsageReport| -> Vec<(String, u64, u64, u64)> {
        let row =
            |row: &UsageRow| (row.key.clone(), row.usage.total_tokens, row.cost.nano_usd, row.cost.unpriced_calls);
        report.rows.iter().map(row).collect()
    };
    let tokens = bodies::USAGE.total_tokens;
    let report = ask(UsageBy::Model).await;
    assert_eq!(told(&report), [("a/one".to_owned(), 2 * tokens, 350, 0), ("a/two".to_owned(), tokens, 0, 1)]);
    assert_eq!((report.total_usage.total_tokens, report.total_cost.nano_usd), (3 * tokens, 350));
    assert_eq!((report.total_cost.priced_calls, report.total_cost.unpriced_calls, report.more), (2, 1, false));
    let days = ask(UsageBy::Day).await;
    assert_eq!(told(&days)[0].0, driver.now.to_string()[..10]);
    assert_eq!(told(&ask(UsageBy::Workspace).await).len(), 1);
    let none = UsageQuery { since: Some("2000-01-01".to_owned()), ..UsageQuery::default() };
    assert!(store.usage(&none).await.unwrap().rows.is_empty());

    // It was paid for, whatever becomes of the session.
    let id = driver.id().clone();
    driver.append(vec![(None, bodies::deleted())]).await.unwrap();
    store.delete(&id, driver.fence).await.unwrap();
    assert_eq!(ask(UsageBy::Model).await, report);
}

pub async fn a_day_tells_so_many_apart_and_so_many_days_are_kept(backend: &dyn Backend) {
    let store = backend.open();
    let mut driver = Driver::create(&store, "s").await;
    let models = PAIRS_OF_A_DAY + 5;
    for from in (0..models).step_by(500) {
        let some = (from..models.min(from + 500)).map(|number| (None, bodies::spent(&format!("m/{number}"), Some(1))));
        driver.append(some.collect()).await.unwrap();
    }
    let by_model = UsageQuery { by: UsageBy::Model, ..UsageQuery::default() };
    let report = store.usage(&by_model).await.unwrap();
    assert_eq!((report.rows.len(), report.more), (1_000, true));
    assert_eq!((report.rows[0].key.as_str(), report.rows[0].cost.nano_usd), (OTHERS, 5));
    assert_eq!(report.total_cost.nano_usd, models as u64);

    let first = driver.now.to_string()[..10].to_owned();
    for _ in 0..DAYS {
        driver.now = driver.now.after_ms(24 * 3_600_000);
        driver.append(vec![(None, bodies::spent("m/x", Some(1)))]).await.unwrap();
    }
    let days = store.usage(&UsageQuery::default()).await.unwrap().rows;
    assert_eq!(days.len(), DAYS);
    assert!(days.iter().all(|day| day.key > first), "the oldest is forgotten");
}
