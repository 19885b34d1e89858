// A client made with the SDK: `node client.mjs stdio|websocket ADDRESS DIRECTORY`. One line a check.

import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import * as acp from "@agentclientprotocol/sdk";
import { createWebSocketStream } from "@agentclientprotocol/sdk/experimental/ws-client";
import { WebSocket } from "ws";

const [way, address, work] = process.argv.slice(2);
const { agent: ask, client: told } = acp.methods;

const updates = [];
const waiting = [];
let option = "allow_once";
let questions = 0;

function check(name, ok, seen = "") {
  console.log(`${ok ? "ok" : "FAIL"} ${name}`);
  if (!ok) console.error(name, JSON.stringify(seen));
}

const of = (kind) => updates.filter((update) => update.sessionUpdate === kind);
const said = (kind) => of(kind).map((update) => update.content.text ?? "").join("");
const text = (words) => [{ type: "text", text: words }];

function until(kind) {
  return of(kind).length ? Promise.resolve() : new Promise((done) => waiting.push({ kind, done }));
}

function forget() {
  updates.length = 0;
  questions = 0;
}

const buffers = new Map();
const terminals = new Map();
const released = [];

function open({ command, args = [], env = [], cwd }) {
  const variables = Object.fromEntries(env.map(({ name, value }) => [name, value]));
  const child = spawn(command, args, { cwd, env: { ...process.env, ...variables }, stdio: ["ignore", "pipe", "pipe"] });
  const terminal = { child, output: "" };
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (piece) => (terminal.output += piece));
  terminal.exit = new Promise((done) => child.on("close", (exitCode, signal) => done({ exitCode, signal })));
  const terminalId = `t${terminals.size + released.length + 1}`;
  terminals.set(terminalId, terminal);
  return { terminalId };
}

async function untilReleased(count) {
  while (released.length < count) await new Promise((done) => setTimeout(done, 10));
  return released[count - 1];
}

/** Files and commands of the agent, in the client. */
async function tools(agent) {
  const clientCapabilities = { fs: { readTextFile: true, writeTextFile: true }, terminal: true };
  await agent.request(ask.initialize, { protocolVersion: acp.PROTOCOL_VERSION, clientCapabilities });
  const { sessionId, configOptions } = await agent.request(ask.session.new, { cwd: work, mcpServers: [] });
  check("where tools work can be chosen", configOptions.some((option) => option.id === "tool_location"), configOptions);
  const tell = (words) => agent.request(ask.session.prompt, { sessionId, prompt: text(words) });
  const name = `ts-${way}-buffer.txt`;
  const path = `${realpathSync(work)}/${name}`;
  writeFileSync(path, "saved\n");
  buffers.set(path, "typed, not saved\n");
  option = "allow_once";
  await tell(`[[tool edit_file {"path": "${name}", "old_string": "typed", "new_string": "changed"}]]`);
  check("an edit is of what is not saved", buffers.get(path) === "changed, not saved\n", buffers.get(path));
  check("and the client saves when it likes", readFileSync(path, "utf8") === "saved\n");

  forget();
  await tell(`[[tool bash {"command": "echo in the $0 terminal; exit 3"}]]`);
  const { output } = await untilReleased(1);
  check("a command runs in the client", output === "in the bash terminal\n", output);
  const last = of("tool_call_update").at(-1);
  check("its terminal is in the call", last.content[0].type === "terminal" && last.rawOutput.exit_code === 3, last);

  const running = tell(`[[tool bash {"command": "sleep 600"}]]`);
  while (!terminals.size) await new Promise((done) => setTimeout(done, 10));
  await agent.notify(ask.session.cancel, { sessionId });
  const done = await running;
  const { exit } = await untilReleased(2);
  check("a cancel kills the terminal", done.stopReason === "cancelled" && (await exit).signal === "SIGKILL", done);
}

function connect() {
  if (way === "websocket") {
    const headers = { Authorization: `Bearer ${process.env.WHARF_TEST_KEY}` };
    return { stream: createWebSocketStream(address, { WebSocket, headers }) };
  }
  const child = spawn(address, ["acp"], { stdio: ["pipe", "pipe", "inherit"] });
  return { child, stream: acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout)) };
}

async function scenario(agent) {
  const hello = await agent.request(ask.initialize, { protocolVersion: acp.PROTOCOL_VERSION, clientCapabilities: {} });
  check("version 1", hello.protocolVersion === 1 && hello.agentInfo.name === "wharf", hello);
  const { sessionId, modes, configOptions } = await agent.request(ask.session.new, { cwd: work, mcpServers: [] });
  check("modes and options come with the session", modes.availableModes.length === 4 && configOptions.length >= 2);

  let done = await agent.request(ask.session.prompt, { sessionId, prompt: text("[[say Hello there.]]") });
  check("a prompt is answered", done.stopReason === "end_turn" && said("agent_message_chunk") === "Hello there.", updates);
  await until("available_commands_update");

  for (const [answer, exists] of [["reject_once", false], ["allow_once", true]]) {
    forget();
    option = answer;
    const file = `ts-${way}.txt`;
    const prompt = text(`[[tool write_file {"path": "${file}", "content": "new\\n"}]]`);
    done = await agent.request(ask.session.prompt, { sessionId, prompt });
    check(`${answer} is heeded`, questions === 1 && existsSync(`${work}/${file}`) === exists, updates);
  }
  const diffs = of("tool_call_update").flatMap((update) => update.content ?? []).filter((part) => part.type === "diff");
  check("a call ends with its diff", diffs.length === 1 && diffs[0].newText === "new\n", updates);

  forget();
  const running = agent.request(ask.session.prompt, { sessionId, prompt: text("[[stream 400 rate 20]]") });
  await until("agent_message_chunk");
  await agent.notify(ask.session.cancel, { sessionId });
  done = await running;
  const count = updates.length;
  check("a cancelled prompt says so", done.stopReason === "cancelled", done);
  const listed = await agent.request(ask.session.list, {});
  check("nothing of its turn follows", updates.length === count, updates.slice(count));
  check("the session is listed", listed.sessions.some((session) => session.sessionId === sessionId), listed);

  await agent.request(ask.session.setMode, { sessionId, modeId: "plan" });
  await until("current_mode_update");
  await until("config_option_update");
  const set = await agent.request(ask.session.setConfigOption, { sessionId, configId: "mode", value: "ask" });
  check("options come back complete", set.configOptions[0].currentValue === "ask", set);

  await agent.request(ask.session.close, { sessionId });
  forget();
  await agent.request(ask.session.load, { sessionId, cwd: work, mcpServers: [] });
  check("a load shows the conversation", said("user_message_chunk").includes("[[say Hello there.]]"), updates);
  await agent.request(ask.session.close, { sessionId });
  forget();
  await agent.request(ask.session.resume, { sessionId, cwd: work });
  check("a resume shows nothing", of("agent_message_chunk").length === 0, updates);
  done = await agent.request(ask.session.prompt, { sessionId, prompt: text("[[say on]]") });
  check("and the session goes on", said("agent_message_chunk") === "on", updates);
  await agent.request(ask.session.delete, { sessionId });
  const gone = await agent.request(ask.session.load, { sessionId, cwd: work, mcpServers: [] }).catch((error) => error);
  check("what was deleted is not found", gone.code === -32002, gone);
}

const app = acp
  .client({ name: "wharf-peer" })
  .onNotification(told.session.update, ({ params }) => {
    updates.push(params.update);
    for (const at of waiting.keys()) if (waiting[at]?.kind === params.update.sessionUpdate) waiting.splice(at, 1)[0].done();
  })
  .onRequest(told.session.requestPermission, () => {
    questions += 1;
    return { outcome: { outcome: "selected", optionId: option } };
  })
  .onRequest(told.fs.readTextFile, ({ params }) => ({ content: buffers.get(params.path) ?? readFileSync(params.path, "utf8") }))
  .onRequest(told.fs.writeTextFile, ({ params }) => {
    buffers.set(params.path, params.content);
    return {};
  })
  .onRequest(told.terminal.create, ({ params }) => open(params))
  .onRequest(told.terminal.output, ({ params }) => ({ output: terminals.get(params.terminalId).output, truncated: false }))
  .onRequest(told.terminal.waitForExit, ({ params }) => terminals.get(params.terminalId).exit)
  .onRequest(told.terminal.kill, ({ params }) => {
    terminals.get(params.terminalId).child.kill("SIGKILL");
    return {};
  })
  .onRequest(told.terminal.release, ({ params }) => {
    released.push(terminals.get(params.terminalId));
    terminals.delete(params.terminalId);
    return {};
  });
for (const part of [scenario, tools]) {
  const { stream, child } = connect();
  forget();
  await app.connectWith(stream, part);
  if (child) {
    child.stdin.end();
    const code = await new Promise((done) => (child.exitCode === null ? child.on("exit", done) : done(child.exitCode)));
    check("the agent ends with its input", code === 0, code);
  }
}
process.exit(0);
