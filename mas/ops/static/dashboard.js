// Keeps the page fresh: asks for the state every two seconds and shows it as the server first did.
// Whatever comes in is put in as text, never as markup.
"use strict";

const EVERY = 2000; // ms
let answered = Date.now();

function made(name, text, mood) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (mood !== undefined) element.dataset.mood = mood;
  return element;
}

function fact(each) {
  const element = made("div", undefined, each.mood);
  element.className = "fact";
  element.append(made("h2", each.label), made("p", each.text), made("small", each.note));
  return element;
}

function row(each, head) {
  const element = made("tr", undefined, each.mood);
  each.cells.forEach((text, place) => {
    const cell = made("td", text);
    cell.dataset.label = head[place];
    if (place === 0) cell.dataset.depth = Math.min(each.depth, 6);
    element.append(cell);
  });
  return element;
}

function table(each) {
  const section = made("section");
  section.className = "table";
  section.dataset.key = each.key;
  const head = made("tr"), inner = made("table"), top = made("thead"), body = made("tbody");
  head.append(...each.head.map((text) => made("th", text)));
  top.append(head);
  body.append(...each.rows.map((line) => row(line, each.head)));
  inner.append(top, body);
  section.append(made("h2", each.title), inner, made("small", each.note));
  return section;
}

function show(board) {
  const at = (id) => document.getElementById(id);
  at("title").textContent = board.title;
  at("about").textContent = board.about;
  at("state").textContent = board.ready ? "ready" : "not ready";
  at("state").dataset.mood = board.ready ? "good" : "bad";
  at("troubles").hidden = board.troubles.length === 0;
  at("troubles").replaceChildren(...board.troubles.map((text) => made("li", text)));
  at("facts").replaceChildren(...board.facts.map(fact));
  at("tables").replaceChildren(...board.tables.map(table));
  at("fresh").textContent = "as of " + new Date(board.at * 1000).toLocaleTimeString();
}

function stale(why) {
  const element = document.getElementById("stale");
  element.hidden = why === "";
  element.textContent = why;
  document.body.classList.toggle("old", why !== "");
}

async function refresh() {
  if (!document.hidden && getSelection().isCollapsed) {
    try {
      const answer = await fetch(location.origin + "/api/state", { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (!answer.ok) throw new Error("status " + answer.status);
      show(await answer.json());
      answered = Date.now();
      stale("");
    } catch (error) {
      const seconds = Math.round((Date.now() - answered) / 1000);
      stale("No answer for " + seconds + " s: what you see is how it was then. (" + error.message + ")");
    }
  }
  setTimeout(refresh, EVERY);
}

setTimeout(refresh, EVERY);
