"""Rows 1-16: the conversation's limits, and streams as servers really send them."""

import json
import re
import time

from lib.check import clip, row
from lib.model import DONE, Model, by_step, call, calls, chunk, frame, overflow, raw, status, text
from lib.server import Server, said

QUICK = "[turns]\nmodel_attempts = 1\n"
ABOUT_TRIM = re.compile(r"left out|leaving out|trimm|shorten|omitt|removed|dropped|\bcut\b|compact|truncat|too (long|large|big)", re.I)


def _server(c, script, config=QUICK, **more):
    model = c.during(Model(script))
    return Server(c, model, config=config, **more), model


def _hears_nothing_of_scripts(c, *models):
    for model in models:
        c.need(not model.problems, f"the script broke: {model.problems}")


@row(1, "after an overflow the next prompt works, and it is said what was left out")
def overflow_recovers(c):
    """Two results of 60 kB, one of 150 kB, twelve texts of 4 kB at 8k, one prompt of 60 kB."""
    big = "head -c {} /dev/zero | tr '\\0' 'a' | fold -w 100"

    def play(name, limit, tokens, replies, prompts):
        def script(request):
            if request.size > limit:
                return overflow(tokens)
            last = request.prompts()[-1] if request.prompts() else ""
            if last.rstrip().endswith("hi-again"):
                return text("hello-again")
            return replies(request)

        server, model = _server(c, script, config=f"context_tokens = {tokens}\n" + QUICK)
        session = server.session()
        answers = [server.prompt(session, p) for p in prompts]
        if name == "small":
            c.need(answers[0].status == 200, f"nothing works at all: {answers[0]}")
            return
        c.need(len(model.requests) > 1 or len(prompts[0]) > limit, f"{name}: {answers[0]}")
        refused = [a for a in answers if a.status != 200]
        for answer in refused:
            c.want(ABOUT_TRIM.search(answer.text), f"{name}: does not say what was left out: {answer}")
        if not refused:
            told = server.events(session, "context.compacted") or any(
                ABOUT_TRIM.search(m) for r in ("tool", "user", "system") for m in (model.requests[-1].content(r) if model.requests else [])
            )
            c.want(told, f"{name}: nobody is told that something was left out")
        for n in range(2):
            answer = server.prompt(session, f"try {n}: hi-again")
            c.want(said(answer) == "hello-again", f"{name}: the next prompt: {answer}")

    def two(request):
        return calls(*(("bash", {"command": big.format(60_000) + f"; : {n}"}) for n in range(2))) if not request.since_prompt() else text("read both")

    def one(request):
        return calls(("bash", {"command": big.format(150_000)})) if not request.since_prompt() else text("read it")

    play("small", 128_000, 32_768, lambda r: text("ok"), ["go"])
    play("two results of 60 kB", 128_000, 32_768, two, ["go"])
    play("one result of 150 kB", 128_000, 32_768, one, ["go"])
    play("twelve texts", 32_000, 8192, lambda r: text("b" * 4000), [f"say much, {n}" for n in range(12)])
    play("a prompt of 60 kB", 32_000, 8192, lambda r: text("read"), ["word " * 12_000])


@row(2, "a window too small for the tools is called that")
def small_window(c):
    """The first prompt of a session is refused, however short; in the words of two servers."""
    replies = (
        overflow(8192),
        status(
            400,
            {
                "error": {
                    "code": 400,
                    "message": "the request exceeds the available context size, try increasing it",
                    "type": "exceed_context_size_error",
                    "n_prompt_tokens": 9000,
                    "n_ctx": 2048,
                }
            },
        ),
    )
    for tokens, reply in zip((8192, 2048), replies):
        server, model = _server(
            c, lambda request, reply=reply: reply if request.size > 6000 else text("fits"), config=f"context_tokens = {tokens}\n" + QUICK
        )
        session = server.session()
        answer = server.prompt(session, "hi")
        c.need(model.requests, "the model was not asked")
        if said(answer) == "fits":
            c.want(len(model.requests[-1].json.get("tools", [])) < 10, "fits with all tools?")
            continue
        error = (answer.json or {}).get("error", "")
        c.want(re.search(r"\btools?\b", error, re.I) and re.search(r"window|context", error, re.I), f"at {tokens}: {answer}")
        c.want(re.search(r"\d", error.replace(str(tokens), "")), f"at {tokens}: no word of what it would need: {answer}")


@row(3, "a model that repeats itself is told so")
def repeats(c):
    """Equal calls, a poll that ends by itself, alternating calls, a model that never stops, and waiting on purpose."""
    more = QUICK + "permission_ms = 3000\nunattended_permission_ms = 1000\n"

    def told(request, plain):
        """Whether the last results hold more than what the tool gave before, or a text came with them."""
        last = []
        for message in reversed(request.messages):
            if message["role"] == "assistant":
                break
            last.append(message)
        return any(m["role"] != "tool" or not re.fullmatch(plain, json.dumps(m["content"])) for m in last) and request.since_prompt() > 1

    def loop(*commands, limit):
        def script(request):
            n = request.since_prompt()
            if told(request, r".{0,40}same-(a|b).{0,40}") or n >= limit:
                return text(f"stopped after {n}")
            return calls(("bash", {"command": commands[n % len(commands)]}), prefix=f"c{n}")

        return script

    for name, script in (("equal calls", loop("echo same-a", limit=25)), ("alternating calls", loop("echo same-a", "echo same-b", limit=40))):
        server, model = _server(c, script, config=more)
        answer = server.prompt(server.session(), "go")
        _hears_nothing_of_scripts(c, model)
        c.need(len(model.requests) > 2, f"{name}: {answer}")
        stopped = re.search(r"stopped after (\d+)", said(answer) or "")
        c.want(stopped and int(stopped[1]) < (25 if name == "equal calls" else 40), f"{name}: {answer}")

    def poll(request):
        n = request.since_prompt()
        return calls(("bash", {"command": "cat status"}), prefix=f"c{n}") if n < 6 else text("it is ready")

    server, model = _server(c, poll, config=more)
    (server.work / "status").write_text("waiting\n")
    answer = server.prompt(server.session(), "go")
    c.need(len(model.requests) >= 6, f"a poll: {answer}")
    # Nobody is there to be asked: an end of its own kind would be honest, too.
    c.want(
        said(answer) == "it is ready" or (answer.json or {}).get("code") not in (None, "PROVIDER_ERROR"),
        f"a poll that ends after six calls: {answer}",
    )

    server, model = _server(c, lambda r: calls(("bash", {"command": "echo same-a"}), prefix=f"c{r.since_prompt()}"), config=more)
    session = server.session()
    answer = server.prompt(session, "go", 25)
    failed = server.events(session, "turn.failed", "turn.completed", "turn.cancelled")
    c.want(failed and "PROVIDER_ERROR" not in json.dumps(failed) and answer.status != 200, f"a model that never stops: {answer}, {failed}")

    def waits(request):
        n = request.since_prompt()
        if n == 0:
            return calls(("bash", {"command": "sleep 8", "background": True}))
        found = re.search(r"command_id[\"\s:=]*([\w.-]+)|\b(c[\w.-]*-[\w.-]+|[a-z]+-[0-9a-f]{6,})", request.results()[0])
        name = next((g for g in found.groups() if g), "x") if found else "x"
        return calls(("command_output", {"command_id": name, "wait_ms": 200}), prefix=f"c{n}") if n < 9 else text("waited")

    server, model = _server(c, waits, config=more)
    session = server.session()
    answer = server.prompt(session, "go")
    c.need(
        model.requests[-1].since_prompt() > 2 and not server.events(session, "tool.call_error"),
        f"waiting on purpose: {clip(repr(model.requests[-1].results()))}",
    )
    c.want(said(answer) == "waited", f"waiting on purpose: {answer}")


@row(4, "a reply that lacks its answer is tried again, and then named")
def lacking_reply(c):
    """No call behind `tool_calls`, reasoning only, a call as text; each once, and each for ever."""
    kinds = {
        "no call": [chunk({"role": "assistant"}), chunk(finish="tool_calls"), DONE],
        "reasoning only": [chunk({"role": "assistant", "reasoning_content": "hm, hm"}), chunk(finish="stop"), DONE],
        "a call as text": text('<tool_call>{"name": "read_file", "arguments": {"path": "a.txt"}}</tool_call>'),
    }
    for name, broken in kinds.items():
        server, model = _server(c, lambda request, broken=broken: broken if request.number == 0 else text("a real answer"))
        answer = server.prompt(server.session(), "go")
        c.need(model.requests, f"{name}: the model was not asked")
        c.want(said(answer) == "a real answer", f"{name}, once: {answer}")
        server, model = _server(c, lambda request, broken=broken: broken)
        answer = server.prompt(server.session(), "go")
        c.want(answer.status != 200 and "<tool_call>" not in (said(answer) or ""), f"{name}, for ever: {answer}")
        c.want(re.search(r"tool[ -](call )?pars|template|parser", answer.text, re.I), f"{name}, for ever: names no setting: {answer}")
        c.want(1 < len(model.requests) < 5, f"{name}, for ever: {len(model.requests)} requests")


@row(5, "comments are no progress")
def comments(c):
    """Keep-alive comments from the start, and after some text."""
    config = "[limits]\nmodel_idle_ms = 1500\n[turns]\nmodel_attempts = 1\nmax_ms = 15000\n"
    for name, first in (("from the start", []), ("after some text", [chunk({"role": "assistant", "content": "some"})]), ("empty lines", [b"\n"])):
        beat = b"\n\n" if name == "empty lines" else b": keep-alive\n\n"
        sent = []

        def script(_, first=first, beat=beat, sent=sent):
            yield from first
            for _ in range(120):
                sent.append(1)
                yield beat
                yield 0.1

        server, model = _server(c, script, config=config)
        began = time.monotonic()
        answer = server.prompt(server.session(), "go")
        took = time.monotonic() - began
        c.need(len(sent) > 5, f"{name}: {len(sent)} comments were sent: {answer}")
        c.want(took < 8 and answer.status != 200, f"{name}: ended after {took:.1f} s: {answer}")


def _one(c, name, expected, pieces, config=QUICK):
    """One reply, and what the agent is then to have said."""
    server, model = _server(c, lambda _: pieces, config=config)
    answer = server.prompt(server.session(), "go")
    _hears_nothing_of_scripts(c, model)
    c.need(model.requests, f"{name}: the model was not asked")
    ok = expected(said(answer)) if callable(expected) else said(answer) == expected
    c.want(ok, f"{name}: {answer}")
    return server, answer


def _plain(c):
    """The positive control of the streams."""
    server, _ = _server(c, lambda _: text("plain ", "text"))
    answer = server.prompt(server.session(), "go")
    c.need(said(answer) == "plain text", f"a plain stream: {answer}")


def _run_calls(c, name, pieces, config=QUICK):
    """One reply with calls, then an end; the starts of calls, the server, and the answer."""
    server, model = _server(c, by_step(pieces, text("done")), config=config)
    (server.work / "a.txt").write_text("content of a\n")
    session = server.session()
    answer = server.prompt(session, "go")
    _hears_nothing_of_scripts(c, model)
    c.need(model.requests, f"{name}: the model was not asked")
    return server, server.events(session, "tool.call_start", "tool.call_complete", "tool.call_error"), answer


def _named(events, type):
    return [e["payload"] for e in events if e["type"] == type]


@row(6, "`delta` wins over `message` beside it")
def delta_and_message(c):
    """Both side by side, both with a last whole message, and `message` alone."""
    _plain(c)

    def both(new, whole, finish=None):
        return frame(
            {
                "id": "c",
                "model": "m",
                "choices": [
                    {
                        "index": 0,
                        "delta": {"role": "assistant", "content": new},
                        "message": {"role": "assistant", "content": whole},
                        "finish_reason": finish,
                    }
                ],
            }
        )

    _one(c, "side by side", "1 2 3", [both("1", "1"), both(" 2", "1 2"), both(" 3", "1 2 3"), both("", "1 2 3", "stop"), DONE])
    last = frame({"id": "c", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "1 2"}, "finish_reason": "stop"}]})
    _one(c, "a whole message at the end", "1 2", [both("1", "1"), both(" 2", "1 2"), last, DONE])
    alone = frame(
        {"id": "c", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "all of it"}, "finish_reason": "stop"}]}
    )
    _one(c, "message alone", "all of it", [alone, DONE])


@row(7, "a field `error` of the stream gives the server's message")
def error_field(c):
    """As JSON, as a text, after some text."""
    _plain(c)
    start = chunk({"role": "assistant", "content": "some"})
    for name, pieces in (
        ("JSON", [start, b'error: {"error":{"message":"failed to decode, code Q7"}}\n\n']),
        ("at once", [b'error: {"error":{"code":500,"message":"failed to decode, code Q7","type":"server_error"}}\n\n']),
        ("a text", [start, b"error: failed to decode, code Q7\n\n"]),
    ):
        server, _ = _server(c, lambda _, pieces=pieces: pieces)
        answer = server.prompt(server.session(), "go")
        c.want(answer.status != 200 and "code Q7" in answer.text, f"{name}: {answer}")


@row(8, "a character cut into two escapes is joined")
def surrogates(c):
    """In a text, inside a tool's arguments, and a half that stays alone."""
    _plain(c)
    joined = "ok \U0001f600 done"
    _one(c, "text", joined, [raw(r'{"role":"assistant","content":"ok \ud83d"}'), raw(r'{"content":"\ude00 done"}'), chunk(finish="stop"), DONE])
    _one(c, "one chunk", joined, [raw(r'{"role":"assistant","content":"ok \ud83d\ude00 done"}'), chunk(finish="stop"), DONE])
    _one(c, "a lone half", "ok \ufffd done", [raw(r'{"role":"assistant","content":"ok \ud83d done"}'), chunk(finish="stop"), DONE])
    _one(
        c, "a half at the end", lambda s: s in ("ok \ufffd", "ok "), [raw(r'{"role":"assistant","content":"ok \ud83d"}'), chunk(finish="stop"), DONE]
    )
    first = r'{"role":"assistant","tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"write_file","arguments":"{\"path\":\"new.txt\",\"content\":\"smile \ud83d"}}]}'
    second = r'{"tool_calls":[{"index":0,"function":{"arguments":"\ude00!\"}"}}]}'
    server, events, answer = _run_calls(c, "arguments", [raw(first), raw(second), chunk(finish="tool_calls"), DONE])
    path = server.work / "new.txt"
    c.want(path.exists() and path.read_text() == "smile \U0001f600!", f"arguments: {answer} {clip(repr(_named(events, 'tool.call_start')))}")


@row(9, "raw control characters of the stream are read")
def raw_controls(c):
    """A tab, an escape, and a NUL inside a JSON string."""
    _plain(c)
    for name, character in (("a tab", "\t"), ("ESC", "\x1b"), ("0x01", "\x01")):
        pieces = [raw('{"role":"assistant","content":"a' + character + 'b"}'), chunk({"content": " end"}), chunk(finish="stop"), DONE]
        _one(c, name, f"a{character}b end", pieces)


@row(10, "arguments with a raw line end are taken")
def raw_line_end(c):
    """A line end, a tab, and CRLF inside a string of the arguments."""
    for name, character in (("a line end", "\n"), ("a tab", "\t"), ("an empty line", "\n\n")):
        pieces = [
            chunk({"role": "assistant", "tool_calls": [call("write_file", '{"path":"n.txt","content":"a' + character + 'b"}')]}),
            chunk(finish="tool_calls"),
            DONE,
        ]
        server, events, answer = _run_calls(c, name, pieces)
        path = server.work / "n.txt"
        c.want(path.exists() and path.read_text() == f"a{character}b", f"{name}: {answer} {clip(repr(_named(events, 'tool.call_error')))}")


def _pieces_of(*arguments, name="read_file"):
    out = [chunk({"role": "assistant", "tool_calls": [call(name, arguments[0])]})]
    out += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": a}}]}) for a in arguments[1:]]
    return [*out, chunk(finish="tool_calls"), DONE]


@row(11, "of arguments sent twice the later whole object counts")
def arguments_twice(c):
    """`{}` first, the whole repeated at the end, both, and pieces after `{}`."""
    real = '{"path":"a.txt"}'
    for name, pieces in (
        ("plain pieces", _pieces_of('{"path":', '"a.txt"}')),
        ("{} first", _pieces_of("{}", real)),
        ("{} first, then pieces", _pieces_of("{}", '{"path":', '"a.txt"}')),
        ("repeated at the end", _pieces_of('{"path":', '"a.txt"}', real)),
        ("both", _pieces_of("{}", '{"path":"a.t', 'xt"}', real)),
    ):
        _, events, answer = _run_calls(c, name, pieces)
        done = _named(events, "tool.call_complete")
        ok = len(done) == 1 and "content of a" in json.dumps(done) and not _named(events, "tool.call_error")
        if name == "plain pieces":
            c.need(ok, f"{name}: {answer} {clip(repr(events))}")
        c.want(ok, f"{name}: {clip(repr(_named(events, 'tool.call_error')))}")


@row(12, "a name in pieces is one call")
def name_in_pieces(c):
    """Two pieces, three pieces, and the whole name repeated with each piece of the arguments."""

    def named(*names, with_id=True):
        given = call(names[0], "")
        out = [chunk({"role": "assistant", "tool_calls": [given]})]
        out += [chunk({"tool_calls": [{"index": 0, "function": {"name": n}}]}) for n in names[1:]]
        return [*out, chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"path":"a.txt"}'}}]}), chunk(finish="tool_calls"), DONE]

    repeated = [
        chunk({"role": "assistant", "tool_calls": [call("read_file", '{"path":')]}),
        chunk({"tool_calls": [call("read_file", '"a.txt"}')]}),
        chunk(finish="tool_calls"), DONE,
    ]  # fmt: skip
    for name, pieces in (("two", named("read_", "file")), ("three", named("re", "ad_f", "ile")), ("repeated", repeated)):
        _, events, answer = _run_calls(c, name, pieces)
        done, failed = _named(events, "tool.call_complete"), _named(events, "tool.call_error")
        c.want(len(done) == 1 and not failed and "content of a" in json.dumps(done), f"{name}: {answer}; {clip(repr(failed))}")


@row(13, "an id seen before decides over the index")
def id_over_index(c):
    """A second call begins on index 0 and goes on on index 1; ids repeated on one index; both calls on one index."""

    def piece(index, id=None, name=None, arguments=""):
        function = {"arguments": arguments, **({"name": name} if name else {})}
        return chunk({"role": "assistant", "tool_calls": [{"index": index, **({"id": id, "type": "function"} if id else {}), "function": function}]})

    first, second = json.dumps({"path": "1.txt", "content": "one"}), json.dumps({"path": "2.txt", "content": "two"})
    end = [chunk(finish="tool_calls"), DONE]
    for name, pieces in (
        ("begins on 0, goes on on 1", [piece(0, "A", "write_file", first), piece(0, "B", "write_file"), piece(1, "B", None, second)]),
        (
            "in pieces",
            [piece(0, "A", "write_file", first), piece(0, "B", "write_file", ""), piece(1, "B", None, second[:9]), piece(1, "B", None, second[9:])],
        ),
        ("all on index 0", [piece(0, "A", "write_file"), piece(0, "A", None, first), piece(0, "B", "write_file"), piece(0, "B", None, second)]),
    ):
        server, events, answer = _run_calls(c, name, [*pieces, *end])
        wrote = {f.name: f.read_text() for f in server.work.glob("[12].txt")}
        c.want(wrote == {"1.txt": "one", "2.txt": "two"}, f"{name}: {wrote} {clip(repr(_named(events, 'tool.call_error')))}")
        c.want(
            len(_named(events, "tool.call_start")) == 2 and not _named(events, "tool.call_error"), f"{name}: {len(events)} events of calls: {answer}"
        )


@row(14, "a known prefix and channel marks of a name are cut off")
def name_decorated(c):
    """The prefix, the mark, both; in front of other tools as well."""
    for name in ("functions.read_file", "read_file<|channel|>commentary", "functions.read_file<|channel|>json", "read_file<|constrain|>json"):
        _, events, answer = _run_calls(c, name, calls((name, {"path": "a.txt"})))
        done = _named(events, "tool.call_complete")
        c.want(len(done) == 1 and "content of a" in json.dumps(done), f"{name}: {answer} {clip(repr(_named(events, 'tool.call_error')))}")
    _, events, _ = _run_calls(c, "unknown", calls(("no_such_tool", {"path": "a.txt"})))
    c.need(len(_named(events, "tool.call_error")) == 1, "an unknown tool is no error")


@row(15, "what is not needed of a stream is ignored")
def not_needed(c):
    """`usage` as a text, odd indices, a `ping`, numbers and nulls in odd places; before and after the text."""
    _plain(c)
    body = [chunk({"role": "assistant", "content": "all "}), chunk({"content": "there"}), chunk(finish="stop")]
    odd = {
        "usage a text": frame({"id": "c", "choices": [], "usage": "12 tokens"}),
        "usage of texts": frame({"id": "c", "choices": [], "usage": {"prompt_tokens": "12", "completion_tokens": None}}),
        'a "ping"': frame('"ping"'),
        "ping without quotes": frame("ping"),
        "a list": frame("[]"),
        "null": frame("null"),
        "created a text": frame({"id": 7, "created": "now", "choices": [], "system_fingerprint": {}}),
    }
    for name, piece in odd.items():
        _one(c, f"{name}, after the text", "all there", [*body, piece, DONE])
    _one(
        c,
        "usage a text, in each chunk",
        "all there",
        [chunk({"role": "assistant", "content": "all "}, usage="x"), chunk({"content": "there"}, usage=""), chunk(finish="stop", usage=3), DONE],
    )
    for index in ("0", -1, None, 0.0):
        choice = lambda delta, finish=None, index=index: frame(
            {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}
        )  # noqa: E731
        _one(
            c,
            f"index {index!r}",
            "all there",
            [choice({"role": "assistant", "content": "all "}), choice({"content": "there"}), choice({}, "stop"), DONE],
        )
        pieces = [
            chunk({"role": "assistant", "tool_calls": [{**call("read_file", {"path": "a.txt"}), "index": index}]}),
            chunk(finish="tool_calls"),
            DONE,
        ]
        _, events, answer = _run_calls(c, f"a call's index {index!r}", pieces)
        c.want("content of a" in json.dumps(_named(events, "tool.call_complete")), f"a call's index {index!r}: {answer}")


@row(16, "a list given as JSON text is read")
def list_as_text(c):
    """From REST and from a model; with blanks around; beside a plain text, which stays an error."""
    todos = json.dumps([{"content": "first thing"}, {"content": "second", "status": "completed"}])
    server = Server(c)
    session = server.session()
    c.need(server.tool_with(session, "todo", {"todos": [{"content": "x"}]}).ok, "a plain list is refused")
    c.need(not server.tool_with(session, "todo", {"todos": "buy milk"}).ok, "any text is taken")
    for name, given in (("text", todos), ("with blanks", f" \n{todos}\n")):
        result = server.tool_with(session, "todo", {"todos": given})
        c.want(result.ok, f"{name}: {result}")
        plans = server.events(session, "plan.updated")
        c.want(plans and "first thing" in json.dumps(plans[-1]), f"{name}: no plan with it")
    _, events, answer = _run_calls(c, "model", calls(("todo", {"todos": todos})))
    c.want(len(_named(events, "tool.call_complete")) == 1, f"from a model: {clip(repr(_named(events, 'tool.call_error')))}")
    _, events, answer = _run_calls(c, "items as text", calls(("todo", {"todos": [json.dumps({"content": "inner"})]})))
    c.want(len(_named(events, "tool.call_complete")) == 1, f"items as text: {clip(repr(_named(events, 'tool.call_error')))}")
