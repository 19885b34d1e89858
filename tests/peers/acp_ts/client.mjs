// A client made with the SDK: `node client.mjs stdio|websocket ADDRESS DIRECTORY`. One line a check.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
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

const { stream, child } = connect();
const app = acp
  .client({ name: "wharf-peer" })
  .onNotification(told.session.update, ({ params }) => {
    updates.push(params.update);
    for (const at of waiting.keys()) if (waiting[at]?.kind === params.update.sessionUpdate) waiting.splice(at, 1)[0].done();
  })
  .onRequest(told.session.requestPermission, () => {
    questions += 1;
    return { outcome: { outcome: "selected", optionId: option } };
  });
await app.connectWith(stream, scenario);
if (child) {
  child.stdin.end();
  const code = await new Promise((done) => (child.exitCode === null ? child.on("exit", done) : done(child.exitCode)));
  check("the agent ends with its input", code === 0, code);
}
process.exit(0);
