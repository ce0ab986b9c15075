// One ward's board: who is on the way, live.
//
// The list is the truth and is read again after every notice, and at an interval, so that what is
// shown never depends on having heard every notice. A list that could not be read for OLD_AFTER_MS
// is said to be old, in so many words: a board that looks well and is not would keep a ward from
// phoning.

import { TEXTS } from "/pages/texts.js";

const READ_EVERY_MS = 15_000;
const OLD_AFTER_MS = 40_000;
const READ_WITHIN_MS = 10_000;
const NEW_FOR_MS = 120_000;
const READ_PAUSE_MS = 250;

const ward = location.pathname.replace(/^\/wards\//, "");
const element = (id) => document.getElementById(id);
const keyOf = (patient) => `${patient.visit.source}/${patient.visit.visit}`;

let language = new URLSearchParams(location.search).get("lang") ?? navigator.language.slice(0, 2);
let texts = TEXTS[language] ?? TEXTS.sv;
let list = null; // as last read
let readAt = null; // when that was
let refused = null; // why it is not shown: 404 no such ward, 401 who are you, 403 not this ward
let tried = false; // whether reading has ended once, well or not
let reading = false; // also for a moment after
let askedAgain = false;
let shown = null; // what the cards say
const cameAt = new Map(); // key of a patient -> when this board first saw them

const clock = (moment, withSeconds) =>
  moment.toLocaleTimeString(texts === TEXTS.en ? "en-GB" : "sv-SE", {
    hour: "2-digit",
    minute: "2-digit",
    ...(withSeconds && { second: "2-digit" }),
  });

function when(text) {
  const moment = new Date(text);
  const day = moment.toLocaleDateString(texts === TEXTS.en ? "en-GB" : "sv-SE", {
    day: "numeric",
    month: "short",
  });
  return moment.toDateString() === new Date().toDateString()
    ? clock(moment)
    : `${day} ${clock(moment)}`;
}

async function read() {
  const answer = await fetch(`/v1/wards/${ward}/inbound`, {
    cache: "no-store",
    signal: AbortSignal.timeout(READ_WITHIN_MS),
  });
  refused = [401, 403, 404].includes(answer.status) ? answer.status : null;
  if (refused) forget();
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  note(await answer.json());
}

// One reading at a time. However often it is asked for meanwhile, one more begins after it, a moment later: a
// hundred notices at once are one change of the list.
function refresh() {
  if (reading) {
    askedAgain = true;
    return;
  }
  reading = true;
  read().catch(() => {}).finally(() => {
    tried = true;
    show();
    setTimeout(settle, READ_PAUSE_MS);
  });
}

function settle() {
  reading = false;
  if (!askedAgain) return;
  askedAgain = false;
  refresh();
}

// Who may no longer see the list does not go on seeing it.
function forget() {
  list = readAt = shown = null;
  cameAt.clear();
  element("patients").replaceChildren();
  element("count").textContent = "";
  element("leaving").hidden = true;
  element("places").hidden = true;
}

function note(found) {
  const now = Date.now();
  const keys = new Set(found.patients.map(keyOf));
  const came = [...keys].filter((key) => !cameAt.has(key));
  const left = [...cameAt.keys()].filter((key) => !keys.has(key));
  for (const key of came) cameAt.set(key, list === null ? 0 : now);
  for (const key of left) cameAt.delete(key);
  if (list !== null && came.length) element("news").textContent = texts.came;
  else if (left.length) element("news").textContent = texts.left;
  list = found;
  readAt = now;
}

async function signIn(event) {
  event.preventDefault();
  const problem = document.querySelector("#sign-in [role=alert]");
  problem.textContent = "";
  const token = element("token").value;
  element("token").value = "";
  const answer = await fetch("/v1/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ token }),
  }).catch(() => null);
  if (answer?.ok) return location.reload();
  problem.textContent = answer ? texts.notIn : texts.never;
}

function show() {
  document.documentElement.lang = texts === TEXTS.en ? "en" : "sv";
  element("language").textContent = texts.other;
  document.querySelector("#sign-in label").textContent = texts.token;
  document.querySelector("#sign-in button").textContent = texts.signIn;
  element("ward").textContent = list?.name ?? list?.ward ?? decodeURIComponent(ward);
  document.title = list ? `${texts.count(list.patients.length)}, ${list.name ?? list.ward}` : ward;
  showState();
  if (list === null) return;
  element("count").textContent = texts.count(list.patients.length);
  element("nobody").textContent = texts.nobody;
  element("nobody").hidden = list.patients.length > 0;
  const leaving = list.planned_discharges ?? [];
  element("leaving").hidden = leaving.length === 0; // none known is not none planned
  element("leaving").textContent = texts.leaving(leaving.length, leaving.map(when).join(", "));
  showPlaces(list.occupancy);
  showPatients();
}

// How many are free; overcrowded is said in words, and so is what is not known.
function showPlaces(occupancy) {
  element("places").hidden = !occupancy;
  if (!occupancy) return;
  const { free, places, occupied } = occupancy;
  element("places").classList.toggle("is-short", free !== null && free < 0);
  const told = occupied === null ? [] : [texts.occupied(occupied), ...lessThose(occupancy)];
  element("places").textContent = [texts.free(free, places), ...told].join(" · ");
}

function lessThose({ on_leave, leaving_today, told_at }) {
  const parts = [on_leave && texts.ofOnLeave(on_leave), leaving_today && texts.leavingToday(leaving_today)];
  return [...parts.filter(Boolean), texts.toldAt(when(told_at))];
}

const isNew = (patient) => Date.now() - cameAt.get(keyOf(patient)) < NEW_FOR_MS;

// Only where something is different: a tap that ends on another button than it began on is lost.
function showPatients() {
  const looks = [document.documentElement.lang, new Date().toDateString(), list.may_acknowledge];
  const now = JSON.stringify([looks, list.patients, list.patients.map(isNew)]);
  if (now === shown) return;
  shown = now;
  const focused = document.activeElement?.dataset?.visit;
  element("patients").replaceChildren(...list.patients.map(card));
  const again = [...document.querySelectorAll("#patients button")];
  if (focused) again.find((button) => button.dataset.visit === focused)?.focus();
}

function showState() {
  if (!tried) return;
  const isOld = readAt === null || Date.now() - readAt > OLD_AFTER_MS;
  const refusals = { 403: texts.notHere, 404: texts.noWard };
  const alarm =
    refusals[refused] ?? (readAt === null ? texts.never : texts.lost(clock(new Date(readAt), true)));
  document.body.classList.toggle("is-old", isOld);
  element("sign-in").hidden = refused !== 401 && refused !== 403;
  element("alarm").hidden = !isOld || refused === 401;
  if (isOld && element("alarm").textContent !== alarm) element("alarm").textContent = alarm;
  element("state").textContent = isOld ? "" : texts.live(clock(new Date(readAt), true));
}

function card(patient) {
  const item = document.createElement("li");
  item.classList.toggle("is-new", isNew(patient));
  const place = [patient.room, patient.bed].filter(Boolean).join(" ");
  const facts = [
    ...who(patient.patient),
    [texts.expected, patient.expected_at ? when(patient.expected_at) : texts.unknown],
    [texts.place, place || texts.anyPlace],
    [texts.waiting, when(patient.announced_at)],
    ...besides(patient.details ?? {}),
    [texts.visit, patient.visit.visit],
  ];
  const details = document.createElement("dl");
  details.append(...facts.map(fact));
  if (patient.protected) item.append(marked(texts.protected, "is-protected")); // before any name
  item.append(details);
  item.append(...acknowledgement(patient));
  return item;
}

// What identified fields tell. Most numbers say when somebody was born; of others it is told.
function who(person) {
  if (!person) return [];
  const { family, given, number, kind, assigner, born, sex } = person;
  const saysBirth = kind === "personnummer" || kind === "samordningsnummer";
  const facts = [
    [texts.name, [family, given].filter(Boolean).join(", "), "wide"],
    [texts.numbers[kind] ?? texts.number(assigner), saysBirth ? dashed(number) : number],
    [texts.born, !saysBirth && born],
    [texts.sex, texts.sexes[sex]],
  ];
  return facts.filter(([, value]) => value);
}

const dashed = (number) => `${number.slice(0, -4)}-${number.slice(-4)}`;

// What operational fields tell; what is not known is not shown.
function besides(details) {
  const from = [details.from_name ?? details.from_ward, details.from_hospital];
  const facts = [
    [texts.from, from.filter(Boolean).join(", "), "wide"],
    [texts.onLeave, details.on_leave && "✓"],
    [texts.leaves, details.planned_discharge_at && when(details.planned_discharge_at)],
  ];
  return facts.filter(([, value]) => value);
}

function acknowledgement(patient) {
  const said = patient.acknowledged;
  const parts = [];
  if (said) {
    const text = said.is_current ? texts.acknowledged(when(said.at), said.by) : texts.changedSince(when(said.at));
    parts.push(marked(text));
  }
  if (list.may_acknowledge && !said?.is_current) parts.push(acknowledgeButton(patient));
  return parts;
}

function acknowledgeButton(patient) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = texts.acknowledge;
  button.setAttribute("aria-label", texts.acknowledgeThis(patient.visit.visit));
  button.dataset.visit = keyOf(patient);
  button.addEventListener("click", () => acknowledge(patient, button));
  return button;
}

async function acknowledge(patient, button) {
  button.disabled = true;
  const path = `/v1/wards/${ward}/inbound/${patient.designation}/acknowledgement`;
  const answer = await fetch(path, {
    method: "POST",
    signal: AbortSignal.timeout(READ_WITHIN_MS),
  }).catch(() => null);
  element("news").textContent = answer?.ok ? "" : texts.notTaken;
  if (!answer?.ok && button.nextSibling === null) button.after(marked(texts.notTaken));
  button.disabled = false;
  if (answer?.ok || answer?.status === 404) refresh(); // 404: something changed meanwhile
}

function fact([name, value, width = ""]) {
  const pair = document.createElement("div");
  pair.className = width;
  const [term, description] = [document.createElement("dt"), document.createElement("dd")];
  term.textContent = name;
  description.textContent = value;
  pair.append(term, description);
  return pair;
}

function marked(text, kind = "") {
  const mark = document.createElement("strong");
  mark.className = kind;
  mark.textContent = text;
  return mark;
}

function listen() {
  const stream = new EventSource(`/v1/wards/${ward}/stream`);
  stream.addEventListener("open", refresh); // also after a pause: what was missed is in the list
  stream.addEventListener("message", refresh);
  stream.addEventListener("reset", refresh);
  stream.addEventListener("acknowledged", refresh);
  stream.addEventListener("occupancy", refresh);
  stream.addEventListener("error", () => {
    // A refusal ends an EventSource for good; a lost connection it restores by itself.
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, READ_EVERY_MS);
  });
}

element("language").addEventListener("click", () => {
  texts = texts === TEXTS.en ? TEXTS.sv : TEXTS.en;
  show();
});
element("sign-in").addEventListener("submit", signIn);
setInterval(refresh, READ_EVERY_MS);
setInterval(showState, 1_000);
show();
refresh();
listen();
