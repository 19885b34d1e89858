// Shows /openapi.json and tries its operations. Everything shown is set as text, never as markup.
"use strict";

const byId = (id) => document.getElementById(id);
let api = null;

function make(tag, text, attributes) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  return element;
}

function say(text) {
  byId("state").textContent = text;
}

async function load(event) {
  event?.preventDefault();
  say("Loading…");
  try {
    const answer = await fetch("/openapi.json", { headers: access() });
    const body = await answer.json();
    if (answer.status === 401 && !event) {
      say("Enter a key to load the document.");
      return;
    }
    if (!answer.ok) throw new Error(body.error || String(answer.status));
    api = body;
    show();
    say(`Version ${api.info.version}`);
  } catch (error) {
    say(`Could not load the document: ${error.message}`);
  }
}

function access() {
  const key = byId("key").value.trim();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function show() {
  const tags = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0];
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push({ path, method, operation });
    }
  }
  const contents = byId("contents");
  const operations = byId("operations");
  contents.replaceChildren();
  operations.replaceChildren();
  for (const [tag, list] of tags) {
    contents.append(make("h2", tag));
    operations.append(make("h2", tag));
    for (const entry of list) {
      const { id, element } = describe(entry);
      const link = make("a", `${entry.method.toUpperCase()} ${entry.path}`, { href: `#${id}` });
      link.addEventListener("click", () => { element.open = true; });
      contents.append(link);
      operations.append(element);
    }
  }
}

function describe({ path, method, operation }) {
  const id = operation.operationId;
  const element = make("details", undefined, { id });
  const summary = make("summary");
  summary.append(make("span", method.toUpperCase(), { class: "method" }), make("code", path), ` ${operation.summary}`);
  const body = make("div");
  element.append(summary, body);
  // Filled when first opened: the document is long.
  element.addEventListener("toggle", () => {
    if (element.open && !body.hasChildNodes()) fill(body, path, method, operation);
  });
  return { id, element };
}

function fill(body, path, method, operation) {
  if (operation.description) body.append(make("p", operation.description));
  if (operation["x-scope"]) body.append(make("p", `Scope: ${operation["x-scope"]}`));
  const inputs = parameters(body, operation);
  let text = null;
  if (operation.requestBody) {
    const schema = operation.requestBody.content["application/json"].schema;
    body.append(make("h3", "Body"), make("pre", JSON.stringify(resolve(schema), null, 2)));
    text = make("textarea", undefined, { "aria-label": "Body to send", spellcheck: "false" });
    text.value = operation.requestBody.required ? "{}" : "";
    body.append(text);
  }
  body.append(make("h3", "Answers"), answers(operation));
  const result = make("pre");
  const button = make("button", "Try it", { type: "button" });
  button.addEventListener("click", () => attempt(path, method, inputs, text, result));
  body.append(button, result);
}

function parameters(body, operation) {
  const inputs = [];
  if (!operation.parameters.length) return inputs;
  const table = make("table");
  for (const parameter of operation.parameters) {
    const row = make("tr");
    const input = make("input", undefined, { "aria-label": parameter.name });
    const cell = make("td");
    cell.append(input);
    const label = `${parameter.name} (${parameter.in}${parameter.required ? ", required" : ""})`;
    row.append(make("th", label, { scope: "row" }), cell, make("td", parameter.description || ""));
    table.append(row);
    inputs.push({ parameter, input });
  }
  body.append(make("h3", "Parameters"), table);
  return inputs;
}

function answers(operation) {
  const list = make("div");
  for (const [status, answer] of Object.entries(operation.responses)) {
    const entry = make("details");
    entry.append(make("summary", `${status} ${answer.description}`));
    for (const [type, content] of Object.entries(answer.content || {})) {
      entry.append(make("p", type), make("pre", JSON.stringify(resolve(content.schema), null, 2)));
    }
    list.append(entry);
  }
  return list;
}

// One level: deeper references stay names, so that a schema fits the screen.
function resolve(schema) {
  const name = schema && schema.$ref && schema.$ref.split("/").pop();
  return name ? api.components.schemas[name] : schema;
}

async function attempt(path, method, inputs, text, result) {
  const headers = access();
  const query = new URLSearchParams();
  let url = path;
  for (const { parameter, input } of inputs) {
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (!input.value) continue;
    else if (parameter.in === "query") query.set(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  if (query.size) url += `?${query}`;
  const request = { method: method.toUpperCase(), headers };
  if (text && text.value.trim()) {
    request.body = text.value;
    headers["Content-Type"] = "application/json";
  }
  result.textContent = "…";
  try {
    const answer = await fetch(url, request);
    result.textContent = `${answer.status} ${answer.headers.get("content-type") || ""}\n\n`;
    await read(answer, result);
  } catch (error) {
    result.textContent = `Failed: ${error.message}`;
  }
}

// Streams are shown as they come; what is shown is bounded.
async function read(answer, result) {
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    result.textContent += decoder.decode(value, { stream: true });
    if (result.textContent.length > 200000) {
      result.textContent += "\n… cut off here";
      await reader.cancel();
      break;
    }
  }
}

byId("access").addEventListener("submit", load);
// A server without authentication needs no key.
load();
