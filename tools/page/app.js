// The live page: draws what the server sends over one WebSocket, and nothing else. All text is put in
// as text, never as markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const BATCHES_SHOWN = 60;
const RATE_SECONDS = 120;
const HOUR = 3600000;
const DASH = "\u2013";

const state = { sort: { triggers: ["total_ms", -1] }, view: null, paused: false, rate: [], pause: 500 };

const at = (id) => document.getElementById(id);

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// Long names break behind these, and in mid-word only where nothing else is left.
const breakable = (text) => String(text).split(/(?<=[._/])/).flatMap((part, n) => (n > 0 ? [make("wbr"), part] : [part]));

function setText(id, text) {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
}

// --- figures as text --------------------------------------------------------------------------

const known = (value) => value !== null && value !== undefined;

function number(value) {
  if (!known(value)) return DASH;
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return value.toLocaleString("en", { maximumSignificantDigits: 4 });
}

function duration(ms) {
  if (!known(ms)) return DASH;
  if (ms >= 60000) return number(ms / 60000) + " min";
  if (ms >= 1000) return number(ms / 1000) + " s";
  if (ms >= 1 || ms === 0) return number(ms) + " ms";
  return number(ms * 1000) + " \u00b5s";
}

function bytes(value) {
  if (!known(value)) return DASH;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  while (value >= 1024 && place < units.length - 1) { value /= 1024; place += 1; }
  return number(place === 0 ? value : Math.round(value * 10) / 10) + " " + units[place];
}

const share = (value) => (known(value) ? number(Math.round(value * 10000) / 100) + " %" : DASH);
const yes = (value) => (known(value) ? (value ? "yes" : "no") : DASH);
const clock = (text) => (text ? new Date(text).toLocaleTimeString() : DASH);
const hour = (text) => new Date(text).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
// Entries that are not the server's own figures of a trigger say so.
const VIEWS = { host: " (told)", bracket: " (bracket)" };
const marked = (one) => (VIEWS[one.measured] && one.trigger ? { ...one, trigger: one.trigger + VIEWS[one.measured] } : one);
const nameOf = (one) => `${one.table} ${one.trigger || one.function}`;
const labels = (all) => Object.entries(all || {}).map(([key, value]) => key + "=" + value).join(", ");

// --- tables -----------------------------------------------------------------------------------

const COLUMNS = {
  triggers: [
    ["table", "table"], ["trigger", "trigger"], ["function", "function"],
    ["executions", "executions", number], ["total_ms", "time", duration], ["mean_ms", "mean", duration],
    ["p50_ms", "p50", duration], ["p95_ms", "p95", duration], ["p99_ms", "p99", duration],
    ["max_ms", "max", duration], ["errors", "errors", number], ["error_rate", "error rate", share],
    ["no_op_share", "nothing to do", share], ["shared_by", "shared by", number],
  ],
  consumers: [["name", "name"], ["source", "source"], ["lag_seconds", "lag", (s) => duration(known(s) ? s * 1000 : null)],
    ["lag_bytes", "bytes", bytes], ["connected", "at work", yes]],
  slots: [["slot", "slot"], ["consumer", "consumer"], ["retained_bytes", "kept log", bytes], ["active", "read", yes],
    ["wal_status", "state"]],
  kpis: [["target", "target"], ["source", "source"], ["mode", "mode"], ["granularity", "triggers"], ["state", "state"],
    ["fix", "what to do"]],
  series: [["name", "name"], ["labels", "labels", labels], ["kind", "kind"], ["count", "count", number],
    ["value", "value", number], ["p50", "p50", (s) => duration(known(s) ? s * 1000 : null)],
    ["p95", "p95", (s) => duration(known(s) ? s * 1000 : null)], ["p99", "p99", (s) => duration(known(s) ? s * 1000 : null)]],
};

const isNumeric = ([name, , format]) => format !== undefined && format !== labels && format !== yes && name !== "connected";

function compare(a, b, name, way) {
  const [x, y] = [a[name], b[name]];
  if (!known(x) || !known(y)) return known(x) ? -1 : known(y) ? 1 : 0;
  if (typeof x === "number" && typeof y === "number") return (x - y) * way;
  return String(x).localeCompare(String(y)) * way;
}

function headOf(id) {
  const row = make("tr");
  for (const column of COLUMNS[id]) {
    const head = make("th", { scope: "col", class: isNumeric(column) ? "n" : "" });
    const [name, way] = state.sort[id] || [];
    if (name === column[0]) head.setAttribute("aria-sort", way < 0 ? "descending" : "ascending");
    const button = make("button", { type: "button", "data-sort": column[0] }, column[1]);
    button.addEventListener("click", () => {
      const again = state.sort[id] && state.sort[id][0] === column[0];
      state.sort[id] = [column[0], again ? -state.sort[id][1] : isNumeric(column) ? -1 : 1];
      table(id, state.rows[id]);
      at(id).querySelector('[data-sort="' + column[0] + '"]').focus();
    });
    head.append(button);
    row.append(head);
  }
  return row;
}

const WRAPPED = { labels: "wide", fix: "wide", table: "name", trigger: "name", function: "name", name: "name", consumer: "name", slot: "name" };

function rowOf(id, entry) {
  const row = make("tr", entry.enabled === false ? { class: "off", title: "disabled" } : {});
  for (const column of COLUMNS[id]) {
    const [name, , format] = column;
    const value = entry[name];
    const text = format ? format(value) : known(value) ? String(value) : DASH;
    const cell = make("td", { class: isNumeric(column) ? "n" : WRAPPED[name] || "", "data-name": name });
    if (typeof value === "number") cell.setAttribute("data-value", String(value));
    cell.append(...(isNumeric(column) ? [text] : breakable(text)));
    row.append(cell);
  }
  return row;
}

state.rows = {};

function table(id, rows) {
  state.rows[id] = rows || [];
  const [name, way] = state.sort[id] || [];
  const sorted = name ? [...state.rows[id]].sort((a, b) => compare(a, b, name, way)) : state.rows[id];
  const element = at(id);
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.sort : null;
  element.tHead.replaceChildren(headOf(id));
  const body = sorted.map((entry) => rowOf(id, entry));
  if (body.length === 0) {
    body.push(make("tr", {}, make("td", { class: "quiet", colspan: String(COLUMNS[id].length) }, "none")));
  }
  element.tBodies[0].replaceChildren(...body);
  if (focused) element.querySelector('[data-sort="' + focused + '"]').focus();
}

// --- charts -----------------------------------------------------------------------------------

const HIGH = 190, LEFT = 70, BOTTOM = 22;
let WIDE = 600; // of the chart that is being drawn

// Drawn at the width that it has on the screen, so that letters keep their size.
function frame(id, title, top, format, high = HIGH) {
  WIDE = Math.max(at(id).clientWidth, 280);
  const svg = draw("svg", { viewBox: `0 0 ${WIDE} ${high}`, role: "img", "aria-label": title });
  svg.append(draw("title", {}, title));
  for (const part of [0, 0.5, 1]) {
    const y = 8 + (high - BOTTOM - 8) * (1 - part);
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: WIDE, y1: y, y2: y }));
    svg.append(draw("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, format(top * part)));
  }
  return svg;
}

const place = (time, from, until) => LEFT + ((time - from) / Math.max(until - from, 1)) * (WIDE - LEFT);
const level = (value, top, high = HIGH) => 8 + (high - BOTTOM - 8) * (1 - value / top);

function span(view) {
  return [Date.parse(view.since), Math.max(Date.parse(view.until), Date.parse(view.since) + 3600000)];
}

function hoursAxis(svg, from, until) {
  const steps = WIDE < 420 ? 2 : 4;
  for (let n = 0; n <= steps; n += 1) {
    const time = from + ((until - from) * n) / steps;
    svg.append(draw("text", { x: place(time, from, until), y: HIGH - 6, "text-anchor": n === steps ? "end" : n === 0 ? "start" : "middle" },
      hour(time)));
  }
}

function asTable(head, rows) {
  const body = make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell)))));
  const all = make("table", {}, make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), body);
  return make("details", {}, make("summary", {}, "as a table"), make("div", { class: "scroll" }, all));
}

function fill(id, ...parts) {
  const open = at(id).querySelector("details[open]") !== null;
  at(id).replaceChildren(...parts);
  if (open && at(id).querySelector("details")) at(id).querySelector("details").open = true;
}

function drawHours(view) {
  const hours = view.hours.filter((one) => known(one.total_ms));
  if (hours.length === 0) return fill("c-hours", make("p", { class: "quiet" }, "nothing was measured in this time"));
  const [from, now] = span(view);
  const until = Math.ceil(now / HOUR) * HOUR; // the hour under way is as wide as the others
  const top = Math.max(...hours.map((one) => one.total_ms), 0.001);
  const svg = frame("c-hours", "Time in triggers by hour, at most " + duration(top), top, duration);
  const wide = Math.max(((WIDE - LEFT) * HOUR) / Math.max(until - from, HOUR) - 2, 2);
  for (const one of hours) {
    const y = level(one.total_ms, top);
    const bar = draw("rect", { class: "bar", x: place(Date.parse(one.at), from, until) + 1, y,
      width: wide, height: Math.max(HIGH - BOTTOM - y, 1), "data-ms": one.total_ms });
    bar.append(draw("title", {}, `${hour(one.at)}: ${duration(one.total_ms)}, ${number(one.executions)} executions`));
    svg.append(bar);
  }
  hoursAxis(svg, from, until);
  fill("c-hours", svg, asTable(["hour", "time", "executions", "errors"],
    hours.map((one) => [hour(one.at), duration(one.total_ms), number(one.executions), number(one.errors)])));
}

// Pieces of a curve: an hour that was not measured ends one.
function pieces(points) {
  const found = [];
  points.forEach((point, i) => {
    const joins = i > 0 && Date.parse(point.at) - Date.parse(points[i - 1].at) <= HOUR;
    if (!joins) found.push([]);
    found[found.length - 1].push(point);
  });
  return found;
}

function drawCurves(view) {
  const curves = view.curves.filter((one) => one.points.length > 0);
  if (curves.length === 0) {
    return fill("c-curves", make("p", { class: "quiet" }, "no executions were sampled in this time"));
  }
  const [from, until] = span(view);
  const top = Math.max(...curves.flatMap((one) => one.points.map((point) => point.p95_ms)), 0.0001);
  const svg = frame("c-curves", "95th percentile of " + curves.length + " triggers by hour, at most " + duration(top), top, duration);
  const legend = make("ul", { class: "legend" });
  curves.forEach((one, n) => {
    const spot = (point) => [place(Math.min(Date.parse(point.at) + HOUR / 2, until), from, until), level(point.p95_ms, top)];
    for (const piece of pieces(one.points)) {
      svg.append(draw("polyline", { class: "curve k" + n, points: piece.map((point) => spot(point).join(",")).join(" ") }));
    }
    for (const point of one.points) {
      const [x, y] = spot(point);
      const dot = draw("circle", { class: "k" + n, cx: x, cy: y, r: 3 });
      dot.append(draw("title", {}, `${nameOf(one)}: ${duration(point.p95_ms)}`));
      svg.append(dot);
    }
    legend.append(make("li", { class: "k" + n }, make("b", {}, nameOf(one))));
  });
  hoursAxis(svg, from, until);
  fill("c-curves", svg, legend, asTable(["trigger", "hour", "p95"],
    curves.flatMap((one) => one.points.map((point) => [`${nameOf(one)}`, hour(point.at), duration(point.p95_ms)]))));
}

function drawRate() {
  const now = Math.floor(Date.now() / 1000);
  state.rate = state.rate.filter(([second]) => second > now - RATE_SECONDS);
  const high = 90;
  const top = Math.max(5, ...state.rate.map(([, keys]) => keys));
  const sum = state.rate.reduce((all, [, keys]) => all + keys, 0);
  const svg = frame("c-rate", `Keys delivered in the last two minutes: ${sum}`, top, (value) => number(Math.round(value)) + " keys", high);
  for (const [second, keys] of state.rate) {
    const x = place(second, now - RATE_SECONDS, now);
    const y = level(keys, top, high);
    svg.append(draw("rect", { class: "bar", x: x - 4, y, width: 3.5, height: Math.max(high - BOTTOM - y, 1) }));
  }
  svg.append(draw("text", { x: LEFT, y: high - 6 }, "two minutes ago"));
  svg.append(draw("text", { x: WIDE, y: high - 6, "text-anchor": "end" }, "now"));
  at("c-rate").replaceChildren(svg);
}

// --- the view ---------------------------------------------------------------------------------

function newestAlerts(alerts) {
  const seen = new Set();
  return alerts.filter((one) => {
    const key = JSON.stringify([one.rule, one.subject, one.labels]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function drawTiles(view) {
  const lags = view.delivery.consumers.map((one) => one.lag_seconds).filter(known);
  const active = newestAlerts(view.alerts).filter((one) => one.level !== "ok");
  const { executions, total_ms: total, errors } = view.totals;
  setText("t-executions", number(executions));
  setText("t-time", duration(total));
  setText("t-mean", duration(known(total) && executions > 0 ? total / executions : null));
  setText("t-errors", number(errors));
  setText("t-outbox", bytes(view.delivery.outbox_bytes));
  setText("t-lag", lags.length > 0 ? duration(Math.max(...lags) * 1000) : DASH);
  setText("t-alerts", number(active.length));
  setText("t-members", number(view.members));
}

function list(id, items) {
  at(id).replaceChildren(...(items.length > 0 ? items : [make("li", { class: "quiet" }, "none")]));
}

function drawAlerts(view) {
  list("alerts", newestAlerts(view.alerts).map((one) => make("li", { class: one.level },
    make("time", { datetime: one.at }, clock(one.at)), make("b", {}, one.level + " "), ...breakable(one.message))));
}

function drawErrors(view) {
  list("errors", view.errors.map((one) => make("li", {}, make("time", { datetime: one.at }, clock(one.at)),
    make("code", {}, ...breakable([one.table, one.trigger, one.operation].filter(known).join(" "))),
    " ", ...breakable(one.message || one.sqlstate))));
}

function drawView(view) {
  setText("database", view.database.name || "");
  setText("at", clock(view.generated_at));
  at("at").setAttribute("datetime", view.generated_at);
  document.title = "trigperf " + (view.database.name || "");
  const hint = view.database.track_functions === "none" ? view.database.track_functions_hint : null;
  at("more").hidden = view.triggers.length >= view.totals.triggers && !hint;
  setText("more", (hint ? "Times are not measured: " + hint + ". " : "") + (view.triggers.length < view.totals.triggers
    ? `The ${view.triggers.length} that took most time, of ${view.totals.triggers}.` : ""));
  drawTiles(view);
  drawHours(view);
  drawCurves(view);
  drawAlerts(view);
  drawErrors(view);
  table("triggers", view.triggers.map(marked));
  table("consumers", view.delivery.consumers);
  table("slots", view.delivery.slots);
  table("kpis", view.kpis);
  table("series", view.series);
}

function pill(text, kind) {
  setText("state", text);
  at("state").className = "pill " + kind;
}

function notice(text) {
  at("notice").hidden = !text;
  setText("notice", text || "");
}

function onView(view) {
  pill(view.up ? "live" : "database lost", view.up ? "good" : "bad");
  notice(view.up ? "" : "The database does not answer: " + view.reason);
  if (view.up) {
    state.view = view;
    drawView(view);
  }
  document.body.dataset.views = String(Number(document.body.dataset.views || 0) + 1);
}

// --- batches ----------------------------------------------------------------------------------

function resyncOf(batch) {
  const tables = (batch.resync || []).map((one) => one.table);
  if (tables.length === 0) return "";
  return "resync of " + (tables.includes("*") ? "everything" : tables.join(", ")) + " ";
}

function onBatch(batch) {
  const keys = batch.keys || [];
  const count = known(batch.key_count) ? batch.key_count : keys.length;
  const second = Math.floor(Date.now() / 1000);
  const last = state.rate[state.rate.length - 1];
  if (last && last[0] === second) last[1] += count; else state.rate.push([second, count]);
  if (state.paused) return;
  const shown = keys.slice(0, 12).map((key) => (typeof key === "string" ? key : JSON.stringify(key))).join("  ");
  const what = resyncOf(batch);
  at("batches").prepend(make("li", { class: "fresh" }, make("time", {}, clock(new Date().toISOString())),
    make("span", { class: "size" }, count === 1 ? "1 key" : count + " keys"), what, make("code", {}, shown + (count > 12 ? " \u2026" : ""))));
  while (at("batches").childElementCount > BATCHES_SHOWN) at("batches").lastElementChild.remove();
}

const HANDLERS = {
  view: onView,
  batch: (message) => onBatch(message.batch),
  stream: (message) => setText("stream", message.ready ? "following" : "not following: " + message.message),
  missed: (message) => setText("stream", `this browser was too slow for ${message.count} messages`),
};

// --- the connection ---------------------------------------------------------------------------

function connect() {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/live" + location.search, "trigperf");
  socket.addEventListener("open", () => { state.pause = 500; });
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (HANDLERS[message.type]) HANDLERS[message.type](message);
  });
  socket.addEventListener("close", () => {
    pill("connecting again", "wait");
    setTimeout(connect, state.pause);
    state.pause = Math.min(state.pause * 2, 10000);
  });
}

at("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  at("pause").setAttribute("aria-pressed", String(state.paused));
  at("pause").textContent = state.paused ? "go on" : "pause";
});

for (const id of ["l-metrics", "l-report"]) at(id).href += location.search;
for (const id of Object.keys(COLUMNS)) table(id, []);
addEventListener("resize", () => { if (state.view) { drawHours(state.view); drawCurves(state.view); } drawRate(); });
setInterval(drawRate, 1000);
drawRate();
connect();
