"""What the providers' own libraries make of recorded streams. Served the same bytes, they say what the tests of `wharf-models` expect.

`WRITE=1 cargo xtask test --peers sdk` writes the expected values anew.
"""

import http.server
import json
import os
import pathlib
import threading

import anthropic as anthropic_sdk
import openai
from google import genai
from google.genai import errors as gemini_errors
from google.genai import types

from peer import check, finish

HERE = pathlib.Path(__file__).parent
CHECKOUT = HERE.parent.parent.parent
# Beside the checkout, or beside the directory that it is in.
FIXTURES = [place for place in (CHECKOUT.parent / "shared/fixtures", CHECKOUT.parent.parent / "shared/fixtures") if place.is_dir()]


def recorded(folder, word):
    """Name and body of the recorded streams."""
    for path in sorted((FIXTURES[0] / folder).iterdir()):
        if word in path.name:
            body = path.read_bytes()
            if path.name.endswith(".jsonl"):
                # The framing was stripped.
                lines = [line for line in body.splitlines() if line.strip()]
                body = b"".join(event(line) + b"data: " + line + b"\n\n" for line in lines)
            yield path.name, body


def event(line):
    """The name of an event, where its kind is one: the libraries of some providers go by it."""
    try:
        kind = json.loads(line).get("type")
    except ValueError:
        # Some recordings are broken on purpose.
        kind = None
    return f"event: {kind}\n".encode() if kind else b""


class Replay:
    """A server that answers everything with the same stream."""

    def __init__(self, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.url

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def arguments(text):
    try:
        return json.loads(text or "{}")
    except json.JSONDecodeError:
        return text


def responses(body):
    items, end, response = [], None, None
    with Replay(body) as url:
        client = openai.OpenAI(base_url=url + "/v1", api_key="sk-test", max_retries=0)
        try:
            for event in client.responses.create(model="recorded", input="recorded", stream=True):
                if event.type == "response.output_item.done":
                    items.append(event.item)
                if event.type in ("response.completed", "response.incomplete", "response.failed"):
                    end, response = event.type, event.response
        except (openai.APIError, json.JSONDecodeError):
            return {"error": True}
    if end in (None, "response.failed"):
        return {"error": True}
    items = items or response.output
    messages, reasoning, calls, refused = [], [], [], False
    for item in items:
        if item.type == "message":
            refused |= any(part.type == "refusal" for part in item.content)
            messages.append("".join(part.refusal if part.type == "refusal" else part.text for part in item.content))
        elif item.type == "reasoning":
            parts = [part.text for part in item.summary] or ["".join(part.text for part in item.content or [])]
            reasoning.append("\n\n".join(parts))
        elif item.type == "function_call":
            calls.append({"name": item.name, "arguments": arguments(item.arguments)})
    # Which calls are meant by one of several is no matter of the library.
    calls = [inner for call in calls for inner in unwrapped(call)]
    usage = response.usage
    return {
        "text": "\n\n".join(text for text in messages if text),
        "reasoning": "\n\n".join(text for text in reasoning if text),
        "calls": calls,
        "usage": usage and {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "total": usage.total_tokens,
            "cached": getattr(usage.input_tokens_details, "cached_tokens", 0) or 0,
            "reasoning": getattr(usage.output_tokens_details, "reasoning_tokens", 0) or 0,
        },
        "end": "refused" if refused else "cut" if end == "response.incomplete" else "whole",
    }


def unwrapped(call):
    if call["name"] != "parallel":
        return [call]
    return [{"name": use["recipient_name"].removeprefix("functions."), "arguments": use["parameters"]} for use in call["arguments"]["tool_uses"]]


def anthropic(body):
    message = None
    with Replay(body) as url:
        client = anthropic_sdk.Anthropic(base_url=url, api_key="test", max_retries=0)
        try:
            with client.messages.stream(model="recorded", max_tokens=1000, messages=[{"role": "user", "content": "recorded"}]) as stream:
                message = stream.get_final_message()
        except (anthropic_sdk.APIError, json.JSONDecodeError):
            return {"error": True}
    of_kind = lambda kind: [block for block in message.content if block.type == kind]
    text = "".join(block.text for block in of_kind("text"))
    if message.stop_reason == "refusal":
        # Why is shown like the text of an answer.
        text += (message.stop_details and message.stop_details.explanation) or ""
    usage = message.usage
    count = lambda name: getattr(usage, name, None) or 0
    asked = count("input_tokens") + count("cache_creation_input_tokens") + count("cache_read_input_tokens")
    details = getattr(usage, "output_tokens_details", None)
    return {
        "text": text,
        "reasoning": "\n\n".join(block.thinking for block in of_kind("thinking")),
        "calls": [{"name": block.name, "arguments": block.input} for block in of_kind("tool_use")],
        "usage": {
            "input": asked,
            "output": count("output_tokens"),
            "total": asked + count("output_tokens"),
            "cached": count("cache_read_input_tokens"),
            "reasoning": getattr(details, "thinking_tokens", 0) or 0,
        } if asked + count("output_tokens") else None,
        "end": {"max_tokens": "cut", "refusal": "refused"}.get(message.stop_reason, "whole"),
    }


def gemini(body):
    text, reasoning, calls, usage, reason = "", "", [], None, None
    with Replay(body) as url:
        client = genai.Client(api_key="test", http_options=types.HttpOptions(base_url=url))
        try:
            for chunk in client.models.generate_content_stream(model="recorded", contents="recorded"):
                usage = chunk.usage_metadata or usage
                for candidate in (chunk.candidates or [])[:1]:
                    reason = candidate.finish_reason or reason
                    for part in (candidate.content and candidate.content.parts) or []:
                        if part.text and part.thought:
                            reasoning += part.text
                        elif part.text:
                            text += part.text
                        if part.function_call:
                            one_call(calls, part.function_call)
        except gemini_errors.APIError:
            return {"error": True}
    count = lambda name: getattr(usage, name, None) or 0
    ends = {"STOP": "whole", "MAX_TOKENS": "cut"}
    return {
        "text": text,
        "reasoning": reasoning,
        "calls": [{"name": call["name"], "arguments": call["arguments"]} for call in calls],
        "usage": {
            "input": count("prompt_token_count") + count("tool_use_prompt_token_count"),
            "output": count("candidates_token_count") + count("thoughts_token_count"),
            "total": count("total_token_count"),
            "cached": count("cached_content_token_count"),
            "reasoning": count("thoughts_token_count"),
        } if count("total_token_count") else None,
        "end": ends.get(getattr(reason, "value", reason), "refused"),
    }


def one_call(calls, call):
    """The library leaves pieces of arguments as they are: here they are put together."""
    if call.name or not (calls and calls[-1]["open"]):
        calls.append({"name": call.name, "arguments": dict(call.args or {}), "open": False})
    for piece in call.partial_args or []:
        name = piece.json_path.removeprefix("$.")
        value = next(v for v in (piece.string_value, piece.number_value, piece.bool_value) if v is not None)
        before = calls[-1]["arguments"].get(name)
        calls[-1]["arguments"][name] = before + value if isinstance(before, str) else value
    calls[-1]["open"] = bool(call.will_continue)


def compare(wire, read, streams):
    file = HERE / f"{wire}.json"
    made = {name: read(body) for name, body in streams}
    if os.environ.get("WRITE"):
        file.write_text(json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    expected = json.loads(file.read_text())
    for name, value in made.items():
        check(f"{wire}: {name}", expected.get(name) == value, {"expected": expected.get(name), "made": value})
    check(f"{wire}: each stream is there", set(made) == set(expected), set(expected) ^ set(made))


def main():
    if not FIXTURES:
        check("no recorded streams beside the checkout: passed over", True)
        finish()
    compare("responses", responses, [*recorded("responses", ""), *recorded("live", "responses")])
    compare("anthropic", anthropic, [*recorded("anthropic", ""), *recorded("live", "messages")])
    compare("gemini", gemini, [*recorded("gemini", ""), *recorded("live", "gemini")])
    finish()


main()
