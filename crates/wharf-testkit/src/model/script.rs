//! Markers: a prompt that says which reply it wants, so that a client alone can drive a test or a measurement.
//!
//! | marker | reply |
//! |---|---|
//! | `[[say TEXT]]` | the text |
//! | `[[think TEXT]]` | the text as reasoning, then an answer |
//! | `[[big N]]` | N bytes of text in deltas of up to 4 KiB |
//! | `[[stream N rate R]]` | N small deltas, R a second; without a rate at full speed |
//! | `[[stamps N rate R]]` | the same, each saying when it was sent |
//! | `[[tool NAME JSON]]` | a call; when its result is there, `Done.` |
//! | `[[tools [{"name":N,"arguments":A},...]]]` | several calls in one reply; then `Done.` |
//! | `[[loop NAME JSON]]` | the same call again and again |
//! | `[[badjson NAME]]` | a call whose arguments are cut off; then `Done.` |
//! | `[[http STATUS]]`, `[[http STATUS after SECONDS]]` | an HTTP error, with `Retry-After` |
//! | `[[error TEXT]]` | an error inside the stream, after one word |
//! | `[[cut N]]` | N deltas, then the connection breaks |
//! | `[[hang N]]` | N deltas, then nothing |
//! | `[[length TEXT]]` | the text, cut off by the token limit |
//! | `[[steps [{"say":TEXT,"every_ms":N,"calls":[{"name":N,"arguments":A},...]},...]]]` | a reply a round of calls, the last one again where there are more; a reply that was cut off is given again |

use std::time::Duration;

use serde_json::{Value, json};

use super::Reply;

/// Most deltas a marker may ask for.
const DELTA_LIMIT: usize = 10_000_000;

/// Text in one delta of `[[big]]`.
const BIG_DELTA_BYTES: usize = 4 << 10;

/// The reply that a marker in `asked` wants at this step of the turn, after so many rounds of calls; `None` without a marker that is known.
pub(super) fn reply(asked: &str, step: usize, rounds: usize) -> Option<Reply> {
    // The last marker wins: a harness may put an earlier message into the same text.
    let start = asked.rfind("[[")?;
    let inner = &asked[start + 2..];
    let end = inner.rfind("]]")?;
    let (name, argument) = inner[..end].split_once(' ').unwrap_or((&inner[..end], ""));
    let words: Vec<&str> = argument.split_whitespace().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok()).map(|n| n.min(DELTA_LIMIT));
    let rate = || match (words.get(1), number(2)) {
        (Some(&"rate"), Some(rate)) => u32::try_from(rate).unwrap_or(0),
        _ => 0,
    };
    let done = || Reply::text("Done.");
    Some(match name {
        "say" => Reply::text(argument),
        "think" => Reply::new().think(argument).say("That is my answer."),
        "big" => big(number(0)?),
        "stream" => Reply::new().stream(number(0)?, rate()),
        "stamps" => Reply::new().stamped_stream(number(0)?, rate()),
        "tool" | "tools" | "badjson" if step > 0 => done(),
        "tool" | "loop" => {
            let (tool, arguments) = argument.split_once(' ').unwrap_or((argument, "{}"));
            Reply::tool(tool, serde_json::from_str(arguments).unwrap_or_else(|_| json!({})))
        }
        "tools" => calls(&serde_json::from_str(argument).ok()?)?,
        "badjson" => Reply::new().call_with("call_bad", argument, r#"{"path": "#),
        "http" => {
            let status = u16::try_from(number(0)?).ok().filter(|status| (400..600).contains(status))?;
            let reply = Reply::http_error(status, "as the script says");
            match words.get(2) {
                Some(seconds) => reply.header("retry-after", seconds),
                None => reply,
            }
        }
        "error" => Reply::text("Well ").error(argument),
        "cut" => Reply::new().stream(number(0)?, 0).cut(),
        "hang" => Reply::new().stream(number(0).unwrap_or(0), 0).hang(),
        "steps" => one_step(&serde_json::from_str(argument).ok()?, rounds)?,
        "length" => Reply::text(argument).finish("length"),
        _ => return None,
    })
}

fn big(bytes: usize) -> Reply {
    let sizes = (0..bytes).step_by(BIG_DELTA_BYTES).map(|from| BIG_DELTA_BYTES.min(bytes - from));
    sizes.fold(Reply::new(), |reply, size| reply.delta(&"big text ".repeat(size / 9 + 1)[..size]))
}

fn one_step(steps: &Value, rounds: usize) -> Option<Reply> {
    let steps = steps.as_array()?;
    let step = steps.get(rounds.min(steps.len().saturating_sub(1)))?;
    let pause = Duration::from_millis(step["every_ms"].as_u64().unwrap_or(0));
    let said = Reply::new().every(pause).say(step["say"].as_str().unwrap_or_default());
    let calls = step["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    Some(
        calls
            .iter()
            .fold(said, |reply, call| reply.call(call["name"].as_str().unwrap_or_default(), call["arguments"].clone())),
    )
}

fn calls(list: &Value) -> Option<Reply> {
    let list = list.as_array()?;
    Some(list.iter().fold(Reply::new(), |reply, call| {
        reply.call(call["name"].as_str().unwrap_or_default(), call["arguments"].clone())
    }))
}
