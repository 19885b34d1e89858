//! Recorded streams of real servers, beside the checkout where they are there.

use std::collections::VecDeque;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use expect_test::expect;

use super::{Decoder, hear, joined, report};

/// Where recorded streams lie: beside the checkout, or beside the directory that it is in.
fn fixtures() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = ["../shared/fixtures", "../../shared/fixtures"].map(|place| checkout.join(place));
    beside.iter().find(|place| place.is_dir()).unwrap_or(&beside[0]).clone()
}

/// Name and body of every recorded chat stream.
fn recorded() -> Vec<(String, Vec<u8>)> {
    let mut streams = Vec::new();
    for folder in ["openai-chat", "live"] {
        let Ok(files) = std::fs::read_dir(fixtures().join(folder)) else {
            eprintln!("passed over: no recorded streams in {}/{folder}", fixtures().display());
            continue;
        };
        for file in files.map(|file| file.unwrap().path()) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let chats = ["chat", "random", "forced"].iter().any(|word| name.contains(word));
            if folder == "live" && !chats {
                continue;
            }
            let body = std::fs::read(&file).unwrap();
            streams.push((name.clone(), if name.ends_with(".jsonl") { framed(&body) } else { body }));
        }
    }
    streams.sort();
    streams
}

/// Puts back the framing that a list of chunks was stripped of.
fn framed(chunks: &[u8]) -> Vec<u8> {
    let mut body = String::new();
    for line in std::str::from_utf8(chunks).unwrap().lines().filter(|line| !line.trim().is_empty()) {
        let _ = write!(body, "data: {line}\n\n");
    }
    body.push_str("data: [DONE]\n\n");
    body.into_bytes()
}

#[test]
fn recorded_streams_are_understood() {
    let streams = recorded();
    if streams.is_empty() {
        return;
    }
    let mut all = String::new();
    for (name, body) in &streams {
        let _ = writeln!(all, "{name}\n  {}", report(&hear([body.as_slice()])).trim_end().replace('\n', "\n  "));
    }
    expect![[r#"
        alibaba-tool.chunks.jsonl
          call weather {"location":"San Francisco"}
          EndTurn, usage 295+22=317
        deepseek-parallel-tools.sse
          call lookup_harbor_label {}
          call lookup_orchard_label {}
          EndTurn, usage 404+48=452
        deepseek-reasoning-content.sse
          reasoning 882 bytes
          text "Hello there! 😊 How can I help you today?"
          EndTurn, usage 6+212=218 (reasoning 198)
        deepseek-tool-call.sse
          call weather {"latitude":"52.5200","longitude":"13.4050"}
          EndTurn, usage 348+65=413
        groq-sequential-tools.sse
          call ping_empty {}
          EndTurn, usage 765+10=775
        hf-novita.sse
          text "Paris"
          EndTurn, usage 40+2=42
        llamacpp-chat-read.sse
          call read_file {"path":"src/main.rs"}
          EndTurn, usage 449+20=469 (cached 429)
        llamacpp-chat-text.sse
          text "Hello from a real inference server: naïve café — 🦀 你好!"
          EndTurn, usage 449+15=464 (cached 132)
        llamacpp-chat-think.sse
          reasoning 59 bytes
          text "It is forty-two."
          EndTurn, usage 450+24=474 (cached 430)
        llamacpp-chat-two.sse
          text "I shall look at both files.\n"
          call read_file {"path":"a.txt"}
          call read_file {"path":"b.txt"}
          EndTurn, usage 448+46=494 (cached 429)
        llamacpp-qwen3-tool.sse
          call ping {}
          EndTurn, usage 155+19=174
        llamacpp-random-midstream-error.sse
          text "c�ee</think>W —\u{13}s {\"path\": \"a.txt\"}}\u{7}n6��0 answer��esc�\u{7}n ca"... 804 bytes
          error BadReply: The model produced output that does not match the expected peg-native format
        mistral-incremental-tool.chunks.jsonl
          call webSearchTool {"query":"current Berlin weather"}
          EndTurn, usage 171+14=185 (cached 128)
        mistral-tool-one-chunk-with-finish.sse
          call weather {"latitude":"52.5200","longitude":"13.4050"}
          EndTurn, usage 159+28=187 (cached 128)
        mlx-chat-read.sse
          call read_file {"path":"src/main.rs"}
          EndTurn, usage 449+20=469 (cached 429)
        mlx-chat-text.sse
          text "Hello from a real inference server: naïve café — 🦀 你好!"
          EndTurn, usage 449+15=464 (cached 132)
        mlx-chat-think.sse
          text "<think>\nThe user wants an answer; let me consider it for a m"... 93 bytes
          EndTurn, usage 450+24=474 (cached 430)
        mlx-chat-two.sse
          text "I shall look at both files.\n\n"
          call read_file {"path":"a.txt"}
          call read_file {"path":"b.txt"}
          EndTurn, usage 448+46=494 (cached 430)
        moonshot.chunks.jsonl
          reasoning 16 bytes
          text "Hello!"
          EndTurn, usage 9+12=21 (reasoning 7)
        ollama-cloud-gptoss-tool.sse
          reasoning 81 bytes
          call weather {"latitude":"52.5200","longitude":"13.4050"}
          EndTurn, usage 169+55=224
        openai-length-no-content.sse
          MaxTokens, usage 16+16=32 (reasoning 16)
        openai-moderation-empty-choices.sse
          text "Paris."
          EndTurn, usage 13+11=24
        openai-parallel-tool-calls.sse
          call get_country {}
          call get_product_name {}
          EndTurn, usage 364+40=404
        openai-two-candidates.sse
          text "cobalt"
          EndTurn, usage 12+4=16
        openrouter-error-in-stream.sse
          reasoning 42 bytes
          error BadReply: Token limit reached
        openrouter-reasoning-details-tool.sse
          reasoning 211 bytes
          call reasoning_weather {"city":"Berlin"}
          EndTurn, usage 626+106=732 (reasoning 54), data 843 bytes
        snowflake-no-id.sse
          text "4"
          EndTurn, usage 22+5=27
        transformers-chat-text.sse
          text "Hello from a real llama.cpp server — naïve café 🦀!"
          EndTurn, usage 480+12=492
        vllm-chat-read.sse
          call read_file {"path":"src/main.rs"}
          EndTurn, usage 449+20=469
        vllm-chat-text.sse
          text "Hello from a real inference server: naïve café — 🦀 你好!"
          EndTurn, usage 449+15=464
        vllm-chat-think.sse
          text "<think>\nThe user wants an answer; let me consider it for a m"... 93 bytes
          EndTurn, usage 450+24=474
        vllm-chat-two.sse
          text "I shall look at both files.\n"
          call read_file {"path":"a.txt"}
          call read_file {"path":"b.txt"}
          EndTurn, usage 448+46=494
        vllm-forced-tool-length.sse
          call read_file malformed, 1977 bytes
          MaxTokens, usage 482+200=682
    "#]]
    .assert_eq(&all);
}

#[test]
fn a_stream_in_single_bytes_or_with_other_line_ends_says_the_same() {
    for (name, body) in recorded() {
        let whole = hear([body.as_slice()]);
        assert_eq!(hear(body.chunks(1)), whole, "{name} in single bytes");
        let text = String::from_utf8(body).unwrap().replace("\r\n", "\n");
        for line_end in ["\r\n", "\r"] {
            let body = text.replace('\n', line_end);
            assert_eq!(hear([body.as_bytes()]), whole, "{name} with {line_end:?}");
            assert_eq!(hear(body.as_bytes().chunks(1)), whole, "{name} with {line_end:?} in single bytes");
        }
        let tight = text.replace("data: ", "data:").replace("\n\n", "\n");
        assert_eq!(
            hear([tight.trim_end().as_bytes()]),
            whole,
            "{name} without spaces, blank lines and the last line end"
        );
    }
}

/// Every cut lies inside one line, so it is enough that the line leaves the same state behind, cut or not.
#[test]
fn a_stream_cut_at_any_byte_says_the_same() {
    for (name, body) in recorded() {
        let mut before = Decoder::default();
        for line in body.split_inclusive(|&byte| byte == b'\n') {
            let mut after = before.clone();
            let mut said = VecDeque::new();
            let outcome = after.feed(line, &mut said);
            let said = joined(said);
            for cut in 0..=line.len() {
                let mut decoder = before.clone();
                let mut cut_said = VecDeque::new();
                let cut_outcome =
                    decoder.feed(&line[..cut], &mut cut_said).and_then(|()| decoder.feed(&line[cut..], &mut cut_said));
                assert_eq!(cut_outcome, outcome, "{name}, cut at {cut} of {line:?}");
                assert_eq!(joined(cut_said), said, "{name}, cut at {cut} of {line:?}");
                assert!(outcome.is_err() || decoder == after, "{name}, cut at {cut} of {line:?}");
            }
            if outcome.is_err() {
                break;
            }
            before = after;
        }
    }
}

/// Wherever a server dies, the reply is an error or all of it had come.
#[test]
fn a_stream_that_ends_early_never_invents_a_call() {
    for (name, body) in recorded() {
        let whole = hear([body.as_slice()]);
        let Ok(whole) = whole.end else { continue };
        let step = 1 + body.len() / 2_000;
        for end in (0..body.len()).step_by(step) {
            let Ok(reply) = hear([&body[..end]]).end else { continue };
            assert_eq!(reply.tool_calls, whole.tool_calls, "{name}, ended after {end}");
        }
    }
}
